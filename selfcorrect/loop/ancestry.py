"""Ancestry: which training sample each synthetic sample comes from, and which founders still have descendants.

A model that half-memorises its training set hands its members down as a population does its genes. Each synthetic
sample descends from the nearest member, with the same label, of its model's training set. The real training data are
the founders. Ancestry is traced in a space that the task gives, for measurement alone: nothing here touches the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Self, TypeAlias

import numpy as np
from scipy.spatial.distance import cdist
from torch import Tensor

from ..core.samples import Samples
from ..correctors.correction import CorrectedBatch

Space: TypeAlias = Callable[[Tensor], np.ndarray]  # values (N, *event) → vectors (N, D), near for like ones


@dataclass(frozen=True, eq=False)
class Genealogy:
    """Traces synthetic samples to the real training data (n, D) = founders."""

    space: Space
    founders: np.ndarray
    labels: np.ndarray
    unit: float
    """The median distance of a founder to its nearest other founder, the unit of novelty."""

    @classmethod
    def from_real(cls, real: Samples, space: Space) -> Self:
        founders = space(real.values)
        return cls(space, founders, _labels(real), float(np.median(_nearest_other(founders))))

    def trace(self, batch: CorrectedBatch, parents: Samples) -> tuple[CorrectedBatch, dict[str, float]]:
        """The batch with its ancestry in its model's training set, and its measures (`summary`)."""
        if len(batch.samples) == 0:
            return batch, {}
        children = self.space(batch.samples.values)
        labels = _labels(batch.samples)
        members = (self.space(values) for values in parents.pieces())
        rows, steps = nearest_of_label(children, labels, members, _labels(parents))
        founder = parents.provenance.founder[rows]
        walk = parents.provenance.walk[rows] + steps**2
        summary = self._summary(children, labels, founder, walk, steps)
        summary["offspring_variance"] = offspring_variance(rows, len(parents))
        return _with_descent(batch, rows, founder, walk), summary

    def surviving(self, members: Samples) -> float:
        """The share of the founders that have a descendant among members."""
        founder = members.provenance.founder
        return len(np.unique(founder[founder >= 0])) / len(self.founders)

    def _summary(
        self, children: np.ndarray, labels: np.ndarray, founder: np.ndarray, walk: np.ndarray, steps: np.ndarray
    ) -> dict[str, float]:
        """Measures of the ancestry of children (N, D).

        surviving_lineages: share of the founders that have a descendant. novelty: median distance to the parent, in
        `unit`. novelty_to_real: median distance to the nearest real sample, in `unit`. lineage_persistence: median
        distance from the founder, over that of a random walk of the same steps. It is 1 for neutral drift, √t for t
        steps in one direction, and NaN where nothing has moved.
        """
        known = founder >= 0
        walked = known & (walk > 0)
        away = np.linalg.norm(children - self.founders[founder], axis=1)[walked]
        to_real = nearest_of_label(children, labels, [self.founders], self.labels)[1]
        return {
            "surviving_lineages": len(np.unique(founder[known])) / len(self.founders),
            "novelty": float(np.median(steps)) / self.unit,
            "novelty_to_real": float(np.median(to_real)) / self.unit,
            "lineage_persistence": float(np.median(away / np.sqrt(walk[walked]))) if walked.any() else np.nan,
        }


def novelty(vectors: np.ndarray, labels: np.ndarray, training: np.ndarray, training_labels: np.ndarray) -> float:
    """Return how far samples lie from the training data: 0 for copies, about 1 for other data of the same kind.

    Args:
        vectors: (N, D), samples in a space where like ones are near.
        labels: (N,) int64, their labels.
        training: (M, D), the training data in that space.
        training_labels: (M,) int64, their labels.

    Returns:
        The median distance of a sample to the nearest training sample of its label, divided by the median distance of
        a training sample to the nearest other one.
    """
    distances = nearest_of_label(vectors, labels, [training], training_labels)[1]
    return float(np.median(distances) / np.median(_nearest_other(training)))


def nearest_of_label(
    vectors: np.ndarray, labels: np.ndarray, members: Iterable[np.ndarray], member_labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest member of the same label, rows (N,) and distances (N,); of any label where there is none.

    members: (M, D) in pieces, of which only one need be in memory.
    """
    rows, nearest = np.zeros(len(vectors), dtype=int), np.full(len(vectors), np.inf)
    alone, first = ~np.isin(labels, member_labels), 0
    for piece in members:
        like = labels[:, None] == member_labels[None, first : first + len(piece)]
        distances = np.where(like | alone[:, None], cdist(vectors, piece), np.inf)
        row = distances.argmin(axis=1)
        distance = distances[np.arange(len(vectors)), row]
        closer = distance < nearest
        rows[closer], nearest[closer] = first + row[closer], distance[closer]
        first += len(piece)
    return rows, nearest


def offspring_variance(parents: np.ndarray, count: int) -> float:
    """Variance over mean of the number of children that `count` parents have, given each child's parent (N,).

    1 for children drawn evenly at random (Wright–Fisher), 0 for one child each. 1 + c where chances vary with a squared
    coefficient of variation c (and children are as many as parents).
    """
    children = np.bincount(parents, minlength=count)
    return float(children.var() / children.mean())


def _nearest_other(vectors: np.ndarray) -> np.ndarray:
    distances = cdist(vectors, vectors)
    np.fill_diagonal(distances, np.inf)
    return distances.min(axis=1)


def _labels(samples: Samples) -> np.ndarray:
    return samples.labels.cpu().numpy()


def _with_descent(batch: CorrectedBatch, parent: np.ndarray, founder: np.ndarray, walk: np.ndarray) -> CorrectedBatch:
    """The batch with ancestry in the provenance of its samples and of the draws that they were made from."""
    rows = batch.samples.provenance.draw
    columns = [np.full(len(batch.drawn), empty) for empty in (-1, -1, 0.0)]
    for column, values in zip(columns, (parent, founder, walk), strict=True):
        column[rows] = values
    drawn = replace(batch.drawn, provenance=batch.drawn.provenance.with_ancestry(*columns))
    if batch.samples is batch.drawn:
        return replace(batch, samples=drawn, drawn=drawn)
    samples = replace(batch.samples, provenance=batch.samples.provenance.with_ancestry(parent, founder, walk))
    return replace(batch, samples=samples, drawn=drawn)
