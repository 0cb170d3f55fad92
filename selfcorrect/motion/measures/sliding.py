"""Sliding of samples: the speed of standing feet along the floor, at any height.

The published foot skate counts points near the floor at 0, so it rises if the body sinks, and is 0 if the body floats
(`PhysicalErrors.skate_m_s`). Here, a foot stands if it is among the lowest parts of the body and the body is about as
low as in the steps nearby, wherever that is. As in `skating`, its speed is that of the slowest of heel, ball and tip,
because a foot that rolls has a point that stands still. All windows are measured at once, without an estimate of the
ground, so that loops can measure each generation.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import minimum_filter1d

from ..body.surface import BEARING_M, HIGH_SOLES_M, find_sole_middles_m, lowest_point_m, world_sole_points
from ..geometry.floor_speeds import floor_speeds_between_m_s
from ..kinematics import forward_kinematics
from ..motion import MotionBatch

_STEP_S = 0.5
"""Time before and after a frame within which a body touches the ground, in s, longer than the flight of a jump."""


@dataclass(frozen=True, eq=False)
class Footing:
    """Heights and speeds of feet in N motions of T frames, left foot first."""

    lowest_m: np.ndarray
    """(N, T) height of the body's lowest point above 0."""
    feet_m: np.ndarray
    """(N, T, 2) height of each foot's lowest point above 0."""
    speeds_m_s: np.ndarray
    """(N, T−1, 2) speed of each foot's slowest point, along the floor."""
    stands: np.ndarray
    """(N, T−1, 2) bool, true if the foot stands in both frames."""


def find_footing(batch: MotionBatch) -> Footing:
    """Compute heights, speeds and stances of a batch's feet."""
    positions_m, orientations = forward_kinematics(batch.skeleton, batch.root_m, batch.rotations)
    soles_m = world_sole_points(batch.skeleton, positions_m, orientations)
    lowest_m = lowest_point_m(batch.skeleton, soles_m, positions_m, orientations)
    corners_m = soles_m.reshape(*soles_m.shape[:2], 2, -1, 3)
    feet_m = corners_m[..., 1].min(axis=-1)
    speeds_m_s = floor_speeds_between_m_s(find_sole_middles_m(corners_m), batch.fps, axis=1).min(axis=-1)
    frames = 2 * round(_STEP_S * batch.fps) + 1
    level_m = minimum_filter1d(lowest_m, frames, axis=1, mode="nearest")
    is_grounded = lowest_m - level_m < HIGH_SOLES_M
    carries = (feet_m - lowest_m[..., None] < BEARING_M) & is_grounded[..., None]
    is_counted = np.arange(1, batch.root_m.shape[1]) < batch.lengths[:, None]
    return Footing(lowest_m, feet_m, speeds_m_s, carries[:, 1:] & carries[:, :-1] & is_counted[..., None])


def measure_slide_m_s(batch: MotionBatch) -> np.ndarray:
    """Measure each motion's mean sliding speed (N,), or 0 if no foot stands."""
    footing = find_footing(batch)
    total_m_s = np.sum(footing.speeds_m_s * footing.stands, axis=(1, 2))
    return total_m_s / np.maximum(footing.stands.sum(axis=(1, 2)), 1)
