"""What a handful of seeds can and cannot say: intervals, paired tests, noise floors, half-lives, collapse.

Arrays hold one value per seed, shape (S,), or one curve per seed, shape (S, T) with generation 0 first. Arms
of a comparison share their seeds (common random numbers), so differences between arms are taken per seed.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

import numpy as np
import scipy
from numpy.typing import ArrayLike

from .core.errors import InputError, SettingError
from .core.randomness import Stream, streams

if TYPE_CHECKING:
    from torch import Tensor

FEWEST_SEEDS_TO_BOOTSTRAP = 20
FEWEST_SEEDS_TO_PERMUTE = 6  # below, even the smallest possible two-sided p-value, 2 / 2**S, exceeds .05

Rows = TypeVar("Rows", np.ndarray, "Tensor")


@dataclass(frozen=True)
class Interval:
    """An estimate from `count` seeds with its confidence interval; the bounds are NaN where none exists."""

    estimate: float
    low: float
    high: float
    count: int
    method: str
    """The method. "bootstrap" is bias-corrected and accelerated. "t" assumes roughly normal seeds, "t of logarithms"
    roughly log-normal ones. "logit t" is between two bounds, "Fieller" for a ratio of paired means. The others are
    "order statistics" and "single seed" (no interval)."""
    confidence: float = 0.95

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.estimate:.3g} (no interval from {self.count} seed{'s' * (self.count != 1)})"
        return f"{self.estimate:.3g} [{self.low:.3g}, {self.high:.3g}]"


UNMEASURED = Interval(math.nan, math.nan, math.nan, 0, "not measured")
"""Of a quantity that some seed does not have."""

Bounds: TypeAlias = tuple[float, float]
"""The lowest and the highest value that a quantity can have; infinite where there is none."""
UNBOUNDED: Bounds = (-math.inf, math.inf)


def mean_interval(
    values: ArrayLike, confidence: float = 0.95, stream: Stream | None = None, bounds: Bounds = UNBOUNDED
) -> Interval:
    """The mean over seeds: bootstrap from 20 seeds on, Student's t from 2, no interval for a single seed.

    Three to five seeds cannot carry a bootstrap: its resamples hold too few distinct values and cover less than they
    claim. There the t interval is given, which is exact only for normally distributed seeds. It stays within `bounds`.
    Between two, such as 0 and 1, it is taken of the logit (delta method; Agresti 2013, section 1.4). At a single one it
    ends, which costs no coverage.
    """
    seeds = _per_seed(values)
    mean, count = float(seeds.mean()), len(seeds)
    if count == 1:
        return Interval(mean, math.nan, math.nan, 1, "single seed", confidence)
    if seeds.min() < bounds[0] or seeds.max() > bounds[1]:
        raise InputError(f"expected values from {bounds[0]:g} to {bounds[1]:g}, got {seeds!r}")
    if np.ptp(seeds) == 0:
        return Interval(mean, mean, mean, count, "t", confidence)
    if count < FEWEST_SEEDS_TO_BOOTSTRAP:
        low, high, method = _within(mean, _reach(seeds, confidence), bounds)
        return Interval(mean, low, high, count, method, confidence)
    generator = (stream or streams(0).child("bootstrap")).numpy()
    result = scipy.stats.bootstrap((seeds,), np.mean, confidence_level=confidence, rng=generator).confidence_interval
    return Interval(mean, float(result.low), float(result.high), count, "bootstrap", confidence)


def student_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """The mean over seeds (S,) with Student's t interval, which excludes 0 exactly where the t test rejects 0."""
    seeds = _per_seed(values)
    mean, count = float(seeds.mean()), len(seeds)
    if count == 1:
        return Interval(mean, math.nan, math.nan, 1, "single seed", confidence)
    reach = _reach(seeds, confidence)
    return Interval(mean, mean - reach, mean + reach, count, "t", confidence)


def _reach(seeds: np.ndarray, confidence: float) -> float:
    """Half the width of Student's t interval of a mean."""
    count = len(seeds)
    return float(seeds.std(ddof=1) / math.sqrt(count) * scipy.special.stdtrit(count - 1, (1 + confidence) / 2))


