"""Positions, velocities and thickness of soles.

Feet are arrays (N, T, 2, K, 3): motion, frame, left and right foot, and the K corners of a sole from heel to toe tip.
"""

from dataclasses import replace

import numpy as np

from selfcorrect.motion.body.surface import SolePoints
from selfcorrect.motion.geometry.curves import smooth_gaussian, smoothstep
from selfcorrect.motion.geometry.floor_speeds import floor_speeds_m_s, floor_velocities_between_m_s
from selfcorrect.motion.geometry.rotations import rotate
from selfcorrect.motion.geometry.vectors import norms, percentile
from selfcorrect.motion.perception.motion_features import STEP_SMOOTHING_S

_RUNNING_M_S = 1.5
"""Root speed above which the apparent sliding of standing feet grows in proportion, in m/s. At such speeds, feet land
and lift off within a frame or two."""
_TOUCH_SCALE_M = 0.008
"""Height over which the weight of a touching corner falls by a factor of e, in m."""
_HELD_SCALE_M = 0.02
"""Height over which the weight of a held corner falls by a factor of e, in m."""
_HELD_SCALE_M_S = 0.05
"""Speed scale of held corners, in m/s: weights are proportional to 1 / (this + corner speed)²."""

_FLAT_S = 0.25, 1.0
"""Durations of flat stance, in s, summed over both feet. Up to the first, soles are left unchanged; from the second on,
the fit is trusted fully."""

MAX_THICKNESS_CHANGE_M = 0.025
"""Maximum change in sole thickness, in m."""

HOVER_PERCENTILE = 30
"""Percentile of a corner's heights in flat stance that is taken as its hover height."""

_BALL_PAIR = 1
"""Index of the corner pair at the ball of the foot."""


def corner_positions(soles: SolePoints, positions_m: np.ndarray, orientations: np.ndarray) -> np.ndarray:
    """Return the positions of sole corners in the world.

    Args:
        positions_m: (..., J, 3) joints, world.
        orientations: (..., J, 4) joints, world.

    Returns:
        (..., P, 3) in m.
    """
    offsets_m = rotate(orientations.take(soles.joints, axis=-2), soles.offsets_m)
    return positions_m.take(soles.joints, axis=-2) + offsets_m


def split_by_foot(corners: np.ndarray, axis: int = -2) -> np.ndarray:
    """Split values of sole corners (..., P, ...) by foot, left first.

    Args:
        axis: Axis of the P corners of both feet.

    Returns:
        (..., 2, P / 2, ...).
    """
    axis %= corners.ndim
    return corners.reshape(*corners.shape[:axis], 2, -1, *corners.shape[axis + 1 :])


def lowest_corner_velocities(feet_m: np.ndarray, fps: float) -> np.ndarray:
    """Return each foot's horizontal velocity at its lowest corners.

    Returns:
        (N, T − 1, 2 feet, 2) in m/s, along x and z.
    """
    weights = lowness_weights(feet_m[..., 1])
    weights = weights[:, 1:] + weights[:, :-1]
    weights /= weights.sum(-1, keepdims=True)
    return np.sum(floor_velocities_between_m_s(feet_m, fps, axis=1) * weights[..., None], axis=3)


def stance_velocities(feet_m: np.ndarray, fps: float) -> np.ndarray:
    """Return the horizontal velocity of each standing foot's held part.

    The slowest of the low corners are the held part. Soles are rigid here, unlike people's: when a person rolls over
    the ball of the foot, the toe tips seem to be lowest and to slide.

    Returns:
        (N, T − 1, 2 feet, 2) in m/s, along x and z.
    """
    weights = lowness_weights(feet_m[..., 1], _HELD_SCALE_M)
    velocity_m_s = floor_velocities_between_m_s(feet_m, fps, axis=1)
    weights = (weights[:, 1:] + weights[:, :-1]) / (_HELD_SCALE_M_S + norms(velocity_m_s)) ** 2
    weights /= weights.sum(-1, keepdims=True)
    return np.sum(velocity_m_s * weights[..., None], axis=3)


