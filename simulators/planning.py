"""The plan of a motion: clear of the floor, shifted and stepped until contact forces explain it, with these forces.

Captured motion demands wrenches that no contact can deliver. The dynamics filter (after Yamane and Nakamura 2003) moves
the body a little so that the floor can explain its motion: a small shift of the centre of mass over time changes the
demand; the legs bend so that the feet stay where they are.

A contact plan may load corners of soles that hover by some millimetres. Rigid soles do not touch there, and the body
would roll over another edge than the one that was planned. So each foot then turns about its ankle and moves up or down
a little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import solveh_banded
from scipy.ndimage import binary_opening, gaussian_filter1d, maximum_filter1d
from scipy.spatial.transform import Rotation

from selfcorrect.motion.geometry.kinematics import forward_kinematics
from selfcorrect.motion.geometry.vectors import cross
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.support import Support

from .body.curves import second_difference_bands, smooth_gaussian
from .body.humanoid import GRAVITY_M_S2, Humanoid
from .body.leg_ik import Legs, solve_leg_ik
from .body.soles import frame_speeds, speed_factors
from .cleanup import foot_lock
from .contacts.contact_plan import ContactPlan, above_ground_m, plan_contacts
from .settings.plan import (
    PLAN,
    RESIDUAL_FREE_PLAN,
    FilterSettings,
    PlacementSettings,
    PlanSettings,
)
from .settings.tracker import TrackerSettings
from .stages.values import CleanedMotions, MotionPlan


def plan_motions(cleaned: CleanedMotions, body: Humanoid, settings: TrackerSettings) -> MotionPlan:
    """Plan what a body shall do so that contacts explain as much of it as possible."""
    supports, friction = cleaned.supports, settings.engine.friction
    planner = Planner(body, friction, supports, settings.plan)
    links = planner.lift_above_floor(body.select_links(cleaned.motions))
    if settings.filter_dynamics:
        if settings.plan.placement.heel_s:
            # Feet come down from their heels first: where they are flat the filter shifts the body less.
            links = planner.place_feet(links)
        links = planner.place_feet(planner.filter_dynamics(links))
    contacts = plan_contacts(body, links, friction, supports, settings.plan.contacts)
    return MotionPlan(body, links, contacts, supports, friction)


@dataclass(frozen=True, eq=False)
class Planner:
    """Changes motions on a body's tree so that contacts with friction, beside the floor with supports, explain them."""

    body: Humanoid
    friction: float
    supports: Sequence[Sequence[Support]] = ()
    settings: PlanSettings = PLAN

    def filter_dynamics(self, motions: MotionBatch) -> MotionBatch:
        """Motions shifted so that contacts within friction cones explain more of them."""
        own = self.settings.filter
        for _ in range(own.rounds):
            plan, shift_m = self._compute_shift(motions)
            motions = self._shift_root(
                motions, plan.needs.positions_m, plan.needs.orientations, _limit_shifts(shift_m, own)
            )
        contacts = replace(self.settings.contacts, moment_weight=own.stance_moment_weight)
        settings = replace(self.settings, contacts=contacts, filter=replace(own, shift_weight=own.stance_weight))
        lighter = replace(self, settings=settings)
        for _ in range(own.stance_rounds):
            plan, shift_m = lighter._compute_shift(motions, own.stance_inset)
            speed_factor = speed_factors(motions.root_m, motions.fps, own.stance_m_s, 2.0)
            shift_m *= 2.0 - speed_factor[..., None]
            shift_m = smooth_gaussian(shift_m, own.stance_smoothing_s * motions.fps)
            motions = self._shift_root(
                motions, plan.needs.positions_m, plan.needs.orientations, _limit_shifts(shift_m, own)
            )
        return motions

    def _compute_shift(self, motions: MotionBatch, inset: float = 0.0) -> tuple[ContactPlan, np.ndarray]:
        """How contacts explain motions, and the shifts (N, T, 3) of the centre of mass with which they explain more.

        inset: see `plan_contacts`.
        """
        plan = plan_contacts(self.body, motions, self.friction, self.supports, self.settings.contacts.coarse, inset)
        mass_kg, own = self.body.total_mass_kg, self.settings.filter
        each = zip(plan.rest, plan.force_n, strict=True)
        shifts_m = [solve_centre_shift(rest, forces_n.sum(1), mass_kg, motions.fps, own) for rest, forces_n in each]
        return plan, np.stack(shifts_m)

    def lift_above_floor(self, motions: MotionBatch) -> MotionBatch:
        """Motions lifted where trunk or thighs are in the floor or in their support."""
        body = self.body
        poses = forward_kinematics(body.tree, motions.root_m, motions.rotations)
        bulky = np.isin(body.contact_points.links, body.trunk_and_thighs) & (body.contact_points.radii_m > 0)
        points_m = above_ground_m(body, body.contact_points.lowest_points(*poses), self.supports)
        lowest_m = points_m[:, :, bulky, 1].min(-1)
        window = 2 * round(self.settings.filter.lift_s * motions.fps) + 1
        lift_m = gaussian_filter1d(maximum_filter1d(np.maximum(-lowest_m, 0.0), window, axis=1), window / 4, axis=1)
        return self._shift_root(motions, *poses, lift_m[..., None] * np.array([0.0, 1.0, 0.0]))

    def _shift_root(
        self, motions: MotionBatch, positions_m: np.ndarray, orientations: np.ndarray, shift_m: np.ndarray
    ) -> MotionBatch:
        """The root moved by (N, T, 3), the feet left where they are; their links' world poses are known."""
        ankles_m = positions_m[:, :, Legs.from_skeleton(self.body.tree).ankles]
        upright = np.broadcast_to([0.0, 0.0, 0.0, 1.0], (*ankles_m.shape[:-1], 4))
        rotations = solve_leg_ik(self.body.tree, positions_m, orientations, shift_m, ankles_m, upright)
        return replace(motions, root_m=motions.root_m + shift_m, rotations=rotations)

    def place_feet(self, motions: MotionBatch) -> MotionBatch:
        """Motions whose feet touch the ground where they are to carry."""
        body, placement, fps = self.body, self.settings.placement, motions.fps
        # With the forces of the filter's last round instead, feet of raw simulated states slide by 3 to 6 % more.
        plan = plan_contacts(body, motions, self.friction, self.supports, self.settings.contacts.coarse)
        corners = slice(len(body.soles))
        ground_m = above_ground_m(body, plan.points_m, self.supports)[:, :, corners, 1]
        ankles_m = plan.needs.positions_m[:, :, Legs.from_skeleton(body.tree).ankles]
        points_m = _split_by_foot(plan.points_m[:, :, corners])
        full_load_n = placement.full_load_bodyweights * body.total_mass_kg * GRAVITY_M_S2
        load = _split_by_foot(plan.force_n[:, :, corners, 1]) / full_load_n
        if placement.heel_s:
            load = np.maximum(load, heel_load_share(load, fps, placement)[..., None])
        rise_m, turns_rad = solve_foot_moves(
            _split_by_foot(ground_m), points_m - ankles_m[..., None, :], load, fps, placement
        )
        turns = Rotation.from_rotvec(turns_rad.reshape(-1, 3)).as_quat().reshape(*turns_rad.shape[:-1], 4)
        targets_m = ankles_m + rise_m[..., None] * np.array([0.0, 1.0, 0.0])
        targets_m[..., [0, 2]] += hold_contacts(points_m, load, fps, placement)
        still_m = np.zeros_like(motions.root_m)
        pose = (plan.needs.positions_m, plan.needs.orientations)
        return replace(motions, rotations=solve_leg_ik(body.tree, *pose, still_m, targets_m, turns))


