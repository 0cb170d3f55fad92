"""Ancestry of synthetic samples: from which training sample each descends.

A model that half-memorises its training set passes its members on as a population passes on genes. Each synthetic
sample descends from the nearest member of its model's training set with the same label. The real training data are the
founders. Ancestry is traced in a space that the task defines. It is only measured; the loop does not depend on it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self, TypeAlias

import numpy as np
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from ..core.samples import Samples
from .correctors.loop_correction import CorrectedBatch

ENTROPY = "training_entropy"
"""Key of the change in the training set's entropy."""
MAX_IN_ENTROPY = 1000
"""Maximum number of members from which entropy is estimated, evenly spaced."""
BLOCK = 4096
"""Number of samples whose distances are in memory at once."""
CLOSEST = 1e-6
"""Distance between copies in the estimate of entropy, relative to the founders' median distance."""

Space: TypeAlias = Callable[[Tensor], np.ndarray]
"""Function from values (N, *event) to vectors (N, D) that are near each other for similar values."""


@dataclass(frozen=True, eq=False)
class Genealogy:
    """Trace synthetic samples to the founders (n, D), the real training data."""

    space: Space
    founders: np.ndarray
    labels: np.ndarray
    unit: float
    """Median distance from a founder to its nearest neighbour, the unit of novelty."""

    @classmethod
    def from_real(cls, real: Samples, space: Space) -> Self:
        founders = space(real.values)
        unit = float(np.median(_nearest_neighbour_distances(founders)))
        return cls(space, founders, _labels(real), unit)

    def trace(self, batch: CorrectedBatch, parents: Samples) -> tuple[CorrectedBatch, dict[str, float]]:
        """Add ancestry to a batch, and measure it.

        Args:
            batch: Corrected samples of a generation.
            parents: Training set of the model that drew the samples.
        """
        if len(batch.samples) == 0:
            return batch, {}
        children = self.space(batch.samples.values)
        labels = _labels(batch.samples)
        rows, steps = nearest_of_label(children, labels, self.space(parents.values), _labels(parents))
        founder = parents.provenance.founder[rows]
        walk = parents.provenance.walk[rows] + steps**2
        measures = self._measure(children, labels, founder, walk, steps)
        measures["offspring_variance"] = offspring_variance(rows, len(parents))
        return _add_ancestry(batch, rows, founder, walk), measures

    def measure_training(self, members: Samples, *, has_overlap: bool) -> dict[str, float]:
        """Measure the entropy of a training set.

        If the set holds several generations, surviving founders are measured, too.
        """
        measures = {ENTROPY: self.entropy_change(members)}
        if has_overlap:
            measures["surviving_lineages"] = self._surviving_share(members.provenance.founder)
        return measures

    def _surviving_share(self, founder: np.ndarray) -> float:
        """Return the share of founders that have descendants."""
        return len(np.unique(founder[founder >= 0])) / len(self.founders)

    def entropy_change(self, members: Samples) -> float:
        """Return how much a training set's entropy differs from the founders'.

        The difference is in nats per dimension. The estimator (Kozachenko and Leonenko 1987) is d · mean(log distance
        to the nearest neighbour) plus a constant, which cancels for equal numbers. Shi et al. 2025 (arXiv 2509.16499)
        find that a falling entropy of the training set announces memorisation. The result is 0 for the founders, and
        log s for the founders scaled by s. Copies lower it most, because the distance between them counts as `CLOSEST`.

        Returns:
            The difference, or NaN for fewer than two members.
        """
        count = min(len(members), len(self.founders), MAX_IN_ENTROPY)
        if count < 2:
            return np.nan
        rows = np.linspace(0, len(members) - 1, count).round().astype(int)
        vectors = self.space(members.take(torch.from_numpy(rows)).values)
        founder_rows = np.linspace(0, len(self.founders) - 1, count).round().astype(int)
        return self._mean_log_distance(vectors) - self._mean_log_distance(self.founders[founder_rows])

    def _mean_log_distance(self, vectors: np.ndarray) -> float:
        distances = _nearest_neighbour_distances(vectors)
        return float(np.log(np.maximum(distances, CLOSEST * self.unit)).mean())

    def _measure(
        self, children: np.ndarray, labels: np.ndarray, founder: np.ndarray, walk: np.ndarray, steps: np.ndarray
    ) -> dict[str, float]:
        """Measure the ancestry of children (N, D).

        * surviving_lineages: share of the founders that have a descendant.
        * novelty: median distance to the parent, in `unit`.
        * novelty_to_real: median distance to the nearest real sample, in `unit`.
        * lineage_persistence: median distance from the founder, relative to a random walk of the same steps. It is
          1 for neutral drift, √t for t steps in one direction, and NaN if nothing has moved.
        """
        has_moved = (founder >= 0) & (walk > 0)
        persistence = np.nan
        if has_moved.any():
            from_founder = np.linalg.norm(children - self.founders[founder], axis=1)[has_moved]
            persistence = float(np.median(from_founder / np.sqrt(walk[has_moved])))
        _, to_real = nearest_of_label(children, labels, self.founders, self.labels)
        return {
            "surviving_lineages": self._surviving_share(founder),
            "novelty": float(np.median(steps)) / self.unit,
            "novelty_to_real": float(np.median(to_real)) / self.unit,
            "lineage_persistence": persistence,
        }


