"""Statistics for a handful of seeds.

They are intervals, paired tests, half-lives, and verdicts on stability and collapse. Arrays hold a value per seed,
shape (S,), or a curve per seed, shape (S, T) with generation 0 first. Arms of a comparison share seeds (common random
numbers), so differences between arms are taken per seed.

One rule decides differences, claims, profiles of collapse and comparisons of runs: an interval with bounds and at least
`FEWEST_SEEDS` seeds decides if all of the interval is on one side of the threshold (`Interval.is_above`, `is_below`,
`is_within`). So do verdicts on a quality (`evaluate_quality`).

A few seeds with equal scores show no spread, but may have some: there are no bounds, and p = 1. Differences that vary
by less than the rounding of the compared values are equal. Scores that are counts, such as a share of n samples, have a
resolution (1 / n), and no smaller spread can be measured. Functions that take a `resolution` never assume a smaller
standard deviation.
"""

import math
import sys
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Literal, TypeAlias, get_args

import numpy as np
import scipy
from numpy.typing import ArrayLike

from .core.checks import check_choice, check_count, check_number, describe_value
from .core.errors import InputError, SettingError

FEWEST_SEEDS = 5
"""Least number of seeds that decide a difference, a claim or a definition of collapse."""
ROUNDING = 1e-9
"""Share of a value that may be rounding: values that vary by less are equal."""


@dataclass(frozen=True)
class Interval:
    """An estimate over seeds with its interval.

    `count` seeds give a confidence interval; the bounds are NaN where there is none.
    """

    estimate: float
    low: float
    high: float
    count: int
    method: str
    """The method of the interval. "t" assumes roughly normal seeds, "t of logarithms" roughly log-normal seeds. "logit
    t" is between two bounds, "Fieller" for a ratio of paired means, "jackknife" for a product of such ratios.
    Further methods are "order statistics", "single seed" and "no spread" (no interval)."""
    confidence: float = 0.95

    @property
    def can_decide(self) -> bool:
        """Return True if a verdict may use this.

        The interval has bounds, and at least `FEWEST_SEEDS` seeds.
        """
        return self.count >= FEWEST_SEEDS and not math.isnan(self.low) and not math.isnan(self.high)

    def is_above(self, threshold: float) -> bool:
        """Return True if certainly above a threshold.

        The interval can decide, and lies above it.
        """
        return self.can_decide and self.low > threshold

    def is_below(self, threshold: float) -> bool:
        """Return True if certainly below a threshold.

        The interval can decide, and lies below it.
        """
        return self.can_decide and self.high < threshold

    def is_within(self, lowest: float, highest: float) -> bool:
        """Return True if certainly between two values.

        The interval can decide, and lies between them.
        """
        return self.can_decide and lowest <= self.low and self.high <= highest

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.estimate:.3g} (no interval from {self.count} seed{'s' * (self.count != 1)})"
        return f"{self.estimate:.3g} [{self.low:.3g}, {self.high:.3g}]"


UNMEASURED = Interval(math.nan, math.nan, math.nan, 0, "not measured")
"""The interval of a quantity that some seed does not have."""

Bounds: TypeAlias = tuple[float, float]
"""The lowest and the highest value that a quantity can have; infinite where there is none."""
UNBOUNDED: Bounds = (-math.inf, math.inf)


def mean_interval(
    values: ArrayLike, bounds: Bounds = UNBOUNDED, *, resolution: float = 0.0, rounding: float = 0.0
) -> Interval:
    """Return the mean over seeds with its interval.

    It is Student's t interval: 0 is excluded where `student_p` rejects 0. The interval is exact for normally
    distributed seeds. The interval stays within `bounds`. Between two bounds, such as 0 and 1, the logit has the
    interval (delta method; Agresti 2013, section 1.4). A single bound cuts the interval, and this costs no coverage.

    Args:
        values: (S,) one value per seed, e.g. differences of paired arms.
        bounds: Lowest and highest value that the quantity can have.
        resolution: Smallest step of a score that is a count, e.g. 1 / n for a share of n samples; 0 for none.
        rounding: Size of the rounding error of the values, as in `has_spread`.

    Returns:
        The mean with an interval. The bounds are NaN for a single seed, and for seeds without spread.

    Raises:
        InputError: A value is not finite, or out of bounds.
        SettingError: An option is no number, or out of its range.
    """
    _check_options(resolution=resolution, rounding=rounding)
    _check_bounds(bounds)
    seeds = _per_seed(values)
    count = len(seeds)
    mean = float(seeds.mean())
    if seeds.min() < bounds[0] or seeds.max() > bounds[1]:
        raise InputError(f"expected values from {bounds[0]:g} to {bounds[1]:g}, got {seeds!r}")
    if count == 1 or not has_spread(seeds, resolution, rounding):
        return _without_bounds(mean, count)
    low, high, method = _bounded_interval(mean, _half_width(seeds, resolution), bounds)
    return Interval(mean, low, high, count, method)


