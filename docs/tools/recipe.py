"""Judges the experiment of docs/results/registration.md, which states all rules and was written before the runs.

    python docs/tools/recipe.py            # tables, figures and verdicts anew, from the seeds in docs/results/recipe/

A stage is read after its first four seeds, which gives intervals, and after all eight, which gives verdicts.
`recipe_page.py` turns readings into the pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import scipy.stats
from evidence import average_late
from keeping import SUMMARIES

from selfcorrect.experiments.motion.presets import PRESETS
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.results import ArmCurves
from selfcorrect.experiments.studies.summary import Summary, join_summaries, read_summary
from selfcorrect.statistics import Interval, holm, mean_interval

KEPT = SUMMARIES / "recipe"
"""Folder of the summaries of complete seeds."""
LEVEL = 0.05
"""Significance level of a stage."""
READINGS = (4, 8)
"""Numbers of seeds after which a stage is read; only the last reading gives verdicts."""
SEEDS = (20, 24, 21, 25, 22, 26, 23, 27)
"""Seeds of every stage, in the order in which they run and are read."""
SPLITS = {seed: "A" if seed < 24 else "B" for seed in SEEDS}
FORCE = "needed_force_bodyweights"
LAST_ONLY = (FORCE,)
"""Measures of the last generation only; all others are means over its later half."""
DIVERSITY = ("recall", "coverage")
END_POINTS = ("fid_kinematic", *DIVERSITY, FORCE, "skate_m_s", "penetration_mm")

Kind = Literal["same", "less", "more", "keeps", "differs"]
Verdict = Literal["confirmed", "refuted", "undecided"]


@dataclass(frozen=True)
class Test:
    """A row of the page's table of tests: an arm against another in one measure."""

    question: str
    kind: Kind
    """same: within the margin; less, more: below, above; keeps: not below by the margin; differs: either."""
    measure: str
    arm: ArmSettings
    other: ArmSettings
    margin: float = 0.0
    """As a share of the other arm's mean."""


@dataclass(frozen=True)
class Result:
    """Differences that a test found."""

    test: Test
    differences: np.ndarray
    """(S,), arm minus the other arm, paired by seed."""
    margin: float
    """In the unit of the measure."""
    splits: np.ndarray
    """(S,) split of the subjects of each seed."""

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
    def interval(self) -> Interval:
        """The mean difference with its 95 % interval."""
        return mean_interval(self.differences)

    @property
    def is_refuted(self) -> bool:
        """Whether the 95 % interval lies where the statement says that it does not."""
        interval = self.interval
        match self.test.kind:
            case "same":
                return interval.low > self.margin or interval.high < -self.margin
            case "more" | "keeps":
                return interval.high < -self.margin
            case "less":
                return interval.low > self.margin
            case "differs":
                return False

    def verdict(self, adjusted_p: float) -> Verdict:
        """Return the verdict by the rule of the page."""
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
    plain, physics, low_pass = ArmSettings(policy), ArmSettings(policy, "physics"), ArmSettings(policy, "low-pass")
    matched, recipe = ArmSettings(policy, remedy="matched"), ArmSettings(policy, "physics", remedy="matched")
    static_matched = ArmSettings(static, remedy="matched")
    tests = [
        Test("physics and low-pass leave the same distance", "same", "fid_kinematic", physics, low_pass, 0.05),
        Test("physics needs less root force than low-pass", "less", FORCE, physics, low_pass),
        *(Test(f"physics leaves {key} as uncorrected", "same", key, physics, plain, 0.10) for key in DIVERSITY),
        *(
            Test(f"matching + physics keeps {key} of the real-data baseline", "keeps", key, recipe, BASELINE, 0.10)
            for key in DIVERSITY
        ),
        Test(
            "matching + physics keeps more coverage than the static set with matching",
            "more",
            "coverage",
            recipe,
            static_matched,
        ),
        Test("matching + physics needs less root force than matching", "less", FORCE, recipe, matched),
        *(
            Test(f"{arm.title} keeps {key} of the real-data baseline", "keeps", key, arm, BASELINE, 0.10)
            for arm in lineages_arms(policy)
            for key in DIVERSITY
        ),
        Test("physics changes foot skating against low-pass", "differs", "skate_m_s", physics, low_pass),
        Test("physics changes penetration against low-pass", "differs", "penetration_mm", physics, low_pass),
    ]
    return {f"T{number}": test for number, test in enumerate(tests, start=1)}


