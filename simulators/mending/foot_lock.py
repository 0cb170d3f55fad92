"""When feet stand, and what keeps a standing foot flat and in its place.

Arrays: (N, T, 2) for motions, frames, left and right foot; heights above the floor y = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation, binary_erosion
from scipy.spatial.transform import Rotation

from selfcorrect.simulators.body.curves import FRAME_S, blur, smoothstep


@dataclass(frozen=True)
class FootSettings:
    """When feet stand, and how they are held; set by hand on CMU clips, clean, sunk, raised and sliding."""

    standing_m_s: float = 0.3
    """A sole that is slower than this …"""
    standing_m: float = 0.035
    """… and lower than this stands."""
    hurry_m_s: float = 1.5
    """From this speed of the body on the bound on its soles' speed grows with it …"""
    most_hurry: float = 3.0
    """… up to so many times."""
    flat_rad: float = float(np.radians(2.0))
    """A standing foot tilted by less is laid flat …"""
    tilted_rad: float = float(np.radians(6.0))
    """… and beyond this left on its edge."""
    pointing_back_rad: tuple[float, float] = (float(np.radians(60.0)), float(np.radians(90.0)))
    """A sunken foot tilted by less than the first is laid flat as far as that lifts it, beyond the second it is not."""
    letting_go_s: float = 0.2
    """How soon after lifting, and before landing, a foot is where it was without its lock."""
    lock_limit_m: float = 0.15
    """Furthest that a lock drags a foot."""
    slowest_m_s: float = 0.06
    """Frames of a stance that are slower than about this tell alike where the foot was meant to be."""
    clear_m: float = 0.006
    """Height above the floor that slow swinging feet keep so as not to drag …"""
    clearance_m: float = 0.025
    """… and that fast ones keep so as not to stub."""
    slow_m_s: float = 0.36
    """Swinging feet are slow up to this speed …"""
    faster_m_s: float = 1.8
    """… and fast at so much more."""
    lowering_limit_m: float = 0.05
    """Furthest that the root is lowered for a standing foot out of reach."""


FEET = FootSettings()
"""The defaults."""


def standing(soles_m: np.ndarray, speed_m_s: np.ndarray, fps: float, settings: FootSettings = FEET) -> np.ndarray:
    """(N, T, 2) whether each foot stands, from the height and speed of its lowest corners.

    Not `foot_contacts`, which judges finished motions: here feet still slide and hover and are to be held.
    Gaps of up to two thirtieths of a second are closed, and shorter stances than three dropped.
    """
    still = (speed_m_s < settings.standing_m_s) & (soles_m < settings.standing_m)
    window = np.ones((1, 2 * max(1, round(FRAME_S * fps)) + 1, 1), dtype=bool)
    closed = binary_erosion(binary_dilation(still, window), window, border_value=1)
    return binary_dilation(binary_erosion(closed, window), window)