def _without_bounds(estimate: float, count: int, confidence: float = 0.95) -> Interval:
    """Return an estimate without an interval.

    A single seed has no interval, nor have seeds without spread.
    """
    method = "single seed" if count == 1 else "no spread"
    return Interval(estimate, math.nan, math.nan, count, method, confidence)


def student_p(values: ArrayLike, resolution: float = 0.0, rounding: float = 0.0) -> float:
    """Return the p-value of Student's t test.

    The test is two-sided, that the mean over seeds (S,) is 0.

    Args:
        values: (S,) one value per seed.
        resolution: Smallest step of a value, as in `mean_interval`.
        rounding: Size of the rounding error of the values, as in `has_spread`.

    Returns:
        The p-value; 1 if there is nothing to test: a single seed, or seeds without spread.
    """
    _check_options(resolution=resolution, rounding=rounding)
    seeds = _per_seed(values)
    count = len(seeds)
    if count == 1 or not has_spread(seeds, resolution, rounding):
        return 1.0
    t_statistic = abs(seeds.mean()) / (_standard_deviation(seeds, resolution) / math.sqrt(count))
    return float(2 * scipy.special.stdtr(count - 1, -t_statistic))


def has_spread(values: ArrayLike, resolution: float = 0.0, rounding: float = 0.0) -> bool:
    """Return whether the spread of seeds is known.

    Seeds differ by more than rounding, or have a resolution.

    Args:
        values: (S,) one value per seed.
        resolution: Smallest step of a value, 0 for a continuous value.
        rounding: Size of the rounding error of the values if greater than the share `ROUNDING` of the values; for
            differences, that share of the compared values.
    """
    _check_options(resolution=resolution, rounding=rounding)
    seeds = _per_seed(values)
    return resolution > 0 or bool(np.ptp(seeds) > max(ROUNDING * np.abs(seeds).max(), rounding))


def _standard_deviation(seeds: np.ndarray, resolution: float) -> float:
    """Return the standard deviation over seeds.

    The least value is the resolution of the scores.
    """
    return max(float(seeds.std(ddof=1)), resolution)


def _half_width(seeds: np.ndarray, resolution: float = 0.0) -> float:
    """Return half the width of a t interval.

    It is Student's 95 % interval of a mean.
    """
    count = len(seeds)
    standard_error = _standard_deviation(seeds, resolution) / math.sqrt(count)
    return float(standard_error * scipy.special.stdtrit(count - 1, 0.975))


def _bounded_interval(mean: float, half_width: float, bounds: Bounds) -> tuple[float, float, str]:
    """Return an interval within bounds.

    It is mean ± half_width, and its method: of the logit between two bounds.
    """
    lowest, highest = bounds
    if math.isinf(lowest) or math.isinf(highest) or mean in bounds:
        return max(mean - half_width, lowest), min(mean + half_width, highest), "t"
    width = highest - lowest
    share = (mean - lowest) / width
    middle = scipy.special.logit(share)
    spread = half_width / width / (share * (1 - share))
    low, high = lowest + width * scipy.special.expit([middle - spread, middle + spread])
    return float(low), float(high), "logit t"


