"""All that a study measured, collected from its run folder and judged."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from selfcorrect.motion.measures.metrics import Metric

from ..reporting import verdict
from ..reporting.results import HELD_OUT, MEMORISER, REAL_AGAINST_REAL, ArmCurves
from ..reporting.summary import Summary
from ..reporting.tables import MARKS_LEGEND, format_text, marked_cell
from ..reporting.webpage import Cell, PageRow, Table
from .arms import ArmSettings

S = TypeVar("S")


@dataclass(frozen=True)
class Comparison:
    """Results of a comparison."""

    sentences: Sequence[str]
    """The headline, and a sentence for everything that is missing."""
    summary: Summary
    """All curves and what real data score, as `read_summary` reads them from the run folder."""
    tables: Mapping[str, Table]
    """Those of the report, by their names; `tables/` in the run folder has them as CSV and LaTeX."""
    folder: Path | None
    """The run folder, None where none was kept."""
    gaps: Sequence[str] = ()
    """Missing results: arms that failed, and qualities that were not measured. The same call tries again."""

    overview: Table | None = None
    """Mean of each arm and judged metric at the last generation, marked by how it compares; printed by `str`."""

    def to_frame(self) -> Any:
        """A row per task, arm, seed and generation, as `Summary.to_frame`."""
        return self.summary.to_frame()

    def __str__(self) -> str:
        lines = list(self.sentences)
        if "claims" in self.tables:
            lines += ["", *format_text(self.tables["claims"])]
        if self.overview is not None:
            lines += ["", *format_text(self.overview), "", MARKS_LEGEND]
        return "\n".join(lines)


@dataclass(frozen=True)
class Pair:
    """An arm and the one that it is compared with."""

    task: str
    arm: ArmSettings
    plain: ArmSettings


@dataclass(frozen=True)
class Outcome(Generic[S]):
    """Everything measured, arranged: curves of the arms of every task, and what real data score."""

    settings: S
    """Settings of the study."""
    curves: Mapping[str, Mapping[ArmSettings, ArmCurves]]
    """Task → arm → curves."""
    floors: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    """Scores of real data: title → metric → (S,) values per seed. The first is the level that figures show."""
    floor_of: Mapping[str, str] = field(default_factory=dict)
    """Task → the title of what its real data score, where tasks have real data of their own."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """Tasks in words, where they are not their names; "" for one that needs none."""
    gaps: Sequence[str] = ()
    """Missing results, a sentence each."""
    aims: Mapping[str, float] = field(default_factory=dict)
    """Metric → a number that is the aim in place of the value of real data."""

    @property
    def real(self) -> Mapping[str, np.ndarray]:
        """Metric → (S,) what real data score."""
        return next(iter(self.floors.values()), {})

    @property
    def levels(self) -> dict[str, dict[str, float]]:
        """Mean scores of held-out real data and of a memoriser, by title, which figures draw as lines.

        Several tasks with real data of their own have no common line.
        """
        drawn = (REAL_AGAINST_REAL, HELD_OUT, MEMORISER)
        return {title: _mean_scores(scores) for title, scores in self.floors.items() if title in drawn}

    def aims_of(self, task: str) -> Mapping[str, float]:
        """Return the aim of each metric in a task: the mean score of its real data, or the number that is given."""
        scores = self.floors.get(self.floor_of.get(task, ""), self.real)
        return {**_mean_scores(scores), **self.aims}

    def groups(self) -> Iterator[tuple[str, str, list[ArmSettings]]]:
        """Task, title of a group of arms, the arms; the baseline is in every group."""
        for task, arms in self.curves.items():
            looping = [arm for arm in arms if not arm.is_baseline]
            for group in dict.fromkeys(arm.group for arm in looping or arms):
                members = [arm for arm in arms if arm.is_baseline or arm.group == group]
                yield task, ", ".join(filter(None, (self.titles.get(task, task), group))), members

    def columns(self) -> dict[str, list[ArmCurves]]:
        """The curves of the arms of each group by its title."""
        return {title: [self.curves[task][arm] for arm in arms] for task, title, arms in self.groups()}

    def table(
        self,
        id: str,
        columns: Sequence[str],
        cells: Callable[[ArmSettings, ArmCurves], Sequence[Cell]],
        shown: Callable[[ArmCurves], bool] = lambda curves: True,
    ) -> Table:
        """A table with a row for each arm that is shown, under the title of its group."""
        table = Table(id, "Arm", columns)
        for task, title, arms in self.groups():
            rows = [
                PageRow(arm.title, cells(arm, self.curves[task][arm])) for arm in arms if shown(self.curves[task][arm])
            ]
            table.rows.extend([PageRow(title, [])] * bool(title and rows) + rows)
        return table

    def curves_of(self, pair: Pair) -> tuple[ArmCurves, ArmCurves]:
        """The curves of a pair."""
        return self.curves[pair.task][pair.arm], self.curves[pair.task][pair.plain]

    def effects(self, pairs: Sequence[Pair], metrics: Sequence[Metric]) -> list[list[verdict.Effect]]:
        """Return the effects of each pair in each metric, all judged together."""
        curves = [self.curves_of(pair) for pair in pairs]
        aims = [self.aims_of(pair.task) for pair in pairs]
        effects = verdict.effects(curves, metrics, aims) if pairs else []
        count = len(metrics)
        return [effects[count * index : count * (index + 1)] for index in range(len(pairs))]


@dataclass(frozen=True, eq=False)
class Judged(Generic[S]):
    """An outcome with pairs of arms and what is judged of them."""

    outcome: Outcome[S]
    pairs: Sequence[Pair]
    """Those first that the answer rests on."""
    metrics: Sequence[Metric]
    count: int | None = None
    """Number of pairs that the answer rests on, by default all: they are judged together, all others apart."""

    @property
    def asked(self) -> Sequence[Pair]:
        """The pairs that the answer rests on."""
        return self.pairs[: self.count]

    @cached_property
    def effects(self) -> list[list[verdict.Effect]]:
        """Effects of each pair in each metric."""
        families = [self.asked, self.pairs[len(self.asked) :]]
        return [effects for family in families for effects in self.outcome.effects(family, self.metrics)]

    def overview(self) -> Table:
        """Return means at the last generation by arm and metric, marked by how they compare with the reference."""
        words: dict[tuple[str, ArmSettings, str], str] = {}
        for pair, effects in zip(self.pairs, self.effects, strict=True):
            for effect in effects:
                words[pair.task, pair.arm, effect.metric.key] = effect.word
        table = Table("overview", "Arm", [metric.title for metric in self.metrics])
        for task, arms in self.outcome.curves.items():
            title = self.outcome.titles.get(task, task)
            table.rows.extend([PageRow(title, [])] if title else [])
            for arm, curves in arms.items():
                cells = []
                for metric in self.metrics:
                    word = words.get((task, arm, metric.key), "")
                    cells.append(marked_cell(curves, metric, word))
                table.rows.append(PageRow(arm.label, cells))
        return table

    @property
    def asked_effects(self) -> list[verdict.Effect]:
        """Those that the answer rests on."""
        return [effect for effects in self.effects[: len(self.asked)] for effect in effects]


def _mean_scores(scores: Mapping[str, np.ndarray]) -> dict[str, float]:
    return {key: float(values.mean()) for key, values in scores.items()}
