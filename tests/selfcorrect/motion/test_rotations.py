"""SciPy's rotations are the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.motion.rotations import applied, composed, inverted, normalised, rotation_vectors


@pytest.fixture
def pair() -> tuple[Rotation, Rotation]:
    generator = np.random.default_rng(0)
    return Rotation.random(50, generator), Rotation.random(50, generator)


def test_a_product_turns_by_the_second_rotation_first(pair):
    first, second = pair
    product = composed(first.as_quat(), second.as_quat())
    np.testing.assert_allclose(Rotation.from_quat(product).as_matrix(), (first * second).as_matrix(), atol=1e-14)


def test_vectors_turn_as_scipy_turns_them(pair):
    vectors = np.random.default_rng(1).normal(size=(50, 3))
    np.testing.assert_allclose(applied(pair[0].as_quat(), vectors), pair[0].apply(vectors), atol=1e-14)


def test_one_rotation_serves_many_vectors_and_one_vector_many_rotations(pair):
    quaternions, vector = pair[0].as_quat().reshape(5, 10, 4), np.array([1.0, 2.0, 3.0])
    assert applied(quaternions, vector).shape == (5, 10, 3)
    np.testing.assert_array_equal(
        applied(quaternions[0, 0], np.stack([vector, vector]))[1], applied(quaternions, vector)[0, 0]
    )
    np.testing.assert_array_equal(
        composed(quaternions[:1, :1], quaternions)[2, 3], composed(quaternions[0, 0], quaternions[2, 3])
    )


def test_inverse_and_rotation_vector(pair):
    nothing = composed(inverted(pair[0].as_quat()), pair[0].as_quat())
    np.testing.assert_allclose(rotation_vectors(nothing), 0.0, atol=1e-14)
    np.testing.assert_allclose(rotation_vectors(pair[0].as_quat()), pair[0].as_rotvec(), atol=1e-14)


def test_normalised_quaternions_keep_their_direction(pair):
    np.testing.assert_allclose(normalised(3.0 * pair[0].as_quat()), pair[0].as_quat(), atol=1e-15)