def median_interval(values: ArrayLike) -> Interval:
    """Return the median over seeds with the order-statistic interval.

    With fewer than six seeds no pair of order statistics covers 95 %, and the bounds are NaN.

    Args:
        values: (S,) one value per seed, infinite ones included.
    """
    seeds = _as_numbers(values, "a value per seed, shape (S,)", 1)
    if np.isnan(seeds).any():
        raise InputError(f"expected a value per seed, infinite ones included, got {seeds!r}")
    bounds = scipy.stats.quantile_test(seeds, p=0.5).confidence_interval()
    method = "order statistics"
    if math.isnan(bounds.low):
        method = "single seed" if len(seeds) == 1 else "too few seeds"
    return Interval(float(np.median(seeds)), float(bounds.low), float(bounds.high), len(seeds), method)


def ratio_interval(
    numerator: ArrayLike, denominator: ArrayLike, confidence: float = 0.95, resolution: float = 0.0
) -> Interval:
    """Return the ratio of paired means.

    The interval is Fieller's (1954). The interval holds every r for which numerator − r · denominator may average 0.
    Unlike a mean of ratios or of logarithms, this ratio accepts zeros in the numerator.

    Args:
        numerator: (S,) one value per seed.
        denominator: (S,) values of the same seeds.
        resolution: Smallest step of scores that are counts, a floor of both standard deviations; 0 for none.

    Returns:
        The ratio with an interval. Bounds are infinite where the denominator cannot be distinguished from zero, and NaN
        if neither numerator nor denominator has spread. Over a denominator of zeros the estimate is infinite, 0 / 0 is
        NaN.

    Raises:
        InputError: A value is not finite, or the numbers of seeds differ.
        SettingError: An option is no number, or out of its range.
    """
    _check_options(confidence, resolution)
    above, below = _pair_seeds(numerator, denominator)
    return _solve_fieller(above, below, len(above), confidence, resolution)


def _solve_fieller(
    above: np.ndarray, below: np.ndarray, count: int, confidence: float, resolution: float = 0.0
) -> Interval:
    """Solve Fieller's interval for `count` seeds.

    Means and covariances are those of the seeds at hand.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = float(above.mean() / below.mean())
    if len(above) == 1 or not (has_spread(above, resolution) or has_spread(below, resolution)):
        return _without_bounds(estimate, len(above), confidence)
    covariance = np.cov(above, below)
    np.fill_diagonal(covariance, np.maximum(np.diagonal(covariance), resolution**2))
    quantile = scipy.special.stdtrit(count - 1, (1 + confidence) / 2)
    covariance = covariance / count * quantile**2
    # the bounds solve quadratic · r² − 2 linear · r + constant = 0
    quadratic = below.mean() ** 2 - covariance[1, 1]
    linear = above.mean() * below.mean() - covariance[0, 1]
    constant = above.mean() ** 2 - covariance[0, 0]
    if quadratic <= 0:
        return Interval(estimate, -math.inf, math.inf, count, "Fieller", confidence)
    root = math.sqrt(max(linear**2 - quadratic * constant, 0.0))
    return Interval(estimate, (linear - root) / quadratic, (linear + root) / quadratic, count, "Fieller", confidence)


def log_ratio_interval(numerator: ArrayLike, denominator: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the geometric mean of paired ratios.

    The interval is Student's t, of the logarithms. Ratios of variances are log-normal in loops, because each generation
    multiplies the variance.

    Args:
        numerator: (S,) one positive value per seed.
        denominator: (S,) positive values of the same seeds.

    Returns:
        The ratio with an interval. The bounds are NaN for a single seed, and for ratios without spread.

    Raises:
        InputError: A value is not finite or not positive, or the numbers of seeds differ.
        SettingError: The confidence is not between 0 and 1.
    """
    _check_options(confidence)
    above, below = _pair_seeds(numerator, denominator)
    if min(above.min(), below.min()) <= 0:
        raise InputError(f"logarithms of ratios need positive values, got {above!r} and {below!r}")
    return _solve_log_ratio(above, below, len(above), confidence)


def _solve_log_ratio(above: np.ndarray, below: np.ndarray, count: int, confidence: float) -> Interval:
    """Solve the log-ratio interval for `count` seeds.

    Mean and spread of the logarithms are those at hand.
    """
    logarithms = np.log(above) - np.log(below)
    mean = float(logarithms.mean())
    if len(above) == 1 or not has_spread(logarithms, rounding=2 * ROUNDING):
        return _without_bounds(math.exp(mean), len(above), confidence)
    quantile = scipy.special.stdtrit(count - 1, (1 + confidence) / 2)
    half_width = float(logarithms.std(ddof=1)) / math.sqrt(count) * quantile
    with np.errstate(over="ignore"):
        low, high = np.exp([mean - half_width, mean + half_width])
    return Interval(math.exp(mean), float(low), float(high), count, "t of logarithms", confidence)


