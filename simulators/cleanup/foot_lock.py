"""Locks that keep standing feet flat and still.

They act per frame or softly. Soft displacements come and go no faster than a foot can follow. Each is a least-squares
solution that stops sliding, lifts sunken feet, and bends little over time. Arrays: (N, T, 2) for motions, frames, left
and right foot; heights are above the ground.
"""

import numpy as np

from selfcorrect.motion.geometry.filters import maximum_filter1d, solve_banded
from selfcorrect.motion.geometry.rotations import quaternions, rotation_vectors
from selfcorrect.motion.geometry.vectors import UP, cross, find_distinct, norms

from ..body.curves import blur, second_difference_bands, smooth_gaussian, smoothstep
from ..stages.changes import deadband

_SLOW_SWING_M_S = 0.36
"""Swinging feet are slow up to this speed."""
_FASTER_SWING_M_S = 1.8
"""Minimum speed of fast swinging feet beyond the slow speed, in m/s."""
_IN_PLACE_M_S = 0.06
"""Speed at which stance frames lose weight in a foot's position, in m/s."""
_LIFTING_M_S = 0.1
"""Vertical speed at which stance frames lose weight in height, in m/s."""
_AIRBORNE_S = (0.2, 0.4)
"""Times in the air before a foot returns to its own height, in s. The return begins at the first and is complete at the
second. A foot may rest in the air beside the other, on which the body stands."""

FURTHEST_SLIDE_M = 0.3
"""Maximum slide of a stance on a drifting floor, in m. Shorter slides are planted as on a still floor. Legs absorb this
much of longer slides, and nothing of slides more than three times as long: the body glides."""
FLAT_RAD = float(np.radians(2.0))
"""A standing foot tilted by less is laid flat."""
TILTED_RAD = float(np.radians(6.0))
"""Maximum tilt of a foot that is flattened, in rad."""
ROLLED_RAD = (float(np.radians(35.0)), float(np.radians(45.0)))
"""Tilts of a foot that is wrongly rolled, in rad. Heel and toe surely stand. It may be wrong from the first angle,
which is the most that ankles turn in, and surely from the second."""
POINTING_BACK_RAD = (float(np.radians(60.0)), float(np.radians(90.0)))
"""Tilts of a sunken foot that is flattened, in rad. It is flattened below the first as far as that lifts it, and not at
all beyond the second."""
MOST_BENT_RAD = float(np.radians(60.0))
"""Furthest that toes bend up."""
LETTING_GO_S = 0.2
"""Time in which a lock fades around a stance, in s."""
HARD_DRAG_LIMIT_M = 0.15
"""Maximum drag of a hard lock, in m. Samples of a model use hard locks."""
FIRMNESS = 3000.0
"""Weight of keeping still feet still."""
STILL_M_S = (0.012, 0.03)
"""Speeds of still and of moving points, in m/s. Points of standing feet are still below the first, and move above the
second."""
_FADING_S = 0.1
"""Time to return to the other targets, in s."""
CLEAR_M = 0.006
"""Clearance at which slow swinging feet do not drag, in m."""
CLEARANCE_M = 0.025
"""Clearance at which fast swinging feet do not stub, in m."""


def lock_share(slides_m: np.ndarray) -> np.ndarray:
    """Return the share of slides that legs take.

    Slides and shares are (...); feet stand still then.
    """
    times = slides_m / FURTHEST_SLIDE_M
    return smoothstep((3.0 - times) / 1.5) / np.maximum(times, 1.0)


