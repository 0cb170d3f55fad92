"""Contact forces that explain a motion best.

In each frame, the floor's forces f on the body minimise ‖W (G f − u)‖² + ε ‖f‖² within friction cones. Here u is the
wrench that the motion demands, G f the wrench of the forces, and W weights moments. Points that are high or fast can
carry little: the problem is solved in forces divided by each point's contact activation. The solver is ADMM with
over-relaxation (Boyd et al. 2011, §3.4.3), whose linear step shrinks to a 6 × 6 inverse by the Woodbury identity.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from selfcorrect.motion.geometry.floor_speeds import floor_speeds_m_s
from selfcorrect.motion.geometry.vectors import cross, sum_points
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.support import CARRIED_PARTS, Support

from ..body.humanoid import Humanoid
from ..body.soles import speed_factors
from ..settings.plan import PLAN, ContactSettings, ForceSettings
from .dynamics import Demand, demand

_CARRYING_HEIGHTS_M = (0.003, 0.015)
"""Heights of points that can carry, in m: fully up to the first, and not at all above the second."""
_CARRYING_SPEEDS_M_S = (0.1, 0.4)
"""Speeds of points that can carry, in m/s: fully up to the first, and not at all above the second."""

FrameBounds = tuple[float | np.ndarray, float | np.ndarray]
"""Lower and upper bound, each a number or an array with a value per frame."""

_OVER_RELAXATION = 1.6
"""Over-relaxation factor of ADMM. Boyd et al. 2011 (§3.4.3) advise 1.5 to 1.8."""

_PENALTY = 0.003
"""Penalty parameter of ADMM, as a share of the trace of the problem's matrix."""

_REGULARISATION = 1e-5
"""Weight ε of the size of forces. It spreads forces over the points that can carry."""


@dataclass(frozen=True, eq=False)
class ContactPlan:
    """Contact forces that explain a motion, and what remains unexplained."""

    needs: Demand
    """Forces that the motion demands."""
    points_m: np.ndarray
    """(N, T, C, 3) contact points in the world, soles first."""
    force_n: np.ndarray
    """(N, T, C, 3) contact forces, world."""
    activation: np.ndarray
    """(N, T, C) share of its load that each point can carry, in [0, 1]."""
    rest: np.ndarray
    """(N, T, 6) force, and moment about the centre of mass, that contacts cannot explain."""


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
    needs = demand(body, motions, settings.smoothing_s)
    points_m = body.contact_points.lowest_points(needs.positions_m, needs.orientations)
    speed_factor = speed_factors(motions.root_m, motions.fps)[..., None]
    speed_bounds_m_s = (_CARRYING_SPEEDS_M_S[0] * speed_factor, _CARRYING_SPEEDS_M_S[1] * speed_factor)
    above_m = above_ground_m(body, points_m, supports)
    heights_m = above_m[..., 1]
    speeds_m_s = floor_speeds_m_s(above_m, motions.fps, axis=1)
    activation = contact_activation(heights_m, speeds_m_s, speed_bounds_m_s, settings)
    upward_bodyweights = needs.wrench[..., 1] / body.weight_n
    missing_share = missing_support_share(upward_bodyweights, activation, settings)
    # Runners leave the floor: the foot that bears them a little later does not slide.
    slow_share = np.clip(2 - speed_factor, 0, 1)
    lacking = missing_share[..., None] * slow_share
    activation = contact_activation(heights_m, speeds_m_s, speed_bounds_m_s, settings, lacking)
    acting_m = inset_soles(points_m, activation, len(body.soles), inset) if inset else points_m
    arms_m = acting_m - needs.centre_m[:, :, None]
    force_n = solve_contact_forces(needs.wrench, arms_m, activation, friction, settings)
    rest = needs.wrench - net_wrench(arms_m, force_n)
    return ContactPlan(needs, points_m, force_n, activation, rest)


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
    batch_shape = points_m.shape[:2]
    soles_m = points_m[:, :, :corners].reshape(*batch_shape, 2, -1, 3)
    sole_activation = activation[:, :, :corners].reshape(soles_m.shape[:-1])
    weights = sole_activation[..., None]
    total = np.maximum(weights.sum(3, keepdims=True), 1e-9)
    middle_m = np.sum(weights * soles_m, axis=3, keepdims=True) / total
    moved_m = soles_m + inset * (middle_m - soles_m)
    nearer_m = np.where(weights > 0, moved_m, soles_m)
    nearer_m = nearer_m.reshape(*batch_shape, corners, 3)
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


