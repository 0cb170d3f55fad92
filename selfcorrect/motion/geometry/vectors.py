"""Lengths and products of short vectors, medians and percentiles.

NumPy's own functions give the same bits, but take several times as long on many short vectors (..., K), because they
reduce along the last axis and check what they sort.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from .compiled import find_kernel

UP = np.array([0.0, 1.0, 0.0])
"""Upward direction of the world."""
ALONG_FLOOR = np.array([1.0, 0.0, 1.0])
"""Factors that keep a vector's horizontal part, along x and z."""
GRAVITY_M_S2 = 9.81
"""Gravitational acceleration on Earth, in m/s²."""

NEXT = np.array([1, 2, 0])
"""Index of the next of three components, cyclically."""
LAST = np.array([2, 0, 1])
"""Index of the one after the next."""

_MEDIAN_CHI_SQUARE = {1: 0.4549, 2: 1.3863, 3: 2.3660}
"""Median of the sum of n squared standard normal variables, by n."""


_Array = TypeVar("_Array", bound="np.ndarray | None")


def align(array: _Array) -> _Array:
    """Copy an array that is not aligned in memory.

    Kernels refuse such arrays, which come from packed records.
    """
    return array if array is None or array.flags.aligned else array.copy()  # type: ignore[return-value]


def norms(vectors: np.ndarray) -> np.ndarray:
    """Return Euclidean lengths (...) of vectors (..., K)."""
    return np.sqrt(dot(vectors, vectors))


def standard_lengths(vectors: np.ndarray, directions: int) -> np.ndarray:
    """Scale vector lengths to have their standard deviation as median.

    If vectors (..., K) vary equally in `directions` directions, then the median of the scaled lengths is the standard
    deviation along each. This estimate is robust to outliers and does not depend on the vectors' common orientation.

    Args:
        directions: Number of directions in which the vectors vary, from 1 to 3 and at most K.
    """
    return norms(vectors) / np.sqrt(_MEDIAN_CHI_SQUARE[directions])


def normalize_safely(vectors: np.ndarray) -> np.ndarray:
    """Scale vectors (..., K) to length 1, leaving those below 1e-12 shorter."""
    return vectors / np.maximum(norms(vectors), 1e-12)[..., None]


def dot(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return dot products (...) of vectors (..., K), which are broadcast."""
    total = first[..., 0] * second[..., 0]
    for axis in range(1, first.shape[-1]):
        total += first[..., axis] * second[..., axis]
    return total


def sum_points(vectors: np.ndarray) -> np.ndarray:
    """Sum vectors (..., P, K) over points.

    For few points, NumPy's own sum takes several times as long.
    """
    total = vectors[..., 0, :].copy()
    for point in range(1, vectors.shape[-2]):
        total += vectors[..., point, :]
    return total


def limit_factors(sizes: np.ndarray, limit: float | np.ndarray) -> np.ndarray:
    """Return factors that scale sizes (...) down to a limit: 1 for sizes within it."""
    return np.minimum(1.0, limit / np.maximum(sizes, 1e-9))


def split_components(vectors: np.ndarray) -> np.ndarray:
    """Split vectors (..., K) into contiguous components (K, ...), on which sums are faster."""
    return np.ascontiguousarray(vectors.transpose(-1, *range(vectors.ndim - 1)))


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return cosines (...) between vectors (..., K), or 0 if either vector vanishes."""
    return np.einsum("...i,...i", first, second) / np.maximum(norms(first) * norms(second), 1e-12)


def angles_rad(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return angles (...) between vectors (..., K), in rad.

    If either vector vanishes, the result is a right angle.
    """
    return np.arccos(np.clip(cosines(first, second), -1.0, 1.0))


def cross(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return cross products of vectors (..., 3), which are broadcast."""
    if kernel := find_kernel("cross", first, second):
        products = empty_product(first, second)
        kernel(first, second, products)
        return products
    return np.cross(first, second)


def largest_components(vectors: np.ndarray) -> np.ndarray:
    """Return the largest absolute component (...) of vectors (..., K)."""
    largest = np.abs(vectors[..., 0])
    for axis in range(1, vectors.shape[-1]):
        largest = np.maximum(largest, np.abs(vectors[..., axis]))
    return largest


def empty_product(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return an uninitialised array for products of two broadcast arrays.

    The last axis is that of `second`, (..., K).
    """
    shape = first.shape[:-1]
    if shape == second.shape[:-1]:
        return np.empty(second.shape)
    return np.empty((*np.broadcast_shapes(shape, second.shape[:-1]), second.shape[-1]))


def percentile(values: np.ndarray, percent: float, axis: int | None = None) -> np.ndarray:
    """Return a percentile by linear interpolation.

    Args:
        values: Finite values of any shape.
        percent: Percentile, from 0 to 100.
        axis: Axis along which it is taken; None for all values.

    Returns:
        The percentile, without the axis, or NaN if there are no values.
    """
    if axis is None:
        values = values.reshape(-1)
        axis = 0
    count = values.shape[axis]
    if not count:
        return np.full(np.delete(values.shape, axis), np.nan)
    position = (count - 1) * (percent / 100)
    below = int(position)
    above = min(below + 1, count - 1)
    share = position - below
    ordered = np.partition(values, (below, above), axis)
    low = ordered.take(below, axis)
    high = ordered.take(above, axis)
    return low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)


def median(values: np.ndarray | Sequence[float], axis: int | None = None) -> np.ndarray:
    """Return the median along an axis.

    It is over all values if the axis is None, and NaN if there are no values or any is NaN.
    """
    values = np.asarray(values)
    if axis is None:
        values = values.reshape(-1)
        axis = 0
    count = values.shape[axis]
    if not count:
        return np.full(np.delete(values.shape, axis), np.nan)
    middle = count // 2
    below = middle - 1 + count % 2
    ordered = np.partition(np.moveaxis(values, axis, 0) if axis else values, (below, middle, count - 1), 0)
    medians = (ordered[below] + ordered[middle]) / 2
    is_nan = np.isnan(ordered[-1])  # NaN come last
    return np.where(is_nan, np.nan, medians) if np.count_nonzero(is_nan) else medians


def find_distinct(values: np.ndarray) -> np.ndarray:
    """Return the distinct values, sorted.

    NumPy's own function imports masked arrays, which takes 20 ms.
    """
    ordered = np.sort(values, axis=None)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]]


def median_of_known(values: np.ndarray) -> np.ndarray:
    """Return the median of the values that are not NaN, along the first axis."""
    counts = np.sum(~np.isnan(values), axis=0, keepdims=True)
    ordered = np.sort(values, axis=0)  # NaN come last
    low = np.take_along_axis(ordered, np.maximum(counts - 1, 0) // 2, 0)
    high = np.take_along_axis(ordered, np.minimum(counts // 2, len(values) - 1), 0)
    return np.where(counts % 2, high, (low + high) / 2).squeeze(0)
