"""Plant standing feet flat and still on the ground beneath them; the legs follow."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from selfcorrect.motion.body.surface import heel_relief_m, sole_points
from selfcorrect.motion.geometry.filters import maximum_filter1d
from selfcorrect.motion.geometry.rotations import compose, rotate, slerp
from selfcorrect.motion.geometry.runs import holds_throughout
from selfcorrect.motion.geometry.vectors import UP, median, norms, sum_points
from selfcorrect.motion.inverse_kinematics import MAXIMUM_REACH
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.perception.observation import observe, observe_feet

from ..body.curves import FRAME_S, blur
from ..body.leg_ik import Legs, solve_leg_ik
from ..body.soft_legs import solve_soft_legs
from ..body.soles import corner_positions, frame_speeds, split_by_foot, stance_velocities
from ..stages.changes import deadband, keep_changes
from . import foot_lock
from .cleaning import CleanupState
from .foot_lock import limit_turns, lock_feet_softly
from .levelling import LevelFloor
from .stance import SOLE_NEAR_M, PosedMotions, find_boxes_under_feet, has_boxes

_TIPS_BELOW_BALL_M = 0.02
"""Depth below the ball at which tips stop lifting the foot, in m."""
_LEAST_GAIN = 0.2
"""Smallest relative gain in sole sliding. Feet are planted for this gain or one of the others."""
_LEAST_JOINT_GAIN = 0.12
"""Smallest relative gain in joint sliding. Feet are planted for this gain, too."""
_LEAST_GAIN_M_S = 0.03
"""Smallest absolute gain in sliding, in m/s. Neither relative gain counts below it."""
_LEAST_GAIN_M = 0.004
"""Smallest gain in sole height, in m, as a mean over standing soles. Of CMU's training clips, pieces of 12 s, 9 in 10
gain less than all three when corrected again."""
_LEAST_LOCAL_GAIN_M_S = 0.15
"""Smallest local gain in sliding, in m/s. It lasts for `local_s`: one slide in a long motion hardly changes the means.
Of those clips, 9 in 10 gain less than this and the next one, too."""
_LEAST_LOCAL_GAIN_M = 0.02
"""Smallest local gain in height, in m. A standing or lower sole is nearer to the usual height for `local_s`."""
_LOCAL_S = 0.2
"""Duration of the averages of these two gains."""
_LOWERING_LIMIT_M = 0.05
"""Maximum lowering of the root, in m. It serves a standing foot out of reach."""
_TURN_RAD = 0.15
"""Largest angle that feet are turned to, softly."""
_TURN_S = 0.06
"""Smoothing time of foot rotations, in s."""
_STEEP_SHANK = 0.6
"""Minimum steepness of a shank that carries weight: the rise as a share of the length."""
_TOE_RAD = 0.8
"""Largest angle that toes are turned to, softly."""
_TOE_S = 0.08
"""Smoothing time of toe rotations, in s."""
_TOE_BENDS = 3
"""Number of rounds of bending toes. A short bend that is spread over time falls short at first."""
_STILL_SLIDES_M_S = 0.12
"""Sliding speed that needs a second planting, in m/s. Captures do not depend on the second round. Without it, standing
feet of noisy motions slide at 59 instead of 51 mm/s."""
_SMALL_M = (0.002, 0.009)
"""Foot moves that are left out, in m. The first counts for motions whose noise was removed, the second for others."""
_LARGE_M = (0.004, 0.015)
"""Foot moves that are made fully, in m."""


_NEVER = 1e-3
"""Minimum standing probability of both foot parts."""
_REPEATS_M = 1e-5
"""Maximum joint move of a repeated frame, in m."""


def plant_feet(
    posed: PosedMotions,
    ground_m: np.ndarray,
    *,
    is_soft: bool,
    reference: PosedMotions | None = None,
    smoothed: np.ndarray | None = None,
) -> MotionBatch:
    """Plant standing feet flat on the ground.

    They are held in place on the ground beneath; the legs follow.

    Args:
        ground_m: (N, T, 2) height of the ground beneath each foot.
        is_soft: Whether feet are locked softly, or else frame by frame.
        reference: Motions whose knees show which speeds softly locked legs may gain; by default the motions.
        smoothed: (N,) motions whose noise was removed; by default none. What is left of it moves feet slowly.

    Returns:
        The motions with planted feet.
    """
    bent = _bend_toes(posed, ground_m, is_soft=is_soft)
    if not is_soft:
        return _plant_feet_per_frame(bent, ground_m)
    return _plant_feet_softly(
        bent, ground_m, reference or bent, np.zeros(1, dtype=bool) if smoothed is None else smoothed
    )


def _revert_gainless_planting(
    given: PosedMotions, planted: MotionBatch, ground_m: np.ndarray, *, is_floor_known: bool
) -> MotionBatch:
    """Undo planting that gains nothing.

    Motions with soles that stood nearly as well before come out unchanged. The height of an estimated floor does not
    count: that height is never known to the centimetre, and seems to be another one once feet are planted. So a second
    correction gains nothing and changes nothing. Frames that repeat the frame before say nothing. Motions with known
    contacts are always planted.

    The choice of whole corrections comes too late: standing feet of noisy captures would slide at 65 instead of 76
    mm/s, but bodies in endless flight would be moved by 34 mm, and second corrections would change noisy motions.

    Args:
        given: N motions of T frames with poses, before planting.
        ground_m: (N, T, 2) height of the ground beneath each foot.
        is_floor_known: Whether the ground is exactly at these heights.
    """
    if given.motions.contacts is not None:
        return planted
    steps_m = np.abs(np.diff(given.positions_m, axis=1)).max((2, 3))
    is_sampled = np.pad(steps_m > _REPEATS_M, ((0, 0), (1, 0)), constant_values=True)
    stands = given.stands_on(ground_m) & is_sampled[..., None]
    posed_again = PosedMotions.from_motions(planted, given.soles)
    heights_m = _heights_of_solid_feet_m(given, _solid_foot_points_m(given), ground_m)
    planted_heights_m = _heights_of_solid_feet_m(posed_again, _solid_foot_points_m(posed_again), ground_m)
    is_worthwhile = []
    for index, motion_stands in enumerate(stands):
        usual_m = 0.0 if is_floor_known else None
        errors_before = _StandingErrors.measure(motion_stands, given.speeds_m_s[index], heights_m[index], usual_m)
        errors_after = _StandingErrors.measure(
            motion_stands, posed_again.speeds_m_s[index], planted_heights_m[index], usual_m
        )
        is_gain = _is_gain(errors_before, errors_after, given.motions.fps)
        if not is_gain:
            observation = observe(given.motions[index])
            before_m_s = observation.standing_speed_m_s(given.motions[index])
            after_m_s = observation.standing_speed_m_s(planted[index])
            least_gain_m_s = _LEAST_GAIN_M_S * is_sampled[index].mean()
            is_gain = before_m_s - after_m_s > max(_LEAST_JOINT_GAIN * before_m_s, least_gain_m_s)
        is_worthwhile.append(is_gain)
    return keep_changes(given.motions, planted, np.array(is_worthwhile))


def _find_long_slides(given: PosedMotions, planted: MotionBatch) -> np.ndarray:
    """Find planted motions (N,) that still slide fast on standing feet: long slides take two rounds."""
    slides = np.zeros(len(planted), dtype=bool)
    for index in range(len(planted)):
        is_planted = not np.array_equal(given.motions.rotations[index], planted.rotations[index])
        standing = observe(given.motions[index])
        slides[index] = is_planted and standing.standing_speed_m_s(planted[index]) > _STILL_SLIDES_M_S
    return slides


@dataclass(frozen=True, eq=False)
class _StandingErrors:
    """Foot errors of one motion.

    They are 0 where a foot does not stand.
    """

    stands: np.ndarray
    """(T, 2) stances of the given motion."""
    is_low: np.ndarray
    """(T, 2) whether a foot stands or is low. It is lower than feet that stand usually are."""
    speeds_m_s: np.ndarray
    """(T, 2) of the soles that stand."""
    offsets_m: np.ndarray
    """(T, 2) height error of low soles, in m relative to the usual height of soles that stand."""

    @classmethod
    def measure(
        cls, stands: np.ndarray, speeds_m_s: np.ndarray, heights_m: np.ndarray, usual_m: float | None
    ) -> _StandingErrors:
        """Measure the errors of one motion.

        Args:
            stands: (T, 2) stances of the motion.
            speeds_m_s: (T, 2) of the soles along the floor.
            heights_m: (T, 2) of the feet's lowest solid points above the ground.
            usual_m: Height of soles that stand, None for the median.
        """
        if usual_m is None:
            usual_m = float(median(heights_m[stands])) if stands.any() else -np.inf
        is_low = stands | (heights_m < usual_m)
        offsets_m = np.where(is_low, np.abs(heights_m - usual_m), 0.0)
        return cls(stands, is_low, np.where(stands, speeds_m_s, 0.0), offsets_m)

    @property
    def speed_m_s(self) -> float:
        """Mean speed of standing soles."""
        return float(self.speeds_m_s[self.stands].mean()) if self.stands.any() else 0.0

    @property
    def offset_m(self) -> float:
        """Mean distance of low soles from the usual height."""
        return float(self.offsets_m[self.is_low].mean()) if self.is_low.any() else 0.0


def _is_gain(before: _StandingErrors, after: _StandingErrors, fps: float) -> bool:
    """Return whether feet stand better afterwards.

    They do on average or for a while.

    Args:
        before: Errors of the given motion.
        after: Errors of the planted motion, in the same stances.
    """
    slowed_m_s = before.speed_m_s - after.speed_m_s
    if slowed_m_s > max(_LEAST_GAIN * before.speed_m_s, _LEAST_GAIN_M_S):
        return True
    if after.offset_m < before.offset_m - _LEAST_GAIN_M:
        return True
    window = max(1, round(_LOCAL_S * fps))
    slowed_for_a_while_m_s = _largest_lasting_value(before.speeds_m_s - after.speeds_m_s, before.stands, window)
    nearer_m = _largest_lasting_value(before.offsets_m - after.offsets_m, before.is_low, window)
    return slowed_for_a_while_m_s > _LEAST_LOCAL_GAIN_M_S or nearer_m > _LEAST_LOCAL_GAIN_M


def _largest_lasting_value(values: np.ndarray, is_valid: np.ndarray, window: int) -> float:
    """Return the largest lasting mean.

    It is over as many valid frames in a row as the window has; values are (T, 2). It is 0 without any.
    """
    if len(values) < window:
        return 0.0
    means = sliding_window_view(values, window, axis=0).mean(axis=-1)
    return float(np.max(means[holds_throughout(is_valid, window)], initial=0.0))


def _plant_feet_softly(
    posed: PosedMotions, ground_m: np.ndarray, reference: PosedMotions, smoothed: np.ndarray
) -> MotionBatch:
    """Plant feet as softly as legs follow.

    A foot that stands is held in place along the ground at any height, and put down if the ground is near.
    """
    motions = posed.motions
    fps = motions.fps
    ankles = Legs.from_skeleton(motions.skeleton).ankles
    ankles_m = posed.positions_m[:, :, ankles]
    stands = posed.stands_on(ground_m)
    flattening = foot_lock.flattening_rotations(posed.normals, _flat_share(posed, ground_m, stands))
    turns = limit_turns(flattening, _TURN_RAD, _TURN_S, fps)
    turns = _roll_feet_back(posed, turns, stands)
    turned_feet_m = _rotate_feet(_solid_foot_points_m(posed), ankles_m, turns)
    heights_m = _heights_of_solid_feet_m(posed, turned_feet_m, ground_m)
    lock_m = foot_lock.limit_drag(
        lock_feet_softly(heights_m, _held_velocities(posed, turns), stands, posed.stands, fps)
    )
    small_m, large_m = (np.where(smoothed, *sizes_m)[:, None, None] for sizes_m in (_SMALL_M, _LARGE_M))
    share = deadband(norms(lock_m), (small_m, large_m), fps)
    if motions.contacts is not None:
        share = np.where(np.isinf(motions.contacts), 1.0, share)
    moves_m = share[..., None] * lock_m
    # A part of a foot that was still stays so, however the remaining foot is turned and raised.
    toes = motions.skeleton.pair("foot")
    held_m = posed.positions_m[:, :, ankles if toes is None else toes]
    arms_m = held_m - ankles_m
    turned_m = rotate(turns, arms_m) - arms_m
    moves_m = foot_lock.damp_while_still(moves_m + turned_m, held_m, stands, fps) - turned_m
    rises_m, rotations = solve_soft_legs(
        motions.skeleton,
        posed.positions_m,
        posed.orientations,
        ankles_m + moves_m,
        turns,
        blur(posed.stands, 1.0, fps),
        fps,
        reference_m=reference.positions_m,
    )
    return replace(motions, root_m=motions.root_m + rises_m[..., None] * UP, rotations=rotations)


def _plant_feet_per_frame(posed: PosedMotions, ground_m: np.ndarray) -> MotionBatch:
    """Plant feet in each frame; legs follow, however fast they must."""
    motions = posed.motions
    fps = motions.fps
    legs = Legs.from_skeleton(motions.skeleton)
    stands = posed.stands_on(ground_m)
    ankles_m = posed.positions_m[:, :, legs.ankles]
    flat_share = _flat_share(posed, ground_m, stands)
    turns = foot_lock.flattening_rotations(posed.normals, flat_share)
    turned_soles_m = _rotate_feet(posed.feet_m, ankles_m, turns)
    velocity_m_s = stance_velocities(turned_soles_m, fps)
    solid_feet_m = _solid_foot_points_m(posed)
    turned_feet_m = _rotate_feet(solid_feet_m, ankles_m, turns)
    heights_m = _heights_of_solid_feet_m(posed, turned_feet_m, ground_m)
    speeds_m_s = frame_speeds(velocity_m_s)
    moves_m = foot_lock.lock_feet(heights_m, velocity_m_s, speeds_m_s, stands, fps)
    targets_m = ankles_m + moves_m
    shift_m = _root_lowering_m(posed.positions_m, targets_m, legs, stands, fps, _LOWERING_LIMIT_M)
    rotations = solve_leg_ik(motions.skeleton, posed.positions_m, posed.orientations, shift_m, targets_m, turns)
    return replace(motions, root_m=motions.root_m + shift_m, rotations=rotations)


def _held_velocities(posed: PosedMotions, turns: np.ndarray) -> np.ndarray:
    """Return velocities of each foot's held part.

    They are horizontal (N, T − 1, 2 feet, 2). That is the toe joint while the toe stands, and the heel while only the
    heel stands. Feet without toe joints are held by the slowest lower corner.

    turns: (N, T, 2, 4) turns about the ankles that are still to come.
    """
    fps = posed.motions.fps
    ankles_m = posed.positions_m[:, :, Legs.from_skeleton(posed.motions.skeleton).ankles]
    soles_m = _rotate_feet(posed.feet_m, ankles_m, turns)
    toes = posed.motions.skeleton.pair("foot")
    if toes is None:
        return stance_velocities(soles_m, fps)
    toes_m = _rotate_feet(posed.positions_m[:, :, toes][..., None, :], ankles_m, turns)[..., 0, :]
    heels_m = sum_points(soles_m[..., _CORNERS_OF_HEEL, :]) / 2
    heel, toe = np.moveaxis(posed.standing, -1, 0)
    toe_share = (toe + _NEVER) / (toe + heel * (1 - toe) + 2 * _NEVER)
    toe_share = 0.5 * (toe_share[:, 1:] + toe_share[:, :-1])[..., None]
    heel_steps_m = np.diff(heels_m[..., [0, 2]], axis=1)
    toe_steps_m = np.diff(toes_m[..., [0, 2]], axis=1)
    return fps * (heel_steps_m + toe_share * (toe_steps_m - heel_steps_m))


def _flat_share(posed: PosedMotions, ground_m: np.ndarray, stands: np.ndarray) -> np.ndarray:
    """Return how fully feet are flattened (N, T, 2).

    Feet are nearly flat, or sunken and lifted by this.
    """
    fps = posed.motions.fps
    ankles_m = posed.positions_m[:, :, Legs.from_skeleton(posed.motions.skeleton).ankles]
    solid_m = _solid_foot_points_m(posed)
    fully_flat = foot_lock.flattening_rotations(posed.normals, np.ones(stands.shape))
    flat_m = _rotate_feet(solid_m, ankles_m, fully_flat)
    heights_m = _heights_of_solid_feet_m(posed, solid_m, ground_m)
    flat_heights_m = _heights_of_solid_feet_m(posed, flat_m, ground_m)
    standing_share = foot_lock.flat_share(posed.normals, stands, fps)
    lifting_share = foot_lock.share_above(heights_m, flat_heights_m, posed.normals, fps)
    return np.maximum(standing_share, lifting_share)


def _roll_feet_back(posed: PosedMotions, turns: np.ndarray, stands: np.ndarray) -> np.ndarray:
    """Roll feet back whose soles do not stand.

    Heels and toes of such feet surely stand. Returns rotations (N, T, 2, 4) that roll them back, too. Joints show that
    such a foot stands, and nothing shows its roll: files made from joint positions choose it freely. Feet below level
    shanks, as of a body that sits cross-legged, do lie on their edges.
    """
    toes = posed.motions.skeleton.pair("foot")
    if toes is None:
        return turns
    legs = Legs.from_skeleton(posed.motions.skeleton)
    ankles_m = posed.positions_m[:, :, legs.ankles]
    shanks_m = posed.positions_m[:, :, legs.knees] - ankles_m
    bears = shanks_m[..., 1] > _STEEP_SHANK * norms(shanks_m)
    stands_flat = observe_feet(posed.motions, lambda observation: observation.stands_flat)
    share = foot_lock.rolled_share(posed.normals, stands & stands_flat & bears, _TURN_S, posed.motions.fps)
    if not share.any():
        return turns
    rolls = foot_lock.rolling_rotations(posed.normals, posed.positions_m[:, :, toes] - ankles_m)
    return slerp(turns, rolls, share[..., None])


def _bend_toes(posed: PosedMotions, ground_m: np.ndarray, *, is_soft: bool) -> PosedMotions:
    """Bend toes up from the ground (N, T, 2).

    They would be below the ground although the ball of the foot is not. Only fitted soles are bent: those by default
    need not be where the feet are.
    """
    skeleton = posed.motions.skeleton
    toes = skeleton.pair("foot")
    if skeleton.soles_m is None or toes is None:
        return posed
    ground = posed.motions.ground
    for _ in range(_TOE_BENDS if is_soft else 1):
        joints_m = posed.positions_m[:, :, toes]
        tips_m = posed.feet_m[..., 4:, :]
        if ground is not None:
            ground_m = ground.beneath_m(tips_m).max(-1)
        balls_m = posed.feet_m[..., 2:4, 1].min(-1)
        lowest_m = np.minimum(balls_m, ground_m) - joints_m[..., 1]
        turns = foot_lock.toe_bends(tips_m.mean(-2) - joints_m, lowest_m, posed.normals)
        if is_soft:
            turns = limit_turns(turns, _TOE_RAD, _TOE_S, posed.motions.fps)
        orientations = posed.orientations.copy()
        for side, toe in enumerate(toes):
            below_toe = skeleton.descendants[toe]
            orientations[:, :, below_toe] = compose(turns[:, :, [side]], orientations[:, :, below_toe])
        feet_m = split_by_foot(corner_positions(posed.soles, posed.positions_m, orientations))
        posed = replace(posed, orientations=orientations, feet_m=feet_m)
    return posed


def _solid_foot_points_m(posed: PosedMotions) -> np.ndarray:
    """Return solid foot points (N, T, 2, K, 3).

    They run from the corners of fitted soles up to those of default soles. The latter are lower in a foot that points
    back beyond the vertical.
    """
    default_soles = sole_points(posed.motions.skeleton)
    default_corners_m = corner_positions(default_soles, posed.positions_m, posed.orientations)
    return np.concatenate([posed.feet_m, split_by_foot(default_corners_m)], axis=-2)


_CORNERS_OF_HEEL = slice(0, 2)
"""Corners at the heel of a foot."""
_CORNERS_OF_BALL = slice(2, 4)
"""Corners at the ball of a foot with toes. Corners of the tip follow."""


def _heights_of_solid_feet_m(posed: PosedMotions, points_m: np.ndarray, ground_m: np.ndarray) -> np.ndarray:
    """Return heights (N, T, 2) of solid feet.

    The lowest solid points are measured above the ground. Heels are round. Toe tips that are sunk count as no deeper
    below the ball than toes that cannot be bent far enough. Toe tips never lift a foot with a ball higher than that
    above the ground: a foot that points down would hang.

    Args:
        points_m: (N, T, 2, K, 3) points from `_solid_foot_points_m`, however turned.
        ground_m: (N, T, 2) height of the ground beneath each foot.
    """
    heights_m = posed.standing_m(points_m)[..., 1] - ground_m[..., None]
    corners = posed.feet_m.shape[-2]
    if posed.motions.skeleton.soles_m is None or corners <= _CORNERS_OF_BALL.stop:
        return heights_m.min(-1)
    heels_m = sum_points(points_m[..., _CORNERS_OF_HEEL, :]) / 2
    balls_m = sum_points(points_m[..., _CORNERS_OF_BALL, :]) / 2
    relief_m = heel_relief_m(heels_m, balls_m)
    for first in (0, corners):
        heights_m[..., first : first + _CORNERS_OF_HEEL.stop] += relief_m[..., None]
    lowest_m = heights_m.min(-1)
    deepest_m = heights_m[..., _CORNERS_OF_BALL].min(-1, keepdims=True) - _TIPS_BELOW_BALL_M
    for first in (_CORNERS_OF_BALL.stop, corners + _CORNERS_OF_BALL.stop):
        tips = slice(first, first + 2)
        heights_m[..., tips] = np.maximum(heights_m[..., tips], deepest_m)
    return np.where(lowest_m < 0, np.minimum(heights_m.min(-1), 0.0), lowest_m)


def _rotate_feet(feet_m: np.ndarray, ankles_m: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Rotate feet (N, T, 2, K, 3) about the ankles (N, T, 2, 3)."""
    pivot_m = ankles_m[..., None, :]
    return pivot_m + rotate(turns[..., None, :], feet_m - pivot_m)