def student_p(values: ArrayLike) -> float:
    """The two-sided p-value of the t test that the mean over seeds (S,) is 0; 1 for a single seed."""
    seeds = _per_seed(values)
    if len(seeds) == 1 or not seeds.any():
        return 1.0
    if np.ptp(seeds) == 0:
        return 0.0
    score = abs(seeds.mean()) / (seeds.std(ddof=1) / math.sqrt(len(seeds)))
    return float(2 * scipy.special.stdtr(len(seeds) - 1, -score))


def _within(mean: float, reach: float, bounds: Bounds) -> tuple[float, float, str]:
    """Mean ± reach within bounds that a mean does not touch, and how."""
    lowest, highest = bounds
    if math.isinf(lowest) or math.isinf(highest):
        return max(mean - reach, lowest), min(mean + reach, highest), "t"
    width = highest - lowest
    share = (mean - lowest) / width
    middle, spread = scipy.special.logit(share), reach / width / (share * (1 - share))
    low, high = lowest + width * scipy.special.expit([middle - spread, middle + spread])
    return float(low), float(high), "logit t"


def median_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """The median over seeds with its order-statistic interval, at least `confidence`; infinite values are allowed.

    With fewer than six seeds no pair of order statistics covers 95 %, and the bounds are NaN.
    """
    seeds = np.asarray(values, dtype=float)
    bounds = scipy.stats.quantile_test(seeds, p=0.5).confidence_interval(confidence)
    method = "order statistics" if not math.isnan(bounds.low) else "single seed" if len(seeds) == 1 else "too few seeds"
    return Interval(float(np.median(seeds)), float(bounds.low), float(bounds.high), len(seeds), method, confidence)


def ratio_interval(numerator: ArrayLike, denominator: ArrayLike, confidence: float = 0.95) -> Interval:
    """The ratio of two paired means, by Fieller (1954): every r for which numerator − r · denominator may average 0.

    Unlike a mean of ratios or of logarithms it accepts zeros in the numerator. Bounds are infinite where the
    denominator itself cannot be distinguished from zero; over a denominator of zeros the estimate is infinite, 0 / 0 is
    NaN.
    """
    above, below = _per_seed(numerator), _per_seed(denominator)
    _check_paired(above, below)
    return _fieller(above, below, len(above), confidence)


def _fieller(above: np.ndarray, below: np.ndarray, count: int, confidence: float) -> Interval:
    """The interval that `count` seeds would give whose means and covariances are those of the seeds at hand."""
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = float(above.mean() / below.mean())
    if len(above) == 1:
        return Interval(estimate, math.nan, math.nan, 1, "single seed", confidence)
    covariance = np.cov(above, below) / count * scipy.special.stdtrit(count - 1, (1 + confidence) / 2) ** 2
    quadratic = below.mean() ** 2 - covariance[1, 1]
    linear = above.mean() * below.mean() - covariance[0, 1]
    if quadratic <= 0:
        return Interval(estimate, -math.inf, math.inf, count, "Fieller", confidence)
    root = math.sqrt(max(linear**2 - quadratic * (above.mean() ** 2 - covariance[0, 0]), 0.0))
    return Interval(estimate, (linear - root) / quadratic, (linear + root) / quadratic, count, "Fieller", confidence)


