"""Planning of motions that contact forces can explain.

Captured motion demands wrenches that no contact can provide. The dynamics filter (after Yamane and Nakamura 2003) moves
the body a little so that the floor can explain the motion: a small shift of the centre of mass over time changes the
demand, and the legs bend so that the feet stay in place. Bodies are first lifted out of the floor.

A contact plan may load sole corners that hover by some millimetres. Rigid soles would not touch there, and the body
would roll over another edge than planned. Each foot therefore turns about the ankle and moves up or down a little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from selfcorrect.motion.body.surface import SOFT_PART_DEPTH_M
from selfcorrect.motion.geometry.curves import (
    apply_transposed_second_difference,
    second_difference_bands,
    smooth_gaussian,
    smoothstep,
)
from selfcorrect.motion.geometry.filters import gaussian_filter1d, maximum_filter1d, remove_short_runs, solve_banded
from selfcorrect.motion.geometry.floor_speeds import floor_speeds_m_s, floor_velocities_between_m_s
from selfcorrect.motion.geometry.rotations import compose, invert, quaternions, rotate
from selfcorrect.motion.geometry.vectors import GRAVITY_M_S2, UP, cross, limit_factors, median, norms
from selfcorrect.motion.kinematics import pose_joints
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.support import MAX_SUPPORT_DISTANCE_M, Support

from ..body.contact_points import above_ground_m, find_carried_points
from ..body.dynamics import compute_whole_inertia
from ..body.humanoid import Humanoid
from ..body.leg_ik import Legs, solve_leg_ik
from ..body.soles import frame_speeds, speed_factors, split_by_foot
from ..core.frame_planting import bridge_swings, cancel_sliding
from ..settings.plan import PLAN, RESIDUAL_FREE_PLAN, FilterSettings, PlacementSettings, PlanSettings
from ..settings.tracker import TrackerSettings
from ..stages.values import CleanedMotions, ContactPlan, MotionPlan
from .contact_plan import plan_contacts

_LANDING_BEND_RAD = 0.25
"""Minimum bend of a knee in raw simulations, in rad. Landing on straighter legs, bodies stumble: MuJoCo's, in a walk of
DeepMimic, up to 0.15 rad, and not from 0.2 rad on."""


def plan_motions(
    cleaned: CleanedMotions, body: Humanoid, settings: TrackerSettings, *, is_raw: bool = False
) -> MotionPlan:
    """Plan motions that contacts explain as well as possible.

    Args:
        cleaned: N motions after the clean-up, with supports.
        settings: Settings of the plan, and the engine's friction.
        is_raw: Whether simulated states are returned, for which bodies must land on bent knees.
    """
    supports: Sequence[Sequence[Support]] = cleaned.supports
    friction = settings.engine.friction
    links = body.select_links(cleaned.motions)
    if settings.plan.has_cushions:
        supports = [add_cushions(body, links[index], supports[index]) for index in range(len(links))]
    planner = Planner(body, friction, supports, settings.plan)
    if is_raw:
        links = planner.bend_knees(links)
    links = planner.lift_above_floor(links)
    if settings.plan.placement.heel_s:
        # Feet come down from their heels first: where they are flat the filter shifts the body less.
        links = planner.place_feet(links)
    links = planner.filter_dynamics(links)
    links = planner.place_feet(links)
    contacts = plan_contacts(body, links, friction, supports, settings.plan.contacts)
    return MotionPlan(body, links, contacts, supports, friction)


def observe_contacts(cleaned: CleanedMotions, plan: MotionPlan, settings: TrackerSettings) -> MotionPlan:
    """Return cleaned motions as they are, with the contact forces that explain them best.

    A plan brings forces closer to those that the simulated body needs, but motions further from captures: see
    docs/correct.md. It is worth that only if the body is simulated.
    """
    links = plan.body.select_links(cleaned.motions)
    contacts = plan_contacts(plan.body, links, plan.friction, plan.supports, settings.plan.contacts)
    return replace(plan, motions=links, contacts=contacts)


@dataclass(frozen=True, eq=False)
class Planner:
    """Planner that changes motions until contacts explain them.

    The body touches the floor and supports with friction. Motions are on the body's link tree.
    """

    body: Humanoid
    friction: float
    supports: Sequence[Sequence[Support]] = ()
    settings: PlanSettings = PLAN

    def filter_dynamics(self, motions: MotionBatch) -> MotionBatch:
        """Shift motions so that contacts explain more of them."""
        settings = self.settings.filter
        for _ in range(settings.rounds):
            plan, shift_m = self._compute_shift(motions)
            shift_m = _limit_motions(shift_m, settings.shift_limit_m)
            shifted = self._shift_root(motions, plan.demand.positions_m, plan.demand.orientations, shift_m)
            motions = self._turn_root(shifted, plan) if settings.turn_rad_s else shifted
        stance_planner = self._for_stances()
        for _ in range(settings.stance_rounds):
            plan, shift_m = stance_planner._compute_shift(motions, settings.stance_inset)
            speed_factor = speed_factors(motions.root_m, motions.fps, settings.stance_m_s, 2.0)
            shift_m *= 2.0 - speed_factor[..., None]
            shift_m = smooth_gaussian(shift_m, settings.stance_smoothing_s * motions.fps)
            shift_m = _limit_motions(shift_m, settings.shift_limit_m)
            motions = self._shift_root(motions, plan.demand.positions_m, plan.demand.orientations, shift_m)
        return motions

    def _for_stances(self) -> Planner:
        """Return the planner with the weights of slow shifts over standing feet."""
        contacts = replace(self.settings.contacts, moment_weight=self.settings.filter.stance_moment_weight)
        stance_filter = replace(self.settings.filter, shift_weight=self.settings.filter.stance_weight)
        stance_settings = replace(self.settings, contacts=contacts, filter=stance_filter)
        return replace(self, settings=stance_settings)

    def _compute_shift(self, motions: MotionBatch, inset: float = 0.0) -> tuple[ContactPlan, np.ndarray]:
        """Compute contacts, and shifts that let them explain more.

        Args:
            inset: As for `plan_contacts`.

        Returns:
            The contacts, and shifts (N, T, 3) of the centre of mass.
        """
        plan = plan_contacts(self.body, motions, self.friction, self.supports, self.settings.contacts.coarse, inset)
        mass_kg = self.body.total_mass_kg
        shifts_m = []
        for unexplained, forces_n in zip(plan.unexplained, plan.force_n, strict=True):
            contact_n = forces_n.sum(1)
            shifts_m.append(solve_centre_shift(unexplained, contact_n, mass_kg, motions.fps, self.settings.filter))
        return plan, np.stack(shifts_m)

    def bend_knees(self, motions: MotionBatch) -> MotionBatch:
        """Lower bodies over straight legs, while feet stay in place, until the knees are bent for a landing."""
        legs = Legs.from_skeleton(self.body.tree)
        positions_m, orientations = pose_joints(motions)
        hips_m, knees_m, ankles_m = (positions_m[:, :, joints] for joints in (legs.hips, legs.knees, legs.ankles))
        thighs_m, shanks_m = norms(knees_m - hips_m), norms(ankles_m - knees_m)
        squared_m2 = thighs_m**2 + shanks_m**2 + 2.0 * thighs_m * shanks_m * np.cos(_LANDING_BEND_RAD)
        excess_m = norms(ankles_m - hips_m) - np.sqrt(squared_m2)
        is_under = hips_m[..., 1] - ankles_m[..., 1] > thighs_m
        excess_m = np.where(is_under, np.maximum(excess_m, 0.0), 0.0).max(-1)
        return self._shift_root(
            motions, positions_m, orientations, -self._spread(excess_m, motions.fps)[..., None] * UP
        )

    def _spread(self, heights_m: np.ndarray, fps: float) -> np.ndarray:
        """Spread maxima of heights (N, T) over the time in which bodies are lifted."""
        window = 2 * round(self.settings.filter.lift_s * fps) + 1
        return gaussian_filter1d(maximum_filter1d(heights_m, window, axis=1), window / 4, axis=1)

    def lift_above_floor(self, motions: MotionBatch) -> MotionBatch:
        """Lift bodies whose trunk or thighs are below the ground."""
        body = self.body
        positions_m, orientations = pose_joints(motions)
        points = body.contact_points
        is_bulky = np.isin(points.links, body.trunk_and_thighs) & (points.radii_m > 0)
        lowest_points_m = points.lowest_points(positions_m, orientations)
        points_m = above_ground_m(body, lowest_points_m, self.supports)
        lowest_m = points_m[:, :, is_bulky, 1].min(-1)
        depth_m = np.maximum(-lowest_m, 0.0)
        shift_m = self._spread(depth_m, motions.fps)[..., None] * UP
        return self._shift_root(motions, positions_m, orientations, shift_m)

    def _shift_root(
        self, motions: MotionBatch, positions_m: np.ndarray, orientations: np.ndarray, shift_m: np.ndarray
    ) -> MotionBatch:
        """Move roots by (N, T, 3) while feet stay in place.

        Args:
            positions_m: (N, T, L, 3) of the links, world.
            orientations: (N, T, L, 4) of the links, world.
        """
        legs = Legs.from_skeleton(self.body.tree)
        ankles_m = positions_m[:, :, legs.ankles]
        rotations = solve_leg_ik(self.body.tree, positions_m, orientations, shift_m, ankles_m)
        return replace(motions, root_m=motions.root_m + shift_m, rotations=rotations)

    def _turn_root(self, motions: MotionBatch, plan: ContactPlan) -> MotionBatch:
        """Turn bodies so that contacts explain more of the moments.

        They turn about their centres of mass, and feet are left unchanged.
        """
        demand = plan.demand
        settings = self.settings.filter
        inertia_kgm2 = compute_whole_inertia(self.body, demand)
        turns_rad = solve_turns(plan.unexplained[..., 3:], inertia_kgm2, motions.fps, settings)
        turns = quaternions(turns_rad)[:, :, None]
        positions_m, orientations = pose_joints(motions)
        centre_m = demand.centre_m[:, :, None] + (motions.root_m - demand.positions_m[:, :, 0])[:, :, None]
        turned_m = centre_m + rotate(turns, positions_m - centre_m)
        ankles_m = positions_m[:, :, Legs.from_skeleton(self.body.tree).ankles]
        back = np.broadcast_to(invert(turns), (*ankles_m.shape[:-1], 4))
        rotations = solve_leg_ik(self.body.tree, turned_m, compose(turns, orientations), None, ankles_m, back)
        return replace(motions, root_m=turned_m[:, :, 0], rotations=rotations)

    def place_feet(self, motions: MotionBatch) -> MotionBatch:
        """Move feet so that carrying feet touch the ground."""
        body = self.body
        fps = motions.fps
        placement = self.settings.placement
        # With the forces of the filter's last round instead, feet of raw simulated states slide by 3 to 6 % more, and
        # 2 % of the time is saved. One round of the filter saves 2 % as well, for half as much root force again.
        plan = plan_contacts(body, motions, self.friction, self.supports, self.settings.contacts.coarse)
        corners = slice(len(body.soles))
        above_m = above_ground_m(body, plan.points_m, self.supports)
        heights_m = split_by_foot(above_m[:, :, corners, 1], axis=2)
        legs = Legs.from_skeleton(body.tree)
        ankles_m = plan.demand.positions_m[:, :, legs.ankles]
        points_m = split_by_foot(plan.points_m[:, :, corners])
        upward_n = split_by_foot(plan.force_n[:, :, corners, 1], axis=2)
        full_load_n = placement.full_load_bodyweights * body.total_mass_kg * GRAVITY_M_S2
        load = upward_n / full_load_n
        if placement.heel_s:
            heel_share = heel_load_share(load, fps, placement)
            load = np.maximum(load, heel_share[..., None])
        arms_m = points_m - ankles_m[..., None, :]
        rise_m, turns_rad = solve_foot_moves(heights_m, arms_m, load, fps, placement)
        if placement.clearance_m:
            rise_m += lift_swinging_feet_m(heights_m, points_m, load, fps, placement)
        turns = quaternions(turns_rad)
        targets_m = ankles_m + rise_m[..., None] * UP
        targets_m[..., [0, 2]] += hold_corners(points_m, load, fps, placement)
        rotations = solve_leg_ik(body.tree, plan.demand.positions_m, plan.demand.orientations, None, targets_m, turns)
        return replace(motions, rotations=rotations)


CUSHION_M = 0.06
"""Length and width of a cushion, in m."""


def add_cushions(body: Humanoid, motion: Motion, supports: Sequence[Support]) -> list[Support]:
    """Replace each seat by cushions below pelvis and thighs.

    The cushions of the thighs lie at the hips. Seats are soft, and carry thighs and pelvis together.
    Simulated links are rigid: on a level seat, a body would balance on the pelvis, or on the seat's edge below sloping
    thighs. A part far from the seat gets no cushion.
    """
    positions_m, orientations = pose_joints(motion)
    lowest_points_m = body.contact_points.lowest_points(positions_m, orientations)
    cushioned = []
    for support in supports:
        if support.part != "seat":
            cushioned.append(support)
            continue
        frames = slice(support.first, support.last + 1)
        cushions = []
        for part in ("pelvis", "left thigh", "right thigh"):
            bottom_m = lowest_points_m[frames, find_carried_points(body, part)].mean(axis=1)
            if part != "pelvis":
                bottom_m[:, 1] -= _depth_of_slope_m(body, positions_m[frames], part.removesuffix(" thigh"))
            x, height_m, z = median(bottom_m, axis=0).tolist()
            if -SOFT_PART_DEPTH_M < height_m - support.top_m[1] < MAX_SUPPORT_DISTANCE_M:
                cushions.append(replace(support, part=part, top_m=(x, height_m, z), size_m=(CUSHION_M, CUSHION_M)))
        cushioned += cushions or [support]
    return cushioned


def _depth_of_slope_m(body: Humanoid, positions_m: np.ndarray, side: str) -> np.ndarray:
    """Return how far (T,) a thigh slopes down within a cushion.

    The depth is measured from the lowest point at the hip.
    """
    hip = body.tree.joint(f"{side}_hip")
    thigh_m = positions_m[:, body.tree.joint(f"{side}_knee")] - positions_m[:, hip]
    slope = np.abs(thigh_m[:, 1]) / np.maximum(np.hypot(thigh_m[:, 0], thigh_m[:, 2]), 1e-3)
    points = body.contact_points
    radius_m = points.radii_m[points.links == hip].max()
    return radius_m * (np.sqrt(1 + slope**2) - 1) + 0.5 * CUSHION_M * slope


def _limit_motions(vectors: np.ndarray, limit: float) -> np.ndarray:
    """Scale down the vectors (N, T, 3) of each motion whose longest vector exceeds a limit."""
    return vectors * limit_factors(norms(vectors).max(1), limit)[:, None, None]


def solve_turns(moment_nm: np.ndarray, inertia_kgm2: np.ndarray, fps: float, settings: FilterSettings) -> np.ndarray:
    """Solve body rotations that let contacts explain moments.

    Rotations θ minimise ‖θ̈ + I⁻¹ r_τ‖² + ω⁴ ‖θ‖², and are scaled down to a bound.

    Args:
        moment_nm: (N, T, 3) unexplained moments r_τ.
        inertia_kgm2: (N, T, 3, 3) inertia I.
        settings: Angular frequency ω (`turn_rad_s`) and the bound.

    Returns:
        (N, T, 3) rotation vectors, world.
    """
    wanted_rad_s2 = -np.linalg.solve(inertia_kgm2, moment_nm[..., None])[..., 0]
    wanted = np.moveaxis(wanted_rad_s2, 1, 0)
    frames = len(wanted)
    bands = fps**4 * second_difference_bands(np.ones(frames - 2))
    bands[2] += settings.turn_rad_s**4
    right_side = apply_transposed_second_difference(fps**2 * wanted[1:-1])
    turns_rad = solve_banded(bands, right_side.reshape(frames, -1)).reshape(wanted.shape)
    return _limit_motions(np.moveaxis(turns_rad, 0, 1), settings.turn_limit_rad)


def solve_centre_shift(
    unexplained: np.ndarray, contact_n: np.ndarray, mass_kg: float, fps: float, settings: FilterSettings = PLAN.filter
) -> np.ndarray:
    """Solve shifts of the centre of mass that let contacts explain more.

    The shift δ minimises ‖r_F + M δ̈‖² + w ‖r_τ + δ × f‖² + λ ‖δ‖². Every
    term couples only neighbouring frames, so the normal equations are banded.

    Args:
        unexplained: (T, 6) unexplained force r_F and moment r_τ.
        contact_n: (T, 3) net contact force f.
        settings: Weights w (`moment_weight`) and λ (`shift_weight`).

    Returns:
        (T, 3) in m.
    """
    count = len(unexplained)
    pull = mass_kg * fps**2
    force = unexplained[:, :3]
    moment = unexplained[:, 3:]
    weight = settings.moment_weight
    bands = np.zeros((7, 3 * count))
    bands[[0, 3, 6]] = pull**2 * np.repeat(second_difference_bands(np.ones(count - 2)), 3, axis=1)
    squared_n2 = contact_n**2
    perpendicular = np.sum(squared_n2, axis=1, keepdims=True) - squared_n2
    bands[6] += settings.shift_weight + weight * perpendicular.ravel()
    x, y, z = contact_n.T
    bands[5, 1::3] = -weight * x * y
    bands[5, 2::3] = -weight * y * z
    bands[4, 2::3] = -weight * x * z
    right_side = -weight * cross(contact_n, moment)
    right_side[:-2] -= pull * force[1:-1]
    right_side[1:-1] += 2 * pull * force[1:-1]
    right_side[2:] -= pull * force[1:-1]
    return solve_banded(bands, right_side.ravel()).reshape(count, 3)


def heel_load_share(
    load: np.ndarray, fps: float, settings: PlacementSettings = RESIDUAL_FREE_PLAN.placement
) -> np.ndarray:
    """Return by how much to flatten feet that stand on the heel.

    Nobody carries on the heel alone for long. If the front of such a foot is in the air in a capture, the ankle is
    rotated wrongly.

    Args:
        load: (N, T, 2, K) 1 or more for corners that carry, those of the heel first.

    Returns:
        (N, T, 2) in [0, 1].
    """
    heel = load[..., :2].sum(-1)
    front = load[..., 2:].sum(-1)
    is_on_heel = (heel > 1.0) & (front < 0.2 * heel)
    shortest = max(1, round(settings.heel_s * fps))
    is_long = remove_short_runs(is_on_heel, shortest, axis=1)
    margin = round(settings.heel_margin_s * fps)
    around = 2 * margin + 1
    widest = maximum_filter1d(is_long.astype(float), around, axis=1)
    return gaussian_filter1d(widest, around / 4, axis=1)


def hold_corners(
    points_m: np.ndarray, load: np.ndarray, fps: float, settings: PlacementSettings = PLAN.placement
) -> np.ndarray:
    """Return horizontal displacements that hold loaded sole corners in place.

    Feet that no longer carry return to their earlier path.

    Args:
        points_m: (N, T, 2, K, 3) corners.
        load: (N, T, 2, K) 1 or more for corners that carry.

    Returns:
        (N, T, 2, 2) along x and z in m.
    """
    step_load = np.minimum(load[:, 1:], load[:, :-1])
    step_load = np.minimum(step_load, 1.0)
    total = step_load.sum(-1)
    velocities_m_s = floor_velocities_between_m_s(points_m, fps, axis=1)
    velocity_m_s = np.sum(step_load[..., None] * velocities_m_s, axis=-2) / np.maximum(total, 1e-9)[..., None]
    is_held_step = total > settings.min_hold_load
    carries = np.zeros(load.shape[:3], dtype=bool)
    carries[:, 1:] |= is_held_step
    carries[:, :-1] |= is_held_step
    speeds_m_s = frame_speeds(velocity_m_s)
    still_m = cancel_sliding(velocity_m_s, speeds_m_s, carries, fps)
    still_m *= limit_factors(norms(still_m), settings.hold_limit_m)[..., None]
    anchors_m = np.stack([still_m[..., 0], np.zeros(carries.shape), still_m[..., 1]], axis=-1)
    return bridge_swings(anchors_m, carries, fps)[..., [0, 2]]


def lift_swinging_feet_m(
    heights_m: np.ndarray, points_m: np.ndarray, load: np.ndarray, fps: float, settings: PlacementSettings
) -> np.ndarray:
    """Return rises (N, T, 2) that lift swinging feet clear of the ground.

    Args:
        heights_m: (N, T, 2, K) heights of the corners above the ground.
        points_m: (N, T, 2, K, 3) corners.
        load: (N, T, 2, K) 1 or more for corners that carry.
    """
    speeds_m_s = floor_speeds_m_s(points_m, fps, axis=1).max(-1)
    slow_m_s, fast_m_s = settings.swing_m_s
    swing = smoothstep((speeds_m_s - slow_m_s) / (fast_m_s - slow_m_s))
    is_carrying = load.max(-1) > 0
    swing *= ~is_carrying
    missing_m = np.maximum(settings.clearance_m * swing - np.maximum(heights_m.min(-1), 0.0), 0.0)
    widest_m = maximum_filter1d(missing_m, 3, axis=1)
    return gaussian_filter1d(widest_m, settings.smoothing_s * fps, axis=1)


def solve_foot_moves(
    heights_m: np.ndarray,
    arms_m: np.ndarray,
    load: np.ndarray,
    fps: float,
    settings: PlacementSettings = PLAN.placement,
) -> tuple[np.ndarray, np.ndarray]:
    """Solve foot moves that bring loaded corners to the ground.

    Ankles rise and feet turn so that sole corners come to height 0. The fit is a ridge regression. Corners that would
    then be below the ground are lifted out again.

    Args:
        heights_m: (N, T, 2, K) heights of the corners above the ground.
        arms_m: (N, T, 2, K, 3) corners relative to the ankle.
        load: (N, T, 2, K) 1 or more for corners that must touch.

    Returns:
        Rises (N, T, 2) of the ankles in m, and rotations (N, T, 2, 3) of the feet, rotation vectors about horizontal
        axes of the world.
    """
    lever_m = settings.lever_m
    weights = np.minimum(load, 1.0)
    reluctance = np.diag([settings.rise_weight, settings.turn_weight, settings.turn_weight])
    x, _, z = np.moveaxis(arms_m, -1, 0)
    effect = np.stack([np.ones_like(heights_m), -z / lever_m, x / lever_m], axis=-1)
    weighted = np.swapaxes(effect * weights[..., None], -1, -2)
    right_side = -weighted @ heights_m[..., None]
    normal_matrix = weighted @ effect + reluctance
    moves_m = np.linalg.solve(normal_matrix, right_side)[..., 0]
    moves_m = gaussian_filter1d(moves_m, settings.smoothing_s * fps, axis=1)
    turn_m = settings.turn_limit_rad * lever_m
    limits_m = np.array([settings.rise_limit_m, turn_m, turn_m])
    moves_m = np.clip(moves_m, -limits_m, limits_m)
    changes_m = effect @ moves_m[..., None]
    new_m = heights_m + changes_m[..., 0]
    old_depth_m = np.minimum(heights_m.min(-1), 0.0)
    new_depth_m = np.minimum(new_m.min(-1), 0.0)
    deeper_m = np.maximum(old_depth_m - new_depth_m, 0.0)
    pitch_rad = moves_m[..., 1] / lever_m
    roll_rad = moves_m[..., 2] / lever_m
    turns_rad = np.stack([pitch_rad, np.zeros_like(pitch_rad), roll_rad], axis=-1)
    return moves_m[..., 0] + deeper_m, turns_rad
