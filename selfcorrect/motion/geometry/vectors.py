"""Lengths and products of many vectors (..., K), K being two or three.

NumPy's own functions work along the last axis, which takes several times as long where that is so short. Bits are the
same.
"""

from __future__ import annotations

import numpy as np

NEXT, LAST = np.array([1, 2, 0]), np.array([2, 0, 1])
"""Indices of the other two of three components."""

_FEW = 400
"""Numbers up to which few calls of NumPy matter more than how they go through memory."""


def lengths(vectors: np.ndarray) -> np.ndarray:
    """Euclidean lengths (...) of vectors (..., K)."""
    return np.sqrt(dots(vectors, vectors))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., K) of length 1 in the directions of the given ones; shorter where these are shorter than 1e-12."""
    return vectors / np.maximum(lengths(vectors), 1e-12)[..., None]


def dots(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Scalar products (...) of vectors (..., K), broadcast against each other."""
    total = one[..., 0] * other[..., 0]
    for axis in range(1, one.shape[-1]):
        total = total + one[..., axis] * other[..., axis]
    return total


def crosses(one: np.ndarray, other: np.ndarray) -> np.ndarray:
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
