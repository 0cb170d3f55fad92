"""Comparisons of the experiment that are no registered test: their table stands on docs/results/recipe.md.

They were looked for after the runs, so all of them are exploratory. `by` says how two arms are compared:

* value: the first arm minus the second, paired by seed.
* nearer: the distance of the first arm to real motion, |x − real|, minus the second arm's; below 0 the first is nearer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import scipy.stats
from evidence import REAL, format_interval
from recipe import (
    DIVERSITY,
    FORCE,
    STAGES,
    Reading,
    Test,
    judge_as_one_family,
    read_kept,
    read_stage,
)
from tables import table_lines

from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.motion.measures.metrics import find_metric
from selfcorrect.statistics import mean_interval

DISTANCE = "fid_kinematic"
SINKING = "penetration_mm"
SKATING = "skate_m_s"
MIXED, ALONE, CONVOLUTIONS = 1, 2, 5
"""Stages whose arms are compared with controls."""
FORMS = 4
WORDS = {
    MIXED: "DCT mixer, λ = 1",
    ALONE: "DCT mixer, fully synthetic",
    FORMS: "DCT mixer, λ = 1",
    CONVOLUTIONS: "temporal convolutions, λ = 1",
}


@dataclass(frozen=True)
class Contrast:
    """Two arms compared in one measure of one stage."""

    stage: int
    measure: str
    arm: str
    other: str
    by: Literal["value", "nearer"] = "value"
    other_stage: int | None = None
    """Stage of the other arm, if its seeds are shared with another stage."""

    def find_differences(self) -> np.ndarray:
        """Return differences (S,), paired by seed."""
        reading = read(self.stage)
        other_reading = read(self.other_stage or self.stage)
        if reading.seeds != other_reading.seeds:
            raise ValueError(f"stages {self.stage} and {self.other_stage} do not share their seeds")
        values = reading.end_point(find_arm(self.arm, reading), self.measure)
        other_values = other_reading.end_point(find_arm(self.other, other_reading), self.measure)
        if self.by == "value":
            return values - other_values
        real = reading.floor(REAL, self.measure)
        return np.abs(values - real) - np.abs(other_values - real)

    @property
    def words(self) -> str:
        """Name the arms and the measure."""
        title = find_metric(self.measure).title
        title = title if title.startswith("Fréchet") else f"{title[0].lower()}{title[1:]}"
        return f"{self.arm} − {self.other}: {'distance to real motion in ' * (self.by == 'nearer')}{title}"


SECTIONS = {
    "overshoot": (
        *(Contrast(stage, FORCE, "physics", "low-pass", "nearer") for stage in (MIXED, ALONE, CONVOLUTIONS)),
        *(Contrast(stage, SINKING, "physics", "low-pass", "nearer") for stage in (MIXED, ALONE, CONVOLUTIONS)),
    ),
    "against": (
        Contrast(ALONE, DISTANCE, "physics", "real-data baseline"),
        Contrast(ALONE, DISTANCE, "uncorrected", "real-data baseline"),
        Contrast(ALONE, DISTANCE, "low-pass", "real-data baseline"),
        *(Contrast(MIXED, FORCE, arm, "uncorrected") for arm in ("physics", "low-pass", "kinematic")),
        *(Contrast(stage, FORCE, "physics", "kinematic") for stage in (MIXED, ALONE, CONVOLUTIONS)),
        *(Contrast(stage, SINKING, "physics", "kinematic") for stage in (MIXED, ALONE, CONVOLUTIONS)),
        *(Contrast(stage, SKATING, "physics", "kinematic") for stage in (MIXED, ALONE, CONVOLUTIONS)),
        Contrast(FORMS, FORCE, "lineages-reworked", "physics"),
    ),
    "favour": (
        Contrast(MIXED, "coverage", "physics", "kinematic"),
        Contrast(CONVOLUTIONS, "coverage", "physics", "kinematic"),
        Contrast(CONVOLUTIONS, SINKING, "physics", "kinematic", "nearer"),
        *(
            Contrast(FORMS, key, "lineages-reworked", "static + matching", other_stage=MIXED)
            for key in (*DIVERSITY, FORCE)
        ),
    ),
    "drift": (
        *(Contrast(stage, DISTANCE, "uncorrected", "real-data baseline") for stage in (MIXED, CONVOLUTIONS)),
        *(
            Contrast(stage, key, "uncorrected", "real-data baseline")
            for stage in (MIXED, CONVOLUTIONS)
            for key in DIVERSITY
        ),
    ),
}
"""Name in the mark of a page → its rows."""


def find_arm(words: str, reading: Reading) -> ArmSettings:
    """Return the arm of a stage with these words."""
    stage = reading.stage
    arms = {
        "real-data baseline": BASELINE,
        "uncorrected": ArmSettings(stage.policy),
        "static + matching": ArmSettings(stage.static, remedy="matched"),
        "lineages-reworked": ArmSettings(stage.policy, remedy="lineages-reworked"),
    }
    return arms[words] if words in arms else ArmSettings(stage.policy, words)


@cache
def read(number: int) -> Reading:
    """Return the latest reading of a stage."""
    stage = next(stage for stage in STAGES if stage.number == number)
    reading = read_stage(stage, read_kept(stage))
    if reading is None:
        raise ValueError(f"stage {number} has not been read")
    return reading


def contrast_section(name: str) -> Iterator[str]:
    """Yield the lines of a table of comparisons, of the splits, or of all tests as one family."""
    tables = {"splits": splits_table, "family": family_table}
    yield from tables[name]() if name in tables else contrasts_table(name)


def contrasts_table(name: str) -> Iterator[str]:
    """Yield the lines of a table of comparisons, a column per loop."""
    contrasts = SECTIONS[name]
    loops = list(dict.fromkeys(WORDS[contrast.stage] for contrast in contrasts))
    cells: dict[str, dict[str, str]] = {}
    for contrast in contrasts:
        interval = mean_interval(contrast.find_differences())
        row = cells.setdefault(contrast.words, {})
        row[WORDS[contrast.stage]] = format_interval(interval, digits(contrast.measure))
    rows = [[words, *(row.get(loop, "") for loop in loops)] for words, row in cells.items()]
    yield from table_lines(["difference, 95 % interval", *loops], rows)


def digits(measure: str) -> int:
    """Return the number of decimals of a measure."""
    return 3 if measure in (FORCE, *DIVERSITY) else max(1, find_metric(measure).digits)


def splits_table() -> Iterator[str]:
    """Yield physics minus filter in each split of the subjects, and whether the two splits differ."""
    rows = []
    for stage in (MIXED, ALONE, CONVOLUTIONS):
        for measure in (DISTANCE, FORCE):
            differences = Contrast(stage, measure, "physics", "low-pass").find_differences()
            splits = read(stage).splits
            ranges = []
            for split in ("A", "B"):
                values = differences[splits == split]
                ranges.append(_format_range(values, digits(measure)))
            p = compare_splits(differences, splits)
            rows.append([WORDS[stage], find_metric(measure).title, *ranges, f"{p:.3f}"])
    yield from table_lines(["physics − low-pass", "measure", "split A", "split B", "p, A against B"], rows)


def compare_splits(differences: np.ndarray, splits: np.ndarray) -> float:
    """Return the p-value of Welch's t test that both splits have the same mean difference (S,)."""
    result = scipy.stats.ttest_ind(differences[splits == "A"], differences[splits == "B"], equal_var=False)
    return float(result.pvalue)  # type: ignore[attr-defined]


def _format_range(values: np.ndarray, count: int) -> str:
    text = f"{values.mean():+.{count}f} ({values.min():+.{count}f} to {values.max():+.{count}f})"
    return text.replace("-", "−")


def family_table() -> Iterator[str]:
    """Yield the confirmed tests that need α = 0.05, or a family of one stage only."""
    readings = [read(number) for number in (MIXED, ALONE, FORMS, CONVOLUTIONS)]
    adjusted = judge_as_one_family(readings)
    rows = []
    for reading in readings:
        for name, judgement in reading.judgements.items():
            p_all = adjusted[reading.stage.number, name]
            if judgement.verdict == "confirmed" and (judgement.adjusted_p > 0.025 or p_all > 0.05):
                test: Test = judgement.result.test
                loop = f"stage {reading.stage.number}, {name}"
                rows.append([loop, test.question, f"{judgement.adjusted_p:.3f}", f"{p_all:.3f}"])
    heads = ["test", "statement", "p, Holm over its stage", f"p, Holm over all {len(adjusted)} tests"]
    yield from table_lines(heads, rows)
