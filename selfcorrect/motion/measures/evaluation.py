"""How real and how diverse motions are, against a reference of real motions: both sides, always together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from selfcorrect.metrics.frechet import frechet_distance
from selfcorrect.metrics.neighbours import neighbour_metrics
from selfcorrect.metrics.spread import trace_ratio, within_label_ratio
from selfcorrect.motion.measures.embedding import MotionEmbedding, geometric_features, kinematic_features
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.motion import MotionBatch

REALISM = (
    "fid_kinematic", "fid_geometric", "precision", "density", "penetration_mm", "float_mm", "skate_m_s", "jerk_m_s3",
)  # fmt: skip
DIVERSITY = ("recall", "coverage", "trace_ratio", "within_label_ratio")


@dataclass(frozen=True, eq=False)
class Described:
    """What is compared of N motions."""

    kinematic: np.ndarray
    """(N, D) kinematic embeddings."""
    geometric: np.ndarray
    """(N, D) geometric embeddings."""
    labels: np.ndarray
    """(N,) int64 classes."""
    physical: Mapping[str, np.ndarray]
    """Errors (N,) by name, each with its unit."""


@dataclass(frozen=True, eq=False)
class MotionEvaluator:
    """Compares motions with a reference of real ones through embeddings that were fitted on it and are frozen."""

    kinematic: MotionEmbedding
    geometric: MotionEmbedding
    reference: Described

    @classmethod
    def fit(cls, reference: MotionBatch, labels: np.ndarray) -> Self:
        """The evaluator for canonical real windows with labels (N,) int64, all of one length."""
        kinematic = MotionEmbedding.fit(kinematic_features, reference)
        geometric = MotionEmbedding.fit(geometric_features, reference)
        return cls(kinematic, geometric, describe(kinematic, geometric, reference, labels))

    def evaluate(self, batch: MotionBatch, labels: np.ndarray) -> dict[str, float]:
        """The quantities of `REALISM` and `DIVERSITY` for canonical motions with labels (M,) int64."""
        return compare(self.reference, describe(self.kinematic, self.geometric, batch, labels))


def describe(
    kinematic: MotionEmbedding, geometric: MotionEmbedding, batch: MotionBatch, labels: np.ndarray
) -> Described:
    """Embed motions and measure their physical errors."""
    errors = physical_errors(batch)
    physical = {
        "penetration_mm": 1000 * errors.penetration_m,
        "float_mm": 1000 * errors.floating_m,
        "skate_m_s": errors.skate_m_s,
        "jerk_m_s3": errors.jerk_m_s3,
    }
    return Described(kinematic(batch), geometric(batch), labels, physical)


def compare(reference: Described, candidate: Described) -> dict[str, float]:
    """Realism and diversity of candidates against a reference.

    fid_kinematic, fid_geometric: Fréchet distances, 0 is equal and 100 is that of one average motion; precision,
    density, recall, coverage, trace_ratio, within_label_ratio: on the geometric embedding, so that they tell which
    motions there are and jitter does not hide it; the physical errors are means over the candidates.
    """
    poses = (reference.geometric, candidate.geometric)
    return {
        "fid_kinematic": frechet_distance(reference.kinematic, candidate.kinematic),
        "fid_geometric": frechet_distance(*poses),
        **neighbour_metrics(*poses),
        "trace_ratio": trace_ratio(*poses),
        "within_label_ratio": within_label_ratio(poses[0], reference.labels, poses[1], candidate.labels),
        **{name: float(values.mean()) for name, values in candidate.physical.items()},
    }
