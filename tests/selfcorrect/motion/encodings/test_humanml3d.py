"""The 263-d representation agrees with reference vectors.

What it keeps of any motion is tested, too.
"""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from selfcorrect.motion.encodings import humanml3d
from selfcorrect.motion.encodings.humanml3d import KIT_BODY, canonical, columns, decode_joints, encode, normalise_bones
from selfcorrect.motion.inverse_kinematics import fit_motion, fit_skeleton
from selfcorrect.motion.kinematics import forward_kinematics, joint_positions
from selfcorrect.motion.skeleton import SMPL_22_PARENTS, smpl_22

REFERENCE_IS_FINITE = ["09_01", "10_02", "94_07", "135_06", "golden_012314"]
REFERENCE_IS_NAN = ["16_58", "26_01"]
LENGTHS_M = np.linalg.norm(humanml3d.BONE_AXES, axis=-1) * np.linspace(0.1, 0.45, 22)
PARENTS = list(SMPL_22_PARENTS[1:])

seeds = st.integers(0, 2**32 - 1)


def read(shared: Path, case: str) -> dict[str, np.ndarray]:
    return dict(np.load(shared / "humanml3d" / "cases" / f"{case}.npz"))


def random_walk(seed: int, frames: int = 30) -> np.ndarray:
    """Return joints of a tumbling body whose joints rotate at random."""
    random = np.random.default_rng(seed)
    turns = Rotation.from_rotvec(np.cumsum(random.normal(0, 0.15, (frames, 22, 3)), axis=0)).as_quat()
    path_m = np.cumsum(random.normal(0, 0.05, (frames, 3)), axis=0) + random.normal(0, 2, 3)
    return forward_kinematics(smpl_22(humanml3d.BONE_AXES * LENGTHS_M[:, None]), path_m, turns)[0]


def about_y(joints_m: np.ndarray, angles_rad: np.ndarray) -> np.ndarray:
    return Rotation.from_euler("y", angles_rad[:, None, None]).apply(joints_m)


def bone_lengths(joints_m: np.ndarray) -> np.ndarray:
    return np.linalg.norm(joints_m[:, 1:] - joints_m[:, PARENTS], axis=-1)


@pytest.mark.parametrize("case", REFERENCE_IS_FINITE)
def test_rows_agree_with_the_reference(shared: Path, case: str) -> None:
    data = read(shared, case)
    vectors = encode(data["joints"], data["target_offsets"])
    contacts = columns()["contacts"]
    continuous = slice(0, contacts.start)
    np.testing.assert_allclose(vectors[:, continuous], data["vectors"][:, continuous], atol=1e-5)
    joints_m = canonical(normalise_bones(data["joints"].astype(float), data["target_offsets"]))
    squared_m2 = np.square(np.diff(joints_m[:, humanml3d.CONTACT_JOINTS], axis=0)).sum(-1)
    decided = np.abs(squared_m2 - humanml3d.SQUARED_CONTACT_STEP_M2) > 1e-6
    assert decided.mean() > 0.99
    np.testing.assert_array_equal(vectors[:, contacts][decided], data["vectors"][:, contacts][decided])


@pytest.mark.parametrize("case", REFERENCE_IS_FINITE)
def test_joints_match_reference(shared: Path, case: str) -> None:
    data = read(shared, case)
    np.testing.assert_allclose(decode_joints(data["vectors"].astype(float))[:-1], data["recovered"], atol=1e-5)


def test_target_skeleton_matches_paper(shared: Path) -> None:
    np.testing.assert_allclose(humanml3d.TARGET_OFFSETS_M, read(shared, "golden_012314")["target_offsets"], atol=1e-7)


@pytest.mark.parametrize("case", REFERENCE_IS_NAN)
def test_zero_bones_are_finite(shared: Path, case: str) -> None:
    data = read(shared, case)
    joints_m = data["joints"].astype(float)
    assert np.isnan(data["vectors"]).any()
    assert bone_lengths(joints_m).min() == 0
    for target in (None, data["target_offsets"]):
        vectors = encode(joints_m, target)
        assert np.isfinite(vectors).all()
        placed_m = canonical(joints_m if target is None else normalise_bones(joints_m, target))
        np.testing.assert_allclose(decode_joints(vectors)[:-1], placed_m[:-1], atol=1e-9)


@given(seed=seeds)
@settings(max_examples=40, deadline=None)
def test_joints_survive_the_representation(seed: int) -> None:
    joints_m = random_walk(seed)
    np.testing.assert_allclose(decode_joints(encode(joints_m)), canonical(joints_m), atol=1e-9)


@given(seed=seeds, is_mirrored=st.booleans())
@settings(max_examples=20, deadline=None)
def test_kit_ml_round_trips(seed: int, is_mirrored: bool) -> None:
    body = KIT_BODY.exchange_sides() if is_mirrored else KIT_BODY
    joints = 1000 * random_walk(seed)[:, :21]
    rows = encode(joints, body=body)
    np.testing.assert_allclose(decode_joints(rows), canonical(joints, body=body), atol=1e-6)
    kept = encode(joints, keep_place=True, body=body)
    np.testing.assert_allclose(decode_joints(kept), joints - joints[0, 0] * [1, 0, 1], atol=1e-6)
    axes = rows[:, columns(21)["rotations"]].reshape(-1, 3)
    np.testing.assert_allclose(np.linalg.norm(axes, axis=-1), 1)


