"""Plant feet frame by frame, for motions that only a simulation follows.

Each stance is held in one place, swings blend the displacements of the stances before and after, and legs follow
however fast they must. Arrays are (N, T, 2): motion, frame, left and right foot. Heights are above the ground.
"""

from dataclasses import replace

import numpy as np

from selfcorrect.motion.geometry.curves import blur, smoothstep
from selfcorrect.motion.geometry.filters import FRAME_S, maximum_filter1d
from selfcorrect.motion.geometry.vectors import limit_factors, norms
from selfcorrect.motion.inverse_kinematics import MAXIMUM_REACH
from selfcorrect.motion.motion import MotionBatch

from ..body.leg_ik import Legs, solve_leg_ik
from ..body.soles import frame_speeds, stance_velocities
from .foot_rotations import flattening_rotations, flattening_share
from .solid_feet import rotate_feet, solid_foot_heights_m, solid_foot_points_m
from .stance import PosedMotions, label_stances

_SLOW_SWING_M_S = 0.36
"""Speed up to which swinging feet are slow, in m/s."""
_FASTER_SWING_M_S = 1.8
"""Speed beyond that from which swinging feet are fast, in m/s."""
_SLOW_STANCE_M_S = 0.06
"""Speed at which a stance frame's weight in the foot's position is halved, in m/s."""
_FADING_S = 0.2
"""Time before and after a stance in which a lock fades, in s."""
_DRAG_LIMIT_M = 0.15
"""Maximum displacement by a lock, in m."""
_SLOW_CLEARANCE_M = 0.006
"""Clearance of slow swinging feet, so that they do not drag, in m."""
_FAST_CLEARANCE_M = 0.025
"""Clearance of fast swinging feet, so that they do not stub, in m."""
_LOWERING_LIMIT_M = 0.05
"""Maximum lowering of the root for a standing foot out of reach, in m."""


def plant_feet_per_frame(posed: PosedMotions, ground_m: np.ndarray) -> MotionBatch:
    """Plant feet in each frame on a ground (N, T, 2) beneath them."""
    motions = posed.motions
    fps = motions.fps
    legs = Legs.from_skeleton(motions.skeleton)
    stands = posed.stands_on(ground_m)
    ankles_m = posed.positions_m[:, :, legs.ankles]
    flat_share = flattening_share(posed, ground_m, stands)
    turns = flattening_rotations(posed.normals, flat_share)
    turned_soles_m = rotate_feet(posed.feet_m, ankles_m, turns)
    velocity_m_s = stance_velocities(turned_soles_m, fps)
    solid_feet_m = solid_foot_points_m(posed)
    turned_feet_m = rotate_feet(solid_feet_m, ankles_m, turns)
    heights_m = solid_foot_heights_m(posed, turned_feet_m, ground_m)
    speeds_m_s = frame_speeds(velocity_m_s)
    moves_m = lock_feet(heights_m, velocity_m_s, speeds_m_s, stands, fps)
    targets_m = ankles_m + moves_m
    shift_m = _root_lowering_m(posed.positions_m, targets_m, legs, stands, fps)
    rotations = solve_leg_ik(motions.skeleton, posed.positions_m, posed.orientations, shift_m, targets_m, turns)
    return replace(motions, root_m=motions.root_m + shift_m, rotations=rotations)


def lock_feet(
    soles_m: np.ndarray, velocity_m_s: np.ndarray, speed_m_s: np.ndarray, stands: np.ndarray, fps: float
) -> np.ndarray:
    """Return displacements that hold standing feet on the floor and swinging feet above it.

    Args:
        soles_m: (N, T, 2) height of each foot's lowest corner.
        velocity_m_s: (N, T − 1, 2 feet, 2) horizontal velocity of the part that is held.
        speed_m_s: (N, T, 2) speed of that part.
        stands: (N, T, 2) stances.

    Returns:
        (N, T, 2, 3) in m.
    """
    still_m = cancel_sliding(velocity_m_s, speed_m_s, stands, fps)
    anchors_m = np.stack([still_m[..., 0], -soles_m, still_m[..., 1]], axis=-1)
    moves_m = bridge_swings(anchors_m, stands, fps)
    swiftness = np.clip((speed_m_s - _SLOW_SWING_M_S) / _FASTER_SWING_M_S, 0.0, 1.0)
    clearance_m = _SLOW_CLEARANCE_M + (_FAST_CLEARANCE_M - _SLOW_CLEARANCE_M) * swiftness
    clear_height_m = np.maximum(moves_m[..., 1], clearance_m - soles_m)
    height_m = np.where(stands, moves_m[..., 1], clear_height_m)
    height_m = 0.5 * (height_m + blur(height_m, 1.0, fps))
    lowest_m = np.where(stands, 0.0, _SLOW_CLEARANCE_M) - soles_m
    moves_m[..., 1] = np.maximum(height_m, lowest_m)
    return moves_m


