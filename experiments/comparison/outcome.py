"""What a comparison measured, collected from its run folders and judged."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from selfcorrect.core.errors import SettingError
from selfcorrect.loop.policy import RealOnly
from selfcorrect.loop.run import Plan
from selfcorrect.motion.measures.metrics import Metric
from selfcorrect.storage.files.digests import unsealed
from selfcorrect.storage.runs.folder_store import FolderReader
from selfcorrect.storage.runs.tracking import rows_of

from ..reporting import verdict
from ..reporting.results import ArmCurves, collect
from ..reporting.summary import Summary
from ..reporting.webpage import Table

Direction: TypeAlias = Literal["lower", "higher", "real"]
"""Which way a quality is good; "real" where the value of real data is the aim."""

REAL = "real training data"


@dataclass(frozen=True)
class Comparison:
    """What a comparison found."""

    sentences: Sequence[str]
    """The verdict: a headline, and a sentence for each arm."""
    summary: Summary
    """All curves and what real data score, as `read_summary` reads them from the run folder."""
    tables: Mapping[str, Table]
    """Those of the report, by their names; `tables/` in the run folder has them as CSV and LaTeX."""
    folder: Path | None
    """The run folder, None where none was kept."""
    gaps: Sequence[str] = ()
    """What is missing: arms that failed, and qualities that the judge did not measure. The same call tries again."""

    def to_frame(self) -> Any:
        """A row per task, arm, seed and generation, as `Summary.to_frame`."""
        return self.summary.to_frame()

    def __str__(self) -> str:
        return "\n".join(self.sentences)


@dataclass(frozen=True)
class Arm:
    """An arm: its name, its folder's name, and the plan that the first seed has."""

    title: str
    folder: str
    plan: Plan

    @property
    def is_baseline(self) -> bool:
        """Whether it trains on real data alone."""
        return isinstance(self.plan.policy, RealOnly) and self.plan.correction is None

    @property
    def uncorrected(self) -> Plan:
        """The same plan without correction."""
        return replace(self.plan, correction=None, correct_real=False)


@dataclass(frozen=True)
class Seed:
    """Where the runs of a task and a seed are."""

    task: str
    seed: int
    folder: Path

    @property
    def first(self) -> Path:
        """The run folder of generation 0."""
        return self.folder / "first-generation"

    @property
    def floor(self) -> Path:
        """The file with what real data score."""
        return self.folder / "real.json"

    def arm(self, name: str) -> Path:
        """The run folder of an arm."""
        return self.folder / name


@dataclass(frozen=True)
class Outcome:
    """Everything measured, arranged by task."""

    arms: Sequence[Arm]
    curves: Mapping[str, Mapping[str, ArmCurves]]
    """Task → title of an arm → curves."""
    floors: Mapping[str, Mapping[str, np.ndarray]]
    """Task → metric → (S,) what real data score."""
    unjudged: str
    """Why real data have no scores, "" where they have."""
    metrics: Sequence[Metric]
    """What the judge measures."""
    judged: Sequence[Metric]
    """Those of them that the verdict rests on."""
    seeds: Sequence[int]
    title: str
    command: str
    rows: Sequence[Mapping[str, Any]]
    """One for each task, arm, seed and generation."""
    gaps: Sequence[str]
    """A sentence for each arm that stopped early, and for each quality that the judge did not measure throughout."""

    @property
    def generations(self) -> int:
        return self.arms[0].plan.generations

    @property
    def baseline(self) -> Arm | None:
        """The first arm that trains on real data alone."""
        return next((arm for arm in self.arms if arm.is_baseline), None)

    def reference(self, arm: Arm) -> Arm | None:
        """The arm that another is compared with: the same without correction, else the baseline."""
        if arm.plan.correction is not None:
            for other in self.arms:
                if other.plan == arm.uncorrected:
                    return other
        return None if arm.is_baseline else self.baseline

    def effects(self) -> list[Sequence[verdict.Effect]]:
        """What each arm changed against its reference, all judged together; an entry for each task and arm."""
        pairs = [
            (curves[arm.title], curves[other.title], floor)
            for task, curves in self.curves.items()
            for arm in self.arms
            if (other := self.reference(arm)) is not None
            for floor in [self.floors.get(task, {})]
        ]
        real = {metric.key: float("nan") for metric in self.judged}
        for _, _, floor in pairs:
            real |= {key: float(values.mean()) for key, values in floor.items()}
        judged = verdict.effects([pair[:2] for pair in pairs], self.judged, real) if pairs else []
        count = len(self.judged)
        return [judged[count * index : count * (index + 1)] for index in range(len(pairs))]


