"""Sliding of samples, at any height.

It is the speed of standing feet along the floor, however far above or below it they are. The published skate counts
points near the floor at 0, so feet seem to slide more if the body sinks, and not at all if the body floats
(`PhysicalErrors.skate_m_s`). Here a foot stands while it is among the lowest parts of the body, and the body is at the
level of its last or next step, wherever that is. As in `skating`, a foot is as fast as the slowest of heel, ball and
tip, because a foot that rolls has a point that stands still. All windows are measured at once and without an estimate
of the ground, so that loops can measure each generation.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import minimum_filter1d

from ..body.surface import find_sole_middles_m, lowest_point_m, world_sole_points
from ..geometry.floor_speeds import floor_speeds_between_m_s
from ..kinematics import forward_kinematics
from ..motion import MotionBatch

_CARRIES_M = 0.01
"""Maximum height of a bearing foot, in m above the body's lowest point."""
_IN_FLIGHT_M = 0.05
"""Minimum height of a body in the air, in m above the level of the nearest steps."""
_STEP_S = 0.5
"""Time in which a body is on the ground once, in s before and after a frame, and longer than the flight of a jump."""


@dataclass(frozen=True, eq=False)
class Footing:
    """Foot heights and speeds of N motions of T frames, the left foot first."""

    lowest_m: np.ndarray
    """(N, T) lowest height of the body above 0."""
    feet_m: np.ndarray
    """(N, T, 2) lowest height of each foot above 0."""
    speeds_m_s: np.ndarray
    """(N, T−1, 2) speed of each foot's slowest point, along the floor."""
    stands: np.ndarray
    """(N, T−1, 2) bool, whether the foot stands in both frames."""


def find_footing(batch: MotionBatch) -> Footing:
    """Find heights and speeds of a batch's feet."""
    positions_m, orientations = forward_kinematics(batch.skeleton, batch.root_m, batch.rotations)
    soles_m = world_sole_points(batch.skeleton, positions_m, orientations)
    lowest_m = lowest_point_m(batch.skeleton, soles_m, positions_m, orientations)
    corners_m = soles_m.reshape(*soles_m.shape[:2], 2, -1, 3)
    feet_m = corners_m[..., 1].min(axis=-1)
    speeds_m_s = floor_speeds_between_m_s(find_sole_middles_m(corners_m), batch.fps, axis=1).min(axis=-1)
    frames = 2 * round(_STEP_S * batch.fps) + 1
    level_m = minimum_filter1d(lowest_m, frames, axis=1, mode="nearest")
    is_grounded = lowest_m - level_m < _IN_FLIGHT_M
    carries = (feet_m - lowest_m[..., None] < _CARRIES_M) & is_grounded[..., None]
    is_counted = np.arange(1, batch.root_m.shape[1]) < batch.lengths[:, None]
    return Footing(lowest_m, feet_m, speeds_m_s, carries[:, 1:] & carries[:, :-1] & is_counted[..., None])


def measure_slide_m_s(batch: MotionBatch) -> np.ndarray:
    """Measure each motion's sliding speed (N,).

    Standing feet slide along the floor; motions in which no foot stands have 0.
    """
    footing = find_footing(batch)
    total_m_s = np.sum(footing.speeds_m_s * footing.stands, axis=(1, 2))
    return total_m_s / np.maximum(footing.stands.sum(axis=(1, 2)), 1)
