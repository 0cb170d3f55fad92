"""The table of motion metrics.

A row has name, unit, function, and which direction is better. Loops, reports, the tables of the documentation, W&B and
CSV files read metrics from here; `physical.FIGURES` lists the figures of single motions. A new metric is a function and
a row. Functions return SI units; only this module converts to the units that are stored and shown.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf, isfinite, isnan
from typing import Literal

import numpy as np

from ...core.checks import check_choice
from ...core.errors import SettingError
from ...metrics.frechet import frechet_distance
from ...metrics.neighbours import neighbour_metrics
from ...metrics.spread import trace_ratio, within_label_ratio
from ...runtime.registry import Registry, Row
from ...statistics import ROUNDING, UNMEASURED, Interval, mean_interval
from ..motion import MotionBatch
from .physical import JERK, METRES_PER_SECOND, MILLIMETRES, NUMBER, PhysicalErrors, Unit
from .sliding import measure_slide_m_s

NOVELTY = "novelty_of_samples"
"""Key of the samples' distance from training data. See `selfcorrect.loop.ancestry.novelty`."""
FOUNDERS = "surviving_lineages"
"""Key of the share of founders with descendants. See `selfcorrect.loop.ancestry`."""
KEPT_DIVERSITY = ("coverage", "within_label_ratio")
"""Keys of the measures that show kept diversity. Both must be kept: docs/how-it-works.md shows why one does not do."""
CORRECTED = "corrected_"
"""Key prefix of metrics after correction, measured with `evaluate_corrected`."""


@dataclass(frozen=True, eq=False)
class MotionDescription:
    """N motions as metrics compare them.

    They come with embeddings, labels and errors.
    """

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


@dataclass(frozen=True, eq=False)
class MetricInputs:
    """Candidate motions, and the real motions for comparison."""

    reference: MotionDescription
    candidate: MotionDescription

    @property
    def poses(self) -> tuple[np.ndarray, np.ndarray]:
        """Geometric embeddings of both sets of motions.

        They show variety, with any jitter.
        """
        return self.reference.geometric, self.candidate.geometric

    @cached_property
    def neighbours(self) -> dict[str, float]:
        """The `neighbour_metrics` of the poses."""
        return neighbour_metrics(*self.poses)

    @property
    def within_labels(self) -> float:
        """The `within_label_ratio` of the poses."""
        reference = self.reference
        candidate = self.candidate
        return within_label_ratio(reference.geometric, reference.labels, candidate.geometric, candidate.labels)


@dataclass(frozen=True)
class Metric:
    """A row of the table."""

    key: str
    """Name of the metric in files and W&B. Files are metrics.jsonl, summaries and CSV; values have the shown unit."""
    name: str
    """Title, without the unit."""
    axis: Literal["realism", "diversity", ""]
    """Realism or diversity, always evaluated together; empty for qualities that users define."""
    better: Literal["lower", "higher", "real", "aim", "neutral"]
    """Better direction. It is "real" if the value of real data is the aim, "aim" if a number is that the user gives."""
    digits: int = 2
    unit: Unit = NUMBER
    """Unit of stored and shown values."""
    bounds: tuple[float, float] = (0.0, inf)
    """Least and greatest value, in the shown unit."""
    measure: Callable[[MetricInputs], float | np.ndarray] | None = None
    """Function that returns the value. It may return the value of each candidate (N,), in SI units; None if loops do
    not measure the metric in each generation."""

    def __post_init__(self) -> None:
        check_choice(f"the better direction of {self.key}", self.better, ("lower", "higher", "real", "aim", "neutral"))
        check_choice(f"the axis of {self.key}", self.axis, ("realism", "diversity", ""))
        if not self.bounds[0] < self.bounds[1]:
            raise SettingError(f"the bounds of {self.key} must be the least and the greatest value, got {self.bounds}")

    def interval(self, values: np.ndarray) -> Interval:
        """Return a mean over seeds with an interval.

        Values are (S,); the interval stays within the bounds. It is NaN if any seed has no value. Seeds without a value
        have often collapsed, so a mean of all other seeds would flatter.
        """
        if np.isnan(values).any():
            return UNMEASURED
        return mean_interval(values, bounds=self.bounds)

    @property
    def title(self) -> str:
        """Name and unit; for metrics after correction, also that."""
        unit = f" ({self.unit.symbol})" if self.unit.symbol else ""
        return f"{self.name}{unit}{', after correction' * self.key.startswith(CORRECTED)}"