def jackknife_ratio(numerators: Sequence[ArrayLike], denominators: Sequence[ArrayLike]) -> Interval:
    """Return a ratio of mean products.

    Some means are multiplied, and divided by others; the interval is a jackknife's on a log scale. A seed may be 0 in
    any argument if the mean of all other seeds is not 0.

    Args:
        numerators: Values (S,) of each factor, paired by seed.
        denominators: The same of each divisor.

    Returns:
        The ratio. The bounds are NaN for a single seed, and if a mean of all seeds but one is not positive.

    Raises:
        InputError: There is no factor or no divisor, a value is not finite, or the numbers of seeds differ.
    """
    factors = [_per_seed(values) for values in (*numerators, *denominators)]
    if not len(numerators) or not len(denominators):
        raise InputError("expected at least one factor and one divisor")
    if len(set(map(len, factors))) > 1:
        raise InputError(f"paired factors need the same seeds, got {', '.join(str(len(values)) for values in factors)}")
    above = np.array(factors[: len(numerators)])
    below = np.array(factors[len(numerators) :])
    count = above.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = float(above.mean(1).prod() / below.mean(1).prod())
        if count == 1:
            return Interval(estimate, math.nan, math.nan, 1, "single seed")
        logarithms = np.empty(count)
        for seed in range(count):
            without = [np.delete(values, seed, axis=1).mean(1) for values in (above, below)]
            logarithms[seed] = np.log(without[0]).sum() - np.log(without[1]).sum()
        if not np.isfinite(logarithms).all() or not estimate > 0:
            return Interval(estimate, math.nan, math.nan, count, "jackknife")
        variance = (count - 1) / count * np.square(logarithms - logarithms.mean()).sum()
        factor = math.exp(float(scipy.special.stdtrit(count - 1, 0.975)) * math.sqrt(variance))
    return Interval(estimate, estimate / factor, estimate * factor, count, "jackknife")


def band(curves: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean and bounds (T,) over seeds.

    They are mean, lower and upper bound at every generation, for plots.

    Args:
        curves: (S, T) one curve per seed.

    Raises:
        InputError: There is no curve, or a value is not finite.
    """
    intervals = [mean_interval(column) for column in _as_curves(curves).T]
    mean = np.array([interval.estimate for interval in intervals])
    low = np.array([interval.low for interval in intervals])
    high = np.array([interval.high for interval in intervals])
    return mean, low, high


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p-values adjusted by Holm's method.

    They test all at once (Holm 1979): significant where adjusted ≤ level.

    Raises:
        SettingError: A p-value is not a number from 0 to 1.
    """
    for name, p_value in p_values.items():
        check_number(f"the p-value of {name}", p_value, 0.0, 1.0)
    largest = 0.0
    adjusted = {}
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}


def half_life(curve: ArrayLike) -> float:
    """Return a curve's half-life in generations.

    By then it has lost half of the initial height. The first crossing counts, linearly interpolated between
    generations.

    Args:
        curve: (T,) one height per generation.

    Returns:
        Number of generations; inf if the curve never loses half of the height, NaN if a height before is missing (NaN).

    Raises:
        InputError: The curve does not start at a finite height above 0.
    """
    height = _as_numbers(curve, "a height per generation, shape (T,)", 1)
    if math.isnan(height[0]):
        return math.nan
    if not 0 < height[0] < math.inf:
        raise InputError(f"a half-life needs a curve that starts above 0, got {height[0]:g}")
    half = height[0] / 2
    crossed = np.flatnonzero((height <= half) | np.isnan(height))
    if not len(crossed):
        return math.inf
    crossing = int(crossed[0])
    return crossing - 1 + (height[crossing - 1] - half) / (height[crossing - 1] - height[crossing])


