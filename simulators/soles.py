"""The soles of a moving body: where their corners are and how they move.

Feet are arrays (N, T, 2, K, 3): motions, frames, left and right, the K corners of a foot from heel to toe tip.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.motion.body import SolePoints

LOWEST_M = 0.008
"""Corners within about this height of the lowest one count as touching with it."""


def corner_positions(soles: SolePoints, positions_m: np.ndarray, orientations: np.ndarray) -> np.ndarray:
    """World positions (..., P, 3) of sole corners, from world poses of the joints (..., J, 3) and (..., J, 4)."""
    turned = Rotation.from_quat(orientations[..., soles.joints, :]).apply(soles.offsets_m)
    return positions_m[..., soles.joints, :] + turned


def by_foot(corners_m: np.ndarray) -> np.ndarray:
    """Corners (..., P, 3), left foot first, as (..., 2, P / 2, 3)."""
    return corners_m.reshape(*corners_m.shape[:-2], 2, -1, 3)


def velocities(feet_m: np.ndarray, fps: float) -> np.ndarray:
    """Horizontal velocity (N, T − 1, 2 feet, 2) in m/s, x and z, of each foot's lowest corners from frame to frame."""
    weights = _lowness(feet_m[..., 1])
    weights = weights[:, 1:] + weights[:, :-1]
    weights /= weights.sum(-1, keepdims=True)
    return np.sum(np.diff(feet_m[..., [0, 2]], axis=1) * weights[..., None], axis=3) * fps


def _lowness(heights_m: np.ndarray) -> np.ndarray:
    """Weights (..., K) of corners by height (..., K): 1 for the lowest, falling exponentially above it."""
    return np.exp((heights_m.min(-1, keepdims=True) - heights_m) / LOWEST_M)


def frame_speeds(velocity_m_s: np.ndarray) -> np.ndarray:
    """Speed (N, T, 2) at frames, from velocities (N, T − 1, 2, 2) between them."""
    between = np.linalg.norm(velocity_m_s, axis=-1)
    padded = np.concatenate([between[:, :1], between, between[:, -1:]], axis=1)
    return 0.5 * (padded[:, 1:] + padded[:, :-1])
