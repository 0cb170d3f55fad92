"""Motions demand the forces of Newton's laws."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from turned_joints import pose_joint

from selfcorrect.motion.geometry.vectors import GRAVITY_M_S2
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.simulators.body.dynamics import compute_demand, compute_joint_torques, compute_whole_inertia
from selfcorrect.simulators.body.humanoid import build_humanoid
from selfcorrect.simulators.planning.contact_plan import plan_contacts
from selfcorrect.simulators.settings.plan import ContactSettings

SMOOTHING_S = ContactSettings().smoothing_s


def test_a_falling_body_demands_nothing(stand):
    body = build_humanoid(stand.skeleton)
    times_s = np.arange(len(stand)) / stand.fps
    fall_m = -0.5 * GRAVITY_M_S2 * times_s[:, None] ** 2 * [0.0, 1.0, 0.0]
    falling = body.select_links(MotionBatch.stack([replace(stand, root_m=stand.root_m + fall_m)]))
    assert np.abs(compute_demand(body, falling, SMOOTHING_S).wrench[0, 5:-5]).max() < 0.2


def test_spin_demands_moment(stand):
    """Accelerated spins demand inertia times angular acceleration.

    The body spins about the vertical, arms in T-pose.
    """
    body = build_humanoid(stand.skeleton)
    times_s = np.arange(len(stand)) / stand.fps
    spinning = pose_joint(stand, 0, Rotation.from_rotvec(0.5 * 2.0 * times_s[:, None] ** 2 * [0.0, 1.0, 0.0]))
    demand = compute_demand(body, body.select_links(MotionBatch.stack([spinning])), SMOOTHING_S)
    inertia = compute_whole_inertia(body, demand)[0, :, 1, 1]
    assert np.allclose(demand.wrench[0, 6:-6, 4], 2.0 * inertia[6:-6], rtol=0.05)


def test_torques_hold_arm(stand):
    """A T-pose's shoulder carries the arm's weight.

    The arm is at its lever.
    """
    body = build_humanoid(stand.skeleton)
    plan = plan_contacts(body, body.select_links(MotionBatch.stack([stand])), 0.5)
    torque_nm = compute_joint_torques(body, plan.demand, plan.force_n, plan.points_m)[0, 15]
    shoulder = body.tree.joint("left_shoulder")
    elbow = body.tree.joint("left_elbow")
    centre_m = [body.centre_m[shoulder][0], body.tree.offsets_m[elbow][0] + body.centre_m[elbow][0]]
    expected_nm = GRAVITY_M_S2 * (body.mass_kg[shoulder] * centre_m[0] + body.mass_kg[elbow] * centre_m[1])
    assert torque_nm[shoulder - 1, 2] == pytest.approx(expected_nm, rel=1e-3)
