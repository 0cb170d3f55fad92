"""Judges the experiment of docs/results/recipe.md: `python docs/tools/recipe.py RUN…`, the folders of complete seeds.

The page states all tests, margins and verdicts; they were written before the runs. Folders of one preset go together.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import scipy.stats
from evidence import between, judged
from tables import table_lines

from selfcorrect.experiments.reporting.results import ArmCurves
from selfcorrect.experiments.reporting.summary import Summary, read_summary
from selfcorrect.experiments.studies.arms import BASELINE, Arm
from selfcorrect.statistics import holm, mean_interval

LEVEL = 0.05
FORCE = "needed_force_bodyweights"
LAST_ONLY = (FORCE,)
"""Measures of the last generation only; all others are means over its later half."""

Kind = Literal["same", "less", "more", "keeps", "differs"]


@dataclass(frozen=True)
class Test:
    """A row of the page's table of tests: an arm against another in one measure."""

    question: str
    kind: Kind
    """same: within the margin; less, more: below, above; keeps: not below by the margin; differs: either."""
    measure: str
    arm: Arm
    other: Arm
    margin: float = 0.0
    """As a share of the other arm's mean."""


@dataclass(frozen=True)
class Result:
    """What a test found."""

    test: Test
    differences: np.ndarray
    """(S,), arm minus the other arm, paired by seed."""
    margin: float
    """In the unit of the measure."""
    splits: np.ndarray
    """(S,) which choice of subjects each seed has."""

    @property
    def p(self) -> float:
        """The p-value of the statement that the test wants to confirm against its opposite."""
        above = _p_above(self.differences + self.margin)
        below = _p_above(self.margin - self.differences)
        match self.test.kind:
            case "same":
                return max(above, below)
            case "more" | "keeps":
                return above
            case "less":
                return below
            case "differs":
                return min(1.0, 2 * min(above, below))

    def holds_for(self, mean: float) -> bool:
        """Return whether a mean difference lies where the statement says."""
        match self.test.kind:
            case "same":
                return abs(mean) < self.margin
            case "more" | "keeps":
                return mean > -self.margin
            case "less":
                return mean < self.margin
            case "differs":
                return mean * self.differences.mean() > 0

    @property
    def agrees_in_splits(self) -> bool:
        return all(self.holds_for(self.differences[self.splits == split].mean()) for split in np.unique(self.splits))

    @property
    def is_refuted(self) -> bool:
        """Whether the 95 % interval lies where the statement says that it does not."""
        interval = mean_interval(self.differences)
        match self.test.kind:
            case "same":
                return interval.low > self.margin or interval.high < -self.margin
            case "more" | "keeps":
                return interval.high < -self.margin
            case "less":
                return interval.low > self.margin
            case "differs":
                return False

    def verdict(self, adjusted_p: float) -> str:
        """Return "confirmed", "refuted" or "undecided" by the rule of the page."""
        if adjusted_p <= LEVEL and self.agrees_in_splits:
            return "confirmed"
        return "refuted" if self.is_refuted else "undecided"


def _p_above(values: np.ndarray) -> float:
    """One-sided p-value of Student's t test that the mean of values (S,) is above 0."""
    if np.ptp(values) == 0:
        return 0.0 if values[0] > 0 else 1.0
    result = scipy.stats.ttest_1samp(values, 0.0, alternative="greater")
    return float(np.asarray(result)[1])


def page_tests(policy: str, static: str) -> dict[str, Test]:
    """Return the tests T1, T2, … of one ratio, in the order of the page."""
    plain, physics, low_pass = Arm(policy), Arm(policy, "physics"), Arm(policy, "low-pass")
    matched, recipe = Arm(policy, remedy="matched"), Arm(policy, "physics", remedy="matched")
    static_matched = Arm(static, remedy="matched")
    tests = [
        Test("physics and low-pass leave the same distance", "same", "fid_kinematic", physics, low_pass, 0.05),
        Test("physics needs less root force than low-pass", "less", FORCE, physics, low_pass),
        *(Test(f"physics leaves {key}", "same", key, physics, plain, 0.10) for key in DIVERSITY),
        *(Test(f"matching + physics keeps {key}", "keeps", key, recipe, BASELINE, 0.10) for key in DIVERSITY),
        Test("matching + physics beats the static set", "more", "coverage", recipe, static_matched),
        Test("matching + physics needs less root force", "less", FORCE, recipe, matched),
        *(
            Test(f"{arm.words} keeps {key}", "keeps", key, arm, BASELINE, 0.10)
            for arm in lineages_arms(policy)
            for key in DIVERSITY
        ),
        *(
            Test(f"physics changes {key} against low-pass", "differs", key, physics, low_pass)
            for key in ("skate_m_s", "penetration_mm")
        ),
    ]
    return {f"T{number}": test for number, test in enumerate(tests, start=1)}


