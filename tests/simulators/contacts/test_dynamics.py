"""What motions demand of the forces on a body."""

from dataclasses import replace

import numpy as np
import pytest
from turned_joints import pose_joint

from selfcorrect.motion.motion import MotionBatch
from selfcorrect.simulators.body.humanoid import GRAVITY_M_S2, build_humanoid
from selfcorrect.simulators.contacts.contact_plan import plan_contacts
from selfcorrect.simulators.contacts.dynamics import compute_joint_torques, compute_whole_inertia, demand
from selfcorrect.simulators.settings.plan import ContactSettings

SMOOTHING_S = ContactSettings().smoothing_s
FRICTION = 0.5


def test_a_falling_body_demands_nothing(stand):
    body = build_humanoid(stand.skeleton)
    times_s = np.arange(len(stand)) / stand.fps
    fall_m = -0.5 * GRAVITY_M_S2 * times_s[:, None] ** 2 * [0.0, 1.0, 0.0]
    falling = body.select_links(MotionBatch.stack([replace(stand, root_m=stand.root_m + fall_m)]))
    assert np.abs(demand(body, falling, SMOOTHING_S).wrench[0, 5:-5]).max() < 0.2


def test_a_spinning_body_demands_the_rate_of_its_angular_momentum(stand):
    """About the vertical at growing speed, arms in T-pose: moment is inertia times angular acceleration."""
    from scipy.spatial.transform import Rotation

    body = build_humanoid(stand.skeleton)
    times_s = np.arange(len(stand)) / stand.fps
    spinning = pose_joint(stand, 0, Rotation.from_rotvec(0.5 * 2.0 * times_s[:, None] ** 2 * [0.0, 1.0, 0.0]))
    needs = demand(body, body.select_links(MotionBatch.stack([spinning])), SMOOTHING_S)
    inertia = compute_whole_inertia(body, needs)[0, :, 1, 1]
    assert np.allclose(needs.wrench[0, 6:-6, 4], 2.0 * inertia[6:-6], rtol=0.05)


def test_joint_torques_hold_a_stretched_arm(stand):
    """The shoulder of a T-pose carries the arm's weight at its lever."""
    body = build_humanoid(stand.skeleton)
    plan = plan_contacts(body, body.select_links(MotionBatch.stack([stand])), FRICTION)
    torque_nm = compute_joint_torques(body, plan.needs, plan.force_n, plan.points_m)[0, 15]
    shoulder = body.tree.joint("left_shoulder")
    elbow = body.tree.joint("left_elbow")
    centre_m = [body.centre_m[shoulder][0], body.tree.offsets_m[elbow][0] + body.centre_m[elbow][0]]
    expected_nm = GRAVITY_M_S2 * (body.mass_kg[shoulder] * centre_m[0] + body.mass_kg[elbow] * centre_m[1])
    assert torque_nm[shoulder - 1, 2] == pytest.approx(expected_nm, rel=1e-3)