def half_life_interval(curves: ArrayLike) -> Interval:
    """Return the median half-life over seeds.

    It is infinite if not reached within the run. Order statistics bound the median from 6 seeds on. Fewer seeds that
    all have a half-life give Student's t interval of the logarithms, on the assumption of roughly log-normal half-
    lives. Where some do not, the bounds are the range of the seeds, and the confidence is the chance 1 − 2^(1 − S) that
    such a range holds the median. If a seed has no half-life, as heights are missing, the median is not known.

    Args:
        curves: (S, T) one curve per seed.

    Raises:
        InputError: A curve does not start at a finite height above 0.
    """
    half_lives = np.array([half_life(curve) for curve in _as_curves(curves)])
    if np.isnan(half_lives).any():
        return UNMEASURED
    count = len(half_lives)
    ordered = median_interval(half_lives)
    if count == 1 or not math.isnan(ordered.low):
        return ordered
    if np.isfinite(half_lives).all():
        logarithms = mean_interval(np.log(half_lives))
        low = min(math.exp(logarithms.low), ordered.estimate)
        high = max(math.exp(logarithms.high), ordered.estimate)
        return Interval(ordered.estimate, low, high, count, "t of logarithms")
    shortest = float(half_lives.min())
    longest = float(half_lives.max())
    return Interval(ordered.estimate, shortest, longest, count, "order statistics", 1 - 2.0 ** (1 - count))


Label = Literal["stable", "degraded", "collapsed", "undecided"]
SEVERITY: tuple[Label, ...] = ("stable", "undecided", "degraded", "collapsed")
Better = Literal["lower", "higher"]
"""The direction in which a quality is good."""
DIRECTIONS: tuple[Better, ...] = get_args(Better)


