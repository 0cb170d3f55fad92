"""The table of motion metrics: name, unit, function, and better direction.

Loops, reports, the documentation's tables, W&B and CSV files take metrics from here; `physical.FIGURES` lists the
figures of single motions. A new metric is a function and a row. Functions return SI units, and only this module
converts them to the units that are stored and shown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf, isfinite, isnan
from typing import Literal

import numpy as np

from ...core.checks import check_choice
from ...core.errors import SettingError
from ...runtime.read_only import make_read_only
from ...runtime.registry import Registry, Row, import_callable
from ...runtime.supervision import fence
from ...statistics import ROUNDING, UNMEASURED, Interval, mean_interval
from ...statistics.frechet import frechet_distance
from ...statistics.neighbours import neighbour_metrics
from ...statistics.spread import trace_ratio, within_label_ratio
from ..motion import MotionBatch
from .ankles import ankle_distance, ankle_statistics
from .physical import JERK, METRES_PER_SECOND, MILLIMETRES, NUMBER, PhysicalErrors, Unit
from .sliding import measure_slide_m_s

NOVELTY = "novelty_of_samples"
"""Key of the samples' distance from training data, see `selfcorrect.loop.ancestry.novelty`."""
FOUNDERS = "surviving_lineages"
"""Key of the share of founders with descendants, see `selfcorrect.loop.ancestry`."""
KEPT_DIVERSITY = ("coverage", "within_label_ratio")
"""Keys of the two measures that must both be kept for diversity to be kept. docs/how-it-works.md shows why one does not
suffice."""
CORRECTED = "corrected_"
"""Key prefix of metrics after correction, which are measured with `evaluate_corrected`."""


@dataclass(frozen=True, eq=False)
class MotionDescription:
    """N motions with embeddings, labels and errors, as metrics compare them."""

    motions: MotionBatch
    kinematic: np.ndarray
    """(N, D) kinematic embeddings."""
    geometric: np.ndarray
    """(N, D) geometric embeddings."""
    ground: np.ndarray
    """(N, D) embeddings of heights, contacts and sliding."""
    labels: np.ndarray
    """(N,) int64 classes."""
    physical: PhysicalErrors

    @cached_property
    def ankles(self) -> np.ndarray:
        """(N, 24) statistics of ankle paths, not standardised."""
        return ankle_statistics(self.motions)


@dataclass(frozen=True, eq=False)
class MetricInputs:
    """Candidate motions, and the real motions to compare with."""

    reference: MotionDescription
    candidate: MotionDescription

    @property
    def poses(self) -> tuple[np.ndarray, np.ndarray]:
        """Geometric embeddings of both sets, which show variety and are hardly affected by jitter."""
        return self.reference.geometric, self.candidate.geometric

    @cached_property
    def neighbours(self) -> dict[str, float]:
        """`neighbour_metrics` of the geometric embeddings."""
        return neighbour_metrics(*self.poses)

    @property
    def within_labels(self) -> float:
        """`within_label_ratio` of the geometric embeddings."""
        reference = self.reference
        candidate = self.candidate
        return within_label_ratio(reference.geometric, reference.labels, candidate.geometric, candidate.labels)


@dataclass(frozen=True)
class Metric:
    """A row of the table."""

    key: str
    """Name of the metric in metrics.jsonl, summaries, CSV files and W&B, where values have the unit shown."""
    name: str
    """Title, without the unit."""
    axis: Literal["realism", "diversity", ""]
    """Realism or diversity, which are always evaluated together; "" for qualities defined by users."""
    better: Literal["lower", "higher", "real", "aim", "neutral"]
    """Better direction. With "real", nearer to the value of real data is better; with "aim", nearer to a number given
    by the user."""
    digits: int = 2
    unit: Unit = NUMBER
    """Unit of stored and shown values."""
    bounds: tuple[float, float] = (0.0, inf)
    """Minimum and maximum, in the unit shown."""
    measure: Callable[[MetricInputs], float | np.ndarray] | None = None
    """Function that returns one value or one per candidate (N,), in SI units. None if loops do not measure the metric
    in each generation."""

    def __post_init__(self) -> None:
        check_choice(f"the better direction of {self.key}", self.better, ("lower", "higher", "real", "aim", "neutral"))
        check_choice(f"the axis of {self.key}", self.axis, ("realism", "diversity", ""))
        if not self.bounds[0] < self.bounds[1]:
            raise SettingError(f"the bounds of {self.key} must be the least and the greatest value, got {self.bounds}")

    def interval(self, values: np.ndarray) -> Interval:
        """Return the mean over seeds (S,) with an interval that respects the bounds.

        It is NaN if any seed has no value. Seeds without a value have often collapsed, so the mean of the others would
        be too favourable.
        """
        if np.isnan(values).any():
            return UNMEASURED
        return mean_interval(values, bounds=self.bounds)

    @property
    def title(self) -> str:
        """Name and unit, and whether it is measured after correction."""
        unit = f" ({self.unit.symbol})" if self.unit.symbol else ""
        return f"{self.name}{unit}{', after correction' * self.key.startswith(CORRECTED)}"