def novelty(vectors: np.ndarray, labels: np.ndarray, training: np.ndarray, training_labels: np.ndarray) -> float:
    """Return how far samples are from the training data.

    The result is 0 for copies, and about 1 for other data of the same kind.

    Args:
        vectors: (N, D) samples, in a space in which similar samples are near each other.
        labels: (N,) int64 labels of the samples.
        training: (M, D) training data in that space.
        training_labels: (M,) int64 labels of the training data.

    Returns:
        The median distance from a sample to the nearest training sample with the same label, divided by the median
            distance between training samples and their nearest neighbours.
    """
    _, distances = nearest_of_label(vectors, labels, training, training_labels)
    return float(np.median(distances) / np.median(_nearest_neighbour_distances(training)))


def nearest_of_label(
    vectors: np.ndarray, labels: np.ndarray, members: np.ndarray, member_labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest member with the same label.

    If no member has the label, the nearest with any label is returned.

    Args:
        vectors: (N, D) features of the samples.
        labels: (N,) labels of the samples.
        members: (M, D) features of the members.
        member_labels: (M,) labels of the members.

    Returns:
        Rows (N,) of the members, and distances (N,).
    """
    rows = np.zeros(len(vectors), dtype=int)
    nearest = np.full(len(vectors), np.inf)
    fits_any = ~np.isin(labels, member_labels)
    for first in range(0, len(members), BLOCK):
        piece = members[first : first + BLOCK]
        has_label = labels[:, None] == member_labels[None, first : first + len(piece)]
        distances = np.where(has_label | fits_any[:, None], cdist(vectors, piece), np.inf)
        piece_rows = distances.argmin(axis=1)
        piece_nearest = distances[np.arange(len(vectors)), piece_rows]
        is_closer = piece_nearest < nearest
        rows[is_closer] = first + piece_rows[is_closer]
        nearest[is_closer] = piece_nearest[is_closer]
    return rows, nearest


def offspring_variance(parents: np.ndarray, count: int) -> float:
    """Return variance over mean of the numbers of children.

    `parents` (N,) are the children's parents, out of `count`. The result is 1 for children drawn uniformly at random
    (Wright–Fisher), 0 for one child each, and 1 + c if parents' chances vary with a squared coefficient of variation c
    (and there are as many children as parents). Children of copies all count as those of the first copy, which raises
    the variance in loops that copy.
    """
    children = np.bincount(parents, minlength=count)
    return float(children.var() / children.mean())


def _nearest_neighbour_distances(vectors: np.ndarray) -> np.ndarray:
    distances = cdist(vectors, vectors)
    np.fill_diagonal(distances, np.inf)
    return distances.min(axis=1)


def _labels(samples: Samples) -> np.ndarray:
    return samples.labels.cpu().numpy()


def _add_ancestry(batch: CorrectedBatch, parent: np.ndarray, founder: np.ndarray, walk: np.ndarray) -> CorrectedBatch:
    """Add ancestry to the provenance of a batch and of its raw draws."""
    rows = batch.samples.provenance.draw
    drawn_parent = np.full(len(batch.drawn), -1)
    drawn_founder = np.full(len(batch.drawn), -1)
    drawn_walk = np.zeros(len(batch.drawn))
    drawn_parent[rows] = parent
    drawn_founder[rows] = founder
    drawn_walk[rows] = walk
    provenance = batch.drawn.provenance.with_ancestry(drawn_parent, drawn_founder, drawn_walk)
    drawn = replace(batch.drawn, provenance=provenance)
    if batch.samples is batch.drawn:
        return replace(batch, samples=drawn, drawn=drawn)
    samples = replace(batch.samples, provenance=batch.samples.provenance.with_ancestry(parent, founder, walk))
    return replace(batch, samples=samples, drawn=drawn)