SHARE = (0.0, 1.0)
"""Bounds of shares."""

METRICS = (
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
"""Keys of the root residual. Unchanged motions need it in an engine that did not make the motions."""
DESCENT = (FOUNDERS, "offspring_variance")
"""Keys of measures of descent. Loops that trace ancestry have them in each generation."""
TRAINED = (NOVELTY, "training_loss", "training_entropy")
"""Keys of metrics of the training. They compare each generation with the training data, or measure the training
itself."""
EXPLAINED = (*FEASIBILITY, "missing_bodyweights", "unsupported_percent")
"""Keys of metrics of the last generation only. The last two are measured after kinematic clean-up, without an
engine."""
FIELD = tuple(metric for metric in METRICS if metric.key.startswith("field_"))
"""Metrics of the field's evaluator. An experiment may have it (Guo et al. 2022)."""
MEASURED = tuple(metric for metric in METRICS if metric.measure)
"""Metrics measured in each generation, in the order of reports."""
METRIC_TABLE = Registry("metric", [Row(metric.key, "", metric.name) for metric in METRICS], group="selfcorrect.metrics")
"""Metrics by key. Other packages add metrics: the name of an entry point that leads to a `Metric` is the key."""


def added_metrics() -> tuple[Metric, ...]:
    """Return the metrics of other packages.

    Loops measure these in each generation.
    """
    added = METRIC_TABLE.load_added(Metric)
    return tuple(replace(metric, key=key) for key, metric in added.items() if metric.measure)


def compute_metrics(sets: MetricInputs) -> dict[str, float]:
    """Compute the metrics of loops, by key.

    Units are those shown; a metric with a value per candidate is averaged.
    """
    means = {}
    for metric in (*MEASURED, *added_metrics()):
        assert metric.measure is not None
        with METRIC_TABLE.fence(metric.key):
            answer = metric.measure(sets)
            mean = _average_answer(metric, answer, len(sets.candidate.motions))
            if METRIC_TABLE.is_added(metric.key):
                _check_mean(metric, mean)
        means[metric.key] = mean
    return means


def _average_answer(metric: Metric, answer: float | np.ndarray, candidates: int) -> float:
    """Return a metric's value in the shown unit.

    Values per candidate are averaged. Raises ValueError for an answer that is neither one real number nor one for each
    candidate.
    """
    values = np.asarray(answer)
    if values.dtype.kind not in "biuf" or values.shape not in [(), (candidates,)]:
        got = f"values of type {values.dtype} and shape {values.shape}"
        raise ValueError(f"expected a real number, or one for each of {candidates} candidates, got {got}")
    return float(np.mean(metric.unit.convert(values.astype(float))))


def _check_mean(metric: Metric, mean: float) -> None:
    """Raise ValueError for a value beyond the bounds.

    No report could show it. NaN stands for no value.
    """
    low, high = metric.bounds
    is_within = isnan(mean) or (isfinite(mean) and low - ROUNDING <= mean <= high + ROUNDING)
    if not is_within:
        raise ValueError(f"expected a value from {low:g} to {high:g}, got {mean:g}")


def find_metric(key: str) -> Metric:
    """Return the metric with that key.

    The key may begin with `CORRECTED`.
    """
    plain = next(metric for metric in (*METRICS, *added_metrics()) if metric.key == key.removeprefix(CORRECTED))
    return plain if plain.key == key else replace(plain, key=key)