@dataclass(frozen=True)
class Thresholds:
    """When a quality counts as stable or lost.

    Factors of a worse quality: stable up to `stable`, lost from `collapsed` on.
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
    """The verdict on a quality.

    It has value / baseline with an interval, and the thresholds.
    """

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
    confidence: float = 0.95,
    resolution: float = 0.0,
) -> Verdict:
    """Evaluate a quality against its baseline.

    Both are at the end of a loop, on the same seeds. The whole interval of the ratio must lie on a single side of a
    threshold, otherwise the verdict is "undecided". A quality that is certainly worse than stable and possibly
    collapsed is "degraded". The interval is made of logarithms (`log_ratio_interval`); counts, and values that may be 0
    or below, have Fieller's (`ratio_interval`).

    Args:
        values: (S,) the quality, one value per seed.
        baseline: (S,) the quality of the baseline in the same seeds.
        better: Direction in which the quality is good.
        thresholds: Factors by which it may worsen, by default those of `Thresholds()`.
        resolution: Smallest step of a score that is a count, e.g. 1 / n for a share of n samples; 0 for none.

    Returns:
        The verdict; "undecided" with fewer than `FEWEST_SEEDS` seeds, and if the ratio does not vary and no resolution
            is given.

    Raises:
        InputError: A value is not finite, the numbers of seeds differ, or the baseline is not positive.
        SettingError: The direction is unknown, or an option is no number or out of its range.
    """
    check_choice("better", better, DIRECTIONS)
    _check_options(confidence, resolution)
    above, below = _pair_with_baseline(values, baseline)
    ratio = _solve_ratio(above, below, len(above), confidence, resolution)
    return _make_verdict(ratio, better, thresholds or Thresholds())


def _pair_with_baseline(values: ArrayLike, baseline: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    above, below = _pair_seeds(values, baseline)
    if below.min() <= 0:
        raise InputError(
            f"a baseline must be above 0 in each seed, because a quality is divided by it; got {below.min():g}. "
            "Compare scores such as log-likelihoods by their differences (mean_interval, student_p)"
        )
    return above, below


def _solve_ratio(above: np.ndarray, below: np.ndarray, count: int, confidence: float, resolution: float) -> Interval:
    """Return the ratio by the fitting method.

    Positive values have the interval of logarithms, counts and other values Fieller's.
    """
    if resolution > 0 or above.min() <= 0:
        return _solve_fieller(above, below, count, confidence, resolution)
    return _solve_log_ratio(above, below, count, confidence)


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


MOST_SEEDS = 1000
"""A quality that needs more seeds than this counts as lying on the threshold."""


def seeds_to_decide(
    values: ArrayLike,
    baseline: ArrayLike,
    better: Better,
    thresholds: Thresholds | None = None,
    confidence: float = 0.95,
    resolution: float = 0.0,
) -> int | None:
    """Estimate how many seeds would decide.

    Further seeds are assumed to spread as those at hand do. This is a plan and no promise, because means and
    covariances of a few seeds are known only roughly.

    Args:
        values: (S,) the quality, one value per seed.
        baseline: (S,) the quality of the baseline in the same seeds.
        better: Direction in which the quality is good.
        thresholds: Factors by which it may worsen, by default those of `Thresholds()`.
        resolution: Smallest step of a score that is a count, as in `evaluate_quality`.

    Returns:
        The number of seeds; None for more than `MOST_SEEDS`, for a single seed, and for seeds without spread.

    Raises:
        InputError: A value is not finite, the numbers of seeds differ, or the baseline is not positive.
        SettingError: The direction is unknown, or an option is no number or out of its range.
    """
    check_choice("better", better, DIRECTIONS)
    _check_options(confidence, resolution)
    above, below = _pair_with_baseline(values, baseline)
    limits = thresholds or Thresholds()

    def is_decided(count: int) -> bool:
        ratio = _solve_ratio(above, below, count, confidence, resolution)
        return _make_verdict(ratio, better, limits).label != "undecided"

    if not is_decided(MOST_SEEDS):
        return None
    counts = range(len(above), MOST_SEEDS + 1)
    return counts[bisect_left(counts, True, key=is_decided)]  # intervals of more seeds lie within intervals of fewer


def plan_looks(seeds: int) -> dict[int, float]:
    """Plan the interim looks of a trial.

    Returns the numbers of seeds after which a trial of at most `seeds` is evaluated, and each look's confidence. Looks
    are after 5 (`FEWEST_SEEDS`), 10, 20, … seeds and after all. The error levels of all looks add up to 5 %, in
    proportion to the number of seeds (a Bonferroni group-sequential test). By the union bound, the chance that any look
    is wrong about a quality is at most 5 %, even if looks depend on each other.

    Raises:
        SettingError: `seeds` is not a whole number of at least 1.
    """
    check_count("seeds", seeds, 1)
    early = [count for count in (FEWEST_SEEDS * 2**power for power in range(16)) if count < seeds]
    counts = [*early, seeds]
    return {count: 1 - 0.05 * count / sum(counts) for count in counts}


def _invert_quality(ratio: float) -> float:
    """Return 1 / ratio, infinite for lost quality.

    A quality is lost at zero or below.
    """
    if math.isnan(ratio):
        return ratio
    return math.inf if ratio <= 0 else 1 / ratio


def worst_verdict(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the most severe verdict.

    The weaker of realism and diversity, for example, decides on a loop.

    Raises:
        InputError: There is no verdict.
    """
    if not verdicts:
        raise InputError("expected at least one verdict, got none")
    return max(verdicts, key=lambda verdict: SEVERITY.index(verdict.label))


def _check_options(confidence: float = 0.95, resolution: float = 0.0, rounding: float = 0.0) -> None:
    """Raise SettingError for an invalid statistic option.

    It is not a number, or out of its range.
    """
    check_number("confidence", confidence, 0.0, 1.0)
    if confidence in (0, 1):
        raise SettingError(f"confidence must be between 0 and 1, got {confidence}")
    for name, value in (("resolution", resolution), ("rounding", rounding)):
        check_number(name, value, 0.0, sys.float_info.max)


def _check_bounds(bounds: Bounds) -> None:
    """Raise SettingError unless bounds are ordered numbers."""
    if not isinstance(bounds, Sequence) or len(bounds) != 2:
        raise SettingError(f"bounds must be the lowest and the highest value, got {describe_value(bounds)}")
    for name, bound in zip(("lower bound", "upper bound"), bounds, strict=True):
        check_number(name, bound, -math.inf, math.inf)
    if not bounds[0] < bounds[1]:
        raise SettingError(f"bounds must be the lowest and the highest value, got {bounds[0]:g} and {bounds[1]:g}")


