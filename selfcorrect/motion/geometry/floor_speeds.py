"""Speeds along the floor: how fast points slide, whatever their height.

All speeds of sliding feet are computed here. What differs elsewhere is which frames and which points count.
"""

import numpy as np

from .vectors import norms


def floor_speeds_m_s(points_m: np.ndarray, fps: float, axis: int = 0, belt_m_s: np.ndarray | float = 0.0) -> np.ndarray:
    """Compute speeds along the floor at each frame.

    They are central differences, and 0 for a single frame.

    Args:
        points_m: (..., 3) points, world, with the T frames along `axis`.
        fps: Frames per second.
        axis: Axis of the frames.
        belt_m_s: (..., 2) velocity along x and z of the belt from which the points are seen.
    """
    if points_m.shape[axis] < 2:
        return np.zeros(points_m.shape[:-1])
    return norms(np.gradient(points_m[..., [0, 2]], 1 / fps, axis=axis) - belt_m_s)


def floor_speeds_between_m_s(
    points_m: np.ndarray, fps: float, axis: int = 0, belt_m_s: np.ndarray | float = 0.0
) -> np.ndarray:
    """Compute speeds along the floor between frames.

    There are T − 1 of them, each since the frame before: see `floor_speeds_m_s`.
    """
    return norms(np.diff(points_m[..., [0, 2]], axis=axis) * fps - belt_m_s)
