"""Which forces of the floor on the body explain a motion best.

Per frame: contact forces f within friction cones that minimise ‖W (G f − u)‖² + ε ‖f‖², u the wrench that the motion
demands, G the wrench that the forces make, W weighting moments. Points that are high or fast can carry little: the
problem is solved in forces divided by each point's contact activation. Solver: ADMM with over-relaxation (Boyd et al.
2011, §3.4.3), whose linear step shrinks to a 6 × 6 inverse by the Woodbury identity.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from selfcorrect.motion.correction.support import Support
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.simulators.body.humanoid import Humanoid
from selfcorrect.simulators.body.soles import horizontal_speeds, hurry_of
from selfcorrect.simulators.planning.dynamics import Demand, demand
from selfcorrect.simulators.planning.ground import above_ground_m
from selfcorrect.simulators.settings import PLAN, ContactSettings

Bounds = tuple[float | np.ndarray, float | np.ndarray]


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
) -> ContactPlan:
    """Explain motions on the body's tree by contact forces with the given coefficient of friction.

    supports: what carries each of the motions beside the floor; none for any where that is empty.
    """
    needs = demand(body, motions, settings.smoothing_s)
    points_m = body.touches.lowest_points(needs.positions_m, needs.orientations)
    hurry = hurry_of(motions.root_m, motions.fps, settings.hurry_m_s, settings.most_hurry)[..., None]
    speeds_m_s = settings.free_speed_m_s * hurry, settings.fastest_m_s * hurry
    activation = contact_activation(above_ground_m(body, points_m, supports), motions.fps, speeds_m_s, settings)
    arms_m = points_m - needs.centre_m[:, :, None]
    force_n = np.zeros_like(points_m)
    for chosen, places in _by_touch(activation, len(body.soles)):
        here = arms_m[chosen, :, :places], activation[chosen, :, :places]
        force_n[chosen, :, :places] = contact_forces(needs.wrench[chosen], *here, friction, settings)
    return ContactPlan(needs, points_m, force_n, activation, needs.wrench - net_wrench(arms_m, force_n))


def _by_touch(activation: np.ndarray, soles: int) -> Iterator[tuple[np.ndarray, int]]:
    """Motions (indices) that touch with their soles alone, which come first, or with more, and the places to solve for.

    Most motions only stand, which is a third of the work.
    """
    more = activation[:, :, soles:].any(axis=(1, 2))
    for touch_more, places in ((False, soles), (True, activation.shape[-1])):
        if (chosen := np.flatnonzero(more == touch_more)).size:
            yield chosen, places


def contact_activation(
    points_m: np.ndarray, fps: float, speeds_m_s: Bounds, settings: ContactSettings = PLAN.contacts
) -> np.ndarray:
    """How well points (N, T, C, 3) can carry, in [0, 1]: squared, falling with height and with horizontal speed.

    Heights are those above what is beneath each point; speeds_m_s: up to which one carries freely, and at all.
    """
    speed_m_s = horizontal_speeds(points_m, fps)
    heights_m = settings.free_height_m, settings.highest_m
    return (_falling(points_m[..., 1], heights_m) * _falling(speed_m_s, speeds_m_s)) ** 2


def _falling(values: np.ndarray, bounds: Bounds) -> np.ndarray:
    """1 below the lower bound, 0 above the upper, linear between."""
    low, high = bounds
    return np.clip((high - values) / (high - low), 0.0, 1.0)


def contact_forces(
    wrench: np.ndarray,
    arms_m: np.ndarray,
    activation: np.ndarray,
    friction: float,
    settings: ContactSettings = PLAN.contacts,
) -> np.ndarray:
    """Forces (N, T, C, 3) within friction cones (y up) that come closest to the wrench.

    wrench: (N, T, 6) force and moment about a point; arms_m: (N, T, C, 3) touching points seen from
    there; activation: (N, T, C) weights in [0, 1], 0 for a point that cannot carry.
    """
    weights = np.array([1.0] * 3 + [settings.moment_weight] * 3)
    scale = np.sqrt(np.repeat(activation, 3, axis=-1))
    effect = _wrench_map(arms_m) * weights[:, None] * scale[..., None, :]
    squared = effect @ np.swapaxes(effect, -1, -2)
    penalty = np.maximum(settings.penalty * np.trace(squared, axis1=-2, axis2=-1), 1e-3)[..., None]
    diagonal = settings.regularisation + penalty
    inverse = np.linalg.inv(squared + diagonal[..., None] * np.eye(6))
    pulled = _apply(np.swapaxes(effect, -1, -2), wrench * weights)
    cone = np.zeros_like(pulled)
    dual = np.zeros_like(pulled)
    for _ in range(settings.iterations):
        target = pulled + penalty * (cone - dual)
        free = (target - _apply(np.swapaxes(effect, -1, -2), _apply(inverse, _apply(effect, target)))) / diagonal
        relaxed = settings.over_relaxation * free + (1 - settings.over_relaxation) * cone + dual
        cone = _onto_cones(relaxed.reshape(arms_m.shape), friction).reshape(pulled.shape)
        dual = relaxed - cone
    return (scale * cone).reshape(arms_m.shape)


def net_wrench(arms_m: np.ndarray, force_n: np.ndarray) -> np.ndarray:
    """Net force and moment (N, T, 6) of forces (N, T, C, 3) at arms (N, T, C, 3)."""
    return _apply(_wrench_map(arms_m), force_n.reshape(*force_n.shape[:2], -1))


def _apply(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return (matrices @ vectors[..., None])[..., 0]


def _wrench_map(arms_m: np.ndarray) -> np.ndarray:
    """Matrix (..., 6, 3 C) from forces at arms (..., C, 3) to their net force and moment."""
    x, y, z = np.moveaxis(arms_m, -1, 0)
    zero, one = np.zeros_like(x), np.ones_like(x)
    columns = [  # one list per force component, of its six effects
        [one, zero, zero, zero, z, -y],
        [zero, one, zero, -z, zero, x],
        [zero, zero, one, y, -x, zero],
    ]
    stacked = np.stack([np.stack(column, axis=-2) for column in columns], axis=-1)
    return stacked.reshape(*stacked.shape[:-2], -1)


def _onto_cones(forces: np.ndarray, friction: float) -> np.ndarray:
    """The nearest forces (..., 3) whose horizontal part is at most `friction` times the vertical (y)."""
    x, normal, z = np.moveaxis(forces, -1, 0)
    tangent = np.hypot(x, z)
    on_surface = np.maximum((normal + friction * tangent) / (1 + friction**2), 0.0)
    inside = tangent <= friction * normal
    lifted = np.where(inside, normal, on_surface)
    kept = np.where(inside, 1.0, friction * lifted / np.maximum(tangent, 1e-9))
    return np.stack([x * kept, lifted, z * kept], axis=-1)
