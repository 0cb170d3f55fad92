"""Forces of the floor explain what motions demand."""

from dataclasses import replace

import numpy as np
from simulated_bodies import clean_motion

from selfcorrect.motion.geometry.vectors import GRAVITY_M_S2
from selfcorrect.motion.motion import MotionBatch
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
    """Lift a standing motion, a batch with the body's links, by (T,) metres."""
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
