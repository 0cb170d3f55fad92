"""Verdicts: whether a loop keeps a quality, and how many seeds decide it."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from ..core.checks import check_choice, check_count, check_number
from ..core.errors import InputError, SettingError
from .intervals import FEWEST_SEEDS, Interval, solve_fieller, solve_log_ratio
from .seeds import CONFIDENCE, check_options, pair_seeds

Label = Literal["stable", "degraded", "collapsed", "undecided"]
SEVERITY: tuple[Label, ...] = ("stable", "undecided", "degraded", "collapsed")
Better = Literal["lower", "higher"]
"""Direction in which a quality is good."""
DIRECTIONS: tuple[Better, ...] = get_args(Better)


@dataclass(frozen=True)
class Thresholds:
    """Factors by which a quality may worsen.

    It is stable up to the factor `stable` and collapsed from `collapsed` on.
    """

    stable: float = 1.25
    collapsed: float = 2.0

    def __post_init__(self) -> None:
        check_number("stable", self.stable, 1.0, math.inf)
        check_number("collapsed", self.collapsed, 1.0, math.inf)
        if not 1 <= self.stable < self.collapsed:
            raise SettingError(f"thresholds need 1 ≤ stable < collapsed, got {self.stable:g} and {self.collapsed:g}")


@dataclass(frozen=True)
class Verdict:
    """The verdict on a quality: value / baseline with an interval, and the thresholds."""

    label: Label
    ratio: Interval
    thresholds: Thresholds
    better: Better

    def __str__(self) -> str:
        bound = "at most" if self.better == "lower" else "at least"
        stable = self.thresholds.stable if self.better == "lower" else 1 / self.thresholds.stable
        collapsed = self.thresholds.collapsed if self.better == "lower" else 1 / self.thresholds.collapsed
        limits = f"stable {bound} {stable:.3g}, collapsed from {collapsed:.3g}"
        return f"{self.ratio} times the baseline ({limits}): {self.label}"


def evaluate_quality(
    values: ArrayLike,
    baseline: ArrayLike,
    better: Better,
    thresholds: Thresholds | None = None,
    confidence: float = CONFIDENCE,
    resolution: float = 0.0,
) -> Verdict:
    """Evaluate a quality at the end of a loop against its baseline.

    Loop and baseline are measured on the same seeds. The verdict is "undecided" unless the whole interval of the ratio
    lies on one side of a threshold. A quality that is certainly worse than stable and possibly collapsed is "degraded".
    The interval is that of logarithms (`log_ratio_interval`), or Fieller's for counts and for values that may be 0 or
    below (`ratio_interval`).

    Args:
        values: (S,) the quality, one value per seed.
        baseline: (S,) the baseline's quality for the same seeds.
        better: Direction in which the quality is good.
        thresholds: Factors by which it may worsen; by default those of `Thresholds()`.
        confidence: Confidence level.
        resolution: Smallest step of a score that is a count, such as 1 / n for a share of n samples; 0 for none.

    Returns:
        The verdict, which is "undecided" with fewer than `FEWEST_SEEDS` seeds, and if the ratio does not vary and no
            resolution is given.

    Raises:
        InputError: A value is not finite, the numbers of seeds differ, or the baseline is not positive.
        SettingError: The direction is unknown, or an option is not a number or out of its range.
    """
    check_choice("better", better, DIRECTIONS)
    check_options(confidence, resolution)
    above, below = _pair_with_baseline(values, baseline)
    ratio = _solve_ratio(above, below, len(above), confidence, resolution)
    return _make_verdict(ratio, better, thresholds or Thresholds())


def _pair_with_baseline(values: ArrayLike, baseline: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    above, below = pair_seeds(values, baseline)
    if below.min() <= 0:
        raise InputError(
            f"a baseline must be above 0 in each seed, because a quality is divided by it; got {below.min():g}. "
            "Compare scores such as log-likelihoods by their differences (mean_interval, student_p)"
        )
    return above, below


def _solve_ratio(above: np.ndarray, below: np.ndarray, count: int, confidence: float, resolution: float) -> Interval:
    """Return the ratio with the interval that suits its values.

    Positive values have the interval of logarithms, counts and all others Fieller's.
    """
    if resolution > 0 or above.min() <= 0:
        return solve_fieller(above, below, count, confidence, resolution)
    return solve_log_ratio(above, below, count, confidence)


def _make_verdict(ratio: Interval, better: Better, thresholds: Thresholds) -> Verdict:
    best = ratio.low if better == "lower" else _invert_quality(ratio.high)
    worst = ratio.high if better == "lower" else _invert_quality(ratio.low)
    label: Label = "undecided"
    if not ratio.can_decide:
        pass
    elif best >= thresholds.collapsed:
        label = "collapsed"
    elif best > thresholds.stable:
        label = "degraded"
    elif worst <= thresholds.stable:
        label = "stable"
    return Verdict(label, ratio, thresholds, better)


MAX_SEEDS = 1000
"""Number of seeds beyond which a quality counts as lying on the threshold."""


def seeds_to_decide(
    values: ArrayLike,
    baseline: ArrayLike,
    better: Better,
    thresholds: Thresholds | None = None,
    confidence: float = CONFIDENCE,
    resolution: float = 0.0,
) -> int | None:
    """Estimate how many seeds would decide.

    Further seeds are assumed to vary as the given ones do. This is only a plan, because means and covariances from a
    few seeds are uncertain.

    Args:
        values: (S,) the quality, one value per seed.
        baseline: (S,) the baseline's quality for the same seeds.
        better: Direction in which the quality is good.
        thresholds: Factors by which it may worsen; by default those of `Thresholds()`.
        confidence: Confidence level.
        resolution: Smallest step of a score that is a count, as in `evaluate_quality`.

    Returns:
        The number of seeds; None for more than `MAX_SEEDS`, for a single seed, and for seeds without spread.

    Raises:
        InputError: A value is not finite, the numbers of seeds differ, or the baseline is not positive.
        SettingError: The direction is unknown, or an option is not a number or out of its range.
    """
    check_choice("better", better, DIRECTIONS)
    check_options(confidence, resolution)
    above, below = _pair_with_baseline(values, baseline)
    limits = thresholds or Thresholds()

    def is_decided(count: int) -> bool:
        ratio = _solve_ratio(above, below, count, confidence, resolution)
        return _make_verdict(ratio, better, limits).label != "undecided"

    if not is_decided(MAX_SEEDS):
        return None
    counts = range(len(above), MAX_SEEDS + 1)
    return counts[bisect_left(counts, True, key=is_decided)]  # intervals of more seeds lie within intervals of fewer


def plan_looks(seeds: int) -> dict[int, float]:
    """Plan the interim looks of a trial with at most `seeds` seeds.

    Returns the number of seeds at each look, with its confidence. There are looks after 5 (`FEWEST_SEEDS`), 10, 20, …
    seeds and after all of them. The error levels of all looks add up to 5 %, in proportion to the number of seeds (a
    Bonferroni group-sequential test). By the union bound, the probability that any look is wrong about a quality is at
    most 5 %, even though looks depend on each other.

    Raises:
        SettingError: `seeds` is not an integer of at least 1.
    """
    check_count("seeds", seeds, 1)
    early = [count for count in (FEWEST_SEEDS * 2**power for power in range(16)) if count < seeds]
    counts = [*early, seeds]
    return {count: 1 - 0.05 * count / sum(counts) for count in counts}


def _invert_quality(ratio: float) -> float:
    """Return 1 / ratio, or infinity for a quality that is lost (zero or below)."""
    if math.isnan(ratio):
        return ratio
    return math.inf if ratio <= 0 else 1 / ratio


def worst_verdict(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the most severe verdict.

    For example, the worse of realism and diversity decides on a loop.

    Raises:
        InputError: There is no verdict.
    """
    if not verdicts:
        raise InputError("expected at least one verdict, got none")
    return max(verdicts, key=lambda verdict: SEVERITY.index(verdict.label))