def _root_lowering_m(
    positions_m: np.ndarray, targets_m: np.ndarray, legs: Legs, stands: np.ndarray, fps: float, limit_m: float
) -> np.ndarray:
    """Lower roots (N, T, 3) until ankles reach.

    A standing ankle comes within reach of its target. If both feet stand, the nearer ankle decides: a body with one leg
    stretched out above the floor stands on the other.

    Args:
        positions_m: (N, T, J, 3) joints.
        targets_m: (N, T, 2, 3) targets of the ankles.
        stands: (N, T, 2) stances.
        limit_m: Furthest that the root is lowered.
    """
    hips_m = positions_m[:, :, legs.hips]
    knees_m = positions_m[:, :, legs.knees]
    bones_m = np.stack([knees_m - hips_m, positions_m[:, :, legs.ankles] - knees_m])
    furthest_m = MAXIMUM_REACH * norms(bones_m).sum(0)
    reach_m = np.maximum(furthest_m, norms(bones_m.sum(0)))
    shift_m = np.zeros_like(positions_m[:, :, 0])
    widest_frames = max(3, round(3 * FRAME_S * fps))
    for _ in range(2):  # the smoothed shift falls a little short at first
        away_m = targets_m - hips_m - shift_m[:, :, None]
        drop_m = np.sqrt(np.maximum(reach_m**2 - away_m[..., 0] ** 2 - away_m[..., 2] ** 2, 1e-4))
        excess_m = np.maximum(-away_m[..., 1] - drop_m, 0.0)
        nearest_m = np.where(stands, excess_m, np.inf).min(-1)
        missing_m = np.where(stands.any(-1), nearest_m, 0.0)
        widest_m = maximum_filter1d(missing_m, widest_frames, axis=1)
        shift_m[..., 1] -= np.minimum(blur(widest_m, 1.5, fps), limit_m)
    return shift_m


