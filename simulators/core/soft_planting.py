"""Plant feet softly, so that legs can follow.

Displacements start and end no faster than a foot can follow. Each is a least-squares solution that cancels sliding,
lifts sunken feet, and changes smoothly over time. Arrays are (N, T, 2): motion, frame, left and right foot. Heights are
above the ground.
"""

from dataclasses import replace

import numpy as np

from selfcorrect.motion.geometry.curves import blur, second_difference_bands, smoothstep
from selfcorrect.motion.geometry.filters import solve_banded
from selfcorrect.motion.geometry.floor_speeds import floor_velocities_between_m_s
from selfcorrect.motion.geometry.rotations import rotate
from selfcorrect.motion.geometry.vectors import UP, norms, sum_points
from selfcorrect.motion.motion import MotionBatch

from ..body.leg_ik import Legs
from ..body.soft_legs import solve_soft_legs
from ..body.soles import stance_velocities
from ..stages.changes import deadband
from .foot_rotations import TURN_RAD, TURN_S, flattening_rotations, flattening_share, limit_turns, roll_feet_back
from .solid_feet import HEEL_CORNERS, rotate_feet, solid_foot_heights_m, solid_foot_points_m
from .stance import PosedMotions

_DROPPED_M = (0.002, 0.009)
"""Foot displacements below which they are dropped, in m, for motions whose noise was removed and for others."""
_APPLIED_M = (0.004, 0.015)
"""Foot displacements above which they are applied fully, in m, for the same motions."""
_MIN_PROBABILITY = 1e-3
"""Minimum standing probability of heel and toe, so that their weights are defined."""
_LIFTING_M_S = 0.1
"""Vertical speed at which a stance frame's weight in the foot's height is halved, in m/s."""
_AIRBORNE_S = (0.2, 0.4)
"""Times in the air, in s, after which a foot starts to return, and has returned, to its own height. Until then, it may
rest in the air beside the other foot, on which the body stands."""
_STILL_WEIGHT = 3000.0
"""Weight of keeping still points still."""
_STILL_M_S = (0.012, 0.03)
"""Speeds below which points of standing feet are still, and above which they move, in m/s."""
_FADING_S = 0.1
"""Time in which a point that moves again returns to its target, in s."""
_ONSET_S = 0.015
"""Time in which a lock closes or opens, in s."""
_RETURN_S = 0.08
"""Time constant of a foot's return to its own path, in s."""
DRAG_LIMIT_M = 0.3
"""Maximum horizontal displacement by a lock, in m, approached smoothly."""
HEIGHT_S = 0.04
"""Time constant with which displacements follow the heights of standing feet, in s."""
_TENSION_S = 0.03
"""Time constant with which swings keep these displacements, in s."""
_TOLERANCE_M = 0.003
"""Tolerated height of a standing foot, in m."""
_CLEAR_M = 0.008
"""Minimum height of swinging feet above the ground, in m."""
_LIFTING_ROUNDS = 3
"""Number of rounds in which sunken feet are lifted."""
_MIN_RETURN = 0.15
"""Weight of the return of standing feet, relative to swinging feet."""
_MIN_WEIGHT = 1e-6
"""Minimum weight of swinging feet's targets. Without it, the system of feet that never stand would be singular."""


def plant_feet_softly(
    posed: PosedMotions, ground_m: np.ndarray, reference: PosedMotions, smoothed: np.ndarray
) -> MotionBatch:
    """Plant feet softly, so that legs can follow.

    A standing foot is held in place along the ground at any height, and put down if the ground is near.

    Args:
        posed: N motions of T frames with bent toes.
        ground_m: (N, T, 2) height of the ground beneath each foot.
        reference: Motions whose knee speeds limit those of the legs.
        smoothed: (N,) whether noise was removed from each motion.
    """
    motions = posed.motions
    fps = motions.fps
    ankles = Legs.from_skeleton(motions.skeleton).ankles
    ankles_m = posed.positions_m[:, :, ankles]
    stands = posed.stands_on(ground_m)
    flattening = flattening_rotations(posed.normals, flattening_share(posed, ground_m, stands))
    turns = limit_turns(flattening, TURN_RAD, TURN_S, fps)
    turns = roll_feet_back(posed, turns, stands)
    turned_feet_m = rotate_feet(solid_foot_points_m(posed), ankles_m, turns)
    heights_m = solid_foot_heights_m(posed, turned_feet_m, ground_m)
    lock_m = limit_drag(lock_feet_softly(heights_m, _held_velocities(posed, turns), stands, posed.stands, fps))
    small_m, large_m = (np.where(smoothed, *sizes_m)[:, None, None] for sizes_m in (_DROPPED_M, _APPLIED_M))
    share = deadband(norms(lock_m), (small_m, large_m), fps)
    if motions.contacts is not None:
        share = np.where(np.isinf(motions.contacts), 1.0, share)
    moves_m = share[..., None] * lock_m
    # A part of a foot that was still stays so, however the remaining foot is turned and raised.
    toes = motions.skeleton.pair("foot")
    held_m = posed.positions_m[:, :, ankles if toes is None else toes]
    arms_m = held_m - ankles_m
    turned_m = rotate(turns, arms_m) - arms_m
    moves_m = damp_while_still(moves_m + turned_m, held_m, stands, fps) - turned_m
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