def _as_numbers(values: ArrayLike, expected: str, *dimensions: int) -> np.ndarray:
    """Return values as an array of real numbers.

    Args:
        expected: Description of the values in messages.
        dimensions: Numbers of dimensions that are allowed, none of which is empty.

    Raises:
        InputError: They are text, complex, ragged, empty, or of another shape.
    """
    try:
        array = np.asarray(values)
        is_real = array.dtype.kind in "biuf" or (
            array.dtype.kind == "O" and all(isinstance(value, Real) for value in array.ravel())
        )
        numbers = array.astype(float) if is_real else np.zeros(0)
    except (TypeError, ValueError, OverflowError):
        is_real, numbers = False, np.zeros(0)
    if not is_real:
        raise InputError(f"expected real numbers, {expected}, got {describe_value(values)}")
    if numbers.ndim not in dimensions or not numbers.size:
        raise InputError(f"expected {expected}, got {'no value' if not numbers.size else f'shape {numbers.shape}'}")
    return numbers


def _as_curves(curves: ArrayLike) -> np.ndarray:
    """Return curves (S, T), one per seed.

    A single curve (T,) is one seed's.
    """
    return np.atleast_2d(_as_numbers(curves, "a curve per seed, shape (S, T)", 1, 2))


def _per_seed(values: ArrayLike) -> np.ndarray:
    expected = "one finite value per seed, shape (S,) with S ≥ 1"
    seeds = _as_numbers(values, expected, 1)
    if not np.isfinite(seeds).all():
        raise InputError(f"expected {expected}, got {seeds!r}")
    return seeds