def band(
    curves: ArrayLike, confidence: float = 0.95, bounds: Bounds = UNBOUNDED
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, lower and upper bound over seeds at every generation: (S, T) → three arrays (T,), for plots."""
    table = np.atleast_2d(np.asarray(curves, dtype=float))
    intervals = [mean_interval(column, confidence, bounds=bounds) for column in table.T]
    mean, low, high = np.array([(one.estimate, one.low, one.high) for one in intervals]).reshape(-1, 3).T
    return mean, low, high


@dataclass(frozen=True)
class PairedComparison:
    """Two arms on the same seeds: the mean difference (first − second) and a two-sided p-value."""

    difference: Interval
    p_value: float
    method: Literal["sign flips", "paired t"]
    smallest_p: float
    """What the test could reach at best with this many seeds."""


def compare_paired(first: ArrayLike, second: ArrayLike, confidence: float = 0.95) -> PairedComparison:
    """Compare two arms seed by seed: exact sign-flip permutations from 6 seeds on, the paired t test below."""
    one, other = _per_seed(first), _per_seed(second)
    _check_paired(one, other)
    if len(one) < 2:
        raise InputError("a paired comparison needs at least 2 common seeds, got 1")
    difference = mean_interval(one - other, confidence)
    if len(one) < FEWEST_SEEDS_TO_PERMUTE:
        p_value = 1.0 if np.array_equal(one, other) else float(scipy.stats.ttest_rel(one, other).pvalue)
        return PairedComparison(difference, p_value, "paired t", 0.0)
    generator = streams(0).child("sign flips").numpy()
    result = scipy.stats.permutation_test(
        (one, other), _mean_difference, permutation_type="samples", vectorized=True, n_resamples=9999, rng=generator
    )
    return PairedComparison(difference, float(result.pvalue), "sign flips", max(2.0 ** (1 - len(one)), 2 / 10_000))


def _mean_difference(one: np.ndarray, other: np.ndarray, axis: int) -> np.ndarray:
    return (one - other).mean(axis=axis)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P-values adjusted for judging all of them at once (Holm 1979): significant where adjusted ≤ level."""
    adjusted, largest = {}, 0.0
    for rank, (name, p_value) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_value))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}


def holm_levels(p_values: Mapping[str, float], level: float = 0.05) -> dict[str, float]:
    """The level at which Holm's procedure judges each of several p-values: significant where it is at most that."""
    ranked, levels, rejected = sorted(p_values.items(), key=lambda item: item[1]), dict[str, float](), 0
    for rank, (name, p_value) in enumerate(ranked):
        levels[name] = level / (len(ranked) - rejected)
        rejected += rank == rejected and p_value <= levels[name]
    return levels


def half_life(curve: ArrayLike, floor: float = 0.0) -> float:
    """Generations until a curve (T,) has lost half of its initial height above `floor`; infinite if not reached.

    The first crossing counts, linearly interpolated between generations.
    """
    height = np.asarray(curve, dtype=float) - floor
    if height[0] <= 0:
        raise InputError(f"a half-life needs a curve that starts above its floor {floor:g}, got {height[0] + floor:g}")
    crossed = np.flatnonzero(height <= height[0] / 2)
    if not len(crossed):
        return math.inf
    after = int(crossed[0])
    return after - 1 + (height[after - 1] - height[0] / 2) / (height[after - 1] - height[after])


def half_life_interval(curves: ArrayLike, floor: float = 0.0, confidence: float = 0.95) -> Interval:
    """The median half-life over seeds, curves (S, T); infinite where it is not reached within the run.

    Order statistics bound it from 6 seeds on. Fewer seeds that all reach it give Student's t interval of their
    logarithms, which assumes roughly log-normal half-lives. Where some do not, the bounds are the range of the seeds,
    and `confidence` is the chance 1 − 2^(1 − S) that such a range holds the median.
    """
    lives = np.array([half_life(curve, floor) for curve in np.atleast_2d(curves)])
    ordered = median_interval(lives, confidence)
    if len(lives) == 1 or not math.isnan(ordered.low):
        return ordered
    if np.isfinite(lives).all():
        logarithms = mean_interval(np.log(lives), confidence)
        low, high = min(math.exp(logarithms.low), ordered.estimate), max(math.exp(logarithms.high), ordered.estimate)
        return Interval(ordered.estimate, low, high, len(lives), "t of logarithms", confidence)
    low, high = float(lives.min()), float(lives.max())
    return Interval(ordered.estimate, low, high, len(lives), "order statistics", 1 - 2.0 ** (1 - len(lives)))


Label = Literal["stable", "degraded", "collapsed", "undecided"]
SEVERITY: tuple[Label, ...] = ("stable", "undecided", "degraded", "collapsed")
Better = Literal["lower", "higher"]
"""Which way a quality is good."""


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
    """The judgement of one quality: value / baseline with its interval, and the thresholds it was held against."""

    label: Label
    ratio: Interval
    thresholds: Thresholds
    better: Better

    def __str__(self) -> str:
        limits = (self.thresholds.stable, self.thresholds.collapsed)
        stable, collapsed = limits if self.better == "lower" else (1 / limit for limit in limits)
        bound = "at most" if self.better == "lower" else "at least"
        limits = f"stable {bound} {stable:.3g}, collapsed from {collapsed:.3g}"
        return f"{self.ratio} times the baseline ({limits}): {self.label}"


