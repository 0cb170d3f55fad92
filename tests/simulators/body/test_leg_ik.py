"""Two-bone legs reach what they can."""

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.motion.kinematics import forward_kinematics
from selfcorrect.simulators.body.leg_ik import MAXIMUM_REACH, Legs, solve_leg_ik


def test_legs_reach_their_targets_and_keep_the_rest(adult):
    generator = np.random.default_rng(4)
    rotations = Rotation.from_rotvec(generator.normal(0, 0.3, (5, 22, 3))).as_quat()
    positions_m, orientations = forward_kinematics(adult, np.zeros((5, 3)), rotations)
    legs = Legs.from_skeleton(adult)
    shift_m = generator.normal(0, 0.03, (5, 3))
    targets_m = positions_m[:, legs.ankles] + [0.0, 0.12, 0.0] + generator.normal(0, 0.03, (5, 2, 3))
    still = np.tile([0.0, 0.0, 0.0, 1.0], (5, 2, 1))
    bent = solve_leg_ik(adult, positions_m, orientations, shift_m, targets_m, still)
    new_m, new_orientations = forward_kinematics(adult, shift_m, bent)
    far_m = np.linalg.norm(targets_m - new_m[:, legs.hips], axis=-1)
    before_m = np.linalg.norm(positions_m[:, legs.ankles] - positions_m[:, legs.hips], axis=-1)
    off_m = np.linalg.norm(new_m[:, legs.ankles] - targets_m, axis=-1)
    assert off_m[far_m <= before_m].max() < 1e-9
    assert off_m.max() < 0.001  # legs that grow longer hold back a little
    head = adult.joint("head")
    assert np.allclose(new_m[:, head], positions_m[:, head] + shift_m)
    assert np.allclose(np.abs(np.sum(new_orientations[:, legs.ankles] * orientations[:, legs.ankles], -1)), 1.0)


def test_legs_stretch_towards_what_they_cannot_reach(adult):
    rotations = np.tile([0.0, 0.0, 0.0, 1.0], (1, 22, 1))
    rotations[0, [adult.joint("left_knee"), adult.joint("right_knee")]] = Rotation.from_rotvec([0.5, 0, 0]).as_quat()
    positions_m, orientations = forward_kinematics(adult, np.zeros((1, 3)), rotations)
    legs = Legs.from_skeleton(adult)
    far_m = positions_m[:, legs.hips] + [0.0, -2.0, 0.0]
    still = np.tile([0.0, 0.0, 0.0, 1.0], (1, 2, 1))
    bent = solve_leg_ik(adult, positions_m, orientations, np.zeros((1, 3)), far_m, still)
    new_m, _ = forward_kinematics(adult, np.zeros((1, 3)), bent)
    length_m = sum(np.linalg.norm(adult.offsets_m[adult.joint(f"left_{part}")]) for part in ("knee", "ankle"))
    reach_m = np.linalg.norm(new_m[0, legs.ankles] - new_m[0, legs.hips], axis=-1)
    assert np.allclose(reach_m, MAXIMUM_REACH * length_m, rtol=1e-6)
