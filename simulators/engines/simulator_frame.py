"""Conversions between y up and z up, and small rotations.

The motion's world is y up, and the simulator's is z up. Both are right-handed and share x. Joint rotations and all
values in a link's frame are the same in both. Small rotations are arrays (..., 3) and (..., 4) xyzw of many bodies at
once. They make few NumPy calls, because they run at every simulation step. A body's result does not depend on the other
bodies in the array, not even in the last bit.
"""

import numpy as np

from selfcorrect.motion.geometry.rotations import compose, from_euler_angles, invert, normalize, to_matrices
from selfcorrect.motion.geometry.vectors import cross

Y_UP_TO_Z_UP = from_euler_angles("X", np.array([90.0]))
"""Quaternion (4,) that rotates y up to z up."""

TO_SIMULATOR = to_matrices(Y_UP_TO_Z_UP)
"""Matrix (3, 3) of the same rotation."""


def to_simulator(vectors_world: np.ndarray) -> np.ndarray:
    """Convert vectors (..., 3) from y up to z up: (x, y, z) becomes (x, −z, y)."""
    x, y, z = np.moveaxis(vectors_world, -1, 0)
    return np.stack([x, -z, y], axis=-1)


def from_simulator(vectors_simulator: np.ndarray) -> np.ndarray:
    """Convert vectors (..., 3) from z up to y up: the inverse of `to_simulator`."""
    x, y, z = np.moveaxis(vectors_simulator, -1, 0)
    return np.stack([x, z, -y], axis=-1)


def wrenches_to_simulator(wrenches_world: np.ndarray) -> np.ndarray:
    """Convert wrenches (..., 6), force and moment, from y up to z up."""
    return to_simulator(wrenches_world.reshape(*wrenches_world.shape[:-1], 2, 3)).reshape(wrenches_world.shape)


def wrenches_from_simulator(wrenches_simulator: np.ndarray) -> np.ndarray:
    """Convert wrenches (..., 6) from z up to y up: the inverse of `wrenches_to_simulator`."""
    pairs = wrenches_simulator.reshape(*wrenches_simulator.shape[:-1], 2, 3)
    return from_simulator(pairs).reshape(wrenches_simulator.shape)


def orientations_to_simulator(orientations_world: np.ndarray) -> np.ndarray:
    """Convert a body's quaternions (..., 4) xyzw from y up to z up."""
    return normalize(compose(Y_UP_TO_Z_UP, orientations_world))


def orientations_from_simulator(orientations_simulator: np.ndarray) -> np.ndarray:
    """Convert a body's quaternions (..., 4) xyzw from z up to y up."""
    return normalize(compose(invert(Y_UP_TO_Z_UP), orientations_simulator))


def tensors_to_simulator(tensors_world: np.ndarray) -> np.ndarray:
    """Convert tensors (..., 3, 3) of second order from y up to z up."""
    return TO_SIMULATOR @ tensors_world @ TO_SIMULATOR.T


_GOAL_COMPONENTS = np.array([[0, 3, 1, 2], [1, 3, 2, 0], [2, 3, 0, 1]])
"""Components of the goal quaternion in the products of a rotation error; row i belongs to component i of the error.
Each is multiplied by the actual component at the same index."""

_ACTUAL_COMPONENTS = np.array([[3, 0, 2, 1], [3, 1, 0, 2], [3, 2, 1, 0]])
"""Components of the actual quaternion in these products."""


_ERROR_SIGNS = np.array([1.0, -1.0, -1.0, 1.0])
"""Signs of these products."""


def rotation_error(goal: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Return small rotation vectors (..., 3) from `actual` to `goal`, in the outer frame."""
    twice = np.where((goal * actual).sum(axis=-1, keepdims=True) >= 0, 2.0, -2.0)
    products = goal.take(_GOAL_COMPONENTS, -1) * actual.take(_ACTUAL_COMPONENTS, -1)
    return twice * (products * _ERROR_SIGNS).sum(axis=-1)


def small_rotation(turns_rad: np.ndarray) -> np.ndarray:
    """Return quaternions (..., 4) of small rotation vectors (..., 3).

    The error is of third order.
    """
    quaternion = np.empty((*turns_rad.shape[:-1], 4))
    half = 0.5 * turns_rad
    quaternion[..., :3] = half
    squares = half * half
    remainder = 1.0 - squares[..., 0] - squares[..., 1] - squares[..., 2]
    quaternion[..., 3] = np.sqrt(np.maximum(remainder, 0.0))
    return quaternion


def rotate_inverse(rotations: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Rotate vectors (..., 3) by inverse quaternions (..., 4)."""
    axis = -rotations[..., :3]
    twice = cross(2 * axis, vectors)
    return vectors + rotations[..., 3:] * twice + cross(axis, twice)