SHARE = (0.0, 1.0)
"""Bounds of shares."""

METRICS = (
    Metric("energy_ankles", "Energy distance, ankle paths", "realism", "lower",
           measure=lambda sets: ankle_distance(sets.reference.ankles, sets.candidate.ankles)),
    Metric("fid_kinematic", "Fréchet distance, kinematic", "realism", "lower", 1,
           measure=lambda sets: frechet_distance(sets.reference.kinematic, sets.candidate.kinematic)),
    Metric("fid_geometric", "Fréchet distance, geometric", "realism", "lower", 1,
           measure=lambda sets: frechet_distance(*sets.poses)),
    Metric("fid_ground", "Fréchet distance, ground contact", "realism", "lower", 1,
           measure=lambda sets: frechet_distance(sets.reference.ground, sets.candidate.ground)),
    Metric("precision", "Precision", "realism", "higher", bounds=SHARE,
           measure=lambda sets: sets.neighbours["precision"]),
    Metric("density", "Density", "realism", "higher", measure=lambda sets: sets.neighbours["density"]),
    Metric("penetration_mm", "Floor penetration", "realism", "real", 1, MILLIMETRES,
           measure=lambda sets: sets.candidate.physical.penetration_m),
    Metric("float_mm", "Floating", "realism", "real", 1, MILLIMETRES,
           measure=lambda sets: sets.candidate.physical.floating_m),
    Metric("skate_m_s", "Foot skate", "realism", "real", 2, METRES_PER_SECOND,
           measure=lambda sets: sets.candidate.physical.skate_m_s),
    Metric("slide_m_s", "Foot slide at any depth", "realism", "real", 2, METRES_PER_SECOND,
           measure=lambda sets: measure_slide_m_s(sets.candidate.motions)),
    Metric("jerk_m_s3", "Jerk", "realism", "real", 0, JERK,
           measure=lambda sets: sets.candidate.physical.jerk_m_s3),
    Metric("coverage", "Coverage", "diversity", "higher", bounds=SHARE,
           measure=lambda sets: sets.neighbours["coverage"]),
    Metric("within_label_ratio", "Variance within labels, of real", "diversity", "real",
           measure=lambda sets: sets.within_labels),
    Metric("recall", "Recall", "diversity", "higher", bounds=SHARE,
           measure=lambda sets: sets.neighbours["recall"]),
    Metric("trace_ratio", "Variance, of real", "diversity", "neutral", measure=lambda sets: trace_ratio(*sets.poses)),
    # of lines of descent
    Metric(FOUNDERS, "Founders with a descendant", "diversity", "higher", bounds=SHARE),
    Metric("offspring_variance", "Offspring variance", "diversity", "lower"),
    # of samples against the training data, and of the training itself
    Metric(NOVELTY, "Novelty", "diversity", "real"),
    Metric("training_loss", "Training loss", "realism", "neutral", 4, bounds=(-inf, inf)),
    Metric("training_entropy", "Entropy of the training set, less that of real data (nats per dimension)", "diversity",
           "neutral", bounds=(-inf, inf)),
    # of the last generation alone
    Metric("needed_force_bodyweights", "Root force needed", "realism", "real", unit=Unit("body weights")),
    Metric("needed_moment_nm", "Root moment needed", "realism", "real", 0, Unit("N m", "N m")),
    Metric("without_support_percent", "Frames without support", "realism", "real", 1, Unit("%", "", 100.0),
           (0.0, 100.0)),
    Metric("missing_bodyweights", "Force that no floor gives", "realism", "real", unit=Unit("body weights")),
    Metric("unsupported_percent", "Unsupported frames", "realism", "real", 1, Unit("%", "", 100.0), (0.0, 100.0)),
    # of models that captions ask for motions, by the field's evaluator
    Metric("field_fid", "Fréchet distance, field's evaluator", "realism", "lower", 3),
    Metric("field_precision_1", "R-precision, top 1, field's evaluator", "realism", "higher", 3, bounds=SHARE),
    Metric("field_precision_2", "R-precision, top 2, field's evaluator", "realism", "higher", 3, bounds=SHARE),
    Metric("field_precision_3", "R-precision, top 3, field's evaluator", "realism", "higher", 3, bounds=SHARE),
    Metric("field_matching", "MM-dist, field's evaluator", "realism", "lower", 3),
    Metric("field_diversity", "Diversity, field's evaluator", "diversity", "real", 3),
    Metric("field_multimodality", "Multimodality, field's evaluator", "diversity", "higher", 3),
)  # fmt: skip