def _held_velocities(posed: PosedMotions, turns: np.ndarray) -> np.ndarray:
    """Return the horizontal velocity of each foot's held part.

    The held part is the toe joint while the toe stands, and the heel while only the heel stands. Feet without toe
    joints are held by the slowest lower corner.

    Args:
        turns: (N, T, 2, 4) rotations about the ankles that are still to come.

    Returns:
        (N, T − 1, 2 feet, 2) in m/s, along x and z.
    """
    fps = posed.motions.fps
    ankles_m = posed.positions_m[:, :, Legs.from_skeleton(posed.motions.skeleton).ankles]
    soles_m = rotate_feet(posed.feet_m, ankles_m, turns)
    toes = posed.motions.skeleton.pair("foot")
    if toes is None:
        return stance_velocities(soles_m, fps)
    toes_m = rotate_feet(posed.positions_m[:, :, toes][..., None, :], ankles_m, turns)[..., 0, :]
    heels_m = sum_points(soles_m[..., HEEL_CORNERS, :]) / 2
    heel, toe = np.moveaxis(posed.standing, -1, 0)
    toe_share = (toe + _MIN_PROBABILITY) / (toe + heel * (1 - toe) + 2 * _MIN_PROBABILITY)
    toe_share = 0.5 * (toe_share[:, 1:] + toe_share[:, :-1])[..., None]
    heels_m_s = floor_velocities_between_m_s(heels_m, fps, axis=1)
    toes_m_s = floor_velocities_between_m_s(toes_m, fps, axis=1)
    return heels_m_s + toe_share * (toes_m_s - heels_m_s)


def lock_feet_softly(
    heights_m: np.ndarray, velocity_m_s: np.ndarray, stands: np.ndarray, stays: np.ndarray, fps: float
) -> np.ndarray:
    """Return displacements that hold standing feet on the ground and swinging feet above it.

    Args:
        heights_m: (N, T, 2) of each foot's lowest corner.
        velocity_m_s: (N, T − 1, 2 feet, 2) horizontal velocity of the part that is held.
        stands: (N, T, 2) whether a foot stands on the ground.
        stays: (N, T, 2) whether a foot stays in place, on the ground or on something else.

    Returns:
        (N, T, 2, 3) in m.
    """
    firmness = stands * blur(stands, 1.0, fps)
    horizontal_firmness = stays * blur(stays, 1.0, fps)
    moves_m = np.zeros((*stands.shape, 3))
    for motion, foot in np.ndindex(stands.shape[0], 2):
        index = (motion, slice(None), foot)
        if stays[index].any():
            horizontal_m = _solve_horizontal_lock(velocity_m_s[index] / fps, horizontal_firmness[index], fps)
            moves_m[(*index, [0, 2])] = horizontal_m.T
        moves_m[(*index, 1)] = _solve_vertical_lock(heights_m[index], firmness[index], stands[index], fps)
    return moves_m


def _solve_horizontal_lock(steps_m: np.ndarray, firmness: np.ndarray, fps: float) -> np.ndarray:
    """Solve displacements (T, 2) that cancel the steps of a standing foot.

    The displacements m minimise Σ w |step + D m|² + onset² |D² m|² + (1 − w) (onset / return²)² |m|², with times in
    frames.

    Args:
        steps_m: (T − 1, 2) steps of the foot.
        firmness: (T,) w, how firmly the foot stands.
    """
    onset = _ONSET_S * fps
    return_frames = _RETURN_S * fps
    step_weights = np.minimum(firmness[1:], firmness[:-1])
    bands = onset**2 * second_difference_bands(np.ones(len(firmness) - 2))
    bands[2] += np.maximum(1 - firmness, _MIN_RETURN) * (onset / return_frames**2) ** 2
    bands[2, 1:] += step_weights
    bands[2, :-1] += step_weights
    bands[1, 1:] -= step_weights
    right_side = np.zeros((len(firmness), 2))
    right_side[1:] -= step_weights[:, None] * steps_m
    right_side[:-1] += step_weights[:, None] * steps_m
    return solve_banded(bands, right_side)