@given(seed=seeds)
@settings(max_examples=40, deadline=None)
def test_rows_survive_their_joints(seed: int) -> None:
    vectors = encode(random_walk(seed))
    np.testing.assert_allclose(encode(decode_joints(vectors)), vectors, atol=1e-7)


@given(seed=seeds, angle_rad=st.floats(-3, 3), x_m=st.floats(-5, 5), z_m=st.floats(-5, 5), y_m=st.floats(-5, 5))
@settings(max_examples=40, deadline=None)
def test_start_does_not_matter(seed: int, angle_rad: float, x_m: float, y_m: float, z_m: float) -> None:
    joints_m = random_walk(seed)
    moved_m = about_y(joints_m, np.full(len(joints_m), angle_rad)) + np.array([x_m, y_m, z_m])
    continuous = slice(0, columns()["contacts"].start)
    np.testing.assert_allclose(encode(moved_m)[:, continuous], encode(joints_m)[:, continuous], atol=1e-7)


@given(seed=seeds)
@settings(max_examples=20, deadline=None)
def test_normalising_sets_lengths(seed: int) -> None:
    random = np.random.default_rng(seed)
    joints_m = random_walk(seed)
    target_m = humanml3d.BONE_AXES * random.uniform(0.05, 0.5, (22, 1))
    normalised_m = normalise_bones(joints_m, target_m)
    lengths_m = np.linalg.norm(target_m[1:], axis=-1)
    np.testing.assert_allclose(bone_lengths(normalised_m), np.tile(lengths_m, (len(joints_m), 1)), atol=1e-9)
    before = (joints_m[:, 1:] - joints_m[:, PARENTS]) / bone_lengths(joints_m)[..., None]
    after = (normalised_m[:, 1:] - normalised_m[:, PARENTS]) / lengths_m[:, None]
    np.testing.assert_allclose(after, before, atol=1e-9)


def test_straight_back_turn_round_trips() -> None:
    joints_m = np.repeat(random_walk(1, frames=2)[:1], 200, axis=0)
    joints_m = about_y(joints_m, np.linspace(0, 5 * np.pi, 200))
    np.testing.assert_allclose(decode_joints(encode(joints_m)), canonical(joints_m), atol=1e-9)


def test_opposite_bone_is_half_turn() -> None:
    joints_m = random_walk(0)
    joints_m[5] = forward_kinematics(
        smpl_22(-humanml3d.BONE_AXES * LENGTHS_M[:, None]), joints_m[5, 0], np.tile([0.0, 0, 0, 1], (22, 1))
    )[0]
    vectors = encode(joints_m)
    assert np.isfinite(vectors).all()
    axes = vectors[:, columns()["rotations"]].reshape(-1, 2, 3)  # two of each bone's
    np.testing.assert_allclose(np.linalg.norm(axes, axis=-1), 1)


def test_contacts_are_feet_that_stay() -> None:
    joints_m = np.repeat(random_walk(3, frames=2)[:1], 3, axis=0)
    joints_m[1:, 7] += [0, 0, 0.05]  # the left ankle moves 50 mm, then stays; √0.002 m is 44.7 mm
    joints_m[1:, 8] += [0, 0, 0.04]  # the right one 40 mm
    np.testing.assert_array_equal(encode(joints_m)[:, columns()["contacts"]], [[0, 1, 1, 1], [1, 1, 1, 1]])


def test_batch_equals_motions() -> None:
    vectors = np.stack([encode(random_walk(seed)) for seed in range(3)])
    np.testing.assert_allclose(decode_joints(vectors)[1], decode_joints(vectors[1]), atol=1e-12)


def test_column_groups_match_paper() -> None:
    assert columns()["contacts"] == slice(259, 263)
    assert columns(21)["contacts"] == slice(247, 251)  # KIT-ML


@pytest.mark.parametrize(
    ("joints_m", "message"),
    [
        (np.zeros((5, 21, 3)), r"\(at least 2 frames, 22, 3\), got \(5, 21, 3\)"),
        (np.zeros((1, 22, 3)), "at least 2 frames"),
    ],
)
def test_other_joints_are_refused(joints_m: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode(joints_m)


def test_other_width_raises() -> None:
    with pytest.raises(ValueError, match=r"12 J − 1 columns .* got shape \(4, 262\)"):
        decode_joints(np.zeros((4, 262)))


@pytest.mark.parametrize("case", REFERENCE_IS_FINITE)
def test_rows_round_trip_within_millimetre(shared: Path, case: str) -> None:
    data = read(shared, case)
    joints_m = decode_joints(encode(data["joints"], data["target_offsets"]))[:-1]
    motion = fit_motion(joints_m, humanml3d.FPS, fit_skeleton(joints_m, smpl_22(humanml3d.BONE_AXES)))
    assert np.linalg.norm(joint_positions(motion) - joints_m, axis=-1).max() < 1e-3
