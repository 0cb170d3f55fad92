"""Statistics for a handful of seeds: intervals, paired tests, half-lives, verdicts on stability and collapse.

Arrays hold a value per seed, shape (S,), or a curve per seed, shape (S, T) with generation 0 first. Arms of a
comparison share their seeds (common random numbers), so differences between arms are taken per seed.

A few seeds with equal scores show no spread, which does not mean that there is none. Scores that are counts, such as a
share of n samples, have a resolution (1 / n): below it, no spread can be measured. Functions that take a `resolution`
never assume a smaller standard deviation. Without a resolution, equal differences are undecided: no bounds, p = 1.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import scipy
from numpy.typing import ArrayLike

from .core.errors import InputError, SettingError
from .core.randomness import streams

FEWEST_SEEDS_TO_BOOTSTRAP = 20
_ROUNDING = 1e-9
"""Differences that vary by less than this share of their size are equal: such variation is rounding."""


@dataclass(frozen=True)
class Interval:
    """An estimate from `count` seeds with its confidence interval; the bounds are NaN where none exists."""

    estimate: float
    low: float
    high: float
    count: int
    method: str
    """The method. "bootstrap" is bias-corrected and accelerated. "t" assumes roughly normal seeds, "t of logarithms"
    roughly log-normal seeds. "logit t" is between two bounds, "Fieller" for a ratio of paired means. Further methods
    are "order statistics", "single seed" and "no spread" (no interval)."""
    confidence: float = 0.95

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.estimate:.3g} (no interval from {self.count} seed{'s' * (self.count != 1)})"
        return f"{self.estimate:.3g} [{self.low:.3g}, {self.high:.3g}]"


UNMEASURED = Interval(math.nan, math.nan, math.nan, 0, "not measured")
"""The interval of a quantity that some seed does not have."""

Bounds: TypeAlias = tuple[float, float]
"""The lowest and the highest value that a quantity can have; infinite where there is none."""
UNBOUNDED: Bounds = (-math.inf, math.inf)


def mean_interval(values: ArrayLike, bounds: Bounds = UNBOUNDED) -> Interval:
    """Return the mean over seeds: bootstrap from 20 seeds on, Student's t from 2, no interval for a single seed.

    Three to five seeds cannot carry a bootstrap: its resamples hold too few distinct values and cover less than they
    claim. There the t interval is given, which is exact only for normally distributed seeds. It stays within `bounds`.
    Between two, such as 0 and 1, it is taken of the logit (delta method; Agresti 2013, section 1.4). At a single seed
    it ends, which costs no coverage. Equal seeds have an interval of width 0.

    Args:
        values: (S,) one value per seed.
        bounds: Lowest and highest value that the quantity can have.

    Raises:
        InputError: A value is not finite, or out of bounds.
    """
    seeds = _per_seed(values)
    count = len(seeds)
    mean = float(seeds.mean())
    if count == 1:
        return Interval(mean, math.nan, math.nan, 1, "single seed")
    if seeds.min() < bounds[0] or seeds.max() > bounds[1]:
        raise InputError(f"expected values from {bounds[0]:g} to {bounds[1]:g}, got {seeds!r}")
    if np.ptp(seeds) == 0:
        return Interval(mean, mean, mean, count, "t")
    if count < FEWEST_SEEDS_TO_BOOTSTRAP:
        low, high, method = _bounded_interval(mean, _half_width(seeds), bounds)
        return Interval(mean, low, high, count, method)
    generator = streams(0).child("bootstrap").numpy()
    result = scipy.stats.bootstrap((seeds,), np.mean, rng=generator).confidence_interval
    return Interval(mean, float(result.low), float(result.high), count, "bootstrap")


def student_interval(values: ArrayLike, resolution: float = 0.0) -> Interval:
    """Return the mean with Student's t interval, which excludes 0 exactly where `student_p` rejects 0.

    Args:
        values: (S,) one value per seed, e.g. differences of paired arms.
        resolution: Smallest step of a score that is a count, e.g. 1 / n for a share of n samples; 0 for none.

    Returns:
        The mean with its interval. The bounds are NaN for a single seed, and for seeds that all have the same value
        other than 0.
    """
    seeds = _per_seed(values)
    count = len(seeds)
    mean = float(seeds.mean())
    if count == 1:
        return Interval(mean, math.nan, math.nan, 1, "single seed")
    if not has_spread(seeds, resolution):
        bound = 0.0 if mean == 0 else math.nan
        return Interval(mean, bound, bound, count, "no spread")
    half_width = _half_width(seeds, resolution)
    return Interval(mean, mean - half_width, mean + half_width, count, "t")


def student_p(values: ArrayLike, resolution: float = 0.0) -> float:
    """Return the two-sided p-value of the t test that the mean over seeds (S,) is 0.

    Args:
        values: (S,) one value per seed.
        resolution: Smallest step of a value, as in `student_interval`.

    Returns:
        The p-value; 1 for a single seed and for seeds without spread, which cannot be tested.
    """
    seeds = _per_seed(values)
    count = len(seeds)
    if count == 1 or not has_spread(seeds, resolution):
        return 1.0
    t_statistic = abs(seeds.mean()) / (_standard_deviation(seeds, resolution) / math.sqrt(count))
    return float(2 * scipy.special.stdtr(count - 1, -t_statistic))


def has_spread(values: ArrayLike, resolution: float = 0.0) -> bool:
    """Return whether a spread of seeds is known: they differ by more than rounding, or have a resolution.

    Args:
        values: (S,) one value per seed.
        resolution: Smallest step of a value, 0 if it is continuous.
    """
    seeds = _per_seed(values)
    return resolution > 0 or bool(np.ptp(seeds) > _ROUNDING * np.abs(seeds).max())


def _standard_deviation(seeds: np.ndarray, resolution: float) -> float:
    """Return the standard deviation over seeds, at least the resolution of their scores."""
    return max(float(seeds.std(ddof=1)), resolution)


def _half_width(seeds: np.ndarray, resolution: float = 0.0) -> float:
    """Return half the width of Student's 95 % interval of a mean."""
    count = len(seeds)
    standard_error = _standard_deviation(seeds, resolution) / math.sqrt(count)
    return float(standard_error * scipy.special.stdtrit(count - 1, 0.975))


