"""Inverse kinematics is exact on joint positions with known answers."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from selfcorrect.motion import inverse_kinematics
from selfcorrect.motion.encodings.humanml3d import BONE_AXES
from selfcorrect.motion.geometry.rotations import turn_angles
from selfcorrect.motion.inverse_kinematics import fit_body, fit_motion, fit_skeleton
from selfcorrect.motion.kinematics import forward_kinematics, joint_positions, pose_joints
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import smpl_22


@pytest.fixture
def motion() -> Motion:
    """Rotate joints at random on a skeleton with sloping hips and collars."""
    random = np.random.default_rng(4)
    offsets_m = BONE_AXES * random.uniform(0.1, 0.4, (22, 1))
    offsets_m[[1, 2], 1] = -0.08
    offsets_m[[13, 14], 1] = 0.1
    rotations = Rotation.from_rotvec(random.normal(0, 0.5, (25, 22, 3))).as_quat()
    return Motion(smpl_22(offsets_m), random.normal(0, 1, (25, 3)), rotations, 20.0)


def test_known_skeleton_is_exact(motion: Motion) -> None:
    joints_m = joint_positions(motion)
    fitted = fit_motion(joints_m, motion.fps, motion.skeleton)
    np.testing.assert_allclose(joint_positions(fitted), joints_m, atol=1e-5)
    # Three bones fix the pelvis wholly.
    difference = Rotation.from_quat(fitted.rotations[:, 0]).inv() * Rotation.from_quat(motion.rotations[:, 0])
    assert difference.magnitude().max() < 1e-4


def test_unknown_skeleton_is_found(motion: Motion) -> None:
    joints_m = joint_positions(motion)
    skeleton = fit_skeleton(joints_m, smpl_22(BONE_AXES))
    np.testing.assert_allclose(joint_positions(fit_motion(joints_m, 20.0, skeleton)), joints_m, atol=1e-5)
    lengths_m = np.linalg.norm(motion.skeleton.offsets_m, axis=-1)
    np.testing.assert_allclose(np.linalg.norm(skeleton.offsets_m, axis=-1), lengths_m, atol=1e-6)
    assert skeleton.offsets_m[1, 0] > 0 > skeleton.offsets_m[1, 1]  # the left hip lies left and below


def test_twist_comes_from_parent() -> None:
    skeleton = smpl_22(BONE_AXES * 0.3)
    rotations = np.tile([0.0, 0, 0, 1], (1, 22, 1))
    rotations[0, 0] = Rotation.from_euler("y", 1.0).as_quat()
    joints_m = forward_kinematics(skeleton, np.zeros((1, 3)), rotations)[0]
    fitted = fit_motion(joints_m, 20.0, skeleton)
    np.testing.assert_allclose(Rotation.from_quat(fitted.rotations[0, 1:]).magnitude(), 0, atol=1e-5)


def test_zero_bones_keep_orientation(motion: Motion) -> None:
    joints_m = joint_positions(motion)
    joints_m[:, 13:15] = joints_m[:, 9:10]
    skeleton = fit_skeleton(joints_m, smpl_22(BONE_AXES))
    fitted = fit_motion(joints_m, 20.0, skeleton)
    assert np.isfinite(fitted.rotations).all()
    np.testing.assert_allclose(joint_positions(fitted)[:, 13], joints_m[:, 13], atol=1e-5)


def test_infinite_positions_raise() -> None:
    joints_m = np.zeros((4, 22, 3))
    joints_m[2, 5, 1] = np.inf
    with pytest.raises(ValueError, match="not finite in frame 2"):
        fit_motion(joints_m, 20.0, smpl_22(BONE_AXES))


_ENDS = [7, 8, 20, 21]


def _stretch_bones(motion: Motion, most: float) -> np.ndarray:
    """Return joints (T, J, 3) whose bones slowly stretch and shrink by up to a share."""
    joints_m = joint_positions(motion)
    phases = np.random.default_rng(5).uniform(0, 2 * np.pi, (joints_m.shape[1], 1))
    times = np.linspace(0, 2 * np.pi, len(joints_m))[:, None, None]
    shares = 1 + most * np.sin(times + phases)
    stretched_m = joints_m.copy()
    for joint, parent in enumerate(motion.skeleton.parents[1:], start=1):
        bones_m = joints_m[:, joint] - joints_m[:, parent]
        stretched_m[:, joint] = stretched_m[:, parent] + shares[:, joint] * bones_m
    return stretched_m


@pytest.mark.parametrize("most", [0.01, 0.03, 0.1])
def test_extremities_stay_despite_stretch(motion: Motion, most: float) -> None:
    joints_m = _stretch_bones(motion, most)
    plain = fit_motion(joints_m, 20.0, fit_skeleton(joints_m, smpl_22(BONE_AXES)))
    fitted = fit_body(joints_m, 20.0, smpl_22(BONE_AXES))
    before_m = np.linalg.norm(joint_positions(plain) - joints_m, axis=-1)
    after_m = np.linalg.norm(joint_positions(fitted) - joints_m, axis=-1)
    bones_m = np.linalg.norm(fitted.skeleton.offsets_m, axis=-1)
    for end in _ENDS:
        middle = fitted.skeleton.parents[end]
        start = fitted.skeleton.parents[middle]
        needed_m = np.linalg.norm(joints_m[:, end] - joint_positions(fitted)[:, start], axis=-1)
        longest_m = bones_m[end] + bones_m[middle]
        shortest_m = abs(bones_m[end] - bones_m[middle])
        reaches = (needed_m < 0.99 * longest_m) & (needed_m > shortest_m)
        assert reaches.any()
        assert after_m[reaches, end].max() < 0.002 + 1e-6
    assert before_m[:, _ENDS].mean() > 2 * after_m[:, _ENDS].mean()  # what the plain fit does to them
    assert after_m.mean() < before_m.mean()


def test_constant_bones_fit_exactly(motion: Motion) -> None:
    joints_m = joint_positions(motion)
    plain = fit_motion(joints_m, 20.0, fit_skeleton(joints_m, smpl_22(BONE_AXES)))
    np.testing.assert_array_equal(fit_body(joints_m, 20.0, smpl_22(BONE_AXES)).rotations, plain.rotations)


def test_fit_minimizes_distances(motion: Motion) -> None:
    joints_m = _stretch_bones(motion, 0.1)[:3]
    plain = fit_motion(joints_m, 20.0, fit_skeleton(joints_m, smpl_22(BONE_AXES)))
    fitted = inverse_kinematics._minimize_distances(plain, joints_m)

    def measure_errors(variables: np.ndarray, frame: int) -> np.ndarray:
        root_m, vectors = np.split(variables, [3])
        turns = Rotation.from_rotvec(vectors.reshape(22, 3))
        turned = (Rotation.from_quat(plain.rotations[frame]) * turns).as_quat()
        posed_m = forward_kinematics(plain.skeleton, root_m[None], turned[None])[0][0]
        return (posed_m - joints_m[frame]).ravel()

    for frame, posed_m in enumerate(joint_positions(fitted)):
        start = np.concatenate([plain.root_m[frame], np.zeros(66)])
        least = 2 * least_squares(measure_errors, start, args=(frame,)).cost
        before = np.square(measure_errors(start, frame)).sum()
        reached = np.square(posed_m - joints_m[frame]).sum()
        assert reached - least < 0.05 * (before - least)


def test_noise_does_not_turn_trunk(random_motion: Callable[..., Motion]) -> None:
    """The trunk keeps its orientation, even if the pelvis coincides with the lower spine."""
    still = random_motion(3, frames=60)
    joints_m = joint_positions(still)
    noise_m = np.random.default_rng(2).normal(0, 0.02, joints_m.shape)
    trunk = [still.skeleton.joint(part) for part in ("pelvis", "spine1", "spine2", "spine3")]
    for bone_share in (1.0, 0.0):
        joints_m[:, 3] = joints_m[:, 0] + bone_share * (joints_m[:, 3] - joints_m[:, 0])
        clean = pose_joints(fit_body(joints_m, still.fps, still.skeleton))[1][:, trunk]
        noisy = pose_joints(fit_body(joints_m + noise_m, still.fps, still.skeleton))[1][:, trunk]
        assert np.degrees(turn_angles(clean, noisy).max()) < 45
