"""Six-number rotations: exact round trips, and a rotation from any six numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.motion.encodings.six_d import from_matrix_columns, matrix_columns


@pytest.mark.parametrize("columns", [np.zeros(6), [1, 2, 0, 0, 0, 0], [0, 1, 0, 2, 0, 3], [1, 0, 0, 0, 0, 0]])
def test_degenerate_columns_give_a_rotation(columns: list[float]):
    matrix = Rotation.from_quat(from_matrix_columns(np.array(columns, dtype=float))).as_matrix()
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)


def test_gram_schmidt_keeps_the_first_column_and_the_plane_of_both():
    columns = np.random.default_rng(0).normal(size=(20, 6))
    matrices = Rotation.from_quat(from_matrix_columns(columns)).as_matrix()
    first, second = columns.reshape(20, 3, 2)[..., 0], columns.reshape(20, 3, 2)[..., 1]
    np.testing.assert_allclose(matrices[..., 0], first / np.linalg.norm(first, axis=1, keepdims=True))
    np.testing.assert_allclose(np.sum(matrices[..., 2] * second, axis=1), 0, atol=1e-12)
    assert np.all(np.sum(matrices[..., 1] * second, axis=1) > 0)


def test_rotations_survive_the_6d_form():
    rotations = Rotation.random(100, rng=np.random.default_rng(1)).as_quat()
    again = from_matrix_columns(matrix_columns(rotations))
    np.testing.assert_allclose(np.abs(np.sum(rotations * again, axis=-1)), 1)
