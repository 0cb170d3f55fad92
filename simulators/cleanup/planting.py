"""Feet on the ground, flat and in their places, and limbs above it.

Feet are planted on what is beneath them, and the legs follow. Knees, elbows and hands are tilted up where they are
below the floor, and a sunken trunk is lifted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import maximum_filter1d

from selfcorrect.motion.body.surface import SURFACE_RADII_M, sole_points
from selfcorrect.motion.geometry.kinematics import cached_poses, local_rotations
from selfcorrect.motion.geometry.rotations import compose, invert, quaternions, rotate, rotation_vectors
from selfcorrect.motion.geometry.rotations import steps_between as rotations_between
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.ground import Ground
from selfcorrect.motion.measures.contacts import standing_speeds_m_s
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.skeleton import Skeleton, strip_side

from ..body.curves import FRAME_S, blur, smooth_gaussian
from ..body.leg_ik import MAXIMUM_REACH, Legs, shortest_turn, solve_leg_ik
from ..body.soft_legs import solve_soft_legs
from ..body.soles import (
    corner_positions,
    frame_speeds,
    split_by_foot,
    stance_velocities,
)
from . import foot_lock
from .cleaning import CleanupState
from .foot_lock import FEET, SOFT, FootSettings, SoftLockSettings, limit_turns, lock_feet_softly
from .stance import PosedMotions, find_boxes_under_feet, has_boxes


@dataclass(frozen=True, eq=False)
class _FootTargets:
    """Where feet (N, T, 2) are wanted."""

    ankles_m: np.ndarray
    """(N, T, 2, 3)."""
    orientations: np.ndarray
    """(N, T, 2, 4) of the ankles, world."""
    firmness: np.ndarray
    """(N, T, 2) weight with which legs reach for them."""
    share: np.ndarray
    """(N, T, 2) in [0, 1] by how much feet are planted: not where nothing but a little is wrong."""


def plant_feet(
    posed: PosedMotions, ground_m: np.ndarray, settings: FootSettings, soft: SoftLockSettings | None
) -> MotionBatch:
    """Lay standing feet flat and hold them in place on the ground (N, T, 2) beneath them; the legs follow.

    What legs miss, and what stands only once it is held, is asked for again, of the legs as they were. So feet that are
    planted have errors much smaller than those of feet that are left alone, and another planting changes nothing.
    """
    posed = _bend_toes(posed, ground_m, settings, soft)
    if soft is None:
        return _plant_feet_per_frame(posed, ground_m, settings)
    feet = _compute_foot_targets(posed, posed, ground_m, settings, soft, np.zeros(ground_m.shape))
    made = _reach_foot_targets(posed, feet)
    for _ in range(soft.plantings - 1):
        feet = _compute_foot_targets(
            posed, PosedMotions.from_motions(made, posed.soles), ground_m, settings, soft, feet.share
        )
        made = _revert_where_faster(posed.motions, made, _reach_foot_targets(posed, feet), settings)
    return made


def _revert_where_faster(
    motions: MotionBatch, planted: MotionBatch, again: MotionBatch, settings: FootSettings
) -> MotionBatch:
    """Those planted again, but those planted before where joints that stood would get faster, as of feet on tiptoe."""
    once_m_s, twice_m_s = (
        np.array([standing_speeds_m_s(motions[each], made[each])[1] for each in range(len(motions.lengths))])
        for made in (planted, again)
    )
    kept = twice_m_s <= once_m_s + settings.sped_up_m_s[0]
    root_m = np.where(kept[:, None, None], again.root_m, planted.root_m)
    rotations = np.where(kept[:, None, None, None], again.rotations, planted.rotations)
    return replace(again, root_m=root_m, rotations=rotations)


def _reach_foot_targets(posed: PosedMotions, feet: _FootTargets) -> MotionBatch:
    """Motions whose legs reach for wanted feet."""
    motions, ankles = posed.motions, Legs.from_skeleton(posed.motions.skeleton).ankles
    turns = compose(feet.orientations, invert(posed.orientations[:, :, ankles]))
    pose = posed.positions_m, posed.orientations
    rises_m, rotations = solve_soft_legs(motions.skeleton, *pose, feet.ankles_m, turns, feet.firmness, motions.fps)
    return replace(motions, root_m=motions.root_m + rises_m[..., None] * (0.0, 1.0, 0.0), rotations=rotations)


def _plant_feet_per_frame(posed: PosedMotions, ground_m: np.ndarray, settings: FootSettings) -> MotionBatch:
    """Motions whose standing feet are held in each frame, however fast legs must follow."""
    motions, fps = posed.motions, posed.motions.fps
    legs, stands = Legs.from_skeleton(motions.skeleton), posed.detect_stances(settings, ground_m)
    ankles_m = posed.positions_m[:, :, legs.ankles]
    turns = foot_lock.flattening_rotations(posed.normals, _flat_share(posed, ground_m, stands, settings))
    velocity_m_s = stance_velocities(_rotate_feet(posed.feet_m, ankles_m, turns), fps)
    heights_m = posed.lowest_m(_rotate_feet(_solid_foot_points_m(posed), ankles_m, turns)) - ground_m
    moves_m = foot_lock.lock_feet(heights_m, velocity_m_s, frame_speeds(velocity_m_s), stands, fps, settings)
    targets_m = ankles_m + moves_m
    shift_m = _root_lowering_m(posed.positions_m, targets_m, legs, stands, fps, settings.lowering_limit_m)
    rotations = solve_leg_ik(motions.skeleton, posed.positions_m, posed.orientations, shift_m, targets_m, turns)
    return replace(motions, root_m=motions.root_m + shift_m, rotations=rotations)


def _compute_foot_targets(
    posed: PosedMotions,
    made: PosedMotions,
    ground_m: np.ndarray,
    settings: FootSettings,
    soft: SoftLockSettings,
    share: np.ndarray,
) -> _FootTargets:
    """Where feet are wanted of what was made of posed motions so far; what stood still in these stays so.

    share: (N, T, 2) the least by which they are planted.
    """
    fps, ankles = posed.motions.fps, Legs.from_skeleton(posed.motions.skeleton).ankles
    stands = made.detect_stances(settings, ground_m)
    before_m, ankles_m = posed.positions_m[:, :, ankles], made.positions_m[:, :, ankles]
    before, orientations = posed.orientations[:, :, ankles], made.orientations[:, :, ankles]
    turns = foot_lock.flattening_rotations(made.normals, _flat_share(made, ground_m, stands, settings))
    turns = compose(limit_turns(turns, soft.turn_rad, soft.turn_s, fps, soft), compose(orientations, invert(before)))
    unturned = foot_lock.stationarity(norms(rotations_between(before, 1)) * fps, stands, settings.unturned_rad_s)
    turns = quaternions(foot_lock.damp_while_still(rotation_vectors(turns), unturned, fps, settings))
    turned = compose(turns, compose(before, invert(orientations)))
    velocity_m_s = stance_velocities(_rotate_feet(made.feet_m, ankles_m, turned), fps)
    still_toes, off_m = _toe_stationarity(posed, stands, settings.unmoved_m_s), np.zeros_like(before_m)
    locked = _steps_to_frames(_toe_stationarity(posed, stands, settings.locked_m_s))
    if locked.any():
        locked *= foot_lock.confine_to_one_place(
            posed.positions_m[:, :, _find_toes(posed.motions.skeleton)], locked, stands
        )
        off_m = _toe_positions_m(made, ankles_m, turned) - posed.positions_m[:, :, _find_toes(posed.motions.skeleton)]
    heights_m = made.lowest_m(_rotate_feet(_solid_foot_points_m(made), ankles_m, turned)) - ground_m
    so_far_m = ankles_m - before_m
    moves_m = so_far_m + lock_feet_softly(heights_m, velocity_m_s, stands, locked, off_m[..., [0, 2]], fps, soft)
    moves_m = foot_lock.limit_drag(moves_m, soft) - so_far_m
    share = np.maximum(share, foot_lock.deadband(norms(moves_m), soft.small_m, fps, soft))
    moves_m = so_far_m + share[..., None] * moves_m
    # Where sole and ankle move apart, as when a foot is turned, holding the sole would drag the ankle.
    still = foot_lock.stationarity(norms(np.diff(before_m, axis=1)) * fps, stands, settings.unmoved_m_s)
    held_m = lifted_m = foot_lock.damp_while_still(moves_m, still, fps, settings)
    for _ in range(settings.rounds):
        still = np.maximum(still, foot_lock.detect_speed_up(before_m, held_m, stands, fps, settings))
        held_m = foot_lock.damp_while_still(moves_m, still, fps, settings)
    no_deeper_m = np.minimum(lifted_m[..., 1], so_far_m[..., 1] - heights_m)
    held_m[..., 1] = np.maximum(held_m[..., 1], no_deeper_m)
    if still_toes.any():
        turned_m = (
            _toe_positions_m(posed, before_m, turns) - posed.positions_m[:, :, _find_toes(posed.motions.skeleton)]
        )
        held_m = foot_lock.damp_while_still(held_m + turned_m, still_toes, fps, settings) - turned_m
        still = np.maximum(still, still_toes)
    firmness = blur(stands, 1.0, fps) * (1 + settings.firm * _steps_to_frames(still))
    return _FootTargets(before_m + held_m, compose(turns, before), firmness, share)


def _flat_share(posed: PosedMotions, ground_m: np.ndarray, stands: np.ndarray, settings: FootSettings) -> np.ndarray:
    """Share (N, T, 2) by which feet are laid flat: those that stand nearly so, and sunken ones that it lifts."""
    ankles_m, solid_m = (
        posed.positions_m[:, :, Legs.from_skeleton(posed.motions.skeleton).ankles],
        _solid_foot_points_m(posed),
    )
    flat_m = _rotate_feet(solid_m, ankles_m, foot_lock.flattening_rotations(posed.normals, np.ones(stands.shape)))
    heights_m, flat_heights_m = (posed.lowest_m(feet_m) - ground_m for feet_m in (solid_m, flat_m))
    return np.maximum(
        foot_lock.flat_share(posed.normals, stands, posed.motions.fps, settings),
        foot_lock.share_above(heights_m, flat_heights_m, posed.normals, posed.motions.fps, settings),
    )


def _bend_toes(
    posed: PosedMotions, ground_m: np.ndarray, settings: FootSettings, soft: SoftLockSettings | None
) -> PosedMotions:
    """Toes turned up where they would be below the ground (N, T, 2) and the ball of their foot is not.

    Of soles that were found only: usual ones need not be where feet are.
    """
    skeleton = posed.motions.skeleton
    toes = _find_toes(skeleton)
    if skeleton.soles_m is None or len(toes) < 2:
        return posed
    joints_m = posed.positions_m[:, :, toes]
    tips_m = posed.feet_m[..., 4:, :].mean(-2) - joints_m
    if posed.motions.ground is not None:
        ground_m = posed.motions.ground.beneath_m(posed.feet_m[..., 4:, :]).max(-1)
    lowest_m = np.minimum(posed.feet_m[..., 2:4, 1].min(-1), ground_m) - joints_m[..., 1]
    turns = foot_lock.toe_bends(tips_m, lowest_m, posed.normals, settings)
    turns = turns if soft is None else limit_turns(turns, soft.toe_rad, soft.toe_s, posed.motions.fps, soft)
    orientations = posed.orientations.copy()
    for side, toe in enumerate(toes):
        own = skeleton.descendants[toe]
        orientations[:, :, own] = compose(turns[:, :, [side]], orientations[:, :, own])
    feet_m = split_by_foot(corner_positions(posed.soles, posed.positions_m, orientations))
    return replace(posed, orientations=orientations, feet_m=feet_m)


def _toe_stationarity(posed: PosedMotions, stands: np.ndarray, bounds_m_s: tuple[float, float]) -> np.ndarray:
    """How surely, (N, T − 1, 2) in [0, 1], toe joints of standing feet are still from frame to frame."""
    toes = _find_toes(posed.motions.skeleton)
    if len(toes) < 2:
        return np.zeros_like(stands[:, 1:], dtype=float)
    speeds_m_s = norms(np.diff(posed.positions_m[:, :, toes], axis=1)) * posed.motions.fps
    return foot_lock.stationarity(speeds_m_s, stands, bounds_m_s)


def _steps_to_frames(still: np.ndarray) -> np.ndarray:
    """(N, T, 2) how surely feet are still before and after frames, from (N, T − 1, 2) between them."""
    return np.pad(np.minimum(still[:, 1:], still[:, :-1]), ((0, 0), (1, 1), (0, 0)))


def _toe_positions_m(posed: PosedMotions, ankles_m: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Toe joints (N, T, 2, 3) of feet that turn about their ankles (N, T, 2, 3)."""
    return ankles_m + rotate(turns, posed.positions_m[:, :, _find_toes(posed.motions.skeleton)] - ankles_m)


