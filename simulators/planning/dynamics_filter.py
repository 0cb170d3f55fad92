"""Dynamics filter: move the body a little so that the floor can explain its motion (after Yamane and Nakamura 2003).

Captured motion demands wrenches that no contact can deliver. A small shift of the centre of mass over time changes the
demand; the legs bend so that the feet stay where they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.linalg import solveh_banded
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from selfcorrect.motion.correction.support import Support
from selfcorrect.motion.kinematics import forward_kinematics
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.vectors import crosses
from selfcorrect.simulators.body.curves import second_difference_bands
from selfcorrect.simulators.body.humanoid import Humanoid
from selfcorrect.simulators.body.leg_ik import Legs, bend_legs
from selfcorrect.simulators.planning.contact_plan import plan_contacts
from selfcorrect.simulators.planning.ground import above_ground_m
from selfcorrect.simulators.settings.plan import PLAN, FilterSettings, PlanSettings


def filter_dynamics(
    body: Humanoid,
    motions: MotionBatch,
    friction: float,
    supports: Sequence[Sequence[Support]] = (),
    settings: PlanSettings = PLAN,
) -> MotionBatch:
    """Motions on the body's tree, shifted so that contacts within friction cones explain more of them."""
    contacts = replace(settings.contacts, iterations=settings.filter.iterations)
    for _ in range(settings.filter.rounds):
        plan = plan_contacts(body, motions, friction, supports, contacts)
        shift_m = np.stack(
            [
                centre_shift(rest, forces_n.sum(1), body.total_mass_kg, motions.fps, settings.filter)
                for rest, forces_n in zip(plan.rest, plan.force_n, strict=True)
            ]
        )
        largest_m = np.linalg.norm(shift_m, axis=-1).max(1)
        shift_m *= np.minimum(1.0, settings.filter.shift_limit_m / np.maximum(largest_m, 1e-9))[:, None, None]
        motions = _shifted(body, motions, plan.needs.positions_m, plan.needs.orientations, shift_m)
    return motions


def centre_shift(
    rest: np.ndarray, contact_n: np.ndarray, mass_kg: float, fps: float, settings: FilterSettings = PLAN.filter
) -> np.ndarray:
    """The shift δ (T, 3) of the centre of mass that minimises ‖r_F + M δ̈‖² + w ‖r_τ + δ × f‖² + λ ‖δ‖².

    rest: (T, 6) unexplained force r_F and moment r_τ; contact_n: (T, 3) net contact force f. Every term couples only
    neighbouring frames, so the normal equations are banded.
    """
    count, pull = len(rest), mass_kg * fps**2
    force, moment = rest[:, :3], rest[:, 3:]
    bands, weight = np.zeros((7, 3 * count)), settings.moment_weight
    bands[[0, 3, 6]] = pull**2 * np.repeat(second_difference_bands(count), 3, axis=1)
    bands[6] += settings.shift_weight + weight * (np.sum(contact_n**2, axis=1, keepdims=True) - contact_n**2).ravel()
    x, y, z = contact_n.T
    bands[5, 1::3] = -weight * x * y
    bands[5, 2::3] = -weight * y * z
    bands[4, 2::3] = -weight * x * z
    right = -weight * crosses(contact_n, moment)
    right[:-2] -= pull * force[1:-1]
    right[1:-1] += 2 * pull * force[1:-1]
    right[2:] -= pull * force[1:-1]
    return solveh_banded(bands, right.ravel()).reshape(count, 3)


def clear_floor(
    body: Humanoid,
    motions: MotionBatch,
    supports: Sequence[Sequence[Support]] = (),
    settings: FilterSettings = PLAN.filter,
) -> MotionBatch:
    """Motions on the body's tree, lifted where trunk or thighs are in the floor or in their support."""
    positions_m, orientations = forward_kinematics(body.tree, motions.root_m, motions.rotations)
    bulky = np.isin(body.touches.links, body.bulky) & (body.touches.radii_m > 0)
    points_m = above_ground_m(body, body.touches.lowest_points(positions_m, orientations), supports)
    lowest_m = points_m[:, :, bulky, 1].min(-1)
    window = 2 * round(settings.lift_s * motions.fps) + 1
    lift_m = gaussian_filter1d(maximum_filter1d(np.maximum(-lowest_m, 0.0), window, axis=1), window / 4, axis=1)
    shift_m = lift_m[..., None] * np.array([0.0, 1.0, 0.0])
    return _shifted(body, motions, positions_m, orientations, shift_m)


def _shifted(
    body: Humanoid, motions: MotionBatch, positions_m: np.ndarray, orientations: np.ndarray, shift_m: np.ndarray
) -> MotionBatch:
    """The root moved by (N, T, 3), the feet left where they are."""
    ankles_m = positions_m[:, :, Legs.of(body.tree).ankles]
    upright = np.broadcast_to([0.0, 0.0, 0.0, 1.0], (*ankles_m.shape[:-1], 4))
    rotations = bend_legs(body.tree, positions_m, orientations, shift_m, ankles_m, upright)
    return replace(motions, root_m=motions.root_m + shift_m, rotations=rotations)
