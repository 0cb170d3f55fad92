"""Numbers of a file that stay as they were where a motion did not change, to the last digit.

What is read goes through turns and other representations, and comes back with rounding errors. So that a file that is
written unchanged has the numbers it had, each number is replaced only where the motion changed.
"""

import numpy as np
from scipy.spatial.transform import Rotation

_SAME = 1e-8
"""Most by which rounding alone moves a place (metres) or a component of a quaternion."""


def kept_places(old: np.ndarray, before_m: np.ndarray, after_m: np.ndarray) -> np.ndarray:
    """The numbers `old`, moved as places (..., 3) moved from `before_m` to `after_m`."""
    moved_m = (after_m - before_m).reshape(old.shape)
    still = (np.abs(after_m - before_m) < _SAME).all(axis=-1, keepdims=True)
    still = np.broadcast_to(still, after_m.shape).reshape(old.shape)
    return np.where(still, old, old + moved_m)


def kept_rotations(
    old: np.ndarray, before: np.ndarray | None, after: np.ndarray, *, matrices: bool = False
) -> np.ndarray:
    """Rotation vectors or matrices like `old` (T, …) of quaternions `after` (T, J, 4).

    Those that are the same as `before` keep their numbers, and vectors stay on their side of a full turn.
    """
    rotations = Rotation.from_quat(after.reshape(-1, 4))
    values = rotations.as_matrix().reshape(-1, 9) if matrices else rotations.as_rotvec()
    if before is None:
        return values.reshape(-1, *old.shape[1:])
    was = old.reshape(values.shape).astype(float)
    if not matrices:
        values = _nearest(values, was)
    return np.where(is_unturned(before, after).reshape(-1, 1), was, values).reshape(old.shape)


def is_unturned(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(...) whether quaternions (..., 4) are the same rotations but for rounding."""
    before, after = (one / np.maximum(np.linalg.norm(one, axis=-1, keepdims=True), 1e-12) for one in (before, after))
    off = np.minimum(np.abs(before - after).max(axis=-1), np.abs(before + after).max(axis=-1))
    return np.asarray(off < _SAME)


def _nearest(vectors: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Rotation vectors (N, 3) of the same rotations, up to a full turn longer or shorter, nearest to `wanted`."""
    angles = np.linalg.norm(vectors, axis=-1, keepdims=True)
    axes = vectors / np.maximum(angles, 1e-12)
    choices = np.stack([vectors + turns * 2 * np.pi * axes for turns in (0, -1, 1)])
    best = np.linalg.norm(choices - wanted, axis=-1).argmin(axis=0)
    return choices[best, np.arange(len(vectors))]
