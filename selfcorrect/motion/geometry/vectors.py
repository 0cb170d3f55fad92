"""Lengths and products of short vectors, and medians.

There may be many vectors (..., K). Percentiles are here, too. NumPy's own functions take several times as long: they
work along the last axis, and check what they sort. Bits are the same.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from .compiled import find_kernel

UP = np.array([0.0, 1.0, 0.0])
"""Upward direction of the world."""
ALONG_FLOOR = np.array([1.0, 0.0, 1.0])
"""Factors that keep the level part of a vector, along x and z."""
GRAVITY_M_S2 = 9.81
"""Gravitational acceleration on Earth, in m/s²."""

NEXT = np.array([1, 2, 0])
LAST = np.array([2, 0, 1])
"""Indices of the remaining two of three components."""

_MEDIAN_CHI_SQUARE = {1: 0.4549, 2: 1.3863, 3: 2.3660}
"""Median of a sum of squared normal deviates. Keys are the number of deviates."""


_Array = TypeVar("_Array", bound="np.ndarray | None")


def align(array: _Array) -> _Array:
    """Copy an array that is not aligned in memory, as in packed records, because kernels refuse such arrays."""
    return array if array is None or array.flags.aligned else array.copy()  # type: ignore[return-value]


def norms(vectors: np.ndarray) -> np.ndarray:
    """Euclidean lengths (...) of vectors (..., K)."""
    return np.sqrt(dot(vectors, vectors))


def standard_lengths(vectors: np.ndarray, directions: int) -> np.ndarray:
    """Return lengths with deviation as median.

    The median of the lengths (...) of vectors (..., K) is their standard deviation along each direction. The vectors
    vary as much in each of some directions, 1 to 3 and at most K. Their median hardly depends on outliers, and not on
    how all vectors are turned.
    """
    return norms(vectors) / np.sqrt(_MEDIAN_CHI_SQUARE[directions])


def normalize_safely(vectors: np.ndarray) -> np.ndarray:
    """Scale vectors (..., K) to length 1. Vectors shorter than 1e-12 stay shorter than 1."""
    return vectors / np.maximum(norms(vectors), 1e-12)[..., None]


def dot(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return scalar products (...) of vectors (..., K), broadcast against each other."""
    total = first[..., 0] * second[..., 0]
    for axis in range(1, first.shape[-1]):
        total += first[..., axis] * second[..., axis]
    return total


def sum_points(vectors: np.ndarray) -> np.ndarray:
    """Sum vectors (..., P, K) over points.

    NumPy's own sum takes several times as long for few points.
    """
    total = vectors[..., 0, :].copy()
    for point in range(1, vectors.shape[-2]):
        total += vectors[..., point, :]
    return total


def split_components(vectors: np.ndarray) -> np.ndarray:
    """Split vectors (..., K) into components (K, ...), each in contiguous memory, where sums take less time."""
    return np.ascontiguousarray(vectors.transpose(-1, *range(vectors.ndim - 1)))


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return cosines (...) between vectors (..., K), 0 where a vector vanishes."""
    return np.einsum("...i,...i", first, second) / np.maximum(norms(first) * norms(second), 1e-12)


def angles_rad(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return angles (...) between vectors (..., K) in radians, right angles where a vector vanishes."""
    return np.arccos(np.clip(cosines(first, second), -1.0, 1.0))


def cross(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return cross products of vectors (..., 3), broadcast against each other."""
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
    """Return an empty array for products (..., K).

    Vectors or quaternions (..., L) are multiplied with vectors or quaternions (..., K).
    """
    shape = first.shape[:-1]
    if shape == second.shape[:-1]:
        return np.empty(second.shape)
    return np.empty((*np.broadcast_shapes(shape, second.shape[:-1]), second.shape[-1]))


def percentile(values: np.ndarray, percent: float, axis: int | None = None) -> np.ndarray:
    """Return the percentile of values by linear interpolation.

    Args:
        values: Finite values of any shape.
        percent: Percentile, from 0 to 100.
        axis: Axis along which it is taken; None for that of all values.

    Returns:
        The percentile, without the axis; NaN of no values.
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

    It is over all values without an axis; NaN for no values, and where a value is NaN.
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
    """Return distinct values, sorted. NumPy's own function imports masked arrays, which takes 20 ms."""
    ordered = np.sort(values, axis=None)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]]


def median_of_known(values: np.ndarray, axis: int = 0) -> np.ndarray:
    """Return the median of values that are not NaN.

    It is along an axis, and NaN where all values are.
    """
    counts = np.sum(~np.isnan(values), axis=axis, keepdims=True)
    ordered = np.sort(values, axis=axis)  # NaN come last
    low = np.take_along_axis(ordered, np.maximum(counts - 1, 0) // 2, axis)
    high = np.take_along_axis(ordered, np.minimum(counts // 2, values.shape[axis] - 1), axis)
    return np.where(counts % 2, high, (low + high) / 2).squeeze(axis)