def _limit_shifts(shift_m: np.ndarray, settings: FilterSettings) -> np.ndarray:
    """Shifts (N, T, 3) of motions, all of one smaller where its largest is beyond the limit."""
    largest_m = np.linalg.norm(shift_m, axis=-1).max(1)
    return shift_m * np.minimum(1.0, settings.shift_limit_m / np.maximum(largest_m, 1e-9))[:, None, None]


def solve_centre_shift(
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
    right = -weight * cross(contact_n, moment)
    right[:-2] -= pull * force[1:-1]
    right[1:-1] += 2 * pull * force[1:-1]
    right[2:] -= pull * force[1:-1]
    return solveh_banded(bands, right.ravel()).reshape(count, 3)


def _split_by_foot(corners: np.ndarray) -> np.ndarray:
    """Values (N, T, P, ...) of the soles' corners, left foot first, as (N, T, 2, P / 2, ...)."""
    return corners.reshape(*corners.shape[:2], 2, -1, *corners.shape[3:])


def heel_load_share(
    load: np.ndarray, fps: float, settings: PlacementSettings = RESIDUAL_FREE_PLAN.placement
) -> np.ndarray:
    """How strongly (N, T, 2), from 0 to 1, feet must be set flat: those that carry on their heels alone for long.

    Nobody stands like that. Where a capture has the front of a foot in the air, its ankle is turned wrongly.
    load: (N, T, 2, K), 1 or more for corners that carry, those of the heel first.
    """
    heel, front = load[..., :2].sum(-1), load[..., 2:].sum(-1)
    alone = (heel > 1.0) & (front < 0.2 * heel)
    for_long = binary_opening(alone, np.ones((1, max(1, round(settings.heel_s * fps)), 1), dtype=bool))
    around = 2 * round(settings.heel_around_s * fps) + 1
    return gaussian_filter1d(maximum_filter1d(for_long.astype(float), around, axis=1), around / 4, axis=1)


def hold_contacts(
    points_m: np.ndarray, load: np.ndarray, fps: float, settings: PlacementSettings = PLAN.placement
) -> np.ndarray:
    """Horizontal displacements (N, T, 2, 2) with which loaded corners of soles stay where they are.

    points_m: (N, T, 2, K, 3) corners; load: (N, T, 2, K), 1 or more for corners that carry. Feet that no longer carry
    go back to where they were.
    """
    both = np.minimum(np.minimum(load[:, 1:], load[:, :-1]), 1.0)
    total = both.sum(-1)
    moves_m = np.sum(both[..., None] * np.diff(points_m[..., [0, 2]], axis=1), axis=-2)
    velocity_m_s = fps * moves_m / np.maximum(total, 1e-9)[..., None]
    carries = np.zeros(load.shape[:3], dtype=bool)
    carries[:, 1:] |= total > settings.least_load
    carries[:, :-1] |= total > settings.least_load
    still_m = foot_lock.cancel_sliding(velocity_m_s, frame_speeds(velocity_m_s), carries, fps)
    still_m *= np.minimum(1.0, settings.hold_limit_m / np.maximum(np.linalg.norm(still_m, axis=-1), 1e-9))[..., None]
    anchors_m = np.stack([still_m[..., 0], np.zeros(carries.shape), still_m[..., 1]], axis=-1)
    return foot_lock.bridge_swings(anchors_m, carries, fps)[..., [0, 2]]


def solve_foot_moves(
    heights_m: np.ndarray,
    arms_m: np.ndarray,
    load: np.ndarray,
    fps: float,
    settings: PlacementSettings = PLAN.placement,
) -> tuple[np.ndarray, np.ndarray]:
    """Rise (N, T, 2) of each ankle and turns (N, T, 2, 3) of each foot, rotation vectors about horizontal axes, world.

    A ridge regression brings loaded corners to height 0; what would then be below that is lifted out again.
    The corners are heights_m (N, T, 2, K) above the ground and arms_m (N, T, 2, K, 3) from the ankle. Their load (N, T,
    2, K) is 1 or more for corners that must touch.
    """
    weights, lever_m = np.minimum(load, 1.0), settings.lever_m
    reluctance = np.diag([settings.rise_reluctance, settings.turn_reluctance, settings.turn_reluctance])
    x, _, z = np.moveaxis(arms_m, -1, 0)
    effect = np.stack([np.ones_like(heights_m), -z / lever_m, x / lever_m], axis=-1)
    weighted = np.swapaxes(effect * weights[..., None], -1, -2)
    moves_m = np.linalg.solve(weighted @ effect + reluctance, -weighted @ heights_m[..., None])[..., 0]
    moves_m = gaussian_filter1d(moves_m, settings.smoothing_s * fps, axis=1)
    turn_m = settings.turn_limit_rad * lever_m
    limits_m = np.array([settings.rise_limit_m, turn_m, turn_m])
    moves_m = np.clip(moves_m, -limits_m, limits_m)
    new_m = heights_m + (effect @ moves_m[..., None])[..., 0]
    deeper_m = np.maximum(np.minimum(heights_m.min(-1), 0.0) - np.minimum(new_m.min(-1), 0.0), 0.0)
    pitch_rad, roll_rad = moves_m[..., 1] / lever_m, moves_m[..., 2] / lever_m
    return moves_m[..., 0] + deeper_m, np.stack([pitch_rad, np.zeros_like(pitch_rad), roll_rad], axis=-1)
