"""6-D rotations: the first two columns of the rotation matrix, flattened row by row: r00 r01 r10 r11 r20 r21.

Zhou et al. 2019, "On the Continuity of Rotation Representations in Neural Networks", eq. 15.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation


def matrix_columns(rotations: np.ndarray) -> np.ndarray:
    """Quaternions (..., 4) xyzw to 6-D rotations (..., 6)."""
    matrices = Rotation.from_quat(rotations).as_matrix()
    return matrices[..., :2].reshape(*rotations.shape[:-1], 6)


def from_matrix_columns(columns: np.ndarray) -> np.ndarray:
    """The rotations nearest in the sense of Gram-Schmidt: 6-D (..., 6) to quaternions (..., 4) xyzw.

    Where a column vanishes or both are parallel, another axis takes its place, so the result is always a rotation.
    """
    pairs = columns.reshape(*columns.shape[:-1], 3, 2)
    first = _unit(pairs[..., 0], fallback=np.array([1.0, 0.0, 0.0]))
    # The coordinate axis least aligned with the first column is never parallel to it.
    spare = np.eye(3)[np.argmin(np.abs(first), axis=-1)]
    second = _unit(_reject(pairs[..., 1], first), fallback=_reject(spare, first))
    matrices = np.stack([first, second, np.cross(first, second)], axis=-1)
    return Rotation.from_matrix(matrices, assume_valid=True).as_quat()


def _reject(vectors: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """What is left of vectors (..., 3) without their part along unit directions (..., 3)."""
    return vectors - np.sum(vectors * directions, axis=-1, keepdims=True) * directions


def _unit(vectors: np.ndarray, fallback: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) at length 1; `fallback`, at length 1, where they vanish."""
    vectors = np.where(np.linalg.norm(vectors, axis=-1, keepdims=True) < 1e-9, fallback, vectors)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
