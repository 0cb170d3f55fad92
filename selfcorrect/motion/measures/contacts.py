"""When feet stand on the floor, and where the floor is."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_closing, binary_opening

from selfcorrect.motion.body.flesh import sole_points, world_sole_points
from selfcorrect.motion.kinematics import forward_kinematics, in_slabs
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.vectors import lengths


def foot_contacts(
    moving: Motion | MotionBatch,
    height_m: float = 0.035,
    speed_m_s: float = 0.3,
    shortest_s: float = 0.1,
    longest_gap_s: float = 0.067,
) -> np.ndarray:
    """Whether each foot stands on the floor: (T, 2) or (N, T, 2) bool, left foot first.

    A foot stands while its lowest sole corner is below `height_m` (sunk feet stand too) and its middle moves slower
    than `speed_m_s`, measured over the two frames around. Gaps up to `longest_gap_s` are closed; what is then shorter
    than `shortest_s` is dropped.
    """
    lowest_m, speed_of_sole_m_s = _soles(moving)
    gap, run = round(longest_gap_s * moving.fps), round(shortest_s * moving.fps)
    return _without_flicker((lowest_m < height_m) & (speed_of_sole_m_s < speed_m_s), gap, run)


def floor_height_m(motion: Motion) -> float:
    """Height of the floor that a motion stands on, told from its feet alone.

    The 40th percentile of the lower sole's height over the frames in which it moves slower than 0.36 m/s; the 20th of
    all frames where it hardly ever does.
    """
    lowest_m, speed_m_s = _soles(motion)
    lower = lowest_m == lowest_m.min(axis=1, keepdims=True)
    standing_m = lowest_m[lower & (speed_m_s < 0.36)]
    if len(standing_m) < 5:
        return float(np.percentile(lowest_m.min(axis=1), 20))
    return float(np.percentile(standing_m, 40))


def _soles(moving: Motion | MotionBatch) -> tuple[np.ndarray, np.ndarray]:
    """Height of each sole's lowest corner and speed of its middle, m and m/s, both (..., T, 2), left foot first."""
    skeleton = moving.skeleton
    soles_m = in_slabs(lambda *poses: world_sole_points(skeleton, *forward_kinematics(skeleton, *poses)), moving)
    side = sole_points(skeleton).side
    feet_m = np.stack([soles_m[..., side == foot, :] for foot in (0, 1)], axis=-3)
    return feet_m[..., 1].min(axis=-1), _speed(feet_m.mean(axis=-2), moving.fps)


def _speed(points_m: np.ndarray, fps: float) -> np.ndarray:
    """Speeds (..., T, K) in m/s of points (..., T, K, 3), by central differences, one-sided at the ends."""
    if points_m.shape[-3] == 1:
        return np.zeros(points_m.shape[:-1])
    return lengths(np.gradient(points_m, 1 / fps, axis=-3))


def _without_flicker(contacts: np.ndarray, gap: int, run: int) -> np.ndarray:
    """Close gaps of up to `gap` frames in contacts (..., T, 2), then drop runs shorter than `run` frames."""
    margin = max(gap, run) + 1
    width = [(0, 0)] * (contacts.ndim - 2) + [(margin, margin), (0, 0)]
    # What a motion does not show is taken to be like its first and last frame.
    padded = np.pad(contacts, width, mode="edge")
    shape = (1,) * (contacts.ndim - 2)
    closed = binary_closing(padded, np.ones((*shape, gap + 1, 1)))
    opened = binary_opening(closed, np.ones((*shape, max(run, 1), 1)))
    return opened[..., margin:-margin, :]
