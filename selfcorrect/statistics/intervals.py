"""Intervals of a quantity over seeds: means, medians, ratios and half-lives."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from ..core.errors import InputError
from .seeds import (
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
"""Least number of seeds that decide a difference, a claim or a definition of collapse."""


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


def _without_bounds(estimate: float, count: int, confidence: float = 0.95) -> Interval:
    """Return an estimate without an interval.

    A single seed has no interval, nor have seeds without spread.
    """
    method = "single seed" if count == 1 else "no spread"
    return Interval(estimate, math.nan, math.nan, count, method, confidence)


def _half_width(seeds: np.ndarray, resolution: float = 0.0) -> float:
    """Return half the width of a t interval.

    It is Student's 95 % interval of a mean.
    """
    count = len(seeds)
    standard_error = standard_deviation(seeds, resolution) / math.sqrt(count)
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
    seeds = as_numbers(values, "a value per seed, shape (S,)", 1)
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
    check_options(confidence, resolution)
    above, below = pair_seeds(numerator, denominator)
    return solve_fieller(above, below, len(above), confidence, resolution)


def solve_fieller(
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
    check_options(confidence)
    above, below = pair_seeds(numerator, denominator)
    if min(above.min(), below.min()) <= 0:
        raise InputError(f"logarithms of ratios need positive values, got {above!r} and {below!r}")
    return solve_log_ratio(above, below, len(above), confidence)


def solve_log_ratio(above: np.ndarray, below: np.ndarray, count: int, confidence: float) -> Interval:
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
    intervals = [mean_interval(column) for column in as_curves(curves).T]
    mean = np.array([interval.estimate for interval in intervals])
    low = np.array([interval.low for interval in intervals])
    high = np.array([interval.high for interval in intervals])
    return mean, low, high


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
