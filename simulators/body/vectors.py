"""Vectors and quaternions of many bodies at one time: arrays (..., 3) and (..., 4), the latter xyzw.

Sums are written out, so that the result for a body has the same bits whatever other bodies there are.
"""

from __future__ import annotations

import numpy as np


def rotation_error(goal: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Small-angle rotation vectors (..., 3), outer frame, that turn the orientations `actual` into `goal`."""
    gx, gy, gz, gw = _parts(goal)
    x, y, z, w = _parts(actual)
    twice = np.where(gx * x + gy * y + gz * z + gw * w >= 0, 2.0, -2.0)
    return _vectors(
        twice * (gx * w - gw * x - gy * z + gz * y),
        twice * (gy * w - gw * y - gz * x + gx * z),
        twice * (gz * w - gw * z - gx * y + gy * x),
    )


def cross(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The cross products (..., 3)."""
    ax, ay, az = _parts(one)
    bx, by, bz = _parts(other)
    return _vectors(ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx)


def small_rotation(turns_rad: np.ndarray) -> np.ndarray:
    """The quaternions (..., 4) of small rotation vectors (..., 3), right up to the third order of their size."""
    x, y, z = _parts(0.5 * turns_rad)
    return _vectors(x, y, z, np.sqrt(np.maximum(1.0 - x * x - y * y - z * z, 0.0)))


def rotated_back(rotations: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) in the frames of quaternions (..., 4): turned by their inverses."""
    axis = -rotations[..., :3]
    twice = cross(2 * axis, vectors)
    return vectors + rotations[..., 3:] * twice + cross(axis, twice)


def _parts(numbers: np.ndarray) -> list[np.ndarray]:
    return [numbers[..., axis] for axis in range(numbers.shape[-1])]


def _vectors(*parts: np.ndarray) -> np.ndarray:
    whole = np.empty((*parts[0].shape, len(parts)))
    for axis, part in enumerate(parts):
        whole[..., axis] = part
    return whole