def _find_toes(skeleton: Skeleton) -> list[int]:
    """The toe joints that a skeleton has, left first."""
    return [joint for side in SIDES if (joint := skeleton.joint(f"{side}_foot")) is not None]


def _solid_foot_points_m(posed: PosedMotions) -> np.ndarray:
    """Feet (N, T, 2, K, 3) from the corners of fitted soles up to those of usual ones, which are lower in a foot that
    points back beyond the vertical.
    """
    usual = sole_points(posed.motions.skeleton)
    usual_m = split_by_foot(corner_positions(usual, posed.positions_m, posed.orientations))
    return np.concatenate([posed.feet_m, usual_m], axis=-2)


def _rotate_feet(feet_m: np.ndarray, ankles_m: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Feet (N, T, 2, K, 3) turned about their ankles (N, T, 2, 3)."""
    pivot_m = ankles_m[..., None, :]
    return pivot_m + rotate(turns[..., None, :], feet_m - pivot_m)


def _root_lowering_m(
    positions_m: np.ndarray, targets_m: np.ndarray, legs: Legs, stands: np.ndarray, fps: float, limit_m: float
) -> np.ndarray:
    """Root shift (N, T, 3), downwards, that brings a standing ankle within reach of its target.

    Of two that stand the nearer one: whose other leg is stretched out above the floor stands on this.
    """
    hips_m = positions_m[:, :, legs.hips]
    bones_m = np.stack([positions_m[:, :, lower] - positions_m[:, :, upper] for upper, lower in _leg_bones(legs)])
    furthest_m = MAXIMUM_REACH * norms(bones_m).sum(0)
    reach_m = np.maximum(furthest_m, norms(bones_m.sum(0)))
    shift_m = np.zeros_like(positions_m[:, :, 0])
    for _ in range(2):  # the smoothed shift falls a little short at first
        away_m = targets_m - hips_m - shift_m[:, :, None]
        drop_m = np.sqrt(np.maximum(reach_m**2 - away_m[..., 0] ** 2 - away_m[..., 2] ** 2, 1e-4))
        nearest_m = np.where(stands, np.maximum(-away_m[..., 1] - drop_m, 0.0), np.inf).min(-1)
        missing_m = np.where(stands.any(-1), nearest_m, 0.0)
        widest_m = maximum_filter1d(missing_m, max(3, round(3 * FRAME_S * fps)), axis=1)
        shift_m[..., 1] -= np.minimum(blur(widest_m, 1.5, fps), limit_m)
    return shift_m


def _leg_bones(legs: Legs) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    return (legs.hips, legs.knees), (legs.knees, legs.ankles)


TRUNK = ("pelvis", "spine1", "spine2", "spine3", "neck", "hip", "collar", "shoulder")


BONES = (("hip", "knee"), ("shoulder", "elbow"), ("elbow", "wrist"))


SIDES = ("left", "right")


SUNKEN_M = 0.004
"""Soft parts give way by so much."""


def trunk_lift(skeleton: Skeleton, positions_m: np.ndarray, fps: float) -> np.ndarray:
    """(N, T, 3) by which bodies must rise so that no trunk is below the floor; positions_m: (N, T, J, 3)."""
    parts = [
        (joint, SURFACE_RADII_M[part]) for joint, part in enumerate(map(strip_side, skeleton.parts)) if part in TRUNK
    ]
    joints, surface_m = np.array([joint for joint, _ in parts]), np.array([radius_m for _, radius_m in parts])
    depths_m = (surface_m - SUNKEN_M - positions_m[:, :, joints, 1]).max(-1)
    frames = max(3, round(3 * FRAME_S * fps))
    lift_m = blur(maximum_filter1d(np.maximum(depths_m, 0.0), frames, axis=1), 1.0, fps)
    return lift_m[..., None] * (0.0, 1.0, 0.0)


def raise_limbs(motions: MotionBatch, spread_s: float = 0.0) -> MotionBatch:
    """Motions whose knees, elbows and wrists are not below the floor, as far as their bones reach.

    spread_s: time over which a bone is tilted, and back; the end of an upright bone rises by nothing at first.
    """
    positions_m, orientations = cached_poses(motions)
    ends = [
        (_heights_m(motions.ground, positions_m[:, :, lower]) < surface_m - SUNKEN_M).any(1)
        for _, lower, surface_m in _find_bones(motions.skeleton)
    ]
    sunken = np.any(ends, axis=0)
    if not sunken.any():
        return motions
    rotations = motions.rotations.copy()
    rotations[sunken] = _raise_bones(motions, positions_m[sunken], orientations[sunken], spread_s * motions.fps)
    return replace(motions, rotations=rotations)


def _heights_m(ground: Ground | None, points_m: np.ndarray) -> np.ndarray:
    """Heights (...) of points (..., 3) above a ground that is known, or y = 0."""
    return points_m[..., 1] if ground is None else ground.above_m(points_m)


def _raise_bones(motions: MotionBatch, positions_m: np.ndarray, orientations: np.ndarray, spread: float) -> np.ndarray:
    """Local rotations (N, T, J, 4) of posed ones of the motions, (N, T, J, 3) and (N, T, J, 4), with sunken bones
    tilted up.

    spread: frames over which they are.
    """
    skeleton = motions.skeleton
    for upper, lower, surface_m in _find_bones(skeleton) * (2 if spread else 1):  # what is spread falls a little short
        bones_m = positions_m[:, :, lower] - positions_m[:, :, upper]
        missing_m = np.maximum(surface_m - SUNKEN_M - _heights_m(motions.ground, positions_m[:, :, lower]), 0.0)
        if spread and not missing_m.any():
            continue
        if spread:
            missing_m = maximum_filter1d(missing_m, 2 * round(2 * spread) + 1, axis=1)
        raised_m = _tilt_bones(bones_m, missing_m, orientations[:, :, upper])
        turns = shortest_turn(bones_m, raised_m)
        if spread:
            turns = quaternions(smooth_gaussian(rotation_vectors(turns), spread))
            raised_m = rotate(turns, bones_m)
        end = skeleton.descendants[lower]
        turned = skeleton.descendants[upper] & ~end
        orientations[:, :, turned] = compose(turns[:, :, None], orientations[:, :, turned])
        positions_m[:, :, end] += (raised_m - bones_m)[:, :, None]
    return local_rotations(skeleton, orientations)


def _find_bones(skeleton: Skeleton) -> list[tuple[int, int, float]]:
    """Upper and lower joint of each bone that the skeleton has, and the surface radius around the lower."""
    named = [(skeleton.joint(f"{side}_{a}"), skeleton.joint(f"{side}_{b}"), b) for side in SIDES for a, b in BONES]
    lengths_m = np.linalg.norm(skeleton.offsets_m, axis=1)
    return [
        (upper, lower, SURFACE_RADII_M[part])
        for upper, lower, part in named
        if upper is not None and lower is not None and lengths_m[lower] > 0
    ]


def _tilt_bones(bones_m: np.ndarray, higher_m: np.ndarray, orientations: np.ndarray) -> np.ndarray:
    """Bones (..., 3) turned so that they end higher by (...), towards where they point or else the joint's front."""
    lengths_m = norms(bones_m)
    heights_m = np.clip(bones_m[..., 1] + higher_m, -lengths_m, lengths_m)
    front = rotate(orientations, np.array([0.0, 0.0, 1.0]))
    across_m = (bones_m + 1e-3 * lengths_m[..., None] * front) * (1.0, 0.0, 1.0)
    across_m /= np.maximum(norms(across_m)[..., None], 1e-9)
    raised_m = across_m * np.sqrt(lengths_m**2 - heights_m**2)[..., None]
    raised_m[..., 1] = heights_m
    return np.where((higher_m > 0)[..., None], raised_m, bones_m)


@dataclass(frozen=True)
class LiftTrunk:
    """Raises bodies whose trunks are in the floor, by their greatest depth around each frame, smoothed."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        posed = cleaning.posed
        lift_m = trunk_lift(posed.motions.skeleton, posed.standing_m(posed.positions_m), posed.motions.fps)
        return cleaning.with_posed_motions(posed.shift(lift_m))


@dataclass(frozen=True)
class PlantFeet:
    """Puts feet that stand flat, still and on the ground beneath them; legs follow by inverse kinematics.

    Also names the boxes of a ground that is known as what carries them.
    """

    feet: FootSettings = FEET
    """When feet stand, and how they are held."""
    soft: SoftLockSettings | None = SOFT
    """How feet are held without haste; None holds them at once, as motions for a simulation alone may be."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        level = cleaning.posed
        known = cleaning.mode.moves_to_floor or level.motions.ground is not None
        # Where heights are left alone, a foot that hovers a little may stand on whatever is there.
        ground_m = np.clip(level.feet_m[..., 1].min(-1), 0.0, 0.0 if known else self.feet.standing_m)
        planted = replace(cleaning, motions=self.plant_on(level, ground_m), unplanted=level)
        return replace(planted, supports=find_boxes_under_feet(planted.posed)) if has_boxes(level.motions) else planted

    def plant_on(self, level: PosedMotions, ground_m: np.ndarray) -> MotionBatch:
        """The motions with feet on a ground at heights (N, T, 2) beneath them."""
        return plant_feet(level, ground_m, self.feet, self.soft)


@dataclass(frozen=True)
class LiftLimbs:
    """Tilts bones of limbs that are in the floor until their ends lie on it."""

    spread_s: float = 0.08
    """Time over which a bone is tilted, and back, a standard deviation; 0 for at once."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        return replace(cleaning, motions=raise_limbs(cleaning.motions, self.spread_s))
