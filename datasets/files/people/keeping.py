"""Keep unchanged numbers of a file to the last digit.

On reading, numbers are rotated and converted to other representations, and rounding errors remain after the way back.
A number is therefore replaced only where the motion changed, so that a file written unchanged has the same numbers.
"""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import InputError
from selfcorrect.motion.geometry.rotations import turn_angles
from selfcorrect.motion.geometry.vectors import normalize_safely, norms

_SAME = 1e-8
"""Largest change that counts as rounding, in m for positions and in rad for rotations."""

SAME_RAD = 1e-3
"""Largest angle between rotations that a file holds twice, in rad."""


def keep_positions(old: np.ndarray, before_m: np.ndarray, after_m: np.ndarray) -> np.ndarray:
    """Change a file's numbers by the displacement of their positions.

    Args:
        old: Numbers of the file, as many as `before_m` has.
        before_m: (..., 3) positions as read.
        after_m: (..., 3) positions to write.

    Returns:
        Numbers in the shape of `old`. Positions that did not move keep their numbers.
    """
    moves_m = after_m - before_m
    is_still = (np.abs(moves_m) < _SAME).all(axis=-1, keepdims=True)
    is_still = np.broadcast_to(is_still, moves_m.shape).reshape(old.shape)
    return np.where(is_still, old, old + moves_m.reshape(old.shape))


def keep_rotations(
    old: np.ndarray, before: np.ndarray | None, after: np.ndarray, *, matrices: bool = False
) -> np.ndarray:
    """Write rotations but keep the numbers of unchanged ones.

    Args:
        old: (T, …) rotation vectors or matrices of the file.
        before: (T, J, 4) the same rotations as quaternions, or None if frames were added or removed.
        after: (T, J, 4) rotations to write, as quaternions.
        matrices: True if the file has matrices.

    Returns:
        Rotation vectors or matrices in the shape of the file. Of the vectors for the same rotation, which differ by
        full turns, the one nearest to the file's is taken.
    """
    rotations = Rotation.from_quat(after.reshape(-1, 4))
    values = rotations.as_matrix().reshape(-1, 9) if matrices else rotations.as_rotvec()
    if before is None:
        return values.reshape(-1, *old.shape[1:])
    old_values = old.reshape(values.shape).astype(float)
    if not matrices:  # vectors that differ by a full turn are the same rotation
        choices = values + np.array([0, -1, 1])[:, None, None] * 2 * np.pi * normalize_safely(values)
        nearest = norms(choices - old_values).argmin(axis=0)
        values = choices[nearest, np.arange(len(values))]
    is_same = turn_angles(before, after).reshape(-1, 1) < _SAME
    kept = np.where(is_same, old_values, values)
    return kept.reshape(old.shape)


def matrices_of_rows(rows: np.ndarray) -> np.ndarray:
    """Return rotation matrices (..., 3, 3) from their first two rows (..., 6).

    The matrices are made orthonormal (Zhou et al. 2019). If a row is zero or both are parallel, the result is not a
    rotation.
    """
    first = normalize_safely(rows[..., :3])
    second = rows[..., 3:] - (first * rows[..., 3:]).sum(axis=-1, keepdims=True) * first
    second = normalize_safely(second)
    return np.stack([first, second, np.cross(first, second)], axis=-2)


def check_quaternions(path: Path, quaternions: np.ndarray) -> None:
    """Raise InputError if a quaternion (..., 4) of the file is shorter than 0.5."""
    if norms(quaternions).min() < 0.5:
        raise InputError(f"{path}: expected quaternions of length 1, got one of length 0")


def check_rotations(label: str, matrices: np.ndarray) -> None:
    """Raise InputError for the first frame in which matrices (T, ..., 3, 3) are not rotations."""
    is_rotation = np.linalg.det(matrices.astype(float)) > 0.5
    if not is_rotation.all():
        raise InputError(f"{label} in frame {np.argwhere(~is_rotation)[0][0]}")
