"""Speeds along the floor: how fast points slide, at any height.

Every measure of foot sliding uses these functions. Measures differ in the frames and points that they count; only
`FootPaths` smooths noisy paths first.
"""

import numpy as np

from .vectors import norms


def floor_speeds_m_s(points_m: np.ndarray, fps: float, axis: int = 0, belt_m_s: np.ndarray | float = 0.0) -> np.ndarray:
    """Compute speeds along the floor at each frame.

    Speeds are central differences, or 0 if there is only one frame.

    Args:
        points_m: (..., 3) points in the world, with T frames along `axis`.
        fps: Frames per second.
        axis: Axis of the frames.
        belt_m_s: (..., 2) velocity along x and z of the treadmill belt on which the points are seen.
    """
    if points_m.shape[axis] < 2:
        return np.zeros(points_m.shape[:-1])
    return norms(np.gradient(points_m[..., [0, 2]], 1 / fps, axis=axis) - belt_m_s)


def floor_speeds_between_m_s(
    points_m: np.ndarray, fps: float, axis: int = 0, belt_m_s: np.ndarray | float = 0.0
) -> np.ndarray:
    """Compute T − 1 speeds along the floor between consecutive frames.

    The arguments are those of `floor_speeds_m_s`.
    """
    return norms(floor_velocities_between_m_s(points_m, fps, axis) - belt_m_s)


def floor_velocities_between_m_s(points_m: np.ndarray, fps: float, axis: int = 0) -> np.ndarray:
    """Compute T − 1 velocities (..., 2) along x and z between consecutive frames.

    The arguments are those of `floor_speeds_m_s`.
    """
    return np.diff(points_m[..., [0, 2]], axis=axis) * fps