def _bounded_interval(mean: float, half_width: float, bounds: Bounds) -> tuple[float, float, str]:
    """Return mean ± half_width within bounds, and the method: of the logit between two bounds."""
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

    With fewer than six seeds no pair of order statistics covers 95 %, and the bounds are NaN.

    Args:
        values: (S,) one value per seed, which may be infinite.
    """
    seeds = np.asarray(values, dtype=float)
    bounds = scipy.stats.quantile_test(seeds, p=0.5).confidence_interval()
    method = "order statistics"
    if math.isnan(bounds.low):
        method = "single seed" if len(seeds) == 1 else "too few seeds"
    return Interval(float(np.median(seeds)), float(bounds.low), float(bounds.high), len(seeds), method)


def ratio_interval(
    numerator: ArrayLike, denominator: ArrayLike, confidence: float = 0.95, resolution: float = 0.0
) -> Interval:
    """Return the ratio of two paired means with Fieller's interval (1954).

    It holds every r for which numerator − r · denominator may average 0. Unlike a mean of ratios or of logarithms it
    accepts zeros in the numerator.

    Args:
        numerator: (S,) one value per seed.
        denominator: (S,) values of the same seeds.
        resolution: Smallest step of scores that are counts, a floor of both standard deviations; 0 for none.

    Returns:
        The ratio with its interval. Bounds are infinite where the denominator cannot be distinguished from zero. Over a
        denominator of zeros the estimate is infinite, 0 / 0 is NaN.

    Raises:
        InputError: A value is not finite, or the numbers of seeds differ.
    """
    above = _per_seed(numerator)
    below = _per_seed(denominator)
    _check_paired(above, below)
    return _solve_fieller(above, below, len(above), confidence, resolution)


def _solve_fieller(
    above: np.ndarray, below: np.ndarray, count: int, confidence: float, resolution: float = 0.0
) -> Interval:
    """Return the interval that `count` seeds would give with the means and covariances of the seeds at hand."""
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = float(above.mean() / below.mean())
    if len(above) == 1:
        return Interval(estimate, math.nan, math.nan, 1, "single seed", confidence)
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


def band(curves: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, lower and upper bound (T,) over seeds at every generation, for plots.

    Args:
        curves: (S, T) one curve per seed.
    """
    intervals = [mean_interval(column) for column in np.atleast_2d(np.asarray(curves, dtype=float)).T]
    mean = np.array([interval.estimate for interval in intervals])
    low = np.array([interval.low for interval in intervals])
    high = np.array([interval.high for interval in intervals])
    return mean, low, high


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p-values adjusted for testing all of them at once (Holm 1979): significant where adjusted ≤ level."""
    largest = 0.0
    adjusted = {}
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}


def half_life(curve: ArrayLike) -> float:
    """Return the generations until a curve has lost half of its initial height.

    The first crossing counts, linearly interpolated between generations.

    Args:
        curve: (T,) one height per generation.

    Returns:
        Number of generations; inf if the curve never loses half of its height.

    Raises:
        InputError: The curve does not start above 0.
    """
    height = np.asarray(curve, dtype=float)
    if height[0] <= 0:
        raise InputError(f"a half-life needs a curve that starts above 0, got {height[0]:g}")
    half = height[0] / 2
    crossed = np.flatnonzero(height <= half)
    if not len(crossed):
        return math.inf
    crossing = int(crossed[0])
    return crossing - 1 + (height[crossing - 1] - half) / (height[crossing - 1] - height[crossing])


def half_life_interval(curves: ArrayLike) -> Interval:
    """Return the median half-life over seeds; infinite where it is not reached within the run.

    Order statistics bound it from 6 seeds on. Fewer seeds that all reach it give Student's t interval of their
    logarithms, which assumes roughly log-normal half-lives. Where some do not, the bounds are the range of the seeds,
    and the confidence is the chance 1 − 2^(1 − S) that such a range holds the median.

    Args:
        curves: (S, T) one curve per seed.

    Raises:
        InputError: A curve does not start above 0.
    """
    half_lives = np.array([half_life(curve) for curve in np.atleast_2d(curves)])
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


@dataclass(frozen=True)
class Thresholds:
    """Factors by which a quality may worsen: up to `stable` it is stable, from `collapsed` on it is lost."""

    stable: float = 1.25
    collapsed: float = 2.0

    def __post_init__(self) -> None:
        if not 1 <= self.stable < self.collapsed:
            raise SettingError(f"thresholds need 1 ≤ stable < collapsed, got {self.stable:g} and {self.collapsed:g}")


@dataclass(frozen=True)
class Verdict:
    """The evaluation of a quality: value / baseline with its interval, and the thresholds it is compared with."""

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
    """Evaluate a quality at the end of a loop against its baseline on the same seeds.

    The whole interval must lie on a single side of a threshold, otherwise the verdict is "undecided". A quality that is
    certainly worse than stable and possibly collapsed is "degraded".

    Args:
        values: (S,) the quality, one value per seed.
        baseline: (S,) the quality of the baseline in the same seeds.
        better: Direction in which the quality is good.
        thresholds: Factors by which it may worsen, by default those of `Thresholds()`.
        resolution: Smallest step of a score that is a count, e.g. 1 / n for a share of n samples; 0 for none.

    Returns:
        The verdict; "undecided" if neither values nor baseline vary and no resolution is given.

    Raises:
        InputError: A value is not finite, or the numbers of seeds differ.
    """
    ratio = ratio_interval(values, baseline, confidence, resolution)
    if not (has_spread(values, resolution) or has_spread(baseline, resolution)):
        ratio = replace(ratio, low=math.nan, high=math.nan, method="no spread")
    return _make_verdict(ratio, better, thresholds or Thresholds())


def _make_verdict(ratio: Interval, better: Better, thresholds: Thresholds) -> Verdict:
    best = ratio.low if better == "lower" else _invert_quality(ratio.high)
    worst = ratio.high if better == "lower" else _invert_quality(ratio.low)
    label: Label = "undecided"
    if best >= thresholds.collapsed:
        label = "collapsed"
    elif best > thresholds.stable:
        label = "degraded"
    elif worst <= thresholds.stable:
        label = "stable"
    return Verdict(label, ratio, thresholds, better)


MOST_SEEDS = 1000
"""If more seeds than this were needed, a quality counts as lying on its threshold."""


def seeds_to_decide(
    values: ArrayLike,
    baseline: ArrayLike,
    better: Better,
    thresholds: Thresholds | None = None,
    confidence: float = 0.95,
    resolution: float = 0.0,
) -> int | None:
    """Estimate how many seeds would decide a verdict, if further seeds spread as those at hand do.

    A plan and no promise: means and covariances of a few seeds are known only roughly.

    Args:
        values: (S,) the quality, one value per seed.
        baseline: (S,) the quality of the baseline in the same seeds.
        better: Direction in which the quality is good.
        thresholds: Factors by which it may worsen, by default those of `Thresholds()`.
        resolution: Smallest step of a score that is a count, as in `evaluate_quality`.

    Returns:
        The number of seeds; None for more than `MOST_SEEDS`, for a single seed, and for seeds without spread.

    Raises:
        InputError: A value is not finite, or the numbers of seeds differ.
    """
    above = _per_seed(values)
    below = _per_seed(baseline)
    _check_paired(above, below)
    limits = thresholds or Thresholds()

    def is_decided(count: int) -> bool:
        ratio = _solve_fieller(above, below, count, confidence, resolution)
        return _make_verdict(ratio, better, limits).label != "undecided"

    varies = has_spread(above, resolution) or has_spread(below, resolution)
    if len(above) == 1 or not varies or not is_decided(MOST_SEEDS):
        return None
    counts = range(len(above), MOST_SEEDS + 1)
    return counts[bisect_left(counts, True, key=is_decided)]  # intervals of more seeds lie within intervals of fewer


def plan_looks(seeds: int) -> dict[int, float]:
    """Return the numbers of seeds after which a trial of at most `seeds` is evaluated, and each look's confidence.

    Looks are after 3, 5, 10, 20, … seeds and after all. Their error levels add up to 5 % and are in proportion to the
    number of seeds (a Bonferroni group-sequential test). By the union bound, the chance that any look is wrong about a
    quality is at most 5 %, however their results depend on each other.
    """
    early = [count for count in (3, *(5 * 2**power for power in range(16))) if count < seeds]
    counts = [*early, seeds]
    return {count: 1 - 0.05 * count / sum(counts) for count in counts}


def _invert_quality(ratio: float) -> float:
    """Return 1 / ratio; a lost quality (zero or below) is infinitely worse."""
    if math.isnan(ratio):
        return ratio
    return math.inf if ratio <= 0 else 1 / ratio


def worst_verdict(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the most severe of several verdicts, e.g. of realism and diversity: the weaker side decides on a loop."""
    return max(verdicts, key=lambda verdict: SEVERITY.index(verdict.label))


