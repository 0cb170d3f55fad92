"""What keeps a standing foot flat and in its place, at once or softly.

Soft displacements come and go no faster than a foot can follow: each is the least, by squares, that stops what slides
and lifts what is sunk, and that bends little over time. Arrays: (N, T, 2) for motions, frames, left and right foot;
heights above the ground.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solveh_banded
from scipy.ndimage import maximum_filter1d

from selfcorrect.motion.geometry.rotations import quaternions, rotation_vectors
from selfcorrect.motion.geometry.vectors import cross, norms

from ..body.curves import blur, second_difference_bands, smooth_gaussian, smoothstep, solve_banded


@dataclass(frozen=True)
class FootSettings:
    """When feet stand, and how they are held; set by hand on CMU clips, clean, sunk, raised and sliding."""

    standing_m_s: float = 0.3
    """A standing sole is slower than this."""
    standing_m: float = 0.035
    """A standing sole is lower than this."""
    labelled: float = 1.5
    """Factor on both bounds where the motion's file says that a foot stands."""
    unlabelled: float = 0.4
    """Factor on both bounds where the file says that the foot does not stand."""
    sliding: float = 2.0
    """The bound on the soles' speed is at least this multiple of how fast the motion's feet slide while they stand by
    all other signs; 0 for motions whose feet do not slide."""
    most_sliding: float = 3.0
    """Largest factor by which that raises the bound."""
    furthest_slide_m: float = 0.3
    """Feet on a floor that drifts are planted as on one that stands still if no stance slides as far as this. Of longer
    slides legs take so much, and of those beyond three times as long nothing: the body glides."""
    flat_rad: float = float(np.radians(2.0))
    """A standing foot tilted by less is laid flat."""
    tilted_rad: float = float(np.radians(6.0))
    """A standing foot tilted by more is left on its edge."""
    pointing_back_rad: tuple[float, float] = (float(np.radians(60.0)), float(np.radians(90.0)))
    """A sunken foot tilted by less than the first is laid flat as far as that lifts it, beyond the second it is not."""
    most_bent_rad: float = float(np.radians(60.0))
    """Furthest that toes bend up."""
    letting_go_s: float = 0.2
    """How soon after lifting, and before landing, a foot is where it was without its lock."""
    lock_limit_m: float = 0.15
    """Furthest that a lock drags a foot."""
    slowest_m_s: float = 0.06
    """Frames of a stance that are slower than about this count alike for where the foot was meant to be."""
    unmoved_m_s: tuple[float, float] = (0.012, 0.03)
    """Ankles of standing feet are still if slower than the first, and move if faster than the second."""
    locked_m_s: tuple[float, float] = (0.002, 0.006)
    """Toe joints of standing feet that are slower than the first were locked where they are, and stay there; those
    faster than the second were not."""
    one_place_m: tuple[float, float] = (0.01, 0.02)
    """Places in which a foot is locked in one stance are one if they are nearer than the first, and several if further
    apart than the second: then none is kept."""
    sped_up_m_s: tuple[float, float] = (0.002, 0.008)
    """Ankles that stand may get faster by the first; those that would by the second keep their velocity."""
    firm: float = 12.0
    """Legs reach for feet that were still with this much more weight than for others that stand."""
    standing_ankle_m_s: tuple[float, float] = (0.1, 0.15)
    """Ankles of standing feet stand if slower than the first, and roll over if faster than the second."""
    rounds: int = 2
    """How often such ankles are looked for."""
    unturned_rad_s: tuple[float, float] = (0.05, 0.15)
    """Standing feet are unturned if they turn slower than the first, and turn if faster than the second."""
    firmness: float = 3000.0
    """Weight of the stillness of what was still, against that of what is wanted else."""
    fading_s: float = 0.1
    """Time within which feet return from that to where they are wanted else."""
    clear_m: float = 0.006
    """Height above the floor that slow swinging feet keep so as not to drag."""
    clearance_m: float = 0.025
    """Height above the floor that fast swinging feet keep so as not to stub."""
    slow_m_s: float = 0.36
    """Swinging feet are slow up to this speed."""
    faster_m_s: float = 1.8
    """Swinging feet are fast at this much more than the slow speed."""
    lowering_limit_m: float = 0.05
    """Furthest that the root is lowered for a standing foot out of reach."""

    def lock_share(self, slides_m: np.ndarray) -> np.ndarray:
        """(N,) the share of slides (N,) that legs take, so that feet stand still."""
        times = slides_m / self.furthest_slide_m
        return smoothstep((3.0 - times) / 1.5) / np.maximum(times, 1.0)


