"""Realism and diversity by nearest neighbours: precision, density, recall and coverage.

Squared distances |x|² + |y|² − 2 x·y of centred vectors come from a matrix product. So that rounding decides nothing,
distances at the edge of a ball, where copies and duplicates lie, are recomputed as sums of squared differences.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ..core.errors import InputError

_ROWS = 512
"""Number of rows of distances computed at once."""

_ROUNDING = 1e-13
"""Bound on the error of squared distances, relative to the largest squared length of a vector."""

_EDGE_NUMBERS = 2**20
"""Number of differences computed at once."""


def neighbour_metrics(reference: np.ndarray, candidate: np.ndarray, neighbours: int = 5) -> dict[str, float]:
    """Return precision, recall, density and coverage of candidates.

    A ball around each sample reaches to its k-th nearest neighbour within its own set. Precision is the share of
    candidates in any reference ball. Recall is the share of references in any candidate ball (Kynkäänniemi et al.
    2019). Density is the mean number of reference balls around a candidate, divided by k. Coverage is the share of
    reference balls that contain a candidate (Naeem et al. 2020). Recall and coverage depend on M and N, so compare only
    at equal numbers.

    Balls are open, as in prdc 0.2. A sample that occurs more than k times has a ball of radius 0, which contains
    exactly its copies; in prdc it contains nothing, so that all four measures are 0 if all samples occur more than k
    times. A vector that is not finite is far from every other one.

    Args:
        reference: (N, D) real vectors, more than `neighbours`.
        candidate: (M, D) synthetic vectors, more than `neighbours`.
        neighbours: Number k of neighbours.

    Raises:
        InputError: There are too few vectors.
    """
    for name, samples in (("reference", reference), ("candidate", candidate)):
        if len(samples) <= neighbours:
            raise InputError(f"{neighbours} nearest neighbours need more {name} samples, got {len(samples)}")
    both = np.concatenate([reference, candidate]).astype(float, copy=False)
    finite = both[np.isfinite(both).all(axis=1)]
    middle = finite.mean(axis=0) if len(finite) else np.zeros(both.shape[1])
    real = _Balls.around(both[: len(reference)], middle, neighbours)
    synthetic = _Balls.around(both[len(reference) :], middle, neighbours)
    balls_around = np.zeros(len(candidate), dtype=int)
    is_covered = np.zeros(len(reference), dtype=bool)
    is_recalled = np.zeros(len(reference), dtype=bool)
    for start in range(0, len(reference), _ROWS):
        some = real.select(slice(start, start + _ROWS))
        distances = _square_distances(some, synthetic)
        in_real_ball = _find_inside(distances, some.radii[:, None], some, synthetic)
        balls_around += in_real_ball.sum(axis=0)
        is_covered[start : start + _ROWS] = in_real_ball.any(axis=1)
        is_recalled[start : start + _ROWS] = _find_inside(distances, synthetic.radii, some, synthetic).any(axis=1)
    return {
        "precision": float((balls_around > 0).mean()),
        "recall": float(is_recalled.mean()),
        "density": float(balls_around.mean() / neighbours),
        "coverage": float(is_covered.mean()),
    }


@dataclass(frozen=True, eq=False)
class _Balls:
    """Balls around N vectors with D numbers each."""

    vectors: np.ndarray
    """(N, D)."""
    centred: np.ndarray
    """(N, D) vectors relative to the middle of both sets."""
    squares: np.ndarray
    """(N,) squared length of each centred vector, infinite if the vector is not finite."""
    radii: np.ndarray
    """(N,) squared radius."""

    @classmethod
    def around(cls, vectors: np.ndarray, middle: np.ndarray, neighbours: int) -> Self:
        """Return balls that reach to the k-th nearest neighbour."""
        is_finite = np.array(np.isfinite(vectors).all(axis=1))
        vectors = np.where(is_finite[:, None], vectors, middle)
        centred = vectors - middle
        squares = np.where(is_finite, np.einsum("nd,nd->n", centred, centred), np.inf)
        balls = cls(vectors, centred, squares, np.full(len(vectors), np.inf))
        for start in range(0, len(vectors), _ROWS):
            rows = slice(start, start + _ROWS)
            distances = _square_distances(balls.select(rows), balls)
            nearly = np.partition(distances, neighbours, axis=1)[:, neighbours]
            farthest = (distances == nearly[:, None]).argmax(axis=1)
            differences = vectors[rows] - vectors[farthest]
            balls.radii[rows] = np.where(np.isfinite(nearly), (differences**2).sum(axis=1), np.inf)
        return balls

    def select(self, rows: slice) -> Self:
        """Return the balls in these rows."""
        return type(self)(self.vectors[rows], self.centred[rows], self.squares[rows], self.radii[rows])


def _square_distances(first: _Balls, second: _Balls) -> np.ndarray:
    """Return squared distances (N, M), which may be negative because of rounding."""
    distances = first.centred @ second.centred.T
    distances *= -2
    distances += first.squares[:, None]
    distances += second.squares
    return distances


def _find_inside(distances: np.ndarray, radii: np.ndarray, first: _Balls, second: _Balls) -> np.ndarray:
    """Return which squared distances (N, M) are inside balls.

    Squared radii are (N, 1) or (M,). Distances below them are inside, and a distance of 0 is inside a ball of radius 0.
    """
    squares = np.concatenate([first.squares, second.squares])
    rounding = max(_ROUNDING * squares[np.isfinite(squares)].max(initial=0.0), np.finfo(float).tiny)
    is_inside = distances < radii - rounding
    is_at_edge = (distances < radii + rounding) != is_inside
    if is_at_edge.any():
        rows, columns = is_at_edge.nonzero()
        edge_radii = np.broadcast_to(radii, distances.shape)
        count = max(1, _EDGE_NUMBERS // first.vectors.shape[1])
        for start in range(0, len(rows), count):
            row = rows[start : start + count]
            column = columns[start : start + count]
            differences = first.vectors[row] - second.vectors[column]
            square = (differences**2).sum(axis=1)
            radius = edge_radii[row, column]
            is_inside[row, column] = (square < radius) | ((square == 0) & (radius == 0))
    return is_inside
