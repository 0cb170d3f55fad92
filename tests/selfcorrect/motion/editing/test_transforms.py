"""Mirroring, turning and resampling give known answers.

Invariants hold, and SciPy is the oracle for slerp.
"""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from selfcorrect.motion.editing.transforms import (
    canonicalise,
    close_cycle,
    heading_rad,
    mirror,
    on_skeleton,
    repeat_cycle,
    resample,
    retime,
    turn,
)
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.skeleton import Skeleton, smpl_22

Make = Callable[..., Motion]


def same_rotations(first: np.ndarray, second: np.ndarray) -> None:
    np.testing.assert_allclose(np.abs(np.sum(first * second, axis=-1)), 1, atol=1e-9)


def test_mirror_reflects_every_joint(random_motion: Make):
    motion = random_motion(0)
    reflected = joint_positions(motion)[:, motion.skeleton.mirror_map] * (-1, 1, 1)
    np.testing.assert_allclose(joint_positions(mirror(motion)), reflected, atol=1e-12)
    np.testing.assert_array_equal(mirror(mirror(motion)).rotations, motion.rotations)


@pytest.mark.parametrize("seed", range(4))
def test_canonical_starts_at_origin(random_motion: Make, seed: int):
    motion = random_motion(seed)
    moved = canonicalise(motion)
    np.testing.assert_allclose(moved.root_m[0, [0, 2]], 0, atol=1e-12)
    np.testing.assert_allclose(np.sin(heading_rad(moved.rotations[0, 0])), 0, atol=1e-12)
    np.testing.assert_allclose(moved.root_m[:, 1], motion.root_m[:, 1])
    before = joint_positions(motion)
    after = joint_positions(moved)
    distances = [np.linalg.norm(joints[5, :, None] - joints[0, None, :], axis=-1) for joints in (before, after)]
    np.testing.assert_allclose(distances[0], distances[1], atol=1e-12)


def test_canonical_ignores_place(random_motion: Make):
    motion = random_motion(2)
    elsewhere = turn(motion, 2.5)
    canonical = canonicalise(motion)
    moved_canonical = canonicalise(elsewhere)
    np.testing.assert_allclose(canonical.root_m, moved_canonical.root_m, atol=1e-9)
    same_rotations(canonical.rotations, moved_canonical.rotations)


def test_batch_equals_motions(random_motion: Make):
    motions = [random_motion(seed) for seed in range(3)]
    batch = canonicalise(mirror(MotionBatch.stack(motions)))
    for index, motion in enumerate(motions):
        expected = canonicalise(mirror(motion))
        np.testing.assert_allclose(batch[index].root_m, expected.root_m, atol=1e-12)
        same_rotations(batch[index].rotations, expected.rotations)


@pytest.mark.parametrize(
    ("pitch_deg", "expected_forward"),
    [(0, (0, 0, 1)), (45, (0, 0, 1)), (90, (0, 0, 1)), (-90, (0, 0, 1)), (120, (0, 0, 1))],
)
def test_prone_heading_is_kept(pitch_deg: float, expected_forward: tuple[float, float, float]):
    """Prone bodies face along the head, supine along feet.

    The heading may be any.
    """
    for yaw_rad in (-2.0, 0.3, 3.0):
        yaw = Rotation.from_rotvec([0.0, yaw_rad, 0.0])
        pose = yaw * Rotation.from_euler("x", pitch_deg, degrees=True)
        facing = Rotation.from_rotvec([0.0, float(heading_rad(pose.as_quat())), 0.0]).apply([0, 0, 1])
        np.testing.assert_allclose(facing, yaw.apply(expected_forward), atol=1e-9)


def test_heading_is_finite_upside_down():
    assert np.isfinite(heading_rad(Rotation.from_euler("x", 180, degrees=True).as_quat()))


@pytest.mark.parametrize("fps", [20.0, 60.0, 37.3])
def test_resampling_agrees_with_scipy_slerp(random_motion: Make, fps: float):
    motion = random_motion(3)
    result = resample(motion, fps)
    source = np.arange(len(motion)) / motion.fps
    target = np.arange(len(result)) / fps
    assert source[-1] - 1 / fps < target[-1] <= source[-1] + 0.01 / fps
    for joint in (0, 4, 17):
        oracle = Slerp(source, Rotation.from_quat(motion.rotations[:, joint]))(np.minimum(target, source[-1]))
        same_rotations(result.rotations[:, joint], oracle.as_quat())
    for axis in range(3):
        np.testing.assert_allclose(result.root_m[:, axis], np.interp(target, source, motion.root_m[:, axis]))


