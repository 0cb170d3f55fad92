"""Statistics for a handful of seeds, and metrics of samples.

Arrays have one value per seed, shape (S,), or one curve per seed, shape (S, T) with generation 0 first. Arms of a
comparison share seeds (common random numbers), so differences between arms are taken per seed: `intervals`, `p_values`,
`verdicts` on stability, definitions of `collapse`. Metrics compare two sets of vectors of any domain: `frechet`
(distances between Gaussians), `neighbours` (precision, recall, density, coverage), `spread` (variances).

One rule decides differences, claims, profiles of collapse, comparisons of runs and verdicts on a quality
(`evaluate_quality`). An interval with bounds and at least `FEWEST_SEEDS` seeds decides if it lies entirely on one side
of the threshold (`Interval.is_above`, `is_below`, `is_within`).

If a few seeds have equal scores, their spread is unknown rather than zero, so there are no bounds and p = 1.
Differences that vary by less than the rounding of the compared values count as equal. Scores that are counts, such as a
share of n samples, have a resolution (1 / n), below which no spread can be measured. Functions that take a `resolution`
never assume a smaller standard deviation.
"""

from .collapse import CollapseFinding, Status, collapse_profile
from .intervals import (
    FEWEST_SEEDS,
    UNMEASURED,
    Interval,
    band,
    half_life,
    half_life_interval,
    jackknife_ratio,
    log_ratio_interval,
    mean_interval,
    median_interval,
    ratio_interval,
)
from .p_values import holm, student_p
from .seeds import ROUNDING, UNBOUNDED, Bounds, has_spread
from .verdicts import (
    DIRECTIONS,
    MAX_SEEDS,
    SEVERITY,
    Better,
    Label,
    Thresholds,
    Verdict,
    evaluate_quality,
    plan_looks,
    seeds_to_decide,
    worst_verdict,
)

__all__ = [
    "DIRECTIONS",
    "FEWEST_SEEDS",
    "MAX_SEEDS",
    "ROUNDING",
    "SEVERITY",
    "UNBOUNDED",
    "UNMEASURED",
    "Better",
    "Bounds",
    "CollapseFinding",
    "Interval",
    "Label",
    "Status",
    "Thresholds",
    "Verdict",
    "band",
    "collapse_profile",
    "evaluate_quality",
    "half_life",
    "half_life_interval",
    "has_spread",
    "holm",
    "jackknife_ratio",
    "log_ratio_interval",
    "mean_interval",
    "median_interval",
    "plan_looks",
    "ratio_interval",
    "seeds_to_decide",
    "student_p",
    "worst_verdict",
]
