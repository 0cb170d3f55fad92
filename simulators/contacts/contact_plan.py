"""Contact forces of the floor on the body that explain a motion best.

In each frame, contact forces f within friction cones minimise ‖W (G f − u)‖² + ε ‖f‖². Here u is the wrench that the
motion demands, G f that of the forces, and W weights moments. Points that are high or fast can carry little: the
problem is solved in forces divided by each point's contact activation. Solver: ADMM with over-relaxation (Boyd et al.
2011, §3.4.3), whose linear step shrinks to a 6 × 6 inverse by the Woodbury identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from selfcorrect.motion.geometry.vectors import cross
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.support import CARRIED_PARTS, Support

from ..body.humanoid import Humanoid
from ..body.soles import horizontal_speeds, speed_factors
from ..settings.plan import PLAN, ContactSettings, ForceSettings
from .dynamics import Demand, demand

Bounds = tuple[float | np.ndarray, float | np.ndarray]

_OVER_RELAXATION = 1.6
"""Over-relaxation factor of ADMM; Boyd et al. 2011 (§3.4.3) advise 1.5 to 1.8."""

_PENALTY = 0.003
"""Penalty parameter of ADMM, as a share of the trace of the problem's matrix."""

_REGULARISATION = 1e-5
"""Weight of the forces themselves, which spreads them over the points that can carry."""


@dataclass(frozen=True, eq=False)
class ContactPlan:
    """A motion explained by the floor's forces on the body, and what remains."""

    needs: Demand
    """What the motion demands."""
    points_m: np.ndarray
    """(N, T, C, 3) the body's touching points, soles first, world."""
    force_n: np.ndarray
    """(N, T, C, 3) the forces on them, world."""
    activation: np.ndarray
    """(N, T, C) in [0, 1], how well each point can carry."""
    rest: np.ndarray
    """(N, T, 6) force and moment about the centre of mass that contacts cannot explain."""


def plan_contacts(
    body: Humanoid,
    motions: MotionBatch,
    friction: float,
    supports: Sequence[Sequence[Support]] = (),
    settings: ContactSettings = PLAN.contacts,
    inset: float = 0.0,
) -> ContactPlan:
    """Explain motions on the body's tree by contact forces with the given coefficient of friction.

    supports: what carries each of the motions beside the floor; none for any where that is empty. inset: where forces
    act on soles, as a share of the way from their corners to the middle of the foot.
    """
    needs = demand(body, motions, settings.smoothing_s)
    points_m = body.contact_points.lowest_points(needs.positions_m, needs.orientations)
    speed_factor = speed_factors(motions.root_m, motions.fps)[..., None]
    speeds_m_s = settings.free_speed_m_s * speed_factor, settings.fastest_m_s * speed_factor
    above_m = above_ground_m(body, points_m, supports)
    activation = contact_activation(above_m, motions.fps, speeds_m_s, settings)
    # Runners leave the floor: what bears them a little later does not slide.
    lacking = missing_support_share(needs.wrench[..., 1] / body.weight_n, activation, settings)[..., None] * np.clip(
        2 - speed_factor, 0, 1
    )
    activation = contact_activation(above_m, motions.fps, speeds_m_s, settings, lacking)
    acting_m = inset_soles(points_m, activation, len(body.soles), inset) if inset else points_m
    arms_m = acting_m - needs.centre_m[:, :, None]
    force_n = solve_contact_forces(needs.wrench, arms_m, activation, friction, settings)
    return ContactPlan(needs, points_m, force_n, activation, needs.wrench - net_wrench(arms_m, force_n))


def inset_soles(points_m: np.ndarray, activation: np.ndarray, corners: int, inset: float) -> np.ndarray:
    """Touching points (N, T, C, 3), of which corners of soles that can carry are nearer to the middle of their foot.

    corners: how many of the points are corners, the first ones. activation: (N, T, C) by which they count in that
    middle. inset: share of the way there.
    """
    soles_m = points_m[:, :, :corners].reshape(*points_m.shape[:2], 2, -1, 3)
    weights = activation[:, :, :corners].reshape(soles_m.shape[:-1])[..., None]
    middle_m = np.sum(weights * soles_m, axis=3, keepdims=True) / np.maximum(weights.sum(3, keepdims=True), 1e-9)
    nearer_m = np.where(weights > 0, soles_m + inset * (middle_m - soles_m), soles_m)
    return np.concatenate([nearer_m.reshape(*points_m.shape[:2], corners, 3), points_m[:, :, corners:]], axis=2)


