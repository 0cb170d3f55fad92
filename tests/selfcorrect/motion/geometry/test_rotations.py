"""SciPy's rotations are the oracle."""

from itertools import permutations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.motion.geometry.rotations import (
    compose,
    from_euler_angles,
    from_matrices,
    from_matrix_columns,
    invert,
    normalize,
    quaternions,
    rotate,
    rotation_vectors,
    shortest_turn,
    slerp,
    steps_between,
    to_euler_angles,
    to_matrices,
    turn_angles,
)


@pytest.fixture
def pair() -> tuple[Rotation, Rotation]:
    generator = np.random.default_rng(0)
    return Rotation.random(50, generator), Rotation.random(50, generator)


def test_second_rotation_applies_first(pair):
    first, second = pair
    product = compose(first.as_quat(), second.as_quat())
    np.testing.assert_allclose(Rotation.from_quat(product).as_matrix(), (first * second).as_matrix(), atol=1e-14)


def test_vectors_rotate_like_scipy(pair):
    vectors = np.random.default_rng(1).normal(size=(50, 3))
    np.testing.assert_allclose(rotate(pair[0].as_quat(), vectors), pair[0].apply(vectors), atol=1e-14)


def test_rotations_broadcast(pair):
    quaternions = pair[0].as_quat().reshape(5, 10, 4)
    vector = np.array([1.0, 2.0, 3.0])
    assert rotate(quaternions, vector).shape == (5, 10, 3)
    np.testing.assert_array_equal(
        rotate(quaternions[0, 0], np.stack([vector, vector]))[1], rotate(quaternions, vector)[0, 0]
    )
    np.testing.assert_array_equal(
        compose(quaternions[:1, :1], quaternions)[2, 3], compose(quaternions[0, 0], quaternions[2, 3])
    )


def test_euler_angles_match_scipy_bits():
    angles_deg = np.random.default_rng(2).uniform(-400, 400, (60, 3))
    angles_deg[:10] = 90 * np.round(angles_deg[:10] / 90)
    for count in (1, 2, 3):
        for axes in map("".join, permutations("XYZ", count)):
            expected = Rotation.from_euler(axes, angles_deg[:, :count], degrees=True).as_quat()
            np.testing.assert_array_equal(from_euler_angles(axes, angles_deg[:, :count]), expected.reshape(-1, 4))


def test_inverse_and_rotation_vector(pair):
    nothing = compose(invert(pair[0].as_quat()), pair[0].as_quat())
    np.testing.assert_allclose(rotation_vectors(nothing), 0.0, atol=1e-14)
    np.testing.assert_allclose(rotation_vectors(pair[0].as_quat()), pair[0].as_rotvec(), atol=1e-14)


def test_normalised_quaternions_keep_their_direction(pair):
    np.testing.assert_allclose(normalize(3.0 * pair[0].as_quat()), pair[0].as_quat(), atol=1e-15)


def test_slerp_takes_shortest_way(pair):
    first = pair[0].as_quat()
    second = pair[1].as_quat()
    halfway = Rotation.from_quat(slerp(first, second, np.full((50, 1), 0.5)))
    ways = [(end.inv() * halfway).magnitude() for end in pair]
    assert np.allclose(ways, (pair[0].inv() * pair[1]).magnitude() / 2)
    for share, end in zip((0.0, 1.0), pair, strict=True):
        assert np.allclose((end.inv() * Rotation.from_quat(slerp(first, second, share))).magnitude(), 0)


def test_turns_lead_to_next(pair):
    orientations = pair[0].as_quat().reshape(5, 10, 4)
    led = Rotation.from_rotvec(steps_between(orientations).reshape(-1, 3))
    before = orientations[:-1].reshape(-1, 4)
    after = orientations[1:].reshape(-1, 4)
    assert np.allclose((led * Rotation.from_quat(before) * Rotation.from_quat(after).inv()).magnitude(), 0)


def test_rotation_vectors_match_scipy():
    vectors = np.random.default_rng(2).normal(size=(40, 3)) * np.geomspace(1e-12, 3.0, 40)[:, None]
    converted = quaternions(np.concatenate([vectors, np.zeros((1, 3))]))
    np.testing.assert_allclose(converted[:-1], Rotation.from_rotvec(vectors).as_quat(), atol=1e-14)
    np.testing.assert_array_equal(converted[-1], [0.0, 0.0, 0.0, 1.0])


@pytest.mark.parametrize("columns", [np.zeros(6), [1, 2, 0, 0, 0, 0], [0, 1, 0, 2, 0, 3], [1, 0, 0, 0, 0, 0]])
def test_degenerate_columns_give_a_rotation(columns: list[float]):
    matrix = Rotation.from_quat(from_matrix_columns(np.array(columns, dtype=float))).as_matrix()
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)


def test_gram_schmidt_keeps_first_column():
    columns = np.random.default_rng(0).normal(size=(20, 6))
    matrices = Rotation.from_quat(from_matrix_columns(columns)).as_matrix()
    first = columns.reshape(20, 3, 2)[..., 0]
    second = columns.reshape(20, 3, 2)[..., 1]
    np.testing.assert_allclose(matrices[..., 0], first / np.linalg.norm(first, axis=1, keepdims=True))
    np.testing.assert_allclose(np.sum(matrices[..., 2] * second, axis=1), 0, atol=1e-12)
    assert np.all(np.sum(matrices[..., 1] * second, axis=1) > 0)


@pytest.mark.parametrize("axes", ["XYZ", "YZX", "ZXY", "XZY", "ZYX", "YXZ"])
def test_euler_and_matrices_match_scipy(axes: str):
    generator = np.random.default_rng(5)
    draws = Rotation.random(200, rng=generator)
    locked = Rotation.from_euler(axes, [[30.0, 90.0, 20.0], [30.0, -90.0, 20.0], [10.0, 90 - 1e-9, 0.0]], degrees=True)
    rotations = np.concatenate([draws.as_quat(), -draws.as_quat(), locked.as_quat(), np.eye(4)])
    expected = Rotation.from_quat(rotations).as_euler(axes, degrees=True, suppress_warnings=True)
    angles_deg = to_euler_angles(axes, rotations.reshape(-1, 1, 4))[:, 0]
    np.testing.assert_allclose(angles_deg, expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(angles_deg[:400], expected[:400], rtol=0, atol=1e-11)
    back = from_euler_angles(axes, angles_deg)
    assert turn_angles(back, rotations).max() < 1e-7
    np.testing.assert_array_equal(to_matrices(2 * rotations), Rotation.from_quat(2 * rotations).as_matrix())
    matrices = Rotation.from_quat(rotations).as_matrix()
    np.testing.assert_array_equal(from_matrices(matrices), Rotation.from_matrix(matrices, assume_valid=True).as_quat())


def test_shortest_turn_aligns_vectors():
    before, after = np.random.default_rng(5).normal(size=(2, 7, 3))
    turned = Rotation.from_quat(shortest_turn(before, after)).apply(before)
    assert np.allclose(np.cross(turned, after), 0.0, atol=1e-9)
    assert (np.sum(turned * after, -1) > 0).all()
