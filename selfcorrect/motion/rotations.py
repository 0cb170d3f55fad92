"""Products of many rotations, as arrays of unit quaternions xyzw.

SciPy's `Rotation` does all else. For products it takes a quarter of a millisecond per call however few they are, which
over the joints of short motions is as long as simulating them; for rotation vectors a dozen times as long.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation


def composed(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Products (..., 4) of quaternions (..., 4), broadcast against each other: `second` is turned by `first`."""
    x, y, z, w = (first[..., axis] for axis in range(4))
    a, b, c, d = (second[..., axis] for axis in range(4))
    return _together(
        w * a + x * d + y * c - z * b,
        w * b - x * c + y * d + z * a,
        w * c + x * b - y * a + z * d,
        w * d - x * a - y * b - z * c,
    )


def applied(rotations: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) turned by quaternions (..., 4), broadcast against each other."""
    x, y, z, w = (rotations[..., axis] for axis in range(4))
    a, b, c = (vectors[..., axis] for axis in range(3))
    # v + w t + q × t with t = 2 q × v
    tx, ty, tz = 2 * (y * c - z * b), 2 * (z * a - x * c), 2 * (x * b - y * a)
    return _together(a + w * tx + y * tz - z * ty, b + w * ty + z * tx - x * tz, c + w * tz + x * ty - y * tx)


def _together(*components: np.ndarray) -> np.ndarray:
    """Components (...) as (..., K)."""
    whole = np.empty((*components[0].shape, len(components)))
    for axis, component in enumerate(components):
        whole[..., axis] = component
    return whole


def inverted(rotations: np.ndarray) -> np.ndarray:
    """Inverses (..., 4) of unit quaternions (..., 4)."""
    return rotations * (-1.0, -1.0, -1.0, 1.0)


def normalised(rotations: np.ndarray) -> np.ndarray:
    """Quaternions (..., 4) of length 1 in the directions of the given ones."""
    return rotations / np.sqrt(np.einsum("...i,...i", rotations, rotations))[..., None]


def slerp(first: np.ndarray, second: np.ndarray, share: np.ndarray | float) -> np.ndarray:
    """Rotations (..., 4) at shares (..., 1) of the shortest arcs from `first` to `second`, both (..., 4)."""
    start = Rotation.from_quat(first)
    arc = (start.inv() * Rotation.from_quat(second)).as_rotvec()
    return (start * Rotation.from_rotvec(share * arc)).as_quat()


def turns(orientations: np.ndarray, axis: int = 0) -> np.ndarray:
    """Rotation vectors (..., 3), outer frame, from each orientation (..., 4) to the next one along an axis."""
    moved = np.moveaxis(orientations, axis, 0)
    between = Rotation.from_quat(moved[1:]) * Rotation.from_quat(moved[:-1]).inv()
    return np.moveaxis(between.as_rotvec(), 0, axis)


def rotation_vectors(rotations: np.ndarray) -> np.ndarray:
    """Rotation vectors (..., 3) in radians, at most half a turn, of quaternions (..., 4)."""
    x, y, z, w = (rotations[..., axis] for axis in range(4))
    sine = np.sqrt(x * x + y * y + z * z)
    half_turn = np.where(sine > 1e-12, np.arctan2(sine, np.abs(w)) / np.maximum(sine, 1e-12), 1.0)
    return (np.where(w >= 0, 2.0, -2.0) * half_turn)[..., None] * rotations[..., :3]