def missing_support_share(
    upward_bodyweights: np.ndarray, activation: np.ndarray, settings: ContactSettings
) -> np.ndarray:
    """(N, T) how strongly another contact is needed, 0 to 1.

    upward_bodyweights: (N, T) force that a motion demands; activation: (N, T, C) of its touching points.
    """
    perhaps, surely = settings.borne_bodyweights
    demanded = np.clip((upward_bodyweights - perhaps) / (surely - perhaps), 0.0, 1.0)
    return demanded * (1.0 - activation.max(-1))


def contact_activation(
    points_m: np.ndarray,
    fps: float,
    speeds_m_s: Bounds,
    settings: ContactSettings = PLAN.contacts,
    lacking: float | np.ndarray = 0.0,
) -> np.ndarray:
    """Return how well points (N, T, C, 3) can carry, in [0, 1]: less with height and with horizontal speed, squared.

    Heights are those above what is beneath each point; speeds_m_s: up to which one carries freely, and at all; lacking:
    in [0, 1], by which the bounds are wider.
    """
    speed_m_s = horizontal_speeds(points_m, fps)
    wider, faster = 1.0 + settings.further * lacking, 1.0 + settings.faster * lacking
    heights_m = settings.free_height_m * wider, settings.highest_m * wider
    slow_enough = _share_below(speed_m_s, (speeds_m_s[0] * faster, speeds_m_s[1] * faster))
    return (_share_below(points_m[..., 1], heights_m) * slow_enough) ** 2


def _share_below(values: np.ndarray, bounds: Bounds) -> np.ndarray:
    """1 below the lower bound, 0 above the upper, linear between."""
    low, high = bounds
    return np.clip((high - values) / (high - low), 0.0, 1.0)


def solve_contact_forces(
    wrench: np.ndarray,
    arms_m: np.ndarray,
    activation: np.ndarray,
    friction: float,
    settings: ForceSettings = PLAN.contacts,
) -> np.ndarray:
    """Forces (N, T, C, 3) within friction cones (y up) that come closest to the wrench.

    The wrench (N, T, 6) is force and moment about a point; arms_m (N, T, C, 3) are touching points seen from there. The
    activation (N, T, C) has weights in [0, 1], 0 for a point that cannot carry.
    """
    active = activation.reshape(-1, activation.shape[-1])
    most = max(1, int((active > 0).sum(-1).max()))
    carrying = np.argsort(active == 0, axis=-1, kind="stable")[:, :most]
    arms = np.take_along_axis(arms_m.reshape(*active.shape, 3), carrying[..., None], axis=1)
    scale = _move_frames_last(np.sqrt(np.take_along_axis(active, carrying, axis=1)))
    levers = settings.moment_weight * _move_frames_last(arms) * scale
    weights = np.array([1.0] * 3 + [settings.moment_weight] * 3)
    weighted = _move_frames_last(weights * wrench.reshape(-1, 6))
    scaled_n = _solve_scaled_forces(weighted, scale, levers, friction, settings)
    force_n = np.zeros((*active.shape, 3))
    force_n[np.arange(len(active))[:, None], carrying] = np.moveaxis(scale * scaled_n, (0, 1, 2), (2, 1, 0))
    return force_n.reshape(arms_m.shape)


def _move_frames_last(values: np.ndarray) -> np.ndarray:
    """Values (F, ...) with the axes in reverse order: neighbours in memory are of neighbouring frames."""
    return np.ascontiguousarray(values.T)


def _solve_scaled_forces(
    wrench: np.ndarray,
    scale: np.ndarray,
    levers: np.ndarray,
    friction: float,
    settings: ForceSettings,
) -> np.ndarray:
    """Forces (3, C, F) divided by `scale` (C, F), that come closest to weighted wrenches (6, F) with weighted levers
    (3, C, F).

    Let E be the map from them to weighted wrenches, c the copy within the cones and u the scaled dual variable. The
    free forces of a round are (Eᵀ(w − v) + ρ (c − u)) / (ε + ρ). There v = (E Eᵀ + ε + ρ)⁻¹ (E Eᵀ w + ρ E (c − u)).
    """
    squared = _gram_matrices(scale, levers)
    penalty = np.maximum(_PENALTY * np.trace(squared), 1e-3)
    diagonal = _REGULARISATION + penalty
    inverse = np.linalg.inv(np.moveaxis(squared, -1, 0) + diagonal[:, None, None] * np.eye(6))
    gain = np.ascontiguousarray(np.moveaxis(inverse, 0, -1)) * (_OVER_RELAXATION / diagonal)
    constant = _OVER_RELAXATION / diagonal * wrench - _multiply(gain, _multiply(squared, wrench))
    gain *= penalty
    kept = _OVER_RELAXATION * penalty / diagonal + 1 - _OVER_RELAXATION
    cone, dual = np.zeros_like(levers), np.zeros_like(levers)
    for _ in range(settings.iterations):
        apart = cone - dual
        relaxed = _forces_of(constant - _multiply(gain, _wrench_of(apart, scale, levers)), scale, levers)
        relaxed += kept * apart + (2 - _OVER_RELAXATION) * dual
        cone = project_onto_cones(relaxed, friction)
        dual = relaxed - cone
    return cone