def cancel_sliding(velocity_m_s: np.ndarray, speed_m_s: np.ndarray, stands: np.ndarray, fps: float) -> np.ndarray:
    """Return horizontal displacements that cancel the sliding of each stance.

    Their mean over a stance is zero, with more weight on slow frames, in which the foot is where it is meant to be.

    Args:
        velocity_m_s: (N, T − 1, 2 feet, 2) horizontal velocity of the part that is held.
        speed_m_s: (N, T, 2) speed of that part.
        stands: (N, T, 2) stances.

    Returns:
        (N, T, 2, 2) along x and z in m.
    """
    slide_m = np.zeros((*stands.shape, 2))
    slide_m[:, 1:] = np.cumsum(velocity_m_s / fps, axis=1)
    weights = stands / (_SLOW_STANCE_M_S + speed_m_s)
    stance = label_stances(stands)
    total = np.maximum(np.bincount(stance.ravel(), weights.ravel()), 1e-9)
    still_m = np.empty_like(slide_m)
    for axis in (0, 1):
        weighted = np.bincount(stance.ravel(), (weights * slide_m[..., axis]).ravel())
        still_m[..., axis] = (weighted / total)[stance] - slide_m[..., axis]
    distance_m = norms(still_m)[..., None]
    return still_m * limit_factors(distance_m, _DRAG_LIMIT_M)


def bridge_swings(anchors_m: np.ndarray, stands: np.ndarray, fps: float) -> np.ndarray:
    """Extend the displacements of stances to swings.

    Heights are blended from stance to stance, and held before the first and after the last. The horizontal path of a
    swing is right as it is, so horizontal displacements fade out. Feet that never stand are not displaced.

    Args:
        anchors_m: (N, T, 2, 3) displacements of standing feet.
        stands: (N, T, 2) stances.

    Returns:
        (N, T, 2, 3) displacements of all frames.
    """
    frames = np.arange(stands.shape[1])[None, :, None]
    never = 10**9
    last = stands.shape[1] - 1
    before = np.maximum.accumulate(np.where(stands, frames, -never), axis=1)
    reversed_frames = np.flip(np.where(stands, frames, never), axis=1)
    after = np.flip(np.minimum.accumulate(reversed_frames, axis=1), axis=1)
    next_m = _values_at_frames(anchors_m, np.minimum(after, last))
    previous_m = _values_at_frames(anchors_m, np.maximum(before, 0))
    share = smoothstep((frames - before) / np.maximum(after - before, 1))[..., None]
    fading_frames = _FADING_S * fps
    leaving = smoothstep(1 - (frames - before) / fading_frames)[..., None]
    landing = smoothstep(1 - (after - frames) / fading_frames)[..., None]
    moves_m = (1 - share) * leaving * previous_m + share * landing * next_m
    moves_m[..., 1] = ((1 - share) * previous_m + share * next_m)[..., 1]
    ever_stands = np.any(stands, axis=1, keepdims=True)
    swings_m = np.where(ever_stands[..., None], moves_m, 0.0)
    return np.where(stands[..., None], anchors_m, swings_m)


def _values_at_frames(values: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Return each foot's values (N, T, 2, 3) at given frames (N, T, 2)."""
    return np.take_along_axis(values, frames[..., None], axis=1)


def _root_lowering_m(
    positions_m: np.ndarray, targets_m: np.ndarray, legs: Legs, stands: np.ndarray, fps: float
) -> np.ndarray:
    """Return shifts (N, T, 3) that lower roots until standing ankles reach their targets.

    If both feet stand, the nearer ankle decides, because a body with one leg stretched out above the floor stands on
    the other.

    Args:
        positions_m: (N, T, J, 3) joints.
        targets_m: (N, T, 2, 3) targets of the ankles.
        stands: (N, T, 2) stances.
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
        shift_m[..., 1] -= np.minimum(blur(widest_m, 1.5, fps), _LOWERING_LIMIT_M)
    return shift_m
