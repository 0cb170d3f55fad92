"""Lengths and products of many short vectors (..., K); medians and percentiles of finite numbers.

NumPy's own functions take several times as long: they work along the last axis, and check what they sort. Bits are the
same.
"""

import numpy as np

NEXT, LAST = np.array([1, 2, 0]), np.array([2, 0, 1])
"""Indices of the other two of three components."""

_FEW = 400
"""Numbers up to which few calls of NumPy matter more than how they go through memory."""


def norms(vectors: np.ndarray) -> np.ndarray:
    """Euclidean lengths (...) of vectors (..., K)."""
    return np.sqrt(dot(vectors, vectors))


def normalize_safely(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., K) of length 1 in the directions of the given ones; shorter where these are shorter than 1e-12."""
    return vectors / np.maximum(norms(vectors), 1e-12)[..., None]


def dot(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Scalar products (...) of vectors (..., K), broadcast against each other."""
    total = one[..., 0] * other[..., 0]
    for axis in range(1, one.shape[-1]):
        total = total + one[..., axis] * other[..., axis]
    return total


def cross(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Cross products (..., 3) of vectors (..., 3), broadcast against each other."""
    if are_few(one, other):
        return one.take(NEXT, -1) * other.take(LAST, -1) - one.take(LAST, -1) * other.take(NEXT, -1)
    (x, y, z), (a, b, c) = ([each[..., axis] for axis in range(3)] for each in (one, other))
    products = np.empty(np.broadcast_shapes(one.shape, other.shape))
    np.subtract(y * c, z * b, out=products[..., 0])
    np.subtract(z * a, x * c, out=products[..., 1])
    np.subtract(x * b, y * a, out=products[..., 2])
    return products


def are_few(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether arrays are so small that few calls matter most; of double precision alone, so that bits are the same."""
    return one.size <= _FEW and other.size <= _FEW and one.dtype == other.dtype == np.float64


def percentile(values: np.ndarray, percent: float, axis: int | None = None) -> np.ndarray:
    """The percentile along an axis, or of all values, by linear interpolation; NaN of no values."""
    values, axis = (values.reshape(-1), 0) if axis is None else (values, axis)
    count = values.shape[axis]
    if not count:
        return np.full(np.delete(values.shape, axis), np.nan)
    place = (count - 1) * (percent / 100)
    below = int(place)
    share, above = place - below, min(below + 1, count - 1)
    ordered = np.partition(values, (below, above), axis)
    low, high = ordered.take(below, axis), ordered.take(above, axis)
    return low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)


def median(values: np.ndarray, axis: int | None = None) -> np.ndarray:
    """The median along an axis, or of all values; NaN of no values."""
    values, axis = (values.reshape(-1), 0) if axis is None else (values, axis)
    count = values.shape[axis]
    if not count:
        return np.full(np.delete(values.shape, axis), np.nan)
    middle = count // 2
    ordered = np.partition(values, middle if count % 2 else (middle - 1, middle), axis)
    high = ordered.take(middle, axis)
    return high if count % 2 else (ordered.take(middle - 1, axis) + high) / 2