def flattening_rotations(normals: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return rotations (N, T, 2, 4) that flatten feet.

    Rotations are in the world, and take a share (N, T, 2) of the tilt. normals: (N, T, 2, 3) of the soles, world.
    """
    axes = cross(normals, UP)
    axes /= np.maximum(norms(axes), 1e-9)[..., None]
    angles_rad = _tilt_rad(normals) * share
    return quaternions(axes * angles_rad[..., None])


def flat_share(normals: np.ndarray, stands: np.ndarray, fps: float) -> np.ndarray:
    """Return how fully standing feet are flattened.

    The share is 1 for nearly flat feet.

    Args:
        normals: (N, T, 2, 3) of the soles, world.
        stands: (N, T, 2) stances.

    Returns:
        (N, T, 2) in [0, 1], smoothed over time.
    """
    tilt_share = (TILTED_RAD - _tilt_rad(normals)) / (TILTED_RAD - FLAT_RAD)
    share = smoothstep(tilt_share)
    standing = np.clip(1.2 * blur(stands, 1.5, fps), 0.0, 1.0)
    return blur(share * standing, 1.0, fps)


def rolling_rotations(normals: np.ndarray, toes_m: np.ndarray) -> np.ndarray:
    """Return rotations (N, T, 2, 4) that roll soles down.

    Rotations are in the world, and roll feet about their length.

    Args:
        normals: (N, T, 2, 3) of the soles, world.
        toes_m: (N, T, 2, 3) from ankle to toe joint, world.
    """
    axes = toes_m / np.maximum(norms(toes_m)[..., None], 1e-9)
    sines = cross(axes, normals) @ UP
    cosines = (normals - (normals * axes).sum(-1, keepdims=True) * axes) @ UP
    return quaternions(np.arctan2(sines, cosines)[..., None] * axes)


def rolled_share(normals: np.ndarray, stands: np.ndarray, over_s: float, fps: float) -> np.ndarray:
    """Return how fully wrongly rolled feet are flattened.

    The share is 1 throughout their stances.

    Args:
        normals: (N, T, 2, 3) of the soles, world.
        stands: (N, T, 2) stances on heel and toe.
        over_s: Standard deviation of the spread over time.

    Returns:
        (N, T, 2) in [0, 1].
    """
    least_rad, most_rad = ROLLED_RAD
    share = smoothstep((_tilt_rad(normals) - least_rad) / (most_rad - least_rad)) * _bearing_share(normals) * stands
    frames = 2 * round(2 * over_s * fps) + 1
    return smooth_gaussian(maximum_filter1d(share, frames, axis=1, mode="nearest"), over_s * fps)


def share_above(heights_m: np.ndarray, flat_m: np.ndarray, normals: np.ndarray, fps: float) -> np.ndarray:
    """Return how fully sunken feet are flattened.

    The share brings these above the floor, as far as that helps. Feet of a body that kneels or lies point back beyond
    the vertical; these are lifted, not turned.

    Args:
        heights_m: (N, T, 2) height of each foot's lowest corner.
        flat_m: (N, T, 2) the same height if the foot were flat.
        normals: (N, T, 2, 3) of the soles, world.

    Returns:
        (N, T, 2) in [0, 1], smoothed over time.
    """
    gain_m = flat_m - heights_m
    share = np.where(gain_m > 1e-3, -heights_m / np.maximum(gain_m, 1e-3), 0.0)
    bears = _bearing_share(normals)
    return blur(np.clip(share, 0.0, 1.0) * bears, 1.0, fps)


def _bearing_share(normals: np.ndarray) -> np.ndarray:
    """Return how surely feet do not point back.

    They would point back beyond the vertical. The result is (N, T, 2), in [0, 1].
    """
    least_rad, most_rad = POINTING_BACK_RAD
    return smoothstep((most_rad - _tilt_rad(normals)) / (most_rad - least_rad))


def toe_bends(tips_m: np.ndarray, lowest_m: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Return rotations that bend toes up.

    Tips are above a height then. Feet of a body that kneels or lies point back beyond the vertical; toes there do not
    bend.

    Args:
        tips_m: (N, T, 2, 3) from toe joint to tip, world.
        lowest_m: (N, T, 2) least height of the tips, seen from the toe joint.
        normals: (N, T, 2, 3) of the soles, world.

    Returns:
        (N, T, 2, 4) in the world.
    """
    level_m = np.hypot(tips_m[..., 0], tips_m[..., 2])
    length_m = norms(tips_m)
    sines = np.clip(lowest_m / np.maximum(length_m, 1e-9), -1.0, 1.0)
    up_rad = np.arcsin(sines) - np.arctan2(tips_m[..., 1], level_m)
    bears = _bearing_share(normals)
    axes = np.stack([-tips_m[..., 2], np.zeros_like(level_m), tips_m[..., 0]], axis=-1)
    axes /= np.maximum(level_m, 1e-9)[..., None]
    angles_rad = bears * np.clip(up_rad, 0.0, MOST_BENT_RAD)
    return quaternions(axes * angles_rad[..., None])


def _tilt_rad(normals: np.ndarray) -> np.ndarray:
    return np.arccos(np.clip(normals[..., 1], -1.0, 1.0))


def lock_feet(
    soles_m: np.ndarray, velocity_m_s: np.ndarray, speed_m_s: np.ndarray, stands: np.ndarray, fps: float
) -> np.ndarray:
    """Lock standing feet and keep swinging feet up.

    Returns displacements: standing feet are still on the floor, and swinging feet above.

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
    clearance_m = CLEAR_M + (CLEARANCE_M - CLEAR_M) * swiftness
    clear_height_m = np.maximum(moves_m[..., 1], clearance_m - soles_m)
    height_m = np.where(stands, moves_m[..., 1], clear_height_m)
    height_m = 0.5 * (height_m + blur(height_m, 1.0, fps))
    lowest_m = np.where(stands, 0.0, CLEAR_M) - soles_m
    moves_m[..., 1] = np.maximum(height_m, lowest_m)
    return moves_m


def cancel_sliding(velocity_m_s: np.ndarray, speed_m_s: np.ndarray, stands: np.ndarray, fps: float) -> np.ndarray:
    """Cancel the sliding of each stance.

    Horizontal displacements have zero mean over the stance. The mean weighs the slow frames of a stance most: there the
    foot is in the intended place.

    Args:
        velocity_m_s: (N, T − 1, 2 feet, 2) horizontal velocity of the part that is held.
        speed_m_s: (N, T, 2) speed of that part.
        stands: (N, T, 2) stances.

    Returns:
        (N, T, 2, 2) along x and z in m.
    """
    slide_m = np.zeros((*stands.shape, 2))
    slide_m[:, 1:] = np.cumsum(velocity_m_s / fps, axis=1)
    weights = stands / (_IN_PLACE_M_S + speed_m_s)
    stance = label_stances(stands)
    total = np.maximum(np.bincount(stance.ravel(), weights.ravel()), 1e-9)
    still_m = np.empty_like(slide_m)
    for axis in (0, 1):
        weighted = np.bincount(stance.ravel(), (weights * slide_m[..., axis]).ravel())
        still_m[..., axis] = (weighted / total)[stance] - slide_m[..., axis]
    distance_m = norms(still_m)[..., None]
    return still_m * np.minimum(1.0, HARD_DRAG_LIMIT_M / np.maximum(distance_m, 1e-9))


def damp_while_still(moves_m: np.ndarray, points_m: np.ndarray, stands: np.ndarray, fps: float) -> np.ndarray:
    """Keep still points still after displacement.

    Displacements become constant while the points stand still. Minimises Σ |e|² + (τ fps)² |Δe|² + λ w |Δ(m + e)|² over
    the addition e to the displacements m, with weights w from the points' speeds; away from stillness e decays within
    about τ.

    Args:
        moves_m: (N, T, 2, 3) m.
        points_m: (N, T, 2, 3) the points before displacement.
        stands: (N, T, 2) stances.

    Returns:
        (N, T, 2, 3) m + e.
    """
    slow_m_s, fast_m_s = STILL_M_S
    speeds_m_s = norms(np.diff(points_m, axis=1)) * fps
    still = smoothstep((fast_m_s - speeds_m_s) / (fast_m_s - slow_m_s)) * (stands[:, 1:] & stands[:, :-1])
    damped_m = moves_m.copy()
    for motion, foot in np.argwhere(still.any(axis=1)):
        weights = FIRMNESS * still[motion, :, foot]
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


def label_stances(stands: np.ndarray) -> np.ndarray:
    """Number the stances of each foot (N, T, 2).

    Numbers are per foot and motion, and 0 in the swings between.
    """
    stands_before = np.concatenate([np.zeros_like(stands[:, :1]), stands[:, :-1]], axis=1)
    starts = stands & ~stands_before
    by_foot = np.moveaxis(starts, 1, -1)
    numbers = np.cumsum(by_foot.ravel()).reshape(by_foot.shape)
    return np.moveaxis(numbers, -1, 1) * stands


def furthest_in_stance_m(moved_m: np.ndarray, stands: np.ndarray) -> np.ndarray:
    """Return how far floors move during stances.

    It is the furthest move (N, T) of floors (N, T, 3) below a foot in the stance that a frame belongs to. The foot with
    the longer slide counts; the result is 0 where no foot stands.
    """
    numbers = label_stances(stands)
    furthest_m = np.zeros(stands.shape[:2])
    for motion, foot in np.ndindex(len(moved_m), 2):
        foot_numbers = numbers[motion, :, foot]
        for number in find_distinct(foot_numbers[foot_numbers > 0]):
            is_stance = foot_numbers == number
            stance_m = moved_m[motion, is_stance]
            distance_m = float(norms(stance_m - stance_m[0]).max())
            furthest_m[motion, is_stance] = np.maximum(furthest_m[motion, is_stance], distance_m)
    return furthest_m


def bridge_swings(anchors_m: np.ndarray, stands: np.ndarray, fps: float) -> np.ndarray:
    """Carry stance anchors through swings.

    Heights blend from stance to stance and are held before the first and after the last. Horizontally a swing is right
    unchanged, so anchors fade there. Feet that never stand get zero.

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
    fading_frames = LETTING_GO_S * fps
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


ONSET_S = 0.015
"""Time for closing or opening a lock."""
RETURN_S = 0.08
"""Time constant of a foot's return to its own path, in s."""
SOFT_DRAG_LIMIT_M = 0.3
"""Maximum drag of a soft lock, in m, approached smoothly, for motions of files."""
HEIGHT_S = 0.04
"""Time constant of following heights of standing feet."""
TENSION_S = 0.03
"""Time constant of keeping these heights through swings."""
_TOLERANCE_M = 0.003
"""Tolerated height of a standing foot, in m."""
SOFT_CLEAR_M = 0.008
"""Height above the ground that swinging feet keep."""
SOFT_ROUNDS = 3
"""Number of rounds in which sunken feet are lifted."""
SMALL_RAD = (float(np.radians(2.0)), float(np.radians(4.0)))
"""The same bounds for turns of feet and toes."""
_LEAST_RETURN = 0.15
"""Weight of standing feet's return, relative to swinging feet's."""


_LEAST_WEIGHT = 1e-6
"""Minimum weight of swinging feet's targets. The system of feet that never stand would be singular without it."""


def limit_turns(turns: np.ndarray, most_rad: float, over_s: float, fps: float) -> np.ndarray:
    """Limit rotations of feet or toes.

    They are softly bounded by an angle and spread over time.

    Args:
        turns: (N, T, 2, 4) in the world.
        most_rad: Largest turn of a joint.
        over_s: Standard deviation of the spread.

    Returns:
        (N, T, 2, 4) in the world.
    """
    turns_rad = rotation_vectors(turns)
    sizes = np.maximum(norms(turns_rad)[..., None], 1e-9) / most_rad
    bounded_rad = np.tanh(sizes) / sizes * turns_rad
    turns_rad = smooth_gaussian(bounded_rad, over_s * fps)
    share = deadband(norms(turns_rad), SMALL_RAD, fps)
    return quaternions(share[..., None] * turns_rad)


def limit_drag(moves_m: np.ndarray) -> np.ndarray:
    """Softly bound displacements (N, T, 2, 3) along the floor, so that locks do not drag feet far."""
    distances_m = norms(moves_m[..., [0, 2]])[..., None]
    sizes = np.maximum(distances_m, 1e-9) / SOFT_DRAG_LIMIT_M
    shares = np.tanh(sizes) / sizes
    return moves_m * np.concatenate([shares, np.ones_like(shares), shares], axis=-1)


def lock_feet_softly(
    heights_m: np.ndarray, velocity_m_s: np.ndarray, stands: np.ndarray, stays: np.ndarray, fps: float
) -> np.ndarray:
    """Lock feet softly, however far they move.

    Displacements keep standing feet still on the ground and swinging feet above.

    Args:
        heights_m: (N, T, 2) of each foot's lowest corner.
        velocity_m_s: (N, T − 1, 2 feet, 2) horizontal velocity of the part that is held.
        stands: (N, T, 2) whether a foot stands on the ground.
        stays: (N, T, 2) whether a foot stays in its place, on the ground or on something else.

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
    """Solve displacements (T, 2) that cancel slides.

    They cancel the steps of a foot that stands firmly. They minimise Σ w |step + D m|² + onset² |D² m|² + (1 − w)
    (onset / return²)² |m|², times in frames.

    Args:
        steps_m: (T − 1, 2) steps of the foot.
        firmness: (T,) w, how firmly the foot stands.
    """
    onset = ONSET_S * fps
    return_frames = RETURN_S * fps
    step_weights = np.minimum(firmness[1:], firmness[:-1])
    bands = onset**2 * second_difference_bands(np.ones(len(firmness) - 2))
    bands[2] += np.maximum(1 - firmness, _LEAST_RETURN) * (onset / return_frames**2) ** 2
    bands[2, 1:] += step_weights
    bands[2, :-1] += step_weights
    bands[1, 1:] -= step_weights
    right_side = np.zeros((len(firmness), 2))
    right_side[1:] -= step_weights[:, None] * steps_m
    right_side[:-1] += step_weights[:, None] * steps_m
    return solve_banded(bands, right_side)


def _airborne_share(stands: np.ndarray, fps: float) -> np.ndarray:
    """Return how fully a foot keeps its height (T,), from its stances (T,)."""
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


def _solve_vertical_lock(heights_m: np.ndarray, firmness: np.ndarray, stands: np.ndarray, fps: float) -> np.ndarray:
    """Solve rises (T,) onto the ground.

    A standing foot comes to the ground, and never below it. They minimise Σ w |off + m|² + tension² |D m|² + height⁴
    |D² m|² + a (tension / return)² |m|², times in frames: a tension spline through stances, which returns to 0 while
    the foot has been in the air for long (a).

    Args:
        heights_m: (T,) of the foot's lowest corner.
        firmness: (T,) w, how firmly the foot stands.
        stands: (T,) stances.
    """
    least_m = np.where(stands, -_TOLERANCE_M, SOFT_CLEAR_M)
    off_m = np.sign(heights_m) * np.maximum(np.abs(heights_m) - _TOLERANCE_M, 0.0)
    smooth_heights_m = blur(heights_m[None], 1.0, fps)[0]
    lifts_m_s = np.gradient(smooth_heights_m) * fps
    weights = np.maximum(firmness / (1 + (lifts_m_s / _LIFTING_M_S) ** 2), _LEAST_WEIGHT)
    weights += _airborne_share(stands, fps) * (TENSION_S / RETURN_S) ** 2
    bands = (HEIGHT_S * fps) ** 4 * second_difference_bands(np.ones(len(heights_m) - 2))
    tension = (TENSION_S * fps) ** 2
    bands[2, 1:] += tension
    bands[2, :-1] += tension
    bands[1, 1:] -= tension
    target_m = np.where(stands, -off_m, 0.0)
    rise_m = np.zeros_like(heights_m)
    for _ in range(SOFT_ROUNDS):
        is_sunk = heights_m + rise_m < least_m
        target_m = np.where(is_sunk, least_m - heights_m, target_m)
        weights = np.where(is_sunk, np.maximum(2 * weights, 1.0), weights)
        weighted_bands = np.stack([*bands[:2], bands[2] + weights])
        rise_m = solve_banded(weighted_bands, weights * target_m)
    return rise_m