DIVERSITY = ("recall", "coverage")


def lineages_arms(policy: str) -> Iterator[Arm]:
    """Both forms of `lineages`: without corrector, with physics, with clean-up at half strength."""
    for remedy in ("lineages", "lineages-reworked"):
        yield Arm(policy, remedy=remedy)
        yield Arm(policy, "physics", remedy=remedy)
        yield Arm(policy, "kinematic", 1.0, operator="interpolation", remedy=remedy)


def run_test(test: Test, summaries: Sequence[Summary], denoiser: str) -> Result | None:
    """Judge a test on summaries of complete seeds; None where an arm has not run."""
    differences, references, splits = [], [], []
    for summary in summaries:
        arms = {curves.name: curves for curves in summary.arms.get(denoiser, ())}
        if test.arm.name not in arms or test.other.name not in arms:
            continue
        own, other = (_end_point(arms[arm.name], test.measure) for arm in (test.arm, test.other))
        differences.append(own - other)
        references.append(other)
        splits.append(np.full(len(own), hash(tuple(summary.settings["reference"]))))
    if not differences:
        return None
    margin = test.margin * abs(float(np.concatenate(references).mean()))
    return Result(test, np.concatenate(differences), margin, np.concatenate(splits))


def _end_point(curves: ArmCurves, key: str) -> np.ndarray:
    return curves.last(key) if key in LAST_ONLY else judged(curves, key)


def judge_ratio(
    summaries: Sequence[Summary], policy: str, static: str
) -> dict[tuple[str, str], tuple[Result, float, str]]:
    """Judge all tests of one ratio, both generators together, adjusted by Holm.

    Returns:
        (denoiser, test) → what was found, its adjusted p-value and the verdict.
    """
    results: dict[tuple[str, str], Result] = {}
    for denoiser in dict.fromkeys(name for summary in summaries for name in summary.arms):
        for name, test in page_tests(policy, static).items():
            result = run_test(test, summaries, denoiser)
            if result is not None and len(result.differences) > 1:
                results[denoiser, name] = result
    adjusted = holm({" ".join(key): result.p for key, result in results.items()})
    return {
        key: (result, adjusted[" ".join(key)], result.verdict(adjusted[" ".join(key)]))
        for key, result in results.items()
    }


RATIOS: Mapping[str, tuple[str, str]] = {
    "λ = 1": ("augment:1", "augment_once:1"),
    "λ = 4": ("augment:4", "augment_once:4"),
    "fully synthetic": ("replace", "freeze"),
}


def verdict_table(summaries: Sequence[Summary], ratio: str) -> list[str]:
    """Return the lines of the table of verdicts of one ratio."""
    rows = [
        [denoiser, name, result.test.question, str(len(result.differences)),
         between(mean_interval(result.differences), 3), f"{result.margin:.3f}" if result.margin else "", f"{p:.3f}",
         verdict]
        for (denoiser, name), (result, p, verdict) in judge_ratio(summaries, *RATIOS[ratio]).items()
    ]  # fmt: skip
    heads = ["generator", "test", "statement", "seeds", "difference", "margin", "p, Holm", "verdict"]
    return list(table_lines(heads, rows))


if __name__ == "__main__":
    kept = [read_summary(Path(folder)) for folder in sys.argv[1:]]
    for words in RATIOS:
        print(f"\n{words}\n", *verdict_table(kept, words), sep="\n")