def read_outcome(
    seeds: Sequence[Seed],
    arms: Sequence[Arm],
    better: Mapping[str, Direction],
    title: str,
    command: str,
    failed: Mapping[str, Exception],
) -> Outcome:
    """Collect a finished comparison; SettingError for a direction of a quality that was not measured.

    failed: what ended arms early, by the names of their jobs.
    """
    tasks = list(dict.fromkeys(seed.task for seed in seeds))
    rows = [row for seed in seeds for arm in arms for row in _rows(seed, arm)]
    curves = {
        task: {
            arm.title: collect(
                [row for row in rows if (row["task"], row["arm"]) == (task, arm.title)],
                arm.folder,
                task if len(tasks) > 1 else "",
                arm.title,
                arm.plan.generations,
            )
            for arm in arms
        }
        for task in tasks
    }
    metrics = _metrics(seeds[0], curves, better)
    check_measured(better, [each.key for each in metrics])
    scores = {task: [unsealed(seed.floor) for seed in seeds if seed.task == task] for task in tasks}
    missing = next((str(each["missing"]) for every in scores.values() for each in every if "missing" in each), "")
    floors = {} if missing else {task: _stacked([each["scores"] for each in every]) for task, every in scores.items()}
    judged = [metric for metric in metrics if metric.key in better] or metrics
    numbers = list(dict.fromkeys(seed.seed for seed in seeds))
    gaps = [*(f"{name} stopped: {error}" for name, error in failed.items()), *_unmeasured(curves, metrics)]
    return Outcome(arms, curves, floors, missing, metrics, judged, numbers, title, command, rows, gaps)


def check_measured(better: Mapping[str, Direction], measured: Sequence[str]) -> None:
    """SettingError where `better` names a quality that the judge does not measure."""
    if unknown := [name for name in better if name not in measured]:
        known = ", ".join(measured)
        raise SettingError(f"`better` names {unknown[0]!r}, which the judge does not measure; it measures {known}")


def _unmeasured(curves: Mapping[str, Mapping[str, ArmCurves]], metrics: Sequence[Metric]) -> Iterator[str]:
    """A sentence for each arm and quality of which the last generation has no value in some seeds."""
    for task, arms in curves.items():
        for title, arm in arms.items():
            for metric in metrics:
                last, who = arm.last(metric.key), f"{task}, {title}" if len(curves) > 1 else title
                if lacking := int(np.isnan(last).sum()):
                    yield f"{who}: {metric.title} has no value at the end in {lacking} of {len(last)} seeds"


def _rows(seed: Seed, arm: Arm) -> Iterator[dict[str, Any]]:
    """A row for each generation of an arm as far as its plan goes; of replicates the mean."""
    store, first = FolderReader(seed.arm(arm.folder)), FolderReader(seed.first)
    if not seed.arm(arm.folder).exists():
        return
    for row in rows_of(store, first)[: arm.plan.generations + 1]:
        told = {name: value if isinstance(value, int | float) else float(np.mean(value)) for name, value in row.items()}
        yield {"task": seed.task, "arm": arm.title, "seed": seed.seed, **told}


def _metrics(
    seed: Seed, curves: Mapping[str, Mapping[str, ArmCurves]], better: Mapping[str, Direction]
) -> list[Metric]:
    """What the judge measures in generation 0, in its order."""
    every = [arm.values for arms in curves.values() for arm in arms.values()]
    return [
        Metric(
            key,
            key.replace("_", " "),
            "",
            better.get(key, "neutral"),
            _digits([values[key] for values in every]),
            bounds=(-math.inf, math.inf),
        )
        for key in FolderReader(seed.first).metrics(0)
    ]


def _digits(values: Sequence[np.ndarray]) -> int:
    """Decimals that leave three significant digits of the largest value."""
    largest = max((float(np.nanmax(np.abs(each))) for each in values if np.isfinite(each).any()), default=0.0)
    return 2 if largest == 0 or not math.isfinite(largest) else min(max(2 - math.floor(math.log10(largest)), 0), 6)


def _stacked(scores: Sequence[Mapping[str, float]]) -> dict[str, np.ndarray]:
    return {key: np.array([score[key] for score in scores], dtype=float) for key in scores[0]}
