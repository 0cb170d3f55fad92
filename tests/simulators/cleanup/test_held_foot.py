"""A foot that is held just above the floor stays there while the other one carries the body."""

import numpy as np
import pytest
from made_motions import made_motion
from scipy.spatial.transform import Rotation
from turned_joints import turn_joint

from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.corrector import KinematicCorrector

STANDING_FRAMES = slice(20, None)


def balance(spread_deg: float) -> Motion:
    """Return a body that stands on its left foot, with the right leg stretched to the side."""
    motion = made_motion("idle", frames=90, sway_rad=0.0)
    angles_deg = spread_deg * np.clip(np.arange(90) / 15, 0.0, 1.0)
    turns = Rotation.from_rotvec(np.radians(-angles_deg)[:, None] * [0.0, 0.0, 1.0])
    return turn_joint(motion, "right_hip", turns, outside=True)


def measure_descent_m(spread_deg: float) -> tuple[float, float]:
    """Return how far a correction lowers the pelvis and the right foot of a body that balances."""
    motion = balance(spread_deg)
    (correction,) = KinematicCorrector()([motion])
    moves_m = (joint_positions(correction.motion) - joint_positions(motion))[STANDING_FRAMES, :, 1]
    foot = motion.skeleton.joint("right_ankle")
    return -float(np.median(moves_m[:, 0])), -float(np.median(moves_m[:, foot]))


@pytest.mark.parametrize("spread_deg", [14.0, 15.0, 16.0, 18.0])
def test_a_foot_held_near_the_floor_stays_there(spread_deg: float) -> None:
    pelvis_m, foot_m = measure_descent_m(spread_deg)
    assert abs(pelvis_m) < 0.003
    assert abs(foot_m) < 0.003
