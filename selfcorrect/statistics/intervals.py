"""Intervals of a quantity over seeds: means, medians, ratios and half-lives."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from ..core.errors import InputError
from .seeds import (
    CONFIDENCE,
    ROUNDING,
    UNBOUNDED,
    Bounds,
    as_curves,
    as_numbers,
    check_bounds,
    check_options,
    has_spread,
    pair_seeds,
    per_seed,
    standard_deviation,
)

FEWEST_SEEDS = 5
"""Minimum number of seeds to decide on a difference, a claim or a definition of collapse."""


@dataclass(frozen=True)
class Interval:
    """An estimate from `count` seeds with its confidence interval.

    Bounds are NaN if there is no interval.
    """

    estimate: float
    low: float
    high: float
    count: int
    method: str
    """Method of the interval. "t" assumes roughly normal seeds, and "t of logarithms" roughly log-normal seeds. "logit
    t" is for quantities between two bounds, "Fieller" for a ratio of paired means, "jackknife" for a product of
    such ratios. Further methods are "order statistics", and "single seed" and "no spread" if there is no interval."""
    confidence: float = CONFIDENCE

    @property
    def can_decide(self) -> bool:
        """True if the interval has bounds and at least `FEWEST_SEEDS` seeds, as verdicts require."""
        return self.count >= FEWEST_SEEDS and not math.isnan(self.low) and not math.isnan(self.high)

    def is_above(self, threshold: float) -> bool:
        """Return whether the interval can decide and lies above a threshold."""
        return self.can_decide and self.low > threshold

    def is_below(self, threshold: float) -> bool:
        """Return whether the interval can decide and lies below a threshold."""
        return self.can_decide and self.high < threshold

    def is_within(self, lowest: float, highest: float) -> bool:
        """Return whether the interval can decide and lies between two values."""
        return self.can_decide and lowest <= self.low and self.high <= highest

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.estimate:.3g} (no interval from {self.count} seed{'s' * (self.count != 1)})"
        return f"{self.estimate:.3g} [{self.low:.3g}, {self.high:.3g}]"


UNMEASURED = Interval(math.nan, math.nan, math.nan, 0, "not measured")
"""Interval of a quantity that some seed does not have."""


def mean_interval(
    values: ArrayLike, bounds: Bounds = UNBOUNDED, *, resolution: float = 0.0, rounding: float = 0.0
) -> Interval:
    """Return the mean over seeds with Student's t interval.

    The interval is exact for normally distributed seeds, and excludes 0 if and only if `student_p` rejects it. It stays
    within `bounds`. Between two bounds, such as 0 and 1, it is an interval of the logit (delta method; Agresti 2013,
    section 1.4). With one bound, it is cut off there, which costs no coverage.

    Args:
        values: (S,) one value per seed, such as the difference between paired arms.
        bounds: Minimum and maximum of the quantity.
        resolution: Smallest step of a score that is a count, such as 1 / n for a share of n samples; 0 for none.
        rounding: Rounding error of the values, as in `has_spread`.

    Returns:
        The mean with an interval. Bounds are NaN for a single seed, and for seeds without spread.

    Raises:
        InputError: A value is not finite, or out of bounds.
        SettingError: An option is not a number, or out of its range.
    """
    check_options(resolution=resolution, rounding=rounding)
    check_bounds(bounds)
    seeds = per_seed(values)
    count = len(seeds)
    mean = float(seeds.mean())
    if seeds.min() < bounds[0] or seeds.max() > bounds[1]:
        raise InputError(f"expected values from {bounds[0]:g} to {bounds[1]:g}, got {seeds!r}")
    if count == 1 or not has_spread(seeds, resolution, rounding):
        return _without_bounds(mean, count)
    low, high, method = _bounded_interval(mean, _half_width(seeds, resolution), bounds)
    return Interval(mean, low, high, count, method)


def _without_bounds(estimate: float, count: int, confidence: float = CONFIDENCE) -> Interval:
    """Return an estimate without an interval.

    This is the case for a single seed, and for seeds without spread.
    """
    method = "single seed" if count == 1 else "no spread"
    return Interval(estimate, math.nan, math.nan, count, method, confidence)


def _half_width(seeds: np.ndarray, resolution: float) -> float:
    """Return half the width of Student's interval of a mean."""
    count = len(seeds)
    standard_error = standard_deviation(seeds, resolution) / math.sqrt(count)
    return float(standard_error * scipy.special.stdtrit(count - 1, (1 + CONFIDENCE) / 2))