def _per_seed(values: ArrayLike) -> np.ndarray:
    seeds = np.asarray(values, dtype=float)
    if seeds.ndim != 1 or not len(seeds) or not np.isfinite(seeds).all():
        raise InputError(f"expected one finite value per seed, shape (S,) with S ≥ 1, got {seeds!r}")
    return seeds


def _check_paired(first: np.ndarray, second: np.ndarray) -> None:
    if len(first) != len(second):
        raise InputError(f"paired arms need the same seeds, got {len(first)} and {len(second)} values")


Status = Literal["present", "absent", "not measurable"]


@dataclass(frozen=True)
class CollapseFinding:
    """One definition of model collapse, applied to a run: its rule, what was measured, and the outcome."""

    definition: str
    status: Status
    rule: str
    measure: Interval | None = None


def collapse_profile(
    curves: Mapping[str, ArrayLike], by_training_size: Mapping[int, ArrayLike] | None = None
) -> list[CollapseFinding]:
    """Apply the eight definitions of model collapse of Schaeffer et al. (2025) to a run.

    A definition whose curve is missing, or whose interval lies on both sides of its threshold, is "not measurable".
    Definitions 3 and 5 are about limits, which no finite run reaches: their rules state what is measured instead.

    Args:
        curves: Curves (S, T) of each seed, generation 0 first, under any of the names
            "risk", the distance to the truth, lower is better (loss, FID, Wasserstein);
            "variance", the total variance of the samples;
            "tail_mass", the share of samples (or recall) in the tails of the real data;
            "outside_share", the share of samples outside the support of the real data (1 − precision);
            "mixed_share", the share of samples that mix modes of the real data (e.g. 1 − class accuracy).
        by_training_size: Risk curves (S, T) per number of training samples, for the scaling law; two sizes at least.
    """
    tables = {name: np.atleast_2d(np.asarray(curve, dtype=float)) for name, curve in curves.items()}
    risk = tables.get("risk")
    variance_loss = _lost_share(tables.get("variance"))
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