def judge(
    values: ArrayLike,
    baseline: ArrayLike,
    better: Better,
    thresholds: Thresholds | None = None,
    confidence: float = 0.95,
) -> Verdict:
    """Judge a quality at the end of a loop (S,) against its baseline on the same seeds (S,).

    The whole interval must lie on one side of a threshold, otherwise the verdict is "undecided". A quality that is
    certainly worse than stable and possibly collapsed is "degraded".
    """
    ratio = ratio_interval(values, baseline, confidence)
    return _verdict(ratio, better, thresholds or Thresholds())


def _verdict(ratio: Interval, better: Better, limits: Thresholds) -> Verdict:
    best, worst = (ratio.low, ratio.high) if better == "lower" else (_inverse(ratio.high), _inverse(ratio.low))
    return Verdict(_label(best, worst, limits), ratio, limits, better)


MOST_SEEDS = 1000
"""Beyond so many, a quality counts as lying on its threshold."""


def seeds_to_decide(
    values: ArrayLike,
    baseline: ArrayLike,
    better: Better,
    thresholds: Thresholds | None = None,
    confidence: float = 0.95,
) -> int | None:
    """How many seeds would decide a verdict, if further seeds spread as those at hand (S,) do; None for > `MOST_SEEDS`.

    A plan and no promise: means and covariances of a few seeds are known only roughly.
    """
    above, below = _per_seed(values), _per_seed(baseline)
    _check_paired(above, below)
    limits = thresholds or Thresholds()

    def decided(count: int) -> bool:
        return _verdict(_fieller(above, below, count, confidence), better, limits).label != "undecided"

    if len(above) == 1 or not decided(MOST_SEEDS):
        return None
    counts = range(len(above), MOST_SEEDS + 1)
    return counts[bisect_left(counts, True, key=decided)]  # intervals of more seeds lie within those of fewer


def looks(seeds: int) -> dict[int, float]:
    """After how many seeds a trial of at most `seeds` is judged, and the confidence of the intervals at each look.

    Looks are after 3, 5, 10, 20, … seeds and after all. Their error levels add up to 5 % and are in proportion to the
    number of seeds (a Bonferroni group-sequential test). By the union bound, the chance that any look is wrong about a
    quality is at most 5 %, however their results depend on each other.
    """
    early = [count for count in (3, *(5 * 2**power for power in range(16))) if count < seeds]
    counts = [*early, seeds]
    return {count: 1 - 0.05 * count / sum(counts) for count in counts}


def _inverse(value: float) -> float:
    """1 / value, where a lost quality (zero or below) is infinitely worse."""
    return value if math.isnan(value) else math.inf if value <= 0 else 1 / value


def _label(best: float, worst: float, limits: Thresholds) -> Label:
    """The label for a worsening that lies between `best` and `worst`."""
    if best >= limits.collapsed:
        return "collapsed"
    if best > limits.stable:
        return "degraded"
    return "stable" if worst <= limits.stable else "undecided"


def worst_verdict(verdicts: Sequence[Verdict]) -> Verdict:
    """The most severe of several verdicts, e.g. of realism and diversity: a loop is as sound as its weaker side."""
    return max(verdicts, key=lambda verdict: SEVERITY.index(verdict.label))


def _per_seed(values: ArrayLike) -> np.ndarray:
    seeds = np.asarray(values, dtype=float)
    if seeds.ndim != 1 or not len(seeds) or not np.isfinite(seeds).all():
        raise InputError(f"expected one finite value per seed, shape (S,) with S ≥ 1, got {seeds!r}")
    return seeds


def _check_paired(one: np.ndarray, other: np.ndarray) -> None:
    if len(one) != len(other):
        raise InputError(f"paired arms need the same seeds, got {len(one)} and {len(other)} values")