def flattening(normals: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Rotations (N, T, 2, 4) in the world that lay feet flat by a share (N, T, 2) of their tilt.

    normals: (N, T, 2, 3) of the soles, world.
    """
    axes = np.cross(normals, (0.0, 1.0, 0.0))
    axes /= np.maximum(np.linalg.norm(axes, axis=-1, keepdims=True), 1e-9)
    return Rotation.from_rotvec(axes * (_tilt_rad(normals) * share)[..., None]).as_quat()


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


def _tilt_rad(normals: np.ndarray) -> np.ndarray:
    return np.arccos(np.clip(normals[..., 1], -1.0, 1.0))


def lock(
    soles_m: np.ndarray,
    velocity_m_s: np.ndarray,
    speed_m_s: np.ndarray,
    stands: np.ndarray,
    fps: float,
    settings: FootSettings = FEET,
) -> np.ndarray:
    """Displacements (N, T, 2, 3) that keep standing feet still on the floor and swinging feet above it.

    soles_m, speed_m_s: (N, T, 2) height of each foot's lowest corner and speed of what is to be held; velocity_m_s:
    (N, T − 1, 2 feet, 2) of that.
    """
    still_m = stillness(velocity_m_s, speed_m_s, stands, fps, settings)
    anchors_m = np.stack([still_m[..., 0], -soles_m, still_m[..., 1]], axis=-1)
    moves_m = bridge_swings(anchors_m, stands, fps, settings)
    hurry = np.clip((speed_m_s - settings.slow_m_s) / settings.faster_m_s, 0.0, 1.0)
    clearance_m = settings.clear_m + (settings.clearance_m - settings.clear_m) * hurry
    height_m = np.where(stands, moves_m[..., 1], np.maximum(moves_m[..., 1], clearance_m - soles_m))
    height_m = 0.5 * (height_m + blur(height_m, 1.0, fps))
    moves_m[..., 1] = np.maximum(height_m, np.where(stands, 0.0, settings.clear_m) - soles_m)
    return moves_m


def stillness(
    velocity_m_s: np.ndarray, speed_m_s: np.ndarray, stands: np.ndarray, fps: float, settings: FootSettings = FEET
) -> np.ndarray:
    """(N, T, 2, 2) horizontal displacements that cancel each stance's sliding, with zero mean over it.

    The mean weighs the slow frames of a stance most: there the foot is where it was meant to be.
    """
    slid_m = np.zeros((*stands.shape, 2))
    slid_m[:, 1:] = np.cumsum(velocity_m_s / fps, axis=1)
    weights = stands / (settings.slowest_m_s + speed_m_s)
    stance = stance_numbers(stands)
    total = np.maximum(np.bincount(stance.ravel(), weights.ravel()), 1e-9)
    still_m = np.empty_like(slid_m)
    for axis in (0, 1):
        weighted = np.bincount(stance.ravel(), (weights * slid_m[..., axis]).ravel())
        still_m[..., axis] = (weighted / total)[stance] - slid_m[..., axis]
    distance_m = np.linalg.norm(still_m, axis=-1, keepdims=True)
    return still_m * np.minimum(1.0, settings.lock_limit_m / np.maximum(distance_m, 1e-9))


def stance_numbers(stands: np.ndarray) -> np.ndarray:
    """(N, T, 2) a number for each stance of each foot of each motion, 0 in the swings between."""
    starts = stands & ~np.concatenate([np.zeros_like(stands[:, :1]), stands[:, :-1]], axis=1)
    by_foot = np.moveaxis(starts, 1, -1)
    numbers = np.cumsum(by_foot.ravel()).reshape(by_foot.shape)
    return np.moveaxis(numbers, -1, 1) * stands


def bridge_swings(anchors_m: np.ndarray, stands: np.ndarray, fps: float, settings: FootSettings = FEET) -> np.ndarray:
    """Anchors (N, T, 2, 3) of standing feet, carried through the swings between.

    Heights blend from stance to stance and are held before the first and after the last; horizontally a swing is right
    as it is, so there anchors fade within `settings.letting_go_s`. Feet that never stand get zero.
    """
    frames, never = np.arange(stands.shape[1])[None, :, None], 10**9
    last = stands.shape[1] - 1
    before = np.maximum.accumulate(np.where(stands, frames, -never), axis=1)
    after = np.flip(np.minimum.accumulate(np.flip(np.where(stands, frames, never), axis=1), axis=1), axis=1)
    come, go = _at(anchors_m, np.minimum(after, last)), _at(anchors_m, np.maximum(before, 0))
    share = smoothstep((frames - before) / np.maximum(after - before, 1))[..., None]
    away = (frames - before, after - frames)
    going, coming = (smoothstep(1 - count / (settings.letting_go_s * fps))[..., None] for count in away)
    moves_m = (1 - share) * going * go + share * coming * come
    moves_m[..., 1] = ((1 - share) * go + share * come)[..., 1]
    stood = np.any(stands, axis=1, keepdims=True)
    return np.where(stands[..., None], anchors_m, np.where(stood[..., None], moves_m, 0.0))


def _at(values: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Values (N, T, 2, 3) of each foot at its own frames (N, T, 2)."""
    return np.take_along_axis(values, frames[..., None], axis=1)
