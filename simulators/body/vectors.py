"""Vectors and quaternions of many bodies at one time: arrays (..., 3) and (..., 4), the latter xyzw.

Few calls of NumPy each, as they run at every step of a simulation; a body's result has the same bits in any company.
"""

from __future__ import annotations

import numpy as np

_NEXT, _LAST = np.array([1, 2, 0]), np.array([2, 0, 1])
_ERROR_OF = np.array([[0, 3, 1, 2], [1, 3, 2, 0], [2, 3, 0, 1]]), np.array([[3, 0, 2, 1], [3, 1, 0, 2], [3, 2, 1, 0]])
_ERROR_SIGNS = np.array([1.0, -1.0, -1.0, 1.0])
_PRODUCT_OF = np.array([[3, 0, 1, 2]] * 4), np.array([[0, 3, 2, 1], [1, 2, 3, 0], [2, 1, 0, 3], [3, 0, 1, 2]])
_PRODUCT_SIGNS = np.array([[1.0, 1, 1, -1], [1, -1, 1, 1], [1, 1, -1, 1], [1, -1, -1, -1]])
"""Which components meet in a rotation error and in a product of quaternions, row by row."""


def rotation_error(goal: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Small-angle rotation vectors (..., 3), outer frame, that turn the orientations `actual` into `goal`."""
    twice = np.where((goal * actual).sum(axis=-1, keepdims=True) >= 0, 2.0, -2.0)
    return twice * (goal.take(_ERROR_OF[0], -1) * actual.take(_ERROR_OF[1], -1) * _ERROR_SIGNS).sum(axis=-1)


def product(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """What `rotations.composed` gives for quaternions (..., 4), to the bit; faster where they are few."""
    return (first.take(_PRODUCT_OF[0], -1) * second.take(_PRODUCT_OF[1], -1) * _PRODUCT_SIGNS).sum(axis=-1)


def turned(rotations: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """What `rotations.applied` gives for quaternions (..., 4) and vectors (..., 3), to the bit; faster for few."""
    axis = rotations[..., :3]
    twice = 2 * cross(axis, vectors)
    once = vectors + rotations[..., 3:] * twice + axis.take(_NEXT, -1) * twice.take(_LAST, -1)
    return once - axis.take(_LAST, -1) * twice.take(_NEXT, -1)


def cross(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The cross products (..., 3)."""
    return one.take(_NEXT, -1) * other.take(_LAST, -1) - one.take(_LAST, -1) * other.take(_NEXT, -1)


def small_rotation(turns_rad: np.ndarray) -> np.ndarray:
    """The quaternions (..., 4) of small rotation vectors (..., 3), right up to the third order of their size."""
    whole = np.empty((*turns_rad.shape[:-1], 4))
    whole[..., :3] = half = 0.5 * turns_rad
    squares = half * half
    rest = 1.0 - squares[..., 0] - squares[..., 1] - squares[..., 2]
    whole[..., 3] = np.sqrt(np.maximum(rest, 0.0))
    return whole


def rotated_back(rotations: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) in the frames of quaternions (..., 4): turned by their inverses."""
    axis = -rotations[..., :3]
    twice = cross(2 * axis, vectors)
    return vectors + rotations[..., 3:] * twice + cross(axis, twice)