Status = Literal["present", "absent", "not measurable"]


@dataclass(frozen=True)
class CollapseFinding:
    """One definition of model collapse held against a run: what was measured, the rule, and what it says."""

    definition: str
    status: Status
    rule: str
    measure: Interval | None = None


def collapse_profile(
    curves: Mapping[str, ArrayLike], by_training_size: Mapping[int, ArrayLike] | None = None
) -> list[CollapseFinding]:
    """The eight definitions of model collapse of Schaeffer et al. (2025), each held against one run.

    curves: per-seed curves (S, T), generation 0 first, under any of the names
      "risk"          distance to the truth, lower is better (loss, FID, Wasserstein);
      "variance"      total variance of the samples;
      "tail_mass"     share of samples (or recall) in the tails of the real data;
      "outside_share" share of samples outside the support of the real data (1 − precision);
      "mixed_share"   share of samples that mix modes of the real data (e.g. 1 − class accuracy).
    by_training_size: risk curves (S, T) per number of training samples, for the scaling law; two sizes at least.

    A definition whose curve is missing, or whose interval lies on both sides of its threshold, is "not measurable".
    Definitions 3 and 5 speak of limits, which no finite run reaches: their rules say what was looked at instead.
    """
    tables = {name: np.atleast_2d(np.asarray(curve, dtype=float)) for name, curve in curves.items()}
    risk, definition = tables.get("risk"), "{} population risk".format
    return [
        _finding(definition("catastrophic increase of"), _growth(risk), 10, "last / first risk ≥ 10"),
        _finding(definition("any increase of"), _rise(risk), 0, "last − first risk > 0"),
        _finding(definition("diverging"), _late_rise(risk), 0, _LATE_RISE_RULE),
        _finding("collapsing variance", _loss(tables.get("variance")), 0.5, "variance lost ≥ 50 %"),
        _finding("changed scaling law", _flattening(by_training_size), 0, "exponent of risk in size, last − first > 0"),
        _finding("vanishing tails", _loss(tables.get("tail_mass")), 0.5, "tail mass lost ≥ 50 %"),
        _finding(
            "hallucinated data", _rise(tables.get("outside_share")), 0.05, "share outside the support rises > 5 points"
        ),
        _finding("entangled modes", _rise(tables.get("mixed_share")), 0.05, "share between modes rises > 5 points"),
    ]


_LATE_RISE_RULE = "rise in the last quarter > 0.6 × rise in the quarter before (a 1/t approach gives 0.5, log t 0.71)"


def _finding(definition: str, measure: Interval | None, threshold: float, rule: str) -> CollapseFinding:
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


def _loss(curve: np.ndarray | None) -> Interval | None:
    """The lost fraction 1 − last / first."""
    if curve is None:
        return None
    kept = ratio_interval(curve[:, -1], curve[:, 0])
    return Interval(1 - kept.estimate, 1 - kept.high, 1 - kept.low, kept.count, kept.method, kept.confidence)


def _late_rise(curve: np.ndarray | None) -> Interval | None:
    """Whether the risk still rises as a divergent curve would: its last quarter against the quarter before."""
    if curve is None or curve.shape[1] < 9:
        return None
    middle, late, last = (curve.shape[1] - 1) // 2, 3 * (curve.shape[1] - 1) // 4, curve.shape[1] - 1
    before, after = curve[:, late] - curve[:, middle], curve[:, last] - curve[:, late]
    return mean_interval(after - 0.6 * np.maximum(before, 0))


def _flattening(by_training_size: Mapping[int, ArrayLike] | None) -> Interval | None:
    """How much the exponent of risk ∝ size^exponent rose from the first to the last generation, per seed."""
    if by_training_size is None or len(by_training_size) < 2:
        return None
    log_sizes = np.log(list(by_training_size))
    log_risks = np.log([np.asarray(curve, dtype=float)[:, [0, -1]] for curve in by_training_size.values()])
    centred = log_sizes - log_sizes.mean()
    exponents = np.tensordot(centred, log_risks, axes=1) / (centred**2).sum()
    return mean_interval(exponents[:, 1] - exponents[:, 0])