def _bounded_interval(mean: float, half_width: float, bounds: Bounds) -> tuple[float, float, str]:
    """Return the bounds of mean ± half_width, limited to `bounds`, and the method.

    Between two finite bounds, the interval is that of the logit.
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
    """Return the median over seeds with its order-statistic interval.

    With fewer than six seeds, no pair of order statistics covers 95 %, so the bounds are NaN.

    Args:
        values: (S,) one value per seed, which may be infinite.
    """
    seeds = as_numbers(values, "a value per seed, shape (S,)", 1)
    if np.isnan(seeds).any():
        raise InputError(f"expected a value per seed, infinite ones included, got {seeds!r}")
    bounds = scipy.stats.quantile_test(seeds, p=0.5).confidence_interval()
    method = "order statistics"
    if math.isnan(bounds.low):
        method = "single seed" if len(seeds) == 1 else "too few seeds"
    return Interval(float(np.median(seeds)), float(bounds.low), float(bounds.high), len(seeds), method)


def ratio_interval(
    numerator: ArrayLike, denominator: ArrayLike, confidence: float = CONFIDENCE, resolution: float = 0.0
) -> Interval:
    """Return the ratio of paired means with Fieller's interval (1954).

    The interval contains every r for which the mean of numerator − r · denominator may be 0. Unlike a mean of ratios or
    of logarithms, this ratio accepts zeros in the numerator.

    Args:
        numerator: (S,) one value per seed.
        denominator: (S,) values of the same seeds.
        confidence: Confidence level.
        resolution: Smallest step of scores that are counts, the minimum of both standard deviations; 0 for none.

    Returns:
        The ratio with an interval. Bounds are infinite if the denominator cannot be distinguished from zero, and NaN if
            neither numerator nor denominator has spread. If the denominator is zero, the estimate is infinite; 0 / 0 is
            NaN.

    Raises:
        InputError: A value is not finite, or the numbers of seeds differ.
        SettingError: An option is not a number, or out of its range.
    """
    check_options(confidence, resolution)
    above, below = pair_seeds(numerator, denominator)
    return solve_fieller(above, below, len(above), confidence, resolution)


def solve_fieller(above: np.ndarray, below: np.ndarray, count: int, confidence: float, resolution: float) -> Interval:
    """Solve Fieller's interval for `count` seeds.

    Means and covariances are those of the given seeds, which may be fewer.
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


def log_ratio_interval(numerator: ArrayLike, denominator: ArrayLike, confidence: float = CONFIDENCE) -> Interval:
    """Return the geometric mean of paired ratios.

    The interval is Student's t interval of the logarithms. In loops, ratios of variances are log-normal, because each
    generation multiplies the variance.

    Args:
        numerator: (S,) one positive value per seed.
        denominator: (S,) positive values of the same seeds.
        confidence: Confidence level.

    Returns:
        The ratio with an interval. Bounds are NaN for a single seed, and for ratios without spread.

    Raises:
        InputError: A value is not finite or not positive, or the numbers of seeds differ.
        SettingError: The confidence is not between 0 and 1.
    """
    check_options(confidence)
    above, below = pair_seeds(numerator, denominator)
    if min(above.min(), below.min()) <= 0:
        raise InputError(f"logarithms of ratios need positive values, got {above!r} and {below!r}")
    return solve_log_ratio(above, below, len(above), confidence)


def solve_log_ratio(above: np.ndarray, below: np.ndarray, count: int, confidence: float) -> Interval:
    """Solve the interval of `log_ratio_interval` for `count` seeds.

    Mean and spread of the logarithms are those of the given seeds, which may be fewer.
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
    """Return a product of means divided by another one.

    The interval comes from a jackknife on a log scale. A seed may be 0 in any argument if the mean of all others is
    not.

    Args:
        numerators: Values (S,) of each factor, paired by seed.
        denominators: Values (S,) of each divisor, likewise.

    Returns:
        The ratio. Bounds are NaN for a single seed, and if any mean over all seeds but one is not positive.

    Raises:
        InputError: There is no factor or no divisor, a value is not finite, or the numbers of seeds differ.
    """
    factors = [per_seed(values) for values in (*numerators, *denominators)]
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
        factor = math.exp(float(scipy.special.stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * math.sqrt(variance))
    return Interval(estimate, estimate / factor, estimate * factor, count, "jackknife")


def band(curves: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean, lower and upper bound of curves, each (T,), for plots.

    Args:
        curves: (S, T) one curve per seed.

    Raises:
        InputError: There is no curve, or a value is not finite.
    """
    intervals = [mean_interval(column) for column in as_curves(curves).T]
    mean = np.array([interval.estimate for interval in intervals])
    low = np.array([interval.low for interval in intervals])
    high = np.array([interval.high for interval in intervals])
    return mean, low, high


def half_life(curve: ArrayLike) -> float:
    """Return after how many generations a curve has lost half of its initial height.

    The first crossing counts, interpolated linearly between generations.

    Args:
        curve: (T,) one height per generation.

    Returns:
        Number of generations; inf if the curve never loses half of its height, NaN if a height before is missing (NaN).

    Raises:
        InputError: The curve does not start at a finite height above 0.
    """
    height = as_numbers(curve, "a height per generation, shape (T,)", 1)
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
    """Return the median half-life over seeds, infinite if it is not reached within the run.

    From 6 seeds on, order statistics bound the median. With fewer seeds that all have a half-life, the interval is
    Student's t interval of the logarithms, which assumes roughly log-normal half-lives. If some have none, the bounds
    are the range of the seeds, and the confidence is the probability 1 − 2^(1 − S) that such a range contains the
    median. If a seed's half-life is unknown because heights are missing, so is the median.

    Args:
        curves: (S, T) one curve per seed.

    Raises:
        InputError: A curve does not start at a finite height above 0.
    """
    half_lives = np.array([half_life(curve) for curve in as_curves(curves)])
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
