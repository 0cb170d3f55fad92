"""What motions demand, and what the floor can give."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation
from simulated_bodies import clean_motion
from turned_joints import pose_joint

from selfcorrect.motion.geometry.vectors import GRAVITY_M_S2
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.simulators.body.contact_forces import solve_contact_forces
from selfcorrect.simulators.body.dynamics import compute_demand, compute_joint_torques, compute_whole_inertia
from selfcorrect.simulators.body.humanoid import build_humanoid
from selfcorrect.simulators.planning.contact_plan import plan_contacts
from selfcorrect.simulators.settings.plan import ContactSettings

FRICTION = 0.5


def test_standing_body_demands_weight(stand):
    body = build_humanoid(stand.skeleton)
    plan = plan_contacts(body, body.select_links(MotionBatch.stack([stand])), FRICTION)
    weight_n = body.weight_n
    assert np.allclose(plan.demand.wrench[..., :3], [0.0, weight_n, 0.0], atol=1e-6)
    assert np.linalg.norm(plan.unexplained[..., :3], axis=-1).max() < 0.01 * weight_n
    assert np.allclose(plan.force_n.sum(2)[..., 1], weight_n, rtol=0.01)


def raise_stand(stand, by_m: np.ndarray) -> MotionBatch:
    """Lift a standing motion by (T,) metres.

    The batch has the body's links.
    """
    up_m = np.broadcast_to(by_m, len(stand))[:, None] * [0.0, 1.0, 0.0]
    return build_humanoid(stand.skeleton).select_links(MotionBatch.stack([replace(stand, root_m=stand.root_m + up_m)]))


def test_hovering_feet_bear_load(stand):
    body = build_humanoid(stand.skeleton)
    hovering = plan_contacts(body, raise_stand(stand, np.array(0.025)), FRICTION)
    assert np.allclose(hovering.force_n.sum(2)[..., 1], body.weight_n, rtol=0.02)
    strict = ContactSettings(height_margin=1e-9)
    assert (
        np.abs(plan_contacts(body, raise_stand(stand, np.array(0.025)), FRICTION, settings=strict).force_n).max() == 0
    )
    times_s = np.arange(len(stand)) / stand.fps
    fall_m = 0.03 + 0.5 * GRAVITY_M_S2 * (times_s[-1] ** 2 - times_s**2)
    assert (
        np.abs(plan_contacts(body, raise_stand(stand, fall_m), FRICTION).force_n[0, -8:-5]).max() < 0.01 * body.weight_n
    )


def test_bearing_slide_is_planned(stand):
    """A bearing foot may slide at .8 m/s.

    That is twice as fast as a point that may carry beside one that stands.
    """
    body = build_humanoid(stand.skeleton)
    glide_m = 0.8 * np.arange(len(stand))[:, None] / stand.fps * [1.0, 0.0, 0.0]
    gliding = body.select_links(MotionBatch.stack([replace(stand, root_m=stand.root_m + glide_m)]))
    plan = plan_contacts(body, gliding, FRICTION)
    assert np.allclose(plan.force_n.sum(2)[..., 1], body.weight_n, rtol=0.02)


def test_forces_stay_in_cones(walk):
    body, links = clean_motion(walk)
    plan = plan_contacts(body, links, FRICTION)
    tangent_n = np.linalg.norm(plan.force_n[..., [0, 2]], axis=-1)
    assert (plan.force_n[..., 1] >= 0).all()
    assert (tangent_n <= FRICTION * plan.force_n[..., 1] + 1e-6).all()
    assert np.abs(plan.force_n[plan.activation == 0]).max() == 0


def test_forces_match_general_solver():
    generator = np.random.default_rng(3)
    arms_m = generator.normal(0, 0.2, (4, 3)) - [0.0, 0.9, 0.0]
    wrench = np.array([60.0, 700.0, -40.0, 20.0, 5.0, -30.0])
    weights = np.array([1.0] * 3 + [4.0] * 3)

    def loss(force_n: np.ndarray) -> float:
        forces = force_n.reshape(4, 3)
        resulting_wrench = np.concatenate([forces.sum(0), np.cross(arms_m, forces).sum(0)])
        return float(np.sum((weights * (resulting_wrench - wrench)) ** 2))

    def cones(force_n: np.ndarray) -> np.ndarray:
        x, y, z = force_n.reshape(4, 3).T
        return FRICTION * y - np.sqrt(x**2 + z**2 + 1e-9)

    best = minimize(
        loss, np.tile([0.0, 175.0, 0.0], 4), constraints={"type": "ineq", "fun": cones}, options={"maxiter": 500}
    )
    ours = solve_contact_forces(
        wrench[None, None], arms_m[None, None], np.ones((1, 1, 4)), FRICTION, ContactSettings(iterations=400)
    )
    assert loss(ours.ravel()) <= best.fun + 0.002 * float(np.sum((weights * wrench) ** 2))


def test_forces_are_independent_of_company():
    draw = np.random.default_rng(0)
    wrench = draw.normal(size=(3, 1, 6)) * [100, 100, 100, 30, 30, 30] + [0, 700, 0, 0, 0, 0]
    arms_m = 0.15 * draw.normal(size=(3, 1, 8, 3)) - [0, 1, 0]
    activation = draw.uniform(size=(3, 1, 8)) * (draw.uniform(size=(3, 1, 8)) > 0.3)
    together_n = solve_contact_forces(wrench, arms_m, activation, 0.8)
    alone_n = solve_contact_forces(wrench[1:2], arms_m[1:2], activation[1:2], 0.8)
    assert np.array_equal(together_n[1], alone_n[0])
    assert np.all(together_n[activation == 0] == 0)


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
    plan = plan_contacts(body, body.select_links(MotionBatch.stack([stand])), FRICTION)
    torque_nm = compute_joint_torques(body, plan.demand, plan.force_n, plan.points_m)[0, 15]
    shoulder = body.tree.joint("left_shoulder")
    elbow = body.tree.joint("left_elbow")
    centre_m = [body.centre_m[shoulder][0], body.tree.offsets_m[elbow][0] + body.centre_m[elbow][0]]
    expected_nm = GRAVITY_M_S2 * (body.mass_kg[shoulder] * centre_m[0] + body.mass_kg[elbow] * centre_m[1])
    assert torque_nm[shoulder - 1, 2] == pytest.approx(expected_nm, rel=1e-3)
