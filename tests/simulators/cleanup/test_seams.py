"""Jumps at the seams of equal blocks are spread; motions without blocks stay bit for bit."""

import numpy as np
import pytest
from ground_motions import repeat_walk
from made_motions import KINDS, made_motion
from scipy.spatial.transform import Rotation
from turned_joints import turn_joint

from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.cleanup.clean import CleanupSettings
from selfcorrect.simulators.cleanup.cleaning import CleanupState
from selfcorrect.simulators.cleanup.seams import JoinBlocks, find_seams

ARMS = ("left_shoulder", "right_shoulder", "left_elbow", "right_elbow")


def in_blocks(motion: Motion, frames: int, turn_rad: float, seed: int = 0) -> Motion:
    """The motion with arms that are turned otherwise in each block of so many frames."""
    random = np.random.default_rng(seed)
    block = np.arange(len(motion)) // frames
    for part in ARMS:
        turns = Rotation.from_rotvec(turn_rad * random.normal(size=(block[-1] + 1, 3)))
        motion = turn_joint(motion, part, turns[block])
    return motion


def join(motion: Motion) -> Motion:
    settings = CleanupSettings()
    state = CleanupState.from_motions(MotionBatch.stack([motion]), tuple(settings.enabled_steps), settings.mode)
    return JoinBlocks()(state).motions[0]


def jerk_of_arms_m_s3(motion: Motion) -> float:
    wrists = [joint for joint, part in enumerate(motion.skeleton.parts) if part.endswith("_wrist")]
    thirds_m = np.diff(joint_positions(motion)[:, wrists], 3, axis=0)
    return float(np.linalg.norm(thirds_m, axis=-1).mean() * motion.fps**3)


@pytest.mark.parametrize("frames", [8, 16])
@pytest.mark.parametrize("kind", KINDS)
def test_arms_that_jump_at_seams_are_calmed(kind, frames: int) -> None:
    made = made_motion(kind, frames=120)
    jumping = in_blocks(made, frames, 0.08)
    assert find_seams(jumping)[1] == frames
    joined = join(jumping)
    added_m_s3 = jerk_of_arms_m_s3(jumping) - jerk_of_arms_m_s3(made)
    assert jerk_of_arms_m_s3(joined) < jerk_of_arms_m_s3(made) + 0.4 * added_m_s3
    away_m = np.linalg.norm(joint_positions(joined) - joint_positions(jumping), axis=-1)
    assert away_m.max() < 0.15


@pytest.mark.parametrize("kind", KINDS)
def test_motions_without_blocks_stay_bit_for_bit(kind) -> None:
    made = made_motion(kind, frames=120)
    np.testing.assert_array_equal(join(made).rotations, made.rotations)
    noisy = in_blocks(made, 1, 0.05)
    np.testing.assert_array_equal(join(noisy).rotations, noisy.rotations)


def test_the_cycles_of_a_walk_are_no_blocks(walk: Motion) -> None:
    walking = repeat_walk(walk, 6)
    np.testing.assert_array_equal(join(walking).rotations, walking.rotations)