def _solve_vertical_lock(heights_m: np.ndarray, firmness: np.ndarray, stands: np.ndarray, fps: float) -> np.ndarray:
    """Solve rises (T,) that bring a standing foot to the ground, never below.

    The rises m minimise Σ w |off + m|² + tension² |D m|² + height⁴ |D² m|² + a (tension / return)² |m|², with times in
    frames. This is a tension spline through stances, which returns to 0 once the foot has been in the air for long (a).

    Args:
        heights_m: (T,) of the foot's lowest corner.
        firmness: (T,) w, how firmly the foot stands.
        stands: (T,) stances.
    """
    least_m = np.where(stands, -_TOLERANCE_M, _CLEAR_M)
    off_m = np.sign(heights_m) * np.maximum(np.abs(heights_m) - _TOLERANCE_M, 0.0)
    smooth_heights_m = blur(heights_m[None], 1.0, fps)[0]
    lifts_m_s = np.gradient(smooth_heights_m) * fps
    weights = np.maximum(firmness / (1 + (lifts_m_s / _LIFTING_M_S) ** 2), _MIN_WEIGHT)
    weights += _airborne_share(stands, fps) * (_TENSION_S / _RETURN_S) ** 2
    bands = (HEIGHT_S * fps) ** 4 * second_difference_bands(np.ones(len(heights_m) - 2))
    tension = (_TENSION_S * fps) ** 2
    bands[2, 1:] += tension
    bands[2, :-1] += tension
    bands[1, 1:] -= tension
    target_m = np.where(stands, -off_m, 0.0)
    rise_m = np.zeros_like(heights_m)
    for _ in range(_LIFTING_ROUNDS):
        is_sunk = heights_m + rise_m < least_m
        target_m = np.where(is_sunk, least_m - heights_m, target_m)
        weights = np.where(is_sunk, np.maximum(2 * weights, 1.0), weights)
        weighted_bands = np.stack([*bands[:2], bands[2] + weights])
        rise_m = solve_banded(weighted_bands, weights * target_m)
    return rise_m


def _airborne_share(stands: np.ndarray, fps: float) -> np.ndarray:
    """Return how fully a foot keeps its own height (T,), given its stances (T,)."""
    if not stands.any():
        return np.zeros(len(stands))
    first_s, last_s = _AIRBORNE_S
    stances = np.flatnonzero(stands)
    frames = np.arange(len(stands))
    after = np.searchsorted(stances, frames)
    to_next = np.abs(stances[np.minimum(after, len(stances) - 1)] - frames)
    to_last = np.abs(stances[np.maximum(after - 1, 0)] - frames)
    away_s = np.minimum(to_next, to_last) / fps
    return smoothstep((away_s - first_s) / (last_s - first_s))


def limit_drag(moves_m: np.ndarray) -> np.ndarray:
    """Limit horizontal displacements (N, T, 2, 3) smoothly, so that locks do not drag feet far."""
    distances_m = norms(moves_m[..., [0, 2]])[..., None]
    sizes = np.maximum(distances_m, 1e-9) / DRAG_LIMIT_M
    shares = np.tanh(sizes) / sizes
    return moves_m * np.concatenate([shares, np.ones_like(shares), shares], axis=-1)


def damp_while_still(moves_m: np.ndarray, points_m: np.ndarray, stands: np.ndarray, fps: float) -> np.ndarray:
    """Make displacements constant while their points stand still.

    The addition e to the displacements m minimises Σ |e|² + (τ fps)² |Δe|² + λ w |Δ(m + e)|², with weights w from the
    points' speeds. Away from still points, e decays within about τ.

    Args:
        moves_m: (N, T, 2, 3) m.
        points_m: (N, T, 2, 3) the points before displacement.
        stands: (N, T, 2) stances.

    Returns:
        (N, T, 2, 3) m + e.
    """
    slow_m_s, fast_m_s = _STILL_M_S
    speeds_m_s = norms(np.diff(points_m, axis=1)) * fps  # in space: a point that rises is not still
    still = smoothstep((fast_m_s - speeds_m_s) / (fast_m_s - slow_m_s)) * (stands[:, 1:] & stands[:, :-1])
    damped_m = moves_m.copy()
    for motion, foot in np.argwhere(still.any(axis=1)):
        weights = _STILL_WEIGHT * still[motion, :, foot]
        stiffness = weights + (_FADING_S * fps) ** 2
        bands = np.zeros((2, len(stiffness) + 1))
        bands[0, 1:] = -stiffness
        bands[1] = 1.0
        bands[1, 1:] += stiffness
        bands[1, :-1] += stiffness
        weighted_steps_m = weights[:, None] * np.diff(moves_m[motion, :, foot], axis=0)
        right_side = np.zeros_like(moves_m[motion, :, foot])
        right_side[:-1] += weighted_steps_m
        right_side[1:] -= weighted_steps_m
        damped_m[motion, :, foot] += solve_banded(bands, right_side)
    return damped_m
