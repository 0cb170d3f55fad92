"""Realism and diversity of motions relative to real motions."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from ..motion import MotionBatch
from .embedding import MotionEmbedding, geometric_features, ground_features, kinematic_features
from .metrics import Metric, MetricInputs, MotionDescription, compute_metrics
from .physical import physical_errors


@dataclass(frozen=True, eq=False)
class MotionEvaluator:
    """Comparison of motions with a reference of real motions.

    Embeddings are fitted to the reference and then fixed.
    """

    kinematic: MotionEmbedding
    geometric: MotionEmbedding
    ground: MotionEmbedding
    reference: MotionDescription
    own: tuple[Metric, ...] = field(default=(), kw_only=True)
    """Further metrics, of a user."""

    @classmethod
    def fit(cls, reference: MotionBatch, labels: np.ndarray) -> Self:
        """Fit the evaluator to real windows.

        Windows are canonical and of equal length; labels are (N,) int64.
        """
        kinematic = MotionEmbedding.fit(kinematic_features, reference)
        geometric = MotionEmbedding.fit(geometric_features, reference)
        ground = MotionEmbedding.fit(ground_features, reference)
        return cls(kinematic, geometric, ground, describe(kinematic, geometric, ground, reference, labels))

    def evaluate(self, batch: MotionBatch, labels: np.ndarray) -> dict[str, float]:
        """Return the `MEASURED` and own metrics of canonical motions with labels (M,) int64, by key."""
        candidate = describe(self.kinematic, self.geometric, self.ground, batch, labels)
        return compute_metrics(MetricInputs(self.reference, candidate), self.own)


def describe(
    kinematic: MotionEmbedding,
    geometric: MotionEmbedding,
    ground: MotionEmbedding,
    batch: MotionBatch,
    labels: np.ndarray,
) -> MotionDescription:
    """Embed motions and measure their physical errors.

    Args:
        batch: N canonical motions.
        labels: (N,) int64 classes.
    """
    return MotionDescription(batch, kinematic(batch), geometric(batch), ground(batch), labels, physical_errors(batch))
