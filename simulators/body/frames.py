"""Between the motion's world (y up) and the simulator's (z up), both right-handed; x is shared.

Joint rotations and everything given in a link's frame are the same in both.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

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