def _pair_seeds(first: ArrayLike, second: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Pair the values (S,) of two arms.

    Raises InputError if the numbers of seeds differ.
    """
    above = _per_seed(first)
    below = _per_seed(second)
    if len(above) != len(below):
        raise InputError(f"paired arms need the same seeds, got {len(above)} and {len(below)} values")
    return above, below


Status = Literal["present", "absent", "not measurable"]


@dataclass(frozen=True)
class CollapseFinding:
    """One definition of collapse, applied to a run.

    It has the rule, what was measured, and the outcome.
    """

    definition: str
    status: Status
    rule: str
    measure: Interval | None = None


def collapse_profile(
    curves: Mapping[str, ArrayLike], by_training_size: Mapping[int, ArrayLike] | None = None
) -> list[CollapseFinding]:
    """Apply eight definitions of model collapse.

    The definitions follow Schaeffer et al. (2025), applied to a run. A definition is "not measurable" if the curve is
    missing or has a single generation, or if the interval cannot decide or lies on both sides of the threshold. A risk
    that is below 0 in some seed has no growth by a factor. Definitions 3 and 5 are about limits that no finite run
    reaches: both rules state what is measured instead.

    Args:
        curves: Curves (S, T) of each seed, generation 0 first, under any of the names
            "risk", the distance to the truth, lower is better (loss, FID, Wasserstein);
            "variance", the total variance of the samples;
            "tail_mass", the share of samples (or recall) in the tails of the real data;
            "outside_share", the share of samples outside the support of the real data (1 − precision);
            "mixed_share", the share of samples that mix modes of the real data (e.g. 1 − class accuracy).
        by_training_size: Risk curves (S, T) per number of training samples, for the scaling law; two sizes at least.

    Raises:
        InputError: A curve is not made of real numbers, or out of the range of its quantity.
    """
    tables = {}
    for name in (name for name in _RANGES if name in curves):
        tables[name] = _as_curves(curves[name])
        low, high = _RANGES[name]
        if tables[name].min() < low - ROUNDING or tables[name].max() > high + ROUNDING:
            got = f"{tables[name].min():g} to {tables[name].max():g}"
            raise InputError(f"expected {name} from {low:g} to {high:g}, got {got}")
    tables = {name: table for name, table in tables.items() if table.shape[1] > 1}
    risk = tables.get("risk")
    variance_loss = _lost_share(tables.get("variance"), is_log_normal=True)
    tail_loss = _lost_share(tables.get("tail_mass"))
    outside_rise = _rise(tables.get("outside_share"))
    mixed_rise = _rise(tables.get("mixed_share"))
    exponent_rise = _exponent_rise(by_training_size)
    return [
        _find("catastrophic increase of population risk", _growth(risk), 10, "last / first risk ≥ 10"),
        _find("any increase of population risk", _rise(risk), 0, "last − first risk > 0"),
        _find("diverging population risk", _late_rise(risk), 0, _LATE_RISE_RULE),
        _find("collapsing variance", variance_loss, 0.5, "variance lost ≥ 50 %"),
        _find("changed scaling law", exponent_rise, 0, "exponent of risk in size, last − first > 0"),
        _find("vanishing tails", tail_loss, 0.5, "tail mass lost ≥ 50 %"),
        _find("hallucinated data", outside_rise, 0.05, "share outside the support rises > 5 points"),
        _find("entangled modes", mixed_rise, 0.05, "share between modes rises > 5 points"),
    ]


_RANGES: Mapping[str, Bounds] = {
    "risk": UNBOUNDED,
    "variance": (0.0, math.inf),
    "tail_mass": (0.0, math.inf),
    "outside_share": (0.0, 1.0),
    "mixed_share": (0.0, 1.0),
}
"""Least and greatest value of each curve."""
_LATE_RISE_RULE = "rise in the last quarter > 0.6 × rise in the quarter before (a 1/t approach gives 0.5, log t 0.71)"


def _find(definition: str, measure: Interval | None, threshold: float, rule: str) -> CollapseFinding:
    status: Status = "not measurable"
    if measure is not None and measure.is_above(threshold):
        status = "present"
    elif measure is not None and measure.is_below(threshold):
        status = "absent"
    return CollapseFinding(definition, status, rule, measure)


def _growth(curve: np.ndarray | None) -> Interval | None:
    """Return the growth, last / first.

    It is None for a risk below 0, which has no growth by a factor.
    """
    if curve is None or curve[:, [0, -1]].min() < 0:
        return None
    return ratio_interval(curve[:, -1], curve[:, 0])


def _rise(curve: np.ndarray | None) -> Interval | None:
    return None if curve is None else mean_interval(curve[:, -1] - curve[:, 0], rounding=_rounding_of(curve))


def _rounding_of(curve: np.ndarray) -> float:
    """Return the rounding error of curve differences."""
    return 2 * ROUNDING * float(np.abs(curve).max())


def _lost_share(curve: np.ndarray | None, *, is_log_normal: bool = False) -> Interval | None:
    """Return the lost share, 1 − last / first."""
    if curve is None:
        return None
    first, last = curve[:, 0], curve[:, -1]
    has_logarithms = is_log_normal and min(first.min(), last.min()) > 0
    remaining = log_ratio_interval(last, first) if has_logarithms else ratio_interval(last, first)
    return replace(remaining, estimate=1 - remaining.estimate, low=1 - remaining.high, high=1 - remaining.low)


def _late_rise(curve: np.ndarray | None) -> Interval | None:
    """Return how much the late risk accelerates.

    It is the rise in the last quarter, less 0.6 times the rise in the quarter before.
    """
    if curve is None or curve.shape[1] < 9:
        return None
    last = curve.shape[1] - 1
    middle = last // 2
    late = 3 * last // 4
    rise_before = curve[:, late] - curve[:, middle]
    rise_after = curve[:, last] - curve[:, late]
    return mean_interval(rise_after - 0.6 * np.maximum(rise_before, 0), rounding=_rounding_of(curve))


def _exponent_rise(by_training_size: Mapping[int, ArrayLike] | None) -> Interval | None:
    """Return how the size exponent rises.

    Risk is ∝ size^exponent, from the first to the last generation.
    """
    if by_training_size is None or len(by_training_size) < 2:
        return None
    for size in by_training_size:
        check_number("a number of training samples", size, 1.0, sys.float_info.max)
    risks = [_as_curves(curve)[:, [0, -1]] for curve in by_training_size.values()]
    if len({len(risk) for risk in risks}) > 1:
        raise InputError("risks by training size need the same seeds in each size")
    if any(_as_curves(curve).shape[1] < 2 for curve in by_training_size.values()) or np.min(risks) <= 0:
        return None  # no time to change in, or a risk without a logarithm
    log_sizes = np.log(list(by_training_size))
    log_risks = np.log(risks)
    centred = log_sizes - log_sizes.mean()
    exponents = np.tensordot(centred, log_risks, axes=1) / (centred**2).sum()
    return mean_interval(exponents[:, 1] - exponents[:, 0], rounding=2 * ROUNDING * float(np.abs(log_risks).max()))