@dataclass(frozen=True)
class PlantFeet:
    """Plant standing feet flat and still.

    They are put on the ground beneath them; legs follow by inverse kinematics. The boxes of a known ground that carry
    the feet become the motions' supports.
    """

    is_soft: bool = True
    """Lock feet softly. Hard locks are enough for motions that only a simulation follows."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        level = cleaning.posed
        is_ground_level = cleaning.mode.moves_to_floor or level.motions.ground is not None
        # If heights are left alone, a foot that hovers a little may stand on whatever is there.
        highest_m = 0.0 if is_ground_level else SOLE_NEAR_M
        is_floor_known = cleaning.mode.moves_to_floor and cleaning.find_step(LevelFloor) is None
        is_floor_known = is_floor_known or level.motions.ground is not None

        def plant(posed: PosedMotions) -> MotionBatch:
            ground_m = np.clip(posed.feet_m[..., 1].min(-1), 0.0, highest_m)
            planted = plant_feet(posed, ground_m, is_soft=self.is_soft, reference=level, smoothed=cleaning.smoothed)
            if not self.is_soft:
                return planted
            return _revert_gainless_planting(posed, planted, ground_m, is_floor_known=is_floor_known)

        planted_motions = plant(level)
        # Long slides take two rounds, and motions without their noise show further stances once feet are planted.
        if self.is_soft and (is_unsettled := _find_long_slides(level, planted_motions) | cleaning.noisy).any():
            again = plant(PosedMotions.from_motions(planted_motions, level.soles))
            planted_motions = keep_changes(planted_motions, again, is_unsettled)
        planted = replace(cleaning, motions=planted_motions, unplanted=level)
        if not has_boxes(level.motions):
            return planted
        return replace(planted, supports=find_boxes_under_feet(planted.posed))