def contact_activation(
    heights_m: np.ndarray,
    speeds_m_s: np.ndarray,
    speed_bounds_m_s: FrameBounds,
    settings: ContactSettings = PLAN.contacts,
    lacking: float | np.ndarray = 0.0,
) -> np.ndarray:
    """Return how well points can carry.

    The activation decreases with height and with horizontal speed.

    Args:
        heights_m: (N, T, C) of points above the ground beneath.
        speeds_m_s: (N, T, C) of points along the ground.
        speed_bounds_m_s: Maximum speed of points that carry fully, and minimum speed of points that carry nothing.
        lacking: How much another contact is needed, in [0, 1]. It widens the bounds.

    Returns:
        (N, T, C) in [0, 1].
    """
    height_factor = 1.0 + settings.height_margin * lacking
    speed_factor = 1.0 + settings.speed_margin * lacking
    height_bounds_m = (_CARRYING_HEIGHTS_M[0] * height_factor, _CARRYING_HEIGHTS_M[1] * height_factor)
    slow_m_s, fast_m_s = speed_bounds_m_s
    is_slow = _share_below(speeds_m_s, (slow_m_s * speed_factor, fast_m_s * speed_factor))
    is_low = _share_below(heights_m, height_bounds_m)
    return (is_low * is_slow) ** 2


def _share_below(values: np.ndarray, bounds: FrameBounds) -> np.ndarray:
    """Return 1 below the lower bound, 0 above the upper, and linear values between."""
    low, high = bounds
    return np.clip((high - values) / (high - low), 0.0, 1.0)


def solve_contact_forces(
    wrench: np.ndarray,
    arms_m: np.ndarray,
    activation: np.ndarray,
    friction: float,
    settings: ForceSettings = PLAN.contacts,
) -> np.ndarray:
    """Solve contact forces that come closest to a wrench.

    Forces lie within friction cones (y up).

    Args:
        wrench: (N, T, 6) force, and moment about a point.
        arms_m: (N, T, C, 3) contact points relative to that point.
        activation: (N, T, C) weights in [0, 1], 0 for points that cannot carry.
        friction: Coulomb friction coefficient.
        settings: Weight of moments, and the solver's iterations.

    Returns:
        (N, T, C, 3) in N.
    """
    active = activation.reshape(-1, activation.shape[-1])
    carrying_counts = (active > 0).sum(-1)
    most = max(1, int(carrying_counts.max()))
    carrying = np.argsort(active == 0, axis=-1, kind="stable")[:, :most]
    all_arms_m = arms_m.reshape(*active.shape, 3)
    arms = np.take_along_axis(all_arms_m, carrying[..., None], axis=1)
    carrying_activation = np.take_along_axis(active, carrying, axis=1)
    scale = _move_frames_last(np.sqrt(carrying_activation))
    levers = settings.moment_weight * _move_frames_last(arms) * scale
    weights = np.array([1.0] * 3 + [settings.moment_weight] * 3)
    weighted = _move_frames_last(weights * wrench.reshape(-1, 6))
    scaled_n = _solve_scaled_forces(weighted, scale, levers, friction, settings)
    force_n = np.zeros((*active.shape, 3))
    frames = np.arange(len(active))[:, None]
    carrying_n = scale * scaled_n
    force_n[frames, carrying] = carrying_n.T
    return force_n.reshape(arms_m.shape)


def _move_frames_last(values: np.ndarray) -> np.ndarray:
    """Reverse the axes of values (F, ...).

    Neighbouring frames are then neighbours in memory.
    """
    return np.ascontiguousarray(values.T)


