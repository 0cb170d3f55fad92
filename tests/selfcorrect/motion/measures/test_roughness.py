"""Added angular speed and jerk are known by part for made motions."""

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from turned_joints import pose_joint

from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.measures.roughness import (
    JERK_PARTS,
    added_angular_speeds_rad_s,
    angular_speeds_rad_s,
    jerk_by_part_m_s3,
    joints_by_part,
)
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.skeleton import Skeleton

FRAMES = 40


@pytest.fixture
def still_motion(skeleton: Skeleton) -> Motion:
    """The rest pose."""
    return Motion(skeleton, np.zeros((FRAMES, 3)), np.tile([0.0, 0, 0, 1], (FRAMES, len(skeleton), 1)), 30.0)


def bend_joint(motion: Motion, part: str, angles_rad: np.ndarray) -> Motion:
    """Turn a joint about x by angles (T,)."""
    return pose_joint(motion, part, Rotation.from_rotvec(np.outer(angles_rad, [1.0, 0, 0])))


def test_turning_speed_is_rate_free(still_motion: Motion) -> None:
    turning = bend_joint(still_motion, "left_knee", np.arange(FRAMES) * 0.3)
    flipped = replace(turning, rotations=turning.rotations * np.where(np.arange(FRAMES) % 2, -1.0, 1.0)[:, None, None])
    for motion, expected in ((turning, 9.0), (flipped, 9.0), (replace(turning, fps=120.0), 36.0)):
        speeds = angular_speeds_rad_s(motion)
        knee = motion.skeleton.parts.index("left_knee")
        np.testing.assert_allclose(speeds[:, knee], expected, rtol=1e-9)
        assert np.delete(speeds, knee, axis=1).max() < 1e-9


def test_snapping_knee_gains_speed(still_motion: Motion) -> None:
    """A snapping knee gains speed.

    The angles 53, 32, 44 change by 21 and 12 degrees; corrected to 36, 6, 43, they change by 30 and 37.
    """
    knees = (np.full(FRAMES, np.radians(53.0)), np.full(FRAMES, np.radians(36.0)))
    for angles_rad, snap_deg in zip(knees, ((32.0, 44.0), (6.0, 43.0)), strict=True):
        angles_rad[20:22] = np.radians(snap_deg)
        angles_rad[22:] = angles_rad[21]
    before = bend_joint(still_motion, "right_knee", knees[0])
    after = bend_joint(still_motion, "right_knee", knees[1])
    added = np.degrees(added_angular_speeds_rad_s(before, after))
    knee = still_motion.skeleton.parts.index("right_knee")
    assert added[knee] == pytest.approx(30.0 * (37 - 12))
    assert np.delete(added, knee).max() == 0.0
    both = MotionBatch.stack([before, after])
    np.testing.assert_allclose(
        np.degrees(added_angular_speeds_rad_s(both, MotionBatch.stack([after, after]))), [added, 0 * added]
    )


def test_slowing_adds_nothing(still_motion: Motion) -> None:
    swinging = bend_joint(still_motion, "left_elbow", np.sin(np.arange(FRAMES)))
    assert added_angular_speeds_rad_s(swinging, still_motion).max() == 0.0
    assert added_angular_speeds_rad_s(still_motion.frames(0, 1), still_motion.frames(0, 1)).max() == 0.0


def test_jerk_by_part_agrees(still_motion: Motion) -> None:
    kicking = bend_joint(still_motion, "left_knee", 0.3 * np.sin(np.arange(FRAMES)))
    jerks = jerk_by_part_m_s3(kicking)
    assert set(jerks) == set(JERK_PARTS)
    assert jerks["left foot"] > 100.0
    assert max(jerk for name, jerk in jerks.items() if name != "left foot") < 1e-6
    joints = joints_by_part(still_motion.skeleton)
    assert sorted(chain(*joints.values())) == [joint for joint, part in enumerate(still_motion.skeleton.parts) if part]
    of_body = sum(jerks[name] * len(joint_group) for name, joint_group in joints.items()) / len(still_motion.skeleton)
    assert of_body == pytest.approx(physical_errors(MotionBatch.stack([kicking])).jerk_m_s3[0])
    assert set(jerk_by_part_m_s3(still_motion.frames(0, 3)).values()) == {0.0}
