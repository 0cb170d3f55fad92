"""Between the motion's world (y up) and the simulator's (z up), and small rotations there.

Both are right-handed and share x. Joint rotations and everything given in a link's frame are the same in both. Small
rotations are of many bodies at one time, arrays (..., 3) and (..., 4) xyzw: few calls of NumPy each, as they run at
every step of a simulation; a body's result has the same bits in any company.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.motion.geometry.vectors import cross

Y_UP_TO_Z_UP = Rotation.from_euler("x", 90, degrees=True)


def to_simulator(vectors_world: np.ndarray) -> np.ndarray:
    """Vectors (..., 3), y up to z up: (x, y, z) becomes (x, −z, y)."""
    x, y, z = np.moveaxis(vectors_world, -1, 0)
    return np.stack([x, -z, y], axis=-1)


def from_simulator(vectors_simulator: np.ndarray) -> np.ndarray:
    """Vectors (..., 3), z up to y up; the inverse of `to_simulator`."""
    x, y, z = np.moveaxis(vectors_simulator, -1, 0)
    return np.stack([x, z, -y], axis=-1)


def orientations_to_simulator(orientations_world: np.ndarray) -> np.ndarray:
    """Orientations (..., 4) xyzw of a body in the y-up world, expressed in the z-up world."""
    return (Y_UP_TO_Z_UP * Rotation.from_quat(orientations_world)).as_quat()


def orientations_from_simulator(orientations_simulator: np.ndarray) -> np.ndarray:
    """The inverse of `orientations_to_simulator`."""
    return (Y_UP_TO_Z_UP.inv() * Rotation.from_quat(orientations_simulator)).as_quat()


def tensors_to_simulator(tensors_world: np.ndarray) -> np.ndarray:
    """Second-order tensors (..., 3, 3), y up to z up."""
    turn = Y_UP_TO_Z_UP.as_matrix()
    return turn @ tensors_world @ turn.T


_ERROR_OF = np.array([[0, 3, 1, 2], [1, 3, 2, 0], [2, 3, 0, 1]]), np.array([[3, 0, 2, 1], [3, 1, 0, 2], [3, 2, 1, 0]])


_ERROR_SIGNS = np.array([1.0, -1.0, -1.0, 1.0])
"""Which components meet in a rotation error, row by row."""


def rotation_error(goal: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Small-angle rotation vectors (..., 3), outer frame, that turn the orientations `actual` into `goal`."""
    twice = np.where((goal * actual).sum(axis=-1, keepdims=True) >= 0, 2.0, -2.0)
    return twice * (goal.take(_ERROR_OF[0], -1) * actual.take(_ERROR_OF[1], -1) * _ERROR_SIGNS).sum(axis=-1)


def small_rotation(turns_rad: np.ndarray) -> np.ndarray:
    """The quaternions (..., 4) of small rotation vectors (..., 3), right up to the third order of their size."""
    whole = np.empty((*turns_rad.shape[:-1], 4))
    whole[..., :3] = half = 0.5 * turns_rad
    squares = half * half
    rest = 1.0 - squares[..., 0] - squares[..., 1] - squares[..., 2]
    whole[..., 3] = np.sqrt(np.maximum(rest, 0.0))
    return whole


def rotate_inverse(rotations: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) in the frames of quaternions (..., 4): turned by their inverses."""
    axis = -rotations[..., :3]
    twice = cross(2 * axis, vectors)
    return vectors + rotations[..., 3:] * twice + cross(axis, twice)