def lineages_arms(policy: str) -> Iterator[ArmSettings]:
    """Both forms of `lineages`: without corrector, with physics, with clean-up at half strength."""
    for remedy in ("lineages", "lineages-reworked"):
        yield ArmSettings(policy, remedy=remedy)
        yield ArmSettings(policy, "physics", remedy=remedy)
        yield ArmSettings(policy, "kinematic", 1.0, operator="interpolation", remedy=remedy)


@dataclass(frozen=True)
class Stage:
    """A part of the experiment that is complete in itself."""

    number: int
    title: str
    preset: str
    denoiser: str
    policy: str
    static: str
    test_names: tuple[str, ...]
    """Tests of this stage, the family of Holm's adjustment."""

    @property
    def arms(self) -> tuple[ArmSettings, ...]:
        """Arms that a complete seed has."""
        return next(iter(PRESETS[self.preset].arms.values()))

    @property
    def tests(self) -> dict[str, Test]:
        tests = page_tests(self.policy, self.static)
        return {name: tests[name] for name in self.test_names}

    def path(self, seed: int) -> Path:
        """Return the file of a kept seed."""
        return KEPT / f"stage-{self.number}-seed-{seed}.json"


_MAIN = (*(f"T{number}" for number in range(1, 9)), "T21", "T22")
_FORMS = tuple(f"T{number}" for number in range(9, 21))
_HALF = ("augment:1", "augment_once:1")
STAGES = (
    Stage(1, "λ = 1", "recipe", "dct-mixer", *_HALF, _MAIN),
    Stage(2, "fully synthetic", "recipe-synthetic", "dct-mixer", "replace", "freeze", _MAIN),
    Stage(3, "λ = 4", "recipe-4", "dct-mixer", "augment:4", "augment_once:4", _MAIN),
    Stage(4, "forms of lineages, and physics inside the sampler, λ = 1", "recipe-forms", "dct-mixer", *_HALF, _FORMS),
    Stage(5, "temporal convolutions, λ = 1", "recipe", "temporal-conv", *_HALF, _MAIN),
)
"""All stages, in the order in which they run."""


# --- seeds -----------------------------------------------------------------------------------------------------------


def read_kept(stage: Stage, folder: Path | None = None) -> list[Summary]:
    """Return the kept seeds of a stage, in the order of reading."""
    paths = [(folder or KEPT) / stage.path(seed).name for seed in SEEDS]
    return [read_summary(path) for path in paths if path.exists()]


def join_kept_seeds(stage: Stage) -> Summary:
    """Return one summary of all seeds of a complete stage, both splits together."""
    pooled = {"data": [], "reference": []}
    return join_summaries([replace(seed, settings={**seed.settings, **pooled}) for seed in read_kept(stage)])


# --- readings --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judgement:
    """A test of a stage after a reading."""

    result: Result
    adjusted_p: float
    verdict: Verdict


@dataclass(frozen=True)
class Reading:
    """A stage after four or eight seeds."""

    stage: Stage
    summaries: tuple[Summary, ...]
    """One for each seed."""
    judgements: dict[str, Judgement]
    """Test → what it found."""

    @property
    def has_verdicts(self) -> bool:
        """Whether all seeds are there; fewer show intervals and decide nothing."""
        return len(self.summaries) == READINGS[-1]

    @property
    def seeds(self) -> list[int]:
        return [summary.first_seed for summary in self.summaries]

    @property
    def splits(self) -> np.ndarray:
        """(S,) split of the subjects of each seed."""
        return np.array([SPLITS[seed] for seed in self.seeds])

    def end_point(self, arm: ArmSettings, key: str) -> np.ndarray:
        """Return a measure of an arm (S,), over the generations that are read."""
        return np.concatenate([read_end_point(summary, self.stage.denoiser, arm, key) for summary in self.summaries])

    def floor(self, title: str, key: str) -> np.ndarray:
        """Return what real data score in a measure (S,), NaN if it was not measured."""
        missing = np.full(1, np.nan)
        return np.concatenate([summary.floors.get(title, {}).get(key, missing) for summary in self.summaries])


