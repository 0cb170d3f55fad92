"""Contact forces that explain a motion best.

Forces of the ground come as close as possible to the wrench that the motion demands. Points that are high or fast can
carry little, except where a body would otherwise lack support.
"""

from collections.abc import Sequence

import numpy as np

from selfcorrect.motion.geometry.floor_speeds import floor_speeds_m_s
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.support import Support

from ..body.contact_forces import net_wrench, solve_contact_forces
from ..body.contact_points import above_ground_m, contact_activation
from ..body.dynamics import compute_demand
from ..body.humanoid import Humanoid
from ..body.soles import speed_factors, split_by_foot
from ..settings.plan import PLAN, ContactSettings
from ..stages.values import ContactPlan

_CARRYING_SPEEDS_M_S = (0.1, 0.4)
"""Speeds of points that can carry, in m/s: fully up to the first, and not at all above the second."""


def plan_contacts(
    body: Humanoid,
    motions: MotionBatch,
    friction: float,
    supports: Sequence[Sequence[Support]] = (),
    settings: ContactSettings = PLAN.contacts,
    inset: float = 0.0,
) -> ContactPlan:
    """Explain motions by contact forces.

    Args:
        body: Body with C contact points.
        motions: N motions of T frames on the body's link tree.
        friction: Coulomb friction coefficient.
        supports: Supports of each motion beside the floor; empty if no motion has any.
        settings: Bounds on height and speed, and the solver's iterations.
        inset: Distance of forces from the soles' corners, as a share of the way to the middle of the foot.
    """
    demand = compute_demand(body, motions, settings.smoothing_s)
    points_m = body.contact_points.lowest_points(demand.positions_m, demand.orientations)
    speed_factor = speed_factors(motions.root_m, motions.fps)[..., None]
    speed_bounds_m_s = (_CARRYING_SPEEDS_M_S[0] * speed_factor, _CARRYING_SPEEDS_M_S[1] * speed_factor)
    above_m = above_ground_m(body, points_m, supports)
    heights_m = above_m[..., 1]
    speeds_m_s = floor_speeds_m_s(above_m, motions.fps, axis=1)
    activation = contact_activation(heights_m, speeds_m_s, speed_bounds_m_s, settings)
    upward_bodyweights = demand.wrench[..., 1] / body.weight_n
    missing_share = missing_support_share(upward_bodyweights, activation, settings)
    # Runners leave the floor: the foot that bears them a little later does not slide.
    slow_share = np.clip(2 - speed_factor, 0, 1)
    lacking = missing_share[..., None] * slow_share
    activation = contact_activation(heights_m, speeds_m_s, speed_bounds_m_s, settings, lacking)
    acting_m = inset_soles(points_m, activation, len(body.soles), inset) if inset else points_m
    arms_m = acting_m - demand.centre_m[:, :, None]
    force_n = solve_contact_forces(demand.wrench, arms_m, activation, friction, settings)
    unexplained = demand.wrench - net_wrench(arms_m, force_n)
    return ContactPlan(demand, points_m, force_n, activation, unexplained)


def inset_soles(points_m: np.ndarray, activation: np.ndarray, corners: int, inset: float) -> np.ndarray:
    """Move sole corners that can carry towards the middle of the foot.

    Args:
        points_m: (N, T, C, 3) contact points.
        activation: (N, T, C) weights of the corners in that middle.
        corners: Number of corners, which are the first points.
        inset: Share of the way to the middle.

    Returns:
        (N, T, C, 3) contact points.
    """
    soles_m = split_by_foot(points_m[:, :, :corners])
    weights = split_by_foot(activation[:, :, :corners], axis=2)[..., None]
    total = np.maximum(weights.sum(3, keepdims=True), 1e-9)
    middle_m = np.sum(weights * soles_m, axis=3, keepdims=True) / total
    moved_m = soles_m + inset * (middle_m - soles_m)
    nearer_m = np.where(weights > 0, moved_m, soles_m)
    nearer_m = nearer_m.reshape(*points_m.shape[:2], corners, 3)
    return np.concatenate([nearer_m, points_m[:, :, corners:]], axis=2)


def missing_support_share(
    upward_bodyweights: np.ndarray, activation: np.ndarray, settings: ContactSettings
) -> np.ndarray:
    """Return how much another contact is needed.

    Args:
        upward_bodyweights: (N, T) upward force that a motion demands.
        activation: (N, T, C) of the body's contact points.

    Returns:
        (N, T) in [0, 1].
    """
    perhaps, surely = settings.required_load_bodyweights
    demanded = np.clip((upward_bodyweights - perhaps) / (surely - perhaps), 0.0, 1.0)
    return demanded * (1.0 - activation.max(-1))