def _gram_matrices(scale: np.ndarray, levers: np.ndarray) -> np.ndarray:
    """The matrices E Eᵀ (6, 6, F)."""
    squared = np.zeros((6, 6, scale.shape[-1]))
    diagonal = np.arange(3)
    squared[diagonal, diagonal] = np.sum(scale * scale, axis=0)
    across = np.sum(scale * levers, axis=1)
    moments = np.sum(levers * levers, axis=1)
    for row, after, last in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        squared[3 + row, last], squared[3 + row, after] = across[after], -across[last]
        squared[3 + row, 3 + row] = moments[after] + moments[last]
        squared[3 + row, 3 + after] = squared[3 + after, 3 + row] = -np.sum(levers[row] * levers[after], axis=0)
    squared[:3, 3:] = np.swapaxes(squared[3:, :3], 0, 1)
    return squared


def _multiply(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Products (6, F) of matrices (6, 6, F) and vectors (6, F)."""
    return np.sum(matrices * vectors, axis=1)


def _wrench_of(forces: np.ndarray, scale: np.ndarray, levers: np.ndarray) -> np.ndarray:
    """Weighted wrenches (6, F) of scaled forces (3, C, F): E."""
    wrench = np.empty((6, scale.shape[-1]))
    np.sum(scale * forces, axis=1, out=wrench[:3])
    for row, after, last in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        np.sum(levers[after] * forces[last] - levers[last] * forces[after], axis=0, out=wrench[3 + row])
    return wrench


def _forces_of(wrench: np.ndarray, scale: np.ndarray, levers: np.ndarray) -> np.ndarray:
    """Scaled forces (3, C, F) that weighted wrenches (6, F) pull: Eᵀ."""
    forces = scale * wrench[:3, None]
    for row, after, last in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        forces[row] += wrench[3 + after] * levers[last] - wrench[3 + last] * levers[after]
    return forces


def project_onto_cones(forces: np.ndarray, friction: float) -> np.ndarray:
    """The nearest forces (3, ...) whose horizontal part is at most `friction` times the vertical (y)."""
    x, normal, z = forces
    tangent = np.sqrt(x * x + z * z)
    lifted = np.maximum((normal + friction * tangent) / (1 + friction**2), 0.0)
    kept = friction * lifted / np.maximum(tangent, 1e-9)
    inside = tangent <= friction * normal
    np.copyto(lifted, normal, where=inside)
    np.copyto(kept, 1.0, where=inside)
    projected = forces * kept
    projected[1] = lifted
    return projected


def continue_contact_forces(
    wrench: np.ndarray,
    arms_m: np.ndarray,
    activation: np.ndarray,
    friction: float,
    settings: ForceSettings,
    iterate: np.ndarray,
) -> np.ndarray:
    """Return the forces (N, C, 3) of `solve_contact_forces` for few bodies, from where the last ones ended.

    ADMM as there. The linear step is one product with a matrix that is made once for all rounds, which for few bodies
    takes a third of the time. The wrench (N, 6) is force and moment about a point; arms_m (N, C, 3) are touching points
    seen from there. The activation (N, C) has weights in [0, 1]. The iterate (N, 2, 3, C) is where the solver begins,
    and is overwritten by where it ends.
    """
    count, points = activation.shape
    scale = np.sqrt(activation)
    weights = np.array([1.0] * 3 + [settings.moment_weight] * 3)
    to_wrench = _wrench_maps(arms_m, scale) * weights[:, None]
    from_wrench = np.swapaxes(to_wrench, 1, 2)
    squared = to_wrench @ from_wrench
    penalty = np.maximum(_PENALTY * np.trace(squared, axis1=1, axis2=2), 1e-3)[:, None, None]
    diagonal = _REGULARISATION + penalty
    inner = from_wrench @ np.linalg.solve(squared + diagonal * np.eye(6), to_wrench)
    step = _OVER_RELAXATION * (np.eye(3 * points) - inner) / diagonal  # of (EᵀE + ε + ρ)⁻¹, by Woodbury
    constant = step @ (from_wrench @ (weights * wrench)[..., None])
    step *= penalty
    cone, dual = iterate[:, 0].reshape(count, -1, 1), iterate[:, 1].reshape(count, -1, 1)
    for _ in range(settings.iterations):
        relaxed = constant + step @ (cone - dual) + (1 - _OVER_RELAXATION) * cone + dual
        by_axis = relaxed.reshape(count, 3, points).swapaxes(0, 1)
        cone = project_onto_cones(by_axis, friction).swapaxes(0, 1).reshape(count, -1, 1)
        dual = relaxed - cone
    iterate[:, 0], iterate[:, 1] = (each.reshape(count, 3, points) for each in (cone, dual))
    return np.swapaxes(scale[:, None] * iterate[:, 0], 1, 2)


def _wrench_maps(arms_m: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Matrices E (N, 6, 3 C): from scaled forces, all along x first, to force and moment."""
    count, points = scale.shape
    maps = np.zeros((count, 6, 3, points))
    x, y, z = np.moveaxis(arms_m, -1, 0) * scale
    for axis in range(3):
        maps[:, axis, axis] = scale
    maps[:, 3, 1], maps[:, 3, 2] = -z, y
    maps[:, 4, 0], maps[:, 4, 2] = z, -x
    maps[:, 5, 0], maps[:, 5, 1] = -y, x
    return maps.reshape(count, 6, 3 * points)


def net_wrench(arms_m: np.ndarray, force_n: np.ndarray) -> np.ndarray:
    """Net force and moment (N, T, 6) of forces (N, T, C, 3) at arms (N, T, C, 3)."""
    return np.concatenate([force_n.sum(axis=-2), cross(arms_m, force_n).sum(axis=-2)], axis=-1)


SOFT_PARTS = ("seat", "left knee", "right knee", "back", "left hand", "right hand")


SOFT_PART_GIVES_M = 0.03
"""How far soft parts give way: they touch when they are this close to the ground."""


ELSEWHERE_M = 0.08
"""A place further than this from the support's height is not what it carries: a heel beyond the edge of a step."""


def find_carried_links(body: Humanoid, part: str) -> list[int]:
    """The links that a support may touch; hands are frozen onto the forearms."""
    names = [name.replace("wrist", "elbow") for name in CARRIED_PARTS[part]]
    return [link for name in names if (link := body.tree.joint(name)) is not None]


@lru_cache(maxsize=64)
def find_carried_points(body: Humanoid, part: str) -> np.ndarray:
    """(C,) which of the body's touching places a support of a part carries: of limbs those at the joint it is named by.

    All of a hand is beyond the elbow, and its furthest place grips; all of the pelvis and of the trunk may lie.
    """
    touches = body.contact_points
    carried = _is_among(touches.links, find_carried_links(body, part))
    reach_m = np.linalg.norm(touches.offsets_m, axis=1)
    if part.endswith("foot"):
        return carried & (np.arange(len(touches)) < len(body.soles))
    if part.endswith("hand"):
        return carried & (reach_m > 0.1)
    if part.endswith("grip"):
        return carried & (reach_m == (carried * reach_m).max())
    limbs = [link for link, name in enumerate(body.tree.parts) if name.endswith(("_hip", "_knee"))]
    return carried & ((reach_m < 1e-6) | ~_is_among(touches.links, limbs))


def _is_among(links: np.ndarray, some: Sequence[int]) -> np.ndarray:
    """(C,) which of the links (C,) are some of all; as `np.isin`, in a tenth of its time."""
    return (links[:, None] == np.array(some, dtype=int)).any(axis=1)


def above_ground_m(body: Humanoid, points_m: np.ndarray, supports: Sequence[Sequence[Support]]) -> np.ndarray:
    """The body's touching points (N, T, C, 3) with their heights above what is beneath them, floor or support.

    supports: those of each motion; none for any where that is empty.
    """
    above_m = points_m.copy()
    for own_m, own in zip(above_m, supports, strict=False):
        own_m[..., 1] -= _ground_m(body, own_m, own)
    soft = np.any([find_carried_points(body, part) for part in SOFT_PARTS], axis=0)
    above_m[:, :, soft, 1] -= np.clip(above_m[:, :, soft, 1], 0.0, SOFT_PART_GIVES_M)
    return above_m


def _ground_m(body: Humanoid, points_m: np.ndarray, supports: Sequence[Support]) -> np.ndarray:
    """Height (T, C) of what is beneath points (T, C, 3). Soft parts on a support give way to it."""
    ground_m = np.zeros(points_m.shape[:-1])
    for support in supports:
        frames, places = slice(support.first, support.last + 1), find_carried_points(body, support.part)
        above_m = points_m[frames, places, 1] - support.top_m[1]
        gives_m = 0.0 if support.part.endswith("foot") else ELSEWHERE_M if support.is_grip else SOFT_PART_GIVES_M
        beneath_m = support.top_m[1] + np.clip(above_m, -gives_m, gives_m)
        ground_m[frames, places] = np.where(np.abs(above_m) < ELSEWHERE_M, beneath_m, ground_m[frames, places])
    return ground_m