def _solve_scaled_forces(
    wrench: np.ndarray, scale: np.ndarray, levers: np.ndarray, friction: float, settings: ForceSettings
) -> np.ndarray:
    """Solve scaled forces that come closest to weighted wrenches.

    Forces lie within friction cones. Let E map scaled forces to weighted wrenches, c be the copy of the forces within
    the cones, and u the scaled dual variable. The unconstrained forces of an iteration are (Eᵀ(w − v) + ρ (c − u)) / (ε
    + ρ), with v = (E Eᵀ + ε + ρ)⁻¹ (E Eᵀ w + ρ E (c − u)).

    Args:
        wrench: (6, F) weighted wrenches w.
        scale: (C, F) divisors of forces.
        levers: (3, C, F) weighted levers.
        friction: Coulomb friction coefficient.
        settings: The solver's iterations.

    Returns:
        (3, C, F).
    """
    squared = _gram_matrices(scale, levers)
    penalty = np.maximum(_PENALTY * np.trace(squared), 1e-3)
    diagonal = _REGULARISATION + penalty
    damped = np.moveaxis(squared, -1, 0) + diagonal[:, None, None] * np.eye(6)
    inverse = np.moveaxis(np.linalg.inv(damped), 0, -1)
    rate = _OVER_RELAXATION / diagonal
    gain = np.ascontiguousarray(inverse) * rate
    constant = rate * wrench - _multiply(gain, _multiply(squared, wrench))
    gain *= penalty
    retained = _OVER_RELAXATION * penalty / diagonal + 1 - _OVER_RELAXATION
    cone = np.zeros_like(levers)
    dual = np.zeros_like(levers)
    for _ in range(settings.iterations):
        difference = cone - dual
        difference_wrench = _wrench_of(difference, scale, levers)
        free_wrench = constant - _multiply(gain, difference_wrench)
        relaxed = _forces_of(free_wrench, scale, levers)
        relaxed += retained * difference + (2 - _OVER_RELAXATION) * dual
        cone = project_onto_cones(relaxed, friction)
        dual = relaxed - cone
    return cone


def _gram_matrices(scale: np.ndarray, levers: np.ndarray) -> np.ndarray:
    """Return the matrices E Eᵀ (6, 6, F)."""
    squared = np.zeros((6, 6, scale.shape[-1]))
    diagonal = np.arange(3)
    squared[diagonal, diagonal] = np.sum(scale * scale, axis=0)
    across = np.sum(scale * levers, axis=1)
    moments = np.sum(levers * levers, axis=1)
    for row, after, last in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        product = -np.sum(levers[row] * levers[after], axis=0)
        squared[3 + row, last] = across[after]
        squared[3 + row, after] = -across[last]
        squared[3 + row, 3 + row] = moments[after] + moments[last]
        squared[3 + row, 3 + after] = product
        squared[3 + after, 3 + row] = product
    squared[:3, 3:] = np.swapaxes(squared[3:, :3], 0, 1)
    return squared


