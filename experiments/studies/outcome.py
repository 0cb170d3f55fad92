"""Everything that a study measured, collected from the run folder, with all that is evaluated."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from selfcorrect.motion.measures.metrics import METRICS, Metric, added_metrics
from selfcorrect.runtime.stopwatch import PROCESSOR
from selfcorrect.statistics import UNBOUNDED

from .arm_curves import HELD_OUT, MEMORISER, REAL_AGAINST_REAL, ArmCurves, find_aims, mean_scores
from .arm_words import describe_line, describe_policy
from .arms import ArmSettings
from .effects import Effect, judge_effects

MIN_RATIOS = 3
"""Fewest synthetic ratios that make a line."""


def make_metric(key: str, better: Literal["lower", "higher", "real", "aim", "neutral"] | None = None) -> Metric:
    """Return the metric of a key.

    Args:
        better: Better direction if an evaluation of users measures the metric; by default the known metric of that key,
            if any.
    """
    known = {metric.key: metric for metric in (*METRICS, *added_metrics())}
    if better is None and key in known:
        return known[key]
    return Metric(key, key.replace("_", " "), "", better or "neutral", 3, bounds=UNBOUNDED)


@dataclass(frozen=True)
class Pair:
    """An arm and the arm of comparison."""

    task: str
    arm: ArmSettings
    plain: ArmSettings


@dataclass(frozen=True, eq=False)
class Outcome:
    """Everything measured and evaluated: curves of all arms, scores of real data, differences between arms."""

    curves: Mapping[str, Mapping[ArmSettings, ArmCurves]]
    """Task → arm → curves."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """Titles of tasks in tables, if not the names; "" for a task that needs none."""
    floors: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    """Scores of real data: title → metric → (S,) values per seed, NaN for a seed without. The first is the level that
    figures show."""
    floor_of: Mapping[str, str] = field(default_factory=dict)
    """Task → the title of what real data score, where each task has separate real data."""
    aims: Mapping[str, float] = field(default_factory=dict)
    """Metric → a number that is the aim in place of the value of real data."""
    metrics: Sequence[Metric] = ()
    """Everything that tables show, judged or not."""
    pairs: Sequence[Pair] = ()
    """Arms that are compared; first the pairs that the answer rests on."""
    questions: Sequence[Sequence[Metric]] = ()
    """Metrics of each question. The tests of a question are a family."""
    asked_count: int | None = None
    """Number of pairs that the answer rests on, by default all: one family of tests, all other pairs apart."""
    gaps: Sequence[str] = ()
    """Missing results, a sentence each."""
    remarks: Sequence[str] = ()
    """Reservations that stand beside the answer, a sentence each."""
    folder: Path = Path()
    """Run folder."""
    command: str = ""
    """Command that does the study again."""
    seconds: float = 0.0
    """Seconds that the call took."""

    @property
    def real(self) -> Mapping[str, np.ndarray]:
        """Metric → (S,) what real data score."""
        return next(iter(self.floors.values()), {})

    @property
    def levels(self) -> dict[str, dict[str, float]]:
        """Return real data's mean scores by title, as horizontal lines for figures.

        Held-out real data and a memoriser have lines. Tasks with separate real data have no common line.
        """
        drawn = (REAL_AGAINST_REAL, HELD_OUT, MEMORISER)
        return {title: mean_scores(scores) for title, scores in self.floors.items() if title in drawn}

    def groups(self) -> Iterator[tuple[str, str, list[ArmSettings]]]:
        """Yield groups: a task, its title and its arms; the baseline is in every group."""
        for task, arms in self.curves.items():
            looping = [arm for arm in arms if not arm.is_baseline]
            for group in dict.fromkeys(describe_policy(arm) for arm in looping or arms):
                members = [arm for arm in arms if arm.is_baseline or describe_policy(arm) == group]
                yield task, ", ".join(filter(None, (self.titles.get(task, task), group))), members

    def columns(self) -> dict[str, list[ArmCurves]]:
        """Return each group's curves by title."""
        return {title: [self.curves[task][arm] for arm in arms] for task, title, arms in self.groups()}

    def curves_of(self, pair: Pair) -> tuple[ArmCurves, ArmCurves]:
        """The curves of a pair."""
        return self.curves[pair.task][pair.arm], self.curves[pair.task][pair.plain]

    @property
    def judged_metrics(self) -> list[Metric]:
        """The metrics of all questions."""
        return [metric for question in self.questions for metric in question]

    @property
    def asked(self) -> Sequence[Pair]:
        """The pairs that the answer rests on."""
        return self.pairs[: self.asked_count]

    @cached_property
    def effects(self) -> list[list[Effect]]:
        """Effects of each pair in each judged metric."""
        effects_by_pair: list[list[Effect]] = []
        for family in (self.asked, self.pairs[len(self.asked) :]):
            curves = [self.curves_of(pair) for pair in family]
            aims = [find_aims(self.floors, self.floor_of, pair.task, self.aims) for pair in family]
            by_question = [judge_effects(curves, question, aims) for question in self.questions]
            for index in range(len(family)):
                of_pair: list[Effect] = []
                for question, effects in zip(self.questions, by_question, strict=True):
                    of_pair += effects[len(question) * index : len(question) * (index + 1)]
                effects_by_pair.append(of_pair)
        return effects_by_pair

    @property
    def asked_effects(self) -> list[Effect]:
        """Effects of the pairs that the answer rests on."""
        return [effect for effects in self.effects[: len(self.asked)] for effect in effects]

    def sum_seconds_by_phase(self) -> dict[str, float]:
        """Return each phase's seconds, summed over all arms, seeds and generations that recorded them."""
        curves = [arm for arms in self.curves.values() for arm in arms.values()]
        spent_s: dict[str, float] = {}
        for phase in ("train", "sample", "correct", "trace", "evaluate", "mix", "else"):
            spent_s[phase] = sum(float(np.nansum(arm.values.get(f"seconds_{phase}", 0.0))) for arm in curves)
        return spent_s

    def find_core_hours(self) -> float | None:
        """Return the processor hours of all generations, None if some generation did not record the time."""
        total_s = 0.0
        for arm in [arm for arms in self.curves.values() for arm in arms.values()]:
            processor_s = arm.values.get(f"seconds_{PROCESSOR}")
            if processor_s is None or (np.isnan(processor_s) & ~np.isnan(arm.values["seconds_else"])).any():
                return None
            total_s += float(np.nansum(processor_s))
        return total_s / 3600


def list_effects_by_share(outcome: Outcome) -> list[Effect]:
    """List effects of corrected against uncorrected arms at all synthetic ratios, if there are several."""
    effects_by_line: dict[tuple[str, str, str], list[Sequence[Effect]]] = {}
    for pair, effects in zip(outcome.pairs, outcome.effects, strict=True):
        line, plain_line = describe_line(pair.arm), describe_line(pair.plain)
        if line and plain_line not in ("", line):
            effects_by_line.setdefault((pair.task, line, plain_line), []).append(effects)
    lines = [line for line in effects_by_line.values() if len(line) >= MIN_RATIOS]
    return [effect for line in lines for effects in line for effect in effects]