def test_doubling_then_halving_is_identity(random_motion: Make):
    motion = random_motion(4)
    resampled = resample(resample(motion, 60.0), 30.0)
    assert len(resampled) == len(motion)
    np.testing.assert_allclose(resampled.root_m, motion.root_m, atol=1e-12)
    same_rotations(resampled.rotations, motion.rotations)


def test_one_frame_can_be_resampled(random_motion: Make):
    assert len(resample(random_motion(5, frames=1), 120.0)) == 1


def test_retimed_motion_is_shorter(random_motion: Make):
    motion = random_motion(6, frames=41)
    fast = retime(motion, 2.0)
    assert (len(fast), fast.fps) == (21, motion.fps)
    np.testing.assert_allclose(fast.root_m, motion.root_m[::2], atol=1e-12)


def walking_in_a_circle(skeleton: Skeleton, frames: int = 25) -> Motion:
    """Walk a quarter circle of radius 1 m.

    The path is around the origin. One leg swings, and the cycle has a gap at its end.
    """
    angle = np.linspace(0, np.pi / 2, frames)
    rotations = np.tile([0.0, 0.0, 0.0, 1.0], (frames, len(skeleton), 1))
    rotations[:, 0] = Rotation.from_rotvec(np.outer(angle, [0.0, 1.0, 0.0])).as_quat()
    swing = 0.4 * np.sin(4 * angle) + 0.1 * angle
    rotations[:, 4] = Rotation.from_rotvec(np.outer(swing, [1.0, 0.0, 0.0])).as_quat()
    root_m = np.stack([-np.cos(angle), 0.9 + 0.02 * angle, np.sin(angle)], axis=-1)
    return Motion(skeleton, root_m, rotations, 30.0)


def test_closed_cycle_ends_at_start(skeleton: Skeleton):
    motion = walking_in_a_circle(skeleton)
    closed = close_cycle(motion)
    same_rotations(closed.rotations[-1, 1:], closed.rotations[0, 1:])
    assert closed.root_m[-1, 1] == pytest.approx(closed.root_m[0, 1])
    np.testing.assert_allclose(closed.root_m[:, [0, 2]], motion.root_m[:, [0, 2]])
    same_rotations(closed.rotations[:, 0], motion.rotations[:, 0])
    change = (Rotation.from_quat(closed.rotations) * Rotation.from_quat(motion.rotations).inv()).magnitude()
    assert change.max() == pytest.approx(0.1 * np.pi / 2)


def test_quarter_circles_make_circle(skeleton: Skeleton):
    cycle = close_cycle(walking_in_a_circle(skeleton))
    circle = repeat_cycle(cycle, 4)
    assert len(circle) == 4 * (len(cycle) - 1) + 1
    np.testing.assert_allclose(np.linalg.norm(circle.root_m[:, [0, 2]], axis=-1), 1, atol=1e-2)
    np.testing.assert_allclose(circle.root_m[-1], circle.root_m[0], atol=1e-9)
    steps = np.linalg.norm(np.diff(joint_positions(circle), axis=0), axis=-1)
    assert steps.max() < 1.5 * np.linalg.norm(np.diff(joint_positions(cycle), axis=0), axis=-1).max()


def test_standing_survives_new_skeleton(skeleton: Skeleton, standing_height_m: float):
    rotations = np.tile([0.0, 0, 0, 1], (5, 22, 1))
    stand = Motion(skeleton, np.tile([1.0, standing_height_m, 0], (5, 1)), rotations, 30.0)
    child = on_skeleton(stand, smpl_22(skeleton.offsets_m * 0.7))
    errors = physical_errors(MotionBatch.stack([child])).mean()
    assert errors["penetration_m"] == errors["floating_m"] == 0
    assert child.root_m[0, 0] == pytest.approx(0.7, abs=0.02)
    back = on_skeleton(child, skeleton)
    np.testing.assert_allclose(back.root_m, stand.root_m)
    np.testing.assert_array_equal(back.rotations, stand.rotations)


def test_other_joints_are_another_body(random_motion: Make):
    pole = Skeleton(("pole",), (-1,), np.zeros((1, 3)), ("pelvis",))
    with pytest.raises(ValueError, match=r"22 .*'pelvis'.* 1 .*'pole'"):
        on_skeleton(random_motion(0), pole)