def lowness_weights(heights_m: np.ndarray, within_m: float = _TOUCH_SCALE_M) -> np.ndarray:
    """Weight corners by how low they are.

    The lowest corner has weight 1, and weights fall exponentially with the height above it.

    Args:
        heights_m: (..., K) corner heights.
        within_m: Height over which weights fall by a factor of e.

    Returns:
        (..., K).
    """
    return np.exp((heights_m.min(-1, keepdims=True) - heights_m) / within_m)


def sole_normals(soles: SolePoints) -> np.ndarray:
    """Return each sole's upward normal (2, 3) in the ankle's frame.

    The normal is perpendicular to the line from the heel to the next corner.
    """
    offsets_m = split_by_foot(soles.offsets_m)
    heel_m = offsets_m[:, 0]
    next_m = offsets_m[:, 2]
    _, rise_m, forward_m = (next_m - heel_m).T
    normals = np.stack([np.zeros(2), forward_m, -rise_m], axis=-1)
    return normals / norms(normals)[..., None]


def fit_soles(
    soles: SolePoints, heights_m: np.ndarray, flat: np.ndarray, fps: float, *, ball_known: bool = False
) -> SolePoints:
    """Fit sole thickness at heel, ball and tip.

    A corner pair that floats in flat stance is lowered by the 30th percentile of its height there, measured from the
    lowest pair. With `ball_known`, heights are measured from the pair at the ball, and heel and tip are moved to its
    level, up or down. If feet are hardly ever flat, pairs are moved by less, so that no single frame decides. Both feet
    get the same thickness.

    Args:
        soles: Soles with K corners per foot.
        heights_m: (T, 2, K) corners above the floor.
        flat: (T, 2) whether a foot stands flat.
        ball_known: Whether the thickness at the ball is known.
    """
    few_s, enough_s = _FLAT_S
    flat_s = flat.sum() / fps
    share = float(smoothstep((flat_s - few_s) / (enough_s - few_s)))
    if share == 0.0:
        return soles
    pairs_m = heights_m[flat].reshape(flat.sum(), -1, 2).mean(-1)
    hover_m = percentile(pairs_m, HOVER_PERCENTILE, axis=0)
    above_m = hover_m - (hover_m[_BALL_PAIR] if ball_known else hover_m.min())
    lowered_m = share * np.clip(above_m, -MAX_THICKNESS_CHANGE_M, MAX_THICKNESS_CHANGE_M)
    offsets_m = soles.offsets_m.copy()
    offsets_m[:, 1] -= np.tile(np.repeat(lowered_m, 2), 2)
    return replace(soles, offsets_m=offsets_m)


def frame_speeds(velocity_m_s: np.ndarray) -> np.ndarray:
    """Return speeds (N, T, 2) at frames.

    Each is the mean of the speeds before and after the frame.

    Args:
        velocity_m_s: (N, T − 1, 2, 2) velocities between frames.
    """
    between = norms(velocity_m_s)
    padded = np.concatenate([between[:, :1], between, between[:, -1:]], axis=1)
    return 0.5 * (padded[:, 1:] + padded[:, :-1])


def speed_factors(root_m: np.ndarray, fps: float, from_m_s: float = _RUNNING_M_S, most: float = 3.0) -> np.ndarray:
    """Return factors on the speed bounds of standing feet in fast motions.

    The factor is the floor speed of the smoothed root path, divided by `from_m_s`.

    Args:
        root_m: (N, T, 3) roots.
        from_m_s: Speed above which the factor exceeds 1.

    Returns:
        (N, T) from 1 to `most`.
    """
    smooth_m = smooth_gaussian(root_m, STEP_SMOOTHING_S * fps)
    return np.clip(floor_speeds_m_s(smooth_m, fps, axis=1) / from_m_s, 1.0, most)
