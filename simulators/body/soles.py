"""The soles of a moving body: where their corners are and how they move.

Feet are arrays (N, T, 2, K, 3): motions, frames, left and right, the K corners of a foot from heel to toe tip.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from selfcorrect.motion.body.surface import SolePoints
from selfcorrect.motion.geometry.rotations import rotate
from selfcorrect.motion.geometry.vectors import norms, percentile

from .curves import smooth_gaussian, smoothstep

LOWEST_M = 0.008
"""Corners within about this height of the lowest one count as touching with it."""

HELD_M, HELD_M_S = 0.02, 0.05
"""Of corners within about this height of the lowest one those are held that are slowest, by about this speed."""

FLAT_S = 0.25, 1.0
THICKEST_M, HOVER_PERCENTILE, _BALL = 0.025, 30, 1
"""Durations of flat stance of both feet together: up to the first the soles stay, from the second on they are fully
known. Then the most that is added to soles, and the percentile of their corners' heights in flat stance that says how
much. Of a foot's pairs of corners the second is at its ball."""

FAST_M_S = 1.5
"""From this speed of a body on, feet that land and leave within a frame or two seem to slide that much more."""

_SPEED_BLUR_S = 0.25
"""Standard deviation of the Gaussian over which the speed of bodies is averaged."""


def corner_positions(soles: SolePoints, positions_m: np.ndarray, orientations: np.ndarray) -> np.ndarray:
    """World positions (..., P, 3) of sole corners, from world poses of the joints (..., J, 3) and (..., J, 4)."""
    return positions_m[..., soles.joints, :] + rotate(orientations[..., soles.joints, :], soles.offsets_m)


def split_by_foot(corners_m: np.ndarray) -> np.ndarray:
    """Corners (..., P, 3), left foot first, as (..., 2, P / 2, 3)."""
    return corners_m.reshape(*corners_m.shape[:-2], 2, -1, 3)


def lowest_corner_velocities(feet_m: np.ndarray, fps: float) -> np.ndarray:
    """Horizontal velocity (N, T − 1, 2 feet, 2) in m/s, x and z, of each foot's lowest corners from frame to frame."""
    weights = _lowness_weights(feet_m[..., 1])
    weights = weights[:, 1:] + weights[:, :-1]
    weights /= weights.sum(-1, keepdims=True)
    return np.sum(np.diff(feet_m[..., [0, 2]], axis=1) * weights[..., None], axis=3) * fps


def stance_velocities(feet_m: np.ndarray, fps: float) -> np.ndarray:
    """Horizontal velocity (N, T − 1, 2 feet, 2) in m/s, x and z, of the part of each foot that is held while it stands.

    Of the lower corners these are the slowest. Soles are stiff here and people's are not. When someone rolls over the
    ball of the foot, the tips of the toes seem to be lowest, and to slide.
    """
    weights = _lowness_weights(feet_m[..., 1], HELD_M)
    velocity_m_s = np.diff(feet_m[..., [0, 2]], axis=1) * fps
    weights = (weights[:, 1:] + weights[:, :-1]) / (HELD_M_S + norms(velocity_m_s)) ** 2
    weights /= weights.sum(-1, keepdims=True)
    return np.sum(velocity_m_s * weights[..., None], axis=3)


def _lowness_weights(heights_m: np.ndarray, within_m: float = LOWEST_M) -> np.ndarray:
    """Weights (..., K) of corners by height (..., K): 1 for the lowest, falling exponentially above it."""
    return np.exp((heights_m.min(-1, keepdims=True) - heights_m) / within_m)


def sole_normals(soles: SolePoints) -> np.ndarray:
    """(2, 3) upward normal of the left and right sole in the frame of its ankle, from heel to the next corners."""
    heel_m, next_m = split_by_foot(soles.offsets_m)[:, 0], split_by_foot(soles.offsets_m)[:, 2]
    _, rise_m, forward_m = (next_m - heel_m).T
    normals = np.stack([np.zeros(2), forward_m, -rise_m], axis=-1)
    return normals / np.linalg.norm(normals, axis=-1, keepdims=True)


def fit_soles(
    soles: SolePoints, heights_m: np.ndarray, flat: np.ndarray, fps: float, *, ball_known: bool = False
) -> SolePoints:
    """Soles as thick at heel, ball and toe tip as a motion shows them, both feet alike.

    heights_m: (T, 2, K) corners above the floor; flat: (T, 2) whether a foot stands flat. A corner pair that floats in
    flat stance is lowered by the 30th percentile of its height there, measured from the lowest pair. Where it is known
    how thick soles are, that is the thickness at the ball: heel and tip are moved towards it, up or down. Pairs are
    moved by less where feet hardly ever are flat, so that no single frame decides.
    """
    few_s, enough_s = FLAT_S
    share = float(smoothstep((flat.sum() / fps - few_s) / (enough_s - few_s)))
    if share == 0.0:
        return soles
    pairs_m = heights_m[flat].reshape(flat.sum(), -1, 2).mean(-1)
    hover_m = percentile(pairs_m, HOVER_PERCENTILE, axis=0)
    above_m = hover_m - (hover_m[_BALL] if ball_known else hover_m.min())
    lowered_m = share * np.clip(above_m, -THICKEST_M, THICKEST_M)
    offsets_m = soles.offsets_m.copy()
    offsets_m[:, 1] -= np.tile(np.repeat(lowered_m, 2), 2)
    return replace(soles, offsets_m=offsets_m)


def frame_speeds(velocity_m_s: np.ndarray) -> np.ndarray:
    """Speed (N, T, 2) at frames, from velocities (N, T − 1, 2, 2) between them."""
    between = norms(velocity_m_s)
    padded = np.concatenate([between[:, :1], between, between[:, -1:]], axis=1)
    return 0.5 * (padded[:, 1:] + padded[:, :-1])


def horizontal_speeds(points_m: np.ndarray, fps: float) -> np.ndarray:
    """Speed (N, T, ...) along the floor of points (N, T, ..., 3), m/s."""
    return norms(np.gradient(points_m[..., [0, 2]], 1 / fps, axis=1))


def speed_factors(root_m: np.ndarray, fps: float, from_m_s: float = FAST_M_S, most: float = 3.0) -> np.ndarray:
    """(N, T) speed of roots (N, T, 3) in units of `from_m_s`, smoothed over half a second: 1 at least, `most` at most.

    By so much grow the bounds on the speed of feet that stand.
    """
    along_m = smooth_gaussian(root_m, _SPEED_BLUR_S * fps)
    return np.clip(horizontal_speeds(along_m, fps) / from_m_s, 1.0, most)
