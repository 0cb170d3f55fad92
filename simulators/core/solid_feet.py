"""Solid feet: which points of a foot touch the ground first, and how high they are.

Feet reach from their fitted soles up to default soles. Arrays are (N, T, 2): motion, frame, left and right foot.
"""

import numpy as np

from selfcorrect.motion.body.surface import heel_relief_m, sole_points
from selfcorrect.motion.geometry.rotations import rotate
from selfcorrect.motion.geometry.vectors import sum_points

from ..body.soles import corner_positions, split_by_foot
from .stance import PosedMotions

TIPS_BELOW_BALL_M = 0.02
"""Depth below the ball from which on toe tips no longer lift the foot, in m."""
HEEL_CORNERS = slice(0, 2)
"""Corners at the heel of a foot."""
BALL_CORNERS = slice(2, 4)
"""Corners at the ball of a foot with toes. The corners of the tip follow."""


def solid_foot_points_m(posed: PosedMotions) -> np.ndarray:
    """Return solid foot points (N, T, 2, K, 3).

    The corners of the fitted soles come first, followed by those of default soles, which are lower in a foot that
    points back beyond the vertical.
    """
    default_soles = sole_points(posed.motions.skeleton)
    default_corners_m = corner_positions(default_soles, posed.positions_m, posed.orientations)
    return np.concatenate([posed.feet_m, split_by_foot(default_corners_m)], axis=-2)


def solid_foot_heights_m(posed: PosedMotions, points_m: np.ndarray, ground_m: np.ndarray) -> np.ndarray:
    """Return the height (N, T, 2) of each foot's lowest solid point above the ground.

    Heels are round. Sunken toe tips count as at most `TIPS_BELOW_BALL_M` below the ball, as deep as toes that cannot
    bend far enough. They never lift a foot whose ball is higher than that, because a foot that points down would then
    hang.

    Args:
        points_m: (N, T, 2, K, 3) points from `solid_foot_points_m`, in any rotation.
        ground_m: (N, T, 2) height of the ground beneath each foot.
    """
    heights_m = posed.standing_m(points_m)[..., 1] - ground_m[..., None]
    corners = posed.feet_m.shape[-2]
    if posed.motions.skeleton.soles_m is None or corners <= BALL_CORNERS.stop:
        return heights_m.min(-1)
    heels_m = sum_points(points_m[..., HEEL_CORNERS, :]) / 2
    balls_m = sum_points(points_m[..., BALL_CORNERS, :]) / 2
    relief_m = heel_relief_m(heels_m, balls_m)
    for first in (0, corners):
        heights_m[..., first : first + HEEL_CORNERS.stop] += relief_m[..., None]
    lowest_m = heights_m.min(-1)
    deepest_m = heights_m[..., BALL_CORNERS].min(-1, keepdims=True) - TIPS_BELOW_BALL_M
    for first in (BALL_CORNERS.stop, corners + BALL_CORNERS.stop):
        tips = slice(first, first + 2)
        heights_m[..., tips] = np.maximum(heights_m[..., tips], deepest_m)
    return np.where(lowest_m < 0, np.minimum(heights_m.min(-1), 0.0), lowest_m)


def rotate_feet(feet_m: np.ndarray, ankles_m: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Rotate feet (N, T, 2, K, 3) about the ankles (N, T, 2, 3)."""
    pivot_m = ankles_m[..., None, :]
    return pivot_m + rotate(turns[..., None, :], feet_m - pivot_m)