_LATE_RISE_RULE = "rise in the last quarter > 0.6 × rise in the quarter before (a 1/t approach gives 0.5, log t 0.71)"


def _find(definition: str, measure: Interval | None, threshold: float, rule: str) -> CollapseFinding:
    status: Status = "not measurable"
    if measure is not None and measure.low > threshold:
        status = "present"
    elif measure is not None and measure.high <= threshold:
        status = "absent"
    return CollapseFinding(definition, status, rule, measure)


def _growth(curve: np.ndarray | None) -> Interval | None:
    return None if curve is None else ratio_interval(curve[:, -1], curve[:, 0])


def _rise(curve: np.ndarray | None) -> Interval | None:
    return None if curve is None else mean_interval(curve[:, -1] - curve[:, 0])


def _lost_share(curve: np.ndarray | None) -> Interval | None:
    """Return the lost share, 1 − last / first."""
    if curve is None:
        return None
    remaining = ratio_interval(curve[:, -1], curve[:, 0])
    return replace(remaining, estimate=1 - remaining.estimate, low=1 - remaining.high, high=1 - remaining.low)


def _late_rise(curve: np.ndarray | None) -> Interval | None:
    """Return the rise of the risk in its last quarter, less 0.6 times the rise in the quarter before."""
    if curve is None or curve.shape[1] < 9:
        return None
    last = curve.shape[1] - 1
    middle = last // 2
    late = 3 * last // 4
    rise_before = curve[:, late] - curve[:, middle]
    rise_after = curve[:, last] - curve[:, late]
    return mean_interval(rise_after - 0.6 * np.maximum(rise_before, 0))


def _exponent_rise(by_training_size: Mapping[int, ArrayLike] | None) -> Interval | None:
    """Return the rise of the exponent of risk ∝ size^exponent from the first to the last generation."""
    if by_training_size is None or len(by_training_size) < 2:
        return None
    log_sizes = np.log(list(by_training_size))
    log_risks = np.log([np.asarray(curve, dtype=float)[:, [0, -1]] for curve in by_training_size.values()])
    centred = log_sizes - log_sizes.mean()
    exponents = np.tensordot(centred, log_risks, axes=1) / (centred**2).sum()
    return mean_interval(exponents[:, 1] - exponents[:, 0])