def _multiply(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Multiply matrices (6, 6, F) by vectors (6, F)."""
    return np.sum(matrices * vectors, axis=1)


def _wrench_of(forces: np.ndarray, scale: np.ndarray, levers: np.ndarray) -> np.ndarray:
    """Apply E: return the weighted wrenches (6, F) of scaled forces (3, C, F)."""
    moments = np.cross(levers, forces, axis=0)
    return np.concatenate([np.sum(scale * forces, axis=1), np.sum(moments, axis=1)])


def _forces_of(wrench: np.ndarray, scale: np.ndarray, levers: np.ndarray) -> np.ndarray:
    """Apply Eᵀ to weighted wrenches (6, F); return scaled forces (3, C, F)."""
    return scale * wrench[:3, None] + np.cross(wrench[3:, None], levers, axis=0)


def project_onto_cones(forces: np.ndarray, friction: float) -> np.ndarray:
    """Project forces (3, ...) onto friction cones.

    In a cone, the horizontal part is at most `friction` times the vertical part (y).
    """
    x, normal, z = forces
    tangent = np.sqrt(x * x + z * z)
    along_cone = (normal + friction * tangent) / (1 + friction**2)
    projected_normal = np.maximum(along_cone, 0.0)
    tangent_share = friction * projected_normal / np.maximum(tangent, 1e-9)
    is_inside = tangent <= friction * normal
    np.copyto(projected_normal, normal, where=is_inside)
    np.copyto(tangent_share, 1.0, where=is_inside)
    projected = forces * tangent_share
    projected[1] = projected_normal
    return projected


def net_wrench(arms_m: np.ndarray, force_n: np.ndarray) -> np.ndarray:
    """Return the net wrench (N, T, 6) of forces at arms, both (N, T, C, 3)."""
    moments_nm = cross(arms_m, force_n)
    return np.concatenate([sum_points(force_n), sum_points(moments_nm)], axis=-1)


SOFT_PARTS = ("seat", "left knee", "right knee", "back", "left hand", "right hand")
"""Parts of the body that give way under load."""


SOFT_PART_DEPTH_M = 0.03
"""Depth by which soft parts give way, in m. Soft parts this close to the ground touch it."""


MAX_SUPPORT_DISTANCE_M = 0.08
"""Maximum vertical distance of a point from its support, in m. A heel beyond the edge of a step is further off."""


def find_carried_links(body: Humanoid, part: str) -> list[int]:
    """Find the links that can touch a support of a part.

    Hands are frozen onto the forearms.
    """
    links = []
    for name in CARRIED_PARTS[part]:
        links.append(body.tree.joint(name.replace("wrist", "elbow")))
    return [link for link in links if link is not None]


@lru_cache(maxsize=64)
def find_carried_points(body: Humanoid, part: str) -> np.ndarray:
    """Find the contact points that a support of a part carries.

    On limbs, these are the points at the joint that gives the part its name. A hand's points are those beyond the
    elbow, of which the furthest grips. The pelvis and the trunk may lie on all of their points.

    Returns:
        Mask (C,).
    """
    points = body.contact_points
    is_on_part = _is_among(points.links, find_carried_links(body, part))
    reach_m = np.linalg.norm(points.offsets_m, axis=1)
    if part.endswith("foot"):
        return is_on_part & (np.arange(len(points)) < len(body.soles))
    if part.endswith("hand"):
        return is_on_part & (reach_m > 0.1)
    if part.endswith("grip"):
        return is_on_part & (reach_m == (is_on_part * reach_m).max())
    limbs = [link for link, name in enumerate(body.tree.parts) if name.endswith(("_hip", "_knee"))]
    is_at_joint = reach_m < 1e-6
    return is_on_part & (is_at_joint | ~_is_among(points.links, limbs))


@lru_cache(maxsize=16)
def _find_soft_points(body: Humanoid) -> np.ndarray:
    """Find the contact points on soft parts, as a mask (C,)."""
    return np.any([find_carried_points(body, part) for part in SOFT_PARTS], axis=0)


def _is_among(links: np.ndarray, selected: Sequence[int]) -> np.ndarray:
    """Return which links (C,) are selected, faster than `np.isin`.

    For so few links, the comparison takes a tenth of the time.
    """
    return (links[:, None] == np.array(selected, dtype=int)).any(axis=1)


def above_ground_m(body: Humanoid, points_m: np.ndarray, supports: Sequence[Sequence[Support]]) -> np.ndarray:
    """Return contact points with heights above the ground beneath.

    The ground is the floor or a support.

    Args:
        body: Body with C contact points.
        points_m: (N, T, C, 3) contact points, world.
        supports: Supports of each motion; empty if no motion has any.

    Returns:
        (N, T, C, 3).
    """
    above_m = points_m.copy()
    for motion_m, motion_supports in zip(above_m, supports, strict=False):
        motion_m[..., 1] -= _ground_m(body, motion_m, motion_supports)
    is_soft = _find_soft_points(body)
    above_m[:, :, is_soft, 1] -= np.clip(above_m[:, :, is_soft, 1], 0.0, SOFT_PART_DEPTH_M)
    return above_m


def _ground_m(body: Humanoid, points_m: np.ndarray, supports: Sequence[Support]) -> np.ndarray:
    """Return the ground height (T, C) beneath points (T, C, 3).

    Soft parts on a support give way.
    """
    ground_m = np.zeros(points_m.shape[:-1])
    for support in supports:
        frames = slice(support.first, support.last + 1)
        points = find_carried_points(body, support.part)
        top_m = support.top_m[1]
        above_m = points_m[frames, points, 1] - top_m
        gives_m = _yield_distance_m(support)
        beneath_m = top_m + np.clip(above_m, -gives_m, gives_m)
        is_carried = np.abs(above_m) < MAX_SUPPORT_DISTANCE_M
        ground_m[frames, points] = np.where(is_carried, beneath_m, ground_m[frames, points])
    return ground_m


def _yield_distance_m(support: Support) -> float:
    """Return how far a part on a support gives way, in m."""
    if support.part.endswith("foot"):
        return 0.0
    return MAX_SUPPORT_DISTANCE_M if support.is_grip else SOFT_PART_DEPTH_M