def read_stage(stage: Stage, summaries: Sequence[Summary]) -> Reading | None:
    """Return the latest reading of a stage that its complete seeds allow; None before the first.

    Between the two readings, seeds that are complete already are not read.
    """
    by_seed = {summary.first_seed: summary for summary in summaries}
    for count in reversed(READINGS):
        if all(seed in by_seed for seed in SEEDS[:count]):
            chosen = tuple(by_seed[seed] for seed in SEEDS[:count])
            return Reading(stage, chosen, _judge(stage, chosen))
    return None


def _judge(stage: Stage, summaries: Sequence[Summary]) -> dict[str, Judgement]:
    results = {name: run_test(test, stage.denoiser, summaries) for name, test in stage.tests.items()}
    adjusted = holm({name: result.p for name, result in results.items()})
    return {name: Judgement(result, adjusted[name], result.verdict(adjusted[name])) for name, result in results.items()}


def run_test(test: Test, denoiser: str, summaries: Sequence[Summary]) -> Result:
    """Return the paired differences of a test over seeds."""
    arm_values, other_values = (
        np.concatenate([read_end_point(summary, denoiser, arm, test.measure) for summary in summaries])
        for arm in (test.arm, test.other)
    )
    margin = test.margin * abs(float(other_values.mean()))
    splits = np.array([SPLITS[summary.first_seed] for summary in summaries])
    return Result(test, arm_values - other_values, margin, splits)


def read_end_point(summary: Summary, denoiser: str, arm: ArmSettings, key: str) -> np.ndarray:
    """Return a measure of an arm (1,), over the generations that are read."""
    curves: ArmCurves = next(curves for curves in summary.arms[denoiser] if curves.name == arm.name)
    return curves.last(key) if key in LAST_ONLY else average_late(curves, key)


# --- the claim -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClaimVerdict:
    """A sentence of the claim after a reading."""

    sentence: int
    verdict: Verdict
    reasons: tuple[str, ...]
    """Tests on which the verdict rests."""
    confirmed: tuple[str, ...] = ()
    """Other tests of the sentence, which are confirmed all the same."""


def judge_claim(reading: Reading) -> list[ClaimVerdict]:
    """Return the verdict on the three sentences of the claim, by the rules of the page."""
    judgements = reading.judgements
    raises = [name for name in ("T3", "T4") if _raises(judgements[name].result)]
    second = _joint_verdict(judgements, ("T3", "T4"))
    if second.verdict == "refuted":  # a physics that lowers diversity speaks against no sentence of the claim
        second = ClaimVerdict(2, "refuted" if raises else "undecided", tuple(raises) or second.reasons)
    return [
        replace(_joint_verdict(judgements, ("T2",)), sentence=1),
        replace(second, sentence=2),
        replace(_joint_verdict(judgements, ("T5", "T6", "T7", "T8")), sentence=3),
    ]


def _joint_verdict(judgements: dict[str, Judgement], names: tuple[str, ...]) -> ClaimVerdict:
    """Return the verdict on a sentence that needs all of some tests."""
    refuted = tuple(name for name in names if judgements[name].verdict == "refuted")
    undecided = tuple(name for name in names if judgements[name].verdict == "undecided")
    confirmed = tuple(name for name in names if judgements[name].verdict == "confirmed")
    if refuted:
        return ClaimVerdict(0, "refuted", refuted, confirmed)
    if undecided:
        return ClaimVerdict(0, "undecided", undecided, confirmed)
    return ClaimVerdict(0, "confirmed", names)


def _raises(result: Result) -> bool:
    """Return whether physics raises a measure by more than the margin, with an interval above that."""
    return result.interval.low > result.margin


if __name__ == "__main__":
    from recipe_page import write_page

    write_page()