FEASIBILITY = ("needed_force_bodyweights", "needed_moment_nm", "without_support_percent")
"""Keys of the root residual that unchanged motions need in an engine."""
DESCENT = (FOUNDERS, "offspring_variance")
"""Keys of the measures of descent, which loops that trace ancestry have in each generation."""
TRAINED = (NOVELTY, "training_loss", "training_entropy")
"""Keys of the metrics of training: the samples' distance from training data, and the training itself."""
CLEANED = ("missing_bodyweights", "unsupported_percent")
"""Keys of metrics after kinematic clean-up, without an engine. They change with the corrector."""
EXPLAINED = (*FEASIBILITY, *CLEANED)
"""Keys of metrics of the last generation only."""
FIELD = tuple(metric for metric in METRICS if metric.key.startswith("field_"))
"""Metrics of the field's evaluator (Guo et al. 2022), which an experiment may use."""
MEASURED = tuple(metric for metric in METRICS if metric.measure)
"""Metrics measured in each generation, in the order of reports."""
METRIC_TABLE = Registry("metric", [Row(metric.key, "", metric.name) for metric in METRICS], group="selfcorrect.metrics")
"""Metrics by key. Another package adds a metric with an entry point, whose name is the key and which refers to a
`Metric`."""


def added_metrics() -> tuple[Metric, ...]:
    """Return the metrics of other packages, which loops measure in each generation."""
    added = METRIC_TABLE.load_added(Metric)
    return tuple(replace(metric, key=key) for key, metric in added.items() if metric.measure)


def load_metric(reference: str) -> Metric:
    """Return the metric of a user's function of `MetricInputs`, which returns a number or one per candidate (N,).

    The key is the function's name, and neither direction counts as better.

    Args:
        reference: "FILE.py:function" or "package.module:function".

    Raises:
        SettingError: There is no such function, or a metric has its name.
    """
    measure = import_callable(reference, "metric")
    key = name_metric(reference)
    if any(metric.key == key for metric in (*METRICS, *added_metrics())):
        raise SettingError(f"metric {reference!r}: there is a metric {key} already; rename the function")
    return Metric(key, key.replace("_", " "), "", "neutral", 3, bounds=(-inf, inf), measure=measure)


def name_metric(reference: str) -> str:
    """Return the key of a user's metric, the name of its function."""
    return reference.rpartition(":")[2]


def compute_metrics(sets: MetricInputs, own: Sequence[Metric] = ()) -> dict[str, float]:
    """Compute the metrics of loops by key, in the units shown.

    A metric with one value per candidate is averaged.

    Args:
        own: Further metrics, of a user.
    """
    means = {}
    read_only = make_read_only(sets)  # a metric of others that wrote into its inputs would change all other metrics
    for metric in (*MEASURED, *added_metrics()):
        assert metric.measure is not None
        with METRIC_TABLE.fence(metric.key):
            answer = metric.measure(read_only if METRIC_TABLE.is_added(metric.key) else sets)
            mean = _average_answer(metric, answer, len(sets.candidate.motions))
            if METRIC_TABLE.is_added(metric.key):
                _check_mean(metric, mean)
        means[metric.key] = mean
    for metric in own:
        assert metric.measure is not None
        with fence(f"metric {metric.key!r}"):
            means[metric.key] = _average_answer(metric, metric.measure(read_only), len(sets.candidate.motions))
            _check_mean(metric, means[metric.key])
    return means


def _average_answer(metric: Metric, answer: float | np.ndarray, candidates: int) -> float:
    """Return a metric's value in the unit shown, averaged over candidates.

    Raises:
        ValueError: The answer is neither one real number nor one for each candidate.
    """
    values = np.asarray(answer)
    if values.dtype.kind not in "biuf" or values.shape not in [(), (candidates,)]:
        got = f"values of type {values.dtype} and shape {values.shape}"
        raise ValueError(f"expected a real number, or one for each of {candidates} candidates, got {got}")
    return float(np.mean(metric.unit.convert(values.astype(float))))


def _check_mean(metric: Metric, mean: float) -> None:
    """Raise ValueError if a value is outside the bounds, unless it is missing (NaN)."""
    low, high = metric.bounds
    is_within = isnan(mean) or (isfinite(mean) and low - ROUNDING <= mean <= high + ROUNDING)
    if not is_within:
        raise ValueError(f"expected a value from {low:g} to {high:g}, got {mean:g}")


def find_metric(key: str) -> Metric:
    """Return the metric with this key, which may begin with `CORRECTED`."""
    plain = next(metric for metric in (*METRICS, *added_metrics()) if metric.key == key.removeprefix(CORRECTED))
    return plain if plain.key == key else replace(plain, key=key)