FEET = FootSettings()
"""The defaults."""


def flattening_rotations(normals: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Rotations (N, T, 2, 4) in the world that lay feet flat by a share (N, T, 2) of their tilt.

    normals: (N, T, 2, 3) of the soles, world.
    """
    axes = cross(normals, np.array([0.0, 1.0, 0.0]))
    axes /= np.maximum(norms(axes), 1e-9)[..., None]
    return quaternions(axes * (_tilt_rad(normals) * share)[..., None])


def flat_share(normals: np.ndarray, stands: np.ndarray, fps: float, settings: FootSettings = FEET) -> np.ndarray:
    """Share (N, T, 2) by which standing feet are laid flat: wholly where they nearly are."""
    share = smoothstep((settings.tilted_rad - _tilt_rad(normals)) / (settings.tilted_rad - settings.flat_rad))
    return blur(share * np.clip(1.2 * blur(stands, 1.5, fps), 0.0, 1.0), 1.0, fps)


def share_above(
    heights_m: np.ndarray, flat_m: np.ndarray, normals: np.ndarray, fps: float, settings: FootSettings = FEET
) -> np.ndarray:
    """Share (N, T, 2) by which sunken feet must be laid flat to be above the floor, as far as that helps.

    heights_m, flat_m: (N, T, 2) height of each foot's lowest corner as it is, and if it were flat; normals:
    (N, T, 2, 3) of the soles, world. Feet of who kneels or lies point back beyond the vertical: these are only lifted.
    """
    gain_m = flat_m - heights_m
    share = np.where(gain_m > 1e-3, -heights_m / np.maximum(gain_m, 1e-3), 0.0)
    least_rad, most_rad = settings.pointing_back_rad
    bears = smoothstep((most_rad - _tilt_rad(normals)) / (most_rad - least_rad))
    return blur(np.clip(share, 0.0, 1.0) * bears, 1.0, fps)


def toe_bends(
    tips_m: np.ndarray, lowest_m: np.ndarray, normals: np.ndarray, settings: FootSettings = FEET
) -> np.ndarray:
    """Rotations (N, T, 2, 4) in the world that turn toes up until their tips are no lower than `lowest_m` (N, T, 2).

    tips_m: (N, T, 2, 3) from toe joint to tip, world; lowest_m: seen from the toe joint; normals: (N, T, 2, 3) of the
    soles. Feet of who kneels or lies point back beyond the vertical: toes there do not bend.
    """
    level_m, length_m = np.hypot(tips_m[..., 0], tips_m[..., 2]), norms(tips_m)
    wanted = np.clip(lowest_m / np.maximum(length_m, 1e-9), -1.0, 1.0)
    up_rad = np.arcsin(wanted) - np.arctan2(tips_m[..., 1], level_m)
    least_rad, most_rad = settings.pointing_back_rad
    bears = smoothstep((most_rad - _tilt_rad(normals)) / (most_rad - least_rad))
    axes = np.stack([-tips_m[..., 2], np.zeros_like(level_m), tips_m[..., 0]], axis=-1)
    axes /= np.maximum(level_m, 1e-9)[..., None]
    return quaternions(axes * (bears * np.clip(up_rad, 0.0, settings.most_bent_rad))[..., None])


def _tilt_rad(normals: np.ndarray) -> np.ndarray:
    return np.arccos(np.clip(normals[..., 1], -1.0, 1.0))


def lock_feet(
    soles_m: np.ndarray,
    velocity_m_s: np.ndarray,
    speed_m_s: np.ndarray,
    stands: np.ndarray,
    fps: float,
    settings: FootSettings = FEET,
) -> np.ndarray:
    """Displacements (N, T, 2, 3) that keep standing feet still on the floor and swinging feet above it.

    soles_m, speed_m_s: (N, T, 2) height of each foot's lowest corner and speed of the part that is held. velocity_m_s:
    (N, T − 1, 2 feet, 2) its velocity.
    """
    still_m = cancel_sliding(velocity_m_s, speed_m_s, stands, fps, settings)
    anchors_m = np.stack([still_m[..., 0], -soles_m, still_m[..., 1]], axis=-1)
    moves_m = bridge_swings(anchors_m, stands, fps, settings)
    swiftness = np.clip((speed_m_s - settings.slow_m_s) / settings.faster_m_s, 0.0, 1.0)
    clearance_m = settings.clear_m + (settings.clearance_m - settings.clear_m) * swiftness
    height_m = np.where(stands, moves_m[..., 1], np.maximum(moves_m[..., 1], clearance_m - soles_m))
    height_m = 0.5 * (height_m + blur(height_m, 1.0, fps))
    moves_m[..., 1] = np.maximum(height_m, np.where(stands, 0.0, settings.clear_m) - soles_m)
    return moves_m


def cancel_sliding(
    velocity_m_s: np.ndarray, speed_m_s: np.ndarray, stands: np.ndarray, fps: float, settings: FootSettings = FEET
) -> np.ndarray:
    """(N, T, 2, 2) horizontal displacements that cancel each stance's sliding, with zero mean over it.

    The mean weighs the slow frames of a stance most: there the foot is where it was meant to be.
    """
    slid_m = np.zeros((*stands.shape, 2))
    slid_m[:, 1:] = np.cumsum(velocity_m_s / fps, axis=1)
    weights = stands / (settings.slowest_m_s + speed_m_s)
    stance = label_stances(stands)
    total = np.maximum(np.bincount(stance.ravel(), weights.ravel()), 1e-9)
    still_m = np.empty_like(slid_m)
    for axis in (0, 1):
        weighted = np.bincount(stance.ravel(), (weights * slid_m[..., axis]).ravel())
        still_m[..., axis] = (weighted / total)[stance] - slid_m[..., axis]
    distance_m = np.linalg.norm(still_m, axis=-1, keepdims=True)
    return still_m * np.minimum(1.0, settings.lock_limit_m / np.maximum(distance_m, 1e-9))


def stationarity(speeds: np.ndarray, stands: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    """(N, T − 1, 2) in [0, 1], how surely feet that stand (N, T, 2) are still between frames.

    speeds: (N, T − 1, 2); bounds: up to which they surely are, and from which on they are not.
    """
    slow, fast = bounds
    return smoothstep((fast - speeds) / (fast - slow)) * (stands[:, 1:] & stands[:, :-1])


def detect_speed_up(
    ankles_m: np.ndarray, moves_m: np.ndarray, stands: np.ndarray, fps: float, settings: FootSettings = FEET
) -> np.ndarray:
    """(N, T − 1, 2) in [0, 1], how surely moves make ankles that stand faster.

    ankles_m, moves_m: (N, T, 2, 3); stands: (N, T, 2) whether their feet do.
    """
    before_m_s, after_m_s = (norms(np.diff(each, axis=1)) * fps for each in (ankles_m, ankles_m + moves_m))
    low, high = settings.sped_up_m_s
    faster = smoothstep((after_m_s - before_m_s - low) / (high - low))
    return faster * stationarity(before_m_s, stands, settings.standing_ankle_m_s)


def damp_while_still(changes: np.ndarray, still: np.ndarray, fps: float, settings: FootSettings = FEET) -> np.ndarray:
    """Changes (N, T, 2, K) of feet that do not change while these are still: what was still stays so.

    still: (N, T − 1, 2) in [0, 1]. Minimises Σ |e|² + (τ fps)² |Δe|² + λ w |Δ(c + e)|² over what is added, e, to the
    changes c, with w for `still`; away from stillness e decays within about τ.
    """
    added = np.zeros_like(changes)
    for motion, foot in np.argwhere(still.any(axis=1)):
        weights = settings.firmness * still[motion, :, foot]
        stiff = weights + (settings.fading_s * fps) ** 2
        bands = np.zeros((2, len(stiff) + 1))
        bands[0, 1:] = -stiff
        bands[1] = 1.0
        bands[1, 1:] += stiff
        bands[1, :-1] += stiff
        moved = weights[:, None] * np.diff(changes[motion, :, foot], axis=0)
        pulled = np.zeros_like(changes[motion, :, foot])
        pulled[:-1] += moved
        pulled[1:] -= moved
        added[motion, :, foot] = solveh_banded(bands, pulled)
    return changes + added


def label_stances(stands: np.ndarray) -> np.ndarray:
    """(N, T, 2) a number for each stance of each foot of each motion, 0 in the swings between."""
    starts = stands & ~np.concatenate([np.zeros_like(stands[:, :1]), stands[:, :-1]], axis=1)
    by_foot = np.moveaxis(starts, 1, -1)
    numbers = np.cumsum(by_foot.ravel()).reshape(by_foot.shape)
    return np.moveaxis(numbers, -1, 1) * stands


def furthest_in_stance_m(moved_m: np.ndarray, stands: np.ndarray) -> np.ndarray:
    """(N,) how far floors that move (N, T, 3) get at most while a foot stands on them without a break."""
    numbers = label_stances(stands)
    furthest_m = np.zeros(len(moved_m))
    for motion, foot in np.ndindex(len(moved_m), 2):
        own = numbers[motion, :, foot]
        for number in np.unique(own[own > 0]):
            steps_m = moved_m[motion, own == number]
            furthest_m[motion] = max(furthest_m[motion], float(norms(steps_m - steps_m[0]).max()))
    return furthest_m


def confine_to_one_place(
    points_m: np.ndarray, locked: np.ndarray, stands: np.ndarray, settings: FootSettings = FEET
) -> np.ndarray:
    """(N, T, 2) in [0, 1] how surely points (N, T, 2, 3) are in one place wherever they are locked in a stance.

    locked: (N, T, 2) in [0, 1]; stands: (N, T, 2). Feet that glide from one place to another are in neither.
    """
    near_m, far_m = settings.one_place_m
    numbers, sure = label_stances(stands), np.zeros(stands.shape)
    for number in np.unique(numbers[locked > 0]):
        own = numbers == number
        apart_m = norms(np.ptp(points_m[own & (locked > 0)], axis=0)[[0, 2]])
        sure[own] = smoothstep((far_m - apart_m) / (far_m - near_m))
    return sure


def bridge_swings(anchors_m: np.ndarray, stands: np.ndarray, fps: float, settings: FootSettings = FEET) -> np.ndarray:
    """Anchors (N, T, 2, 3) of standing feet, carried through the swings between.

    Heights blend from stance to stance and are held before the first and after the last; horizontally a swing is right
    as it is, so there anchors fade within `settings.letting_go_s`. Feet that never stand get zero.
    """
    frames, never = np.arange(stands.shape[1])[None, :, None], 10**9
    last = stands.shape[1] - 1
    before = np.maximum.accumulate(np.where(stands, frames, -never), axis=1)
    after = np.flip(np.minimum.accumulate(np.flip(np.where(stands, frames, never), axis=1), axis=1), axis=1)
    come, go = (
        _values_at_frames(anchors_m, np.minimum(after, last)),
        _values_at_frames(anchors_m, np.maximum(before, 0)),
    )
    share = smoothstep((frames - before) / np.maximum(after - before, 1))[..., None]
    away = (frames - before, after - frames)
    going, coming = (smoothstep(1 - count / (settings.letting_go_s * fps))[..., None] for count in away)
    moves_m = (1 - share) * going * go + share * coming * come
    moves_m[..., 1] = ((1 - share) * go + share * come)[..., 1]
    stood = np.any(stands, axis=1, keepdims=True)
    return np.where(stands[..., None], anchors_m, np.where(stood[..., None], moves_m, 0.0))


def _values_at_frames(values: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Values (N, T, 2, 3) of each foot at its own frames (N, T, 2)."""
    return np.take_along_axis(values, frames[..., None], axis=1)


@dataclass(frozen=True)
class SoftLockSettings:
    """How feet are held softly; set on CMU's training clips at 30, 60 and 120 frames per second."""

    onset_s: float = 0.018
    """Time in which a lock closes and opens."""
    return_s: float = 0.12
    """Time constant with which a foot returns to its own path after a stance."""
    limit_m: float = 0.3
    """Distance by which a lock drags a foot at most, softly."""
    height_s: float = 0.04
    """Time constant over which heights of standing feet are followed."""
    tension_s: float = 0.03
    """That over which they are kept through swings."""
    lifting_m_s: float = 0.1
    """Frames of a stance in which a foot rises or sinks faster than about this count less for where it stands."""
    tolerance_m: float = 0.003
    """Height by which a standing foot may be off the ground."""
    clear_m: float = 0.008
    """Height above the ground that swinging feet keep."""
    turn_rad: float = 0.15
    """Angle to which feet are turned at most, softly."""
    turn_s: float = 0.06
    """Standard deviation of the Gaussian that spreads the turn of feet over time."""
    toe_rad: float = 0.45
    """Angle to which toes are turned at most, softly."""
    toe_s: float = 0.08
    """Standard deviation of the Gaussian that spreads the turn of toes over time."""
    rounds: int = 3
    """How often what is still sunk is lifted anew."""
    plantings: int = 2
    """How often feet are planted, each time as far as legs missed where they were wanted."""
    small_m: tuple[float, float] = (0.009, 0.015)
    """Feet are not moved by less than the first, and as far as asked for by more than the second."""
    small_rad: tuple[float, float] = (float(np.radians(2.0)), float(np.radians(4.0)))
    """The same of their turns, and those of toes."""
    around_s: float = 0.25
    """Time before and after in which the largest change decides that."""


_LEAST_RETURN = 0.2
"""Share of the weight with which swinging feet return to their own path that standing ones have, too: over seconds."""


_LEAST_WEIGHT = 1e-6
"""Of what is wanted of swinging feet, so that feet that never stand have an answer."""


SOFT = SoftLockSettings()
"""The defaults."""


def deadband(
    sizes: np.ndarray, bounds: tuple[float, float], fps: float, settings: SoftLockSettings = SOFT
) -> np.ndarray:
    """(N, T, 2) in [0, 1] how far changes of these sizes (N, T, 2) are made: those near small ones alone are not.

    What is left of errors after a correction is small, so that a second correction changes nothing.
    """
    small, large = bounds
    frames = 2 * round(settings.around_s * fps) + 1
    largest = maximum_filter1d(sizes, frames, axis=1, mode="nearest")
    return smooth_gaussian(smoothstep((largest - small) / (large - small)), 0.5 * settings.around_s * fps)


def limit_turns(
    turns: np.ndarray, most_rad: float, over_s: float, fps: float, settings: SoftLockSettings = SOFT
) -> np.ndarray:
    """Turns of feet or toes (N, T, 2, 4) in the world, softly bounded by an angle and spread over time."""
    turns_rad = rotation_vectors(turns)
    sizes = np.maximum(norms(turns_rad)[..., None], 1e-9) / most_rad
    turns_rad = smooth_gaussian(np.tanh(sizes) / sizes * turns_rad, over_s * fps)
    share = deadband(norms(turns_rad), settings.small_rad, fps, settings)
    return quaternions(share[..., None] * turns_rad)


def limit_drag(moves_m: np.ndarray, settings: SoftLockSettings = SOFT) -> np.ndarray:
    """Displacements (N, T, 2, 3), along the floor softly bounded by how far a lock drags a foot."""
    sizes = np.maximum(norms(moves_m[..., [0, 2]])[..., None], 1e-9) / settings.limit_m
    shares = np.tanh(sizes) / sizes
    return moves_m * np.concatenate([shares, np.ones_like(shares), shares], axis=-1)


def lock_feet_softly(
    heights_m: np.ndarray,
    velocity_m_s: np.ndarray,
    stands: np.ndarray,
    locked: np.ndarray,
    off_m: np.ndarray,
    fps: float,
    settings: SoftLockSettings = SOFT,
) -> np.ndarray:
    """Displacements (N, T, 2, 3) that keep standing feet still on the ground and swinging feet above it, however far.

    heights_m: (N, T, 2) of each foot's lowest corner; velocity_m_s: (N, T − 1, 2 feet, 2) of the part that is held;
    locked: (N, T, 2) in [0, 1] how surely a foot is to be where it was, from which it is off by off_m (N, T, 2, 2).
    """
    firmness = stands * blur(stands, 1.0, fps)
    moves_m = np.zeros((*stands.shape, 3))
    for motion, foot in np.ndindex(stands.shape[0], 2):
        own, at = firmness[motion, :, foot], (motion, slice(None), foot)
        if stands[at].any():
            moves_m[(*at, [0, 2])] = _solve_horizontal_lock(
                velocity_m_s[at] / fps, own, locked[at], off_m[at], fps, settings
            ).T
        moves_m[(*at, 1)] = _solve_vertical_lock(heights_m[at], own, stands[at], fps, settings)
    return moves_m


def _solve_horizontal_lock(
    steps_m: np.ndarray,
    firmness: np.ndarray,
    locked: np.ndarray,
    off_m: np.ndarray,
    fps: float,
    settings: SoftLockSettings,
) -> np.ndarray:
    """Displacements (T, 2) that cancel steps (T − 1, 2) where a foot stands firmly (T,).

    They minimise Σ w (1 − l) |step + D m|² + l |off + m|² + onset² |D² m|² + (1 − w) (onset / return²)² |m|², times in
    frames, where l is how surely the foot is locked.
    """
    onset, back = settings.onset_s * fps, settings.return_s * fps
    held = np.minimum(firmness[1:], firmness[:-1]) * (1 - np.minimum(locked[1:], locked[:-1]))
    bands = onset**2 * second_difference_bands(len(firmness))
    bands[2] += np.maximum(1 - firmness, _LEAST_RETURN) * (onset / back**2) ** 2 + locked
    bands[2, 1:] += held
    bands[2, :-1] += held
    bands[1, 1:] -= held
    right = -locked[:, None] * off_m
    right[1:] -= held[:, None] * steps_m
    right[:-1] += held[:, None] * steps_m
    return solve_banded(bands, right)


def _solve_vertical_lock(
    heights_m: np.ndarray, firmness: np.ndarray, stands: np.ndarray, fps: float, settings: SoftLockSettings
) -> np.ndarray:
    """Rises (T,) that bring a foot at heights (T,) to the ground where it stands (T,) firmly (T,), and never below it.

    They minimise Σ w |off + m|² + tension² |D m|² + height⁴ |D² m|², times in frames: a tension spline through stances.
    """
    least_m = np.where(stands, -settings.tolerance_m, settings.clear_m)
    off_m = np.sign(heights_m) * np.maximum(np.abs(heights_m) - settings.tolerance_m, 0.0)
    lifts_m_s = np.gradient(blur(heights_m[None], 1.0, fps)[0]) * fps
    weights = np.maximum(firmness / (1 + (lifts_m_s / settings.lifting_m_s) ** 2), _LEAST_WEIGHT)
    bands = (settings.height_s * fps) ** 4 * second_difference_bands(len(heights_m))
    tension = (settings.tension_s * fps) ** 2
    bands[2, 1:] += tension
    bands[2, :-1] += tension
    bands[1, 1:] -= tension
    wanted_m, rise_m = np.where(stands, -off_m, 0.0), np.zeros_like(heights_m)
    for _ in range(settings.rounds):
        sunk = heights_m + rise_m < least_m
        wanted_m = np.where(sunk, least_m - heights_m, wanted_m)
        weights = np.where(sunk, np.maximum(2 * weights, 1.0), weights)
        rise_m = solve_banded(np.stack([*bands[:2], bands[2] + weights]), weights * wanted_m)
    return rise_m
