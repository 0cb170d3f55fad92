"""Energy distance between samples of two distributions."""

import numpy as np

from ..core.errors import InputError

_ROWS = 512
"""Number of rows of distances computed at once."""


def energy_distance(reference: np.ndarray, candidate: np.ndarray) -> float:
    """Return the energy distance between two sets of vectors.

    It is 2 E|X − Y| − E|X − X'| − E|Y − Y'| (Székely & Rizzo 2013, without the square root), with means over all pairs,
    also those of a vector with itself. So it is never negative, and 0 only for equal sets. It assumes no form of the
    distributions. Two samples of one distribution have a distance of about E|X − X'| (1/N + 1/M), so compare only at
    equal numbers.

    Args:
        reference: (N, D), at least 1 vector.
        candidate: (M, D), at least 1 vector.

    Raises:
        InputError: Shapes do not fit, or a number is not finite.
    """
    for name, samples in (("reference", reference), ("candidate", candidate)):
        if samples.ndim != 2 or not len(samples) or samples.shape[1] != reference.shape[1]:
            raise InputError(
                f"the energy distance needs samples of shape (N ≥ 1, D) with one D, got {name} {samples.shape}"
            )
        if not np.isfinite(samples).all():
            raise InputError(f"the {name} samples of the energy distance must be finite")
    between = _mean_distance(reference, candidate)
    within = _mean_distance(reference, reference) + _mean_distance(candidate, candidate)
    return max(2 * between - within, 0.0)


def _mean_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the mean Euclidean distance between all pairs of (N, D) and (M, D)."""
    from scipy.spatial.distance import cdist  # slow to import

    blocks = (first[start : start + _ROWS] for start in range(0, len(first), _ROWS))
    return sum(float(cdist(block, second).sum()) for block in blocks) / (len(first) * len(second))
