"""Posed motions with their soles and stances, and ground boxes under feet.

Arrays are (N, T, 2): motion, frame, left and right foot.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from selfcorrect.motion.body.surface import SolePoints
from selfcorrect.motion.geometry.rotations import rotate
from selfcorrect.motion.geometry.runs import spans
from selfcorrect.motion.kinematics import cache_poses, cached_poses
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.perception.observation import observe
from selfcorrect.motion.perception.rests import REST_GAP_S
from selfcorrect.motion.perception.stance_model import LIKELY
from selfcorrect.motion.support import MAX_SUPPORT_DISTANCE_M, Support
from selfcorrect.motion.views import ShiftedWorld

from ..body.leg_ik import Legs
from ..body.soles import corner_positions, frame_speeds, lowest_corner_velocities, sole_normals, split_by_foot

SOLE_NEAR_M = 0.035
"""Maximum height of a standing sole, in m."""
_HELD_M = 0.015
"""Maximum height of a tilted standing sole, in m, if the other foot stands lower by as much. A body that balances holds
such a foot near the floor."""
_HELD_TILTS_RAD = (float(np.radians(8.0)), float(np.radians(14.0)))
"""Tilts from which on such a sole is partly and fully tilted, in rad."""
STEEP = 0.6
"""Steepness from which a limb stands instead of resting: its rise as a share of its length."""

_OF_VELOCITIES = ("speeds_m_s", "normals", "standing", "stands")
"""Cached properties that do not depend on position."""


@dataclass(frozen=True, eq=False)
class PosedMotions:
    """Motions with their joints and feet in the world.

    Joints are (N, T, J, 3) and (N, T, J, 4), and feet (N, T, 2, K, 3).
    """

    motions: MotionBatch
    soles: SolePoints
    positions_m: np.ndarray
    """(N, T, J, 3) joints."""
    orientations: np.ndarray
    """(N, T, J, 4) of the joints."""
    feet_m: np.ndarray
    """(N, T, 2, K, 3) corners of the soles."""

    @classmethod
    def from_motions(cls, motions: MotionBatch, soles: SolePoints) -> PosedMotions:
        """Pose motions of equal length."""
        positions_m, orientations = cached_poses(motions)
        feet_m = split_by_foot(corner_positions(soles, positions_m, orientations))
        return cls(motions, soles, positions_m, orientations, feet_m)

    def shift(self, shift_m: np.ndarray) -> PosedMotions:
        """Shift motions, poses and feet by (N, T, 3)."""
        if not shift_m.any():
            return self
        motions = ShiftedWorld(shift_m).view(self.motions)
        poses = cache_poses(motions, self.positions_m + shift_m[:, :, None], self.orientations)
        shifted = PosedMotions(motions, self.soles, *poses, self.feet_m + shift_m[:, :, None, None])
        if not np.ptp(shift_m, axis=1).any():  # a constant shift does not change velocities
            vars(shifted).update((name, value) for name, value in vars(self).items() if name in _OF_VELOCITIES)
        return shifted

    @cached_property
    def speeds_m_s(self) -> np.ndarray:
        """(N, T, 2) horizontal speed of each foot's lowest corners, in m/s."""
        return frame_speeds(lowest_corner_velocities(self.feet_m, self.motions.fps))

    @cached_property
    def normals(self) -> np.ndarray:
        """(N, T, 2, 3) upward sole normals in the world."""
        ankles = Legs.from_skeleton(self.motions.skeleton).ankles
        return rotate(self.orientations[:, :, ankles], sole_normals(self.soles))

    def standing_m(self, points_m: np.ndarray) -> np.ndarray:
        """Return points (..., 3) with heights above the ground if it is known."""
        ground = self.motions.ground
        return points_m if ground is None else ground.standing_on(points_m)

    @cached_property
    def stands(self) -> np.ndarray:
        """(N, T, 2) whether each foot stands in place, wherever the ground is."""
        return self.standing.max(-1) > LIKELY

    @cached_property
    def standing(self) -> np.ndarray:
        """(N, T, 2, K) probability that each point stands in place, wherever the ground is."""
        standing = []
        for index in range(len(self.motions)):
            observed = observe(self.motions[index]).plantable
            missing = self.motions.root_m.shape[1] - len(observed)
            standing.append(np.pad(observed, ((0, missing), (0, 0), (0, 0)), mode="edge"))
        return np.array(standing)

    def is_flat(self, tilt_rad: float) -> np.ndarray:
        """Return which feet (N, T, 2) are tilted by less than an angle."""
        return self.normals[..., 1] > np.cos(tilt_rad)

    def stands_on(self, ground_m: np.ndarray | float) -> np.ndarray:
        """Return which feet (N, T, 2) stand on a ground with heights (N, T, 2).

        If contact labels are infinite, they decide.
        """
        heights_m = self.standing_m(self.feet_m)[..., 1].min(-1) - ground_m
        is_other_lower = self.stands[..., ::-1] & (heights_m[..., ::-1] < heights_m - _HELD_M)
        first_rad, last_rad = _HELD_TILTS_RAD
        tilts_rad = np.arccos(np.clip(self.normals[..., 1], -1.0, 1.0))
        held_share = is_other_lower * np.clip((tilts_rad - first_rad) / (last_rad - first_rad), 0.0, 1.0)
        is_near = heights_m < SOLE_NEAR_M + held_share * (_HELD_M - SOLE_NEAR_M)
        if self.motions.contacts is not None:
            is_near |= np.isinf(self.motions.contacts)
        return self.stands & is_near


def label_stances(stands: np.ndarray) -> np.ndarray:
    """Number the stances of all feet (N, T, 2), with 0 in the swings between."""
    stands_before = np.concatenate([np.zeros_like(stands[:, :1]), stands[:, :-1]], axis=1)
    starts = stands & ~stands_before
    by_foot = np.moveaxis(starts, 1, -1)
    numbers = np.cumsum(by_foot.ravel()).reshape(by_foot.shape)
    return np.moveaxis(numbers, -1, 1) * stands


def has_boxes(motions: MotionBatch) -> bool:
    """Return whether the motions' ground is known and has boxes."""
    return motions.ground is not None and bool(motions.ground.boxes)


def find_boxes_under_feet(posed: PosedMotions) -> list[tuple[Support, ...]]:
    """Find the ground boxes on which feet stand, or nearly, in order of time."""
    ground = posed.motions.ground
    assert ground is not None
    gap = round(REST_GAP_S * posed.motions.fps)
    supports = []
    for feet_m in posed.feet_m:
        motion_supports = []
        for box in ground.boxes_near(feet_m):
            is_near = box.contains(feet_m) & (np.abs(feet_m[..., 1] - box.top_m) < MAX_SUPPORT_DISTANCE_M)
            top_m = (box.centre_m[0], box.top_m, box.centre_m[2])
            size_m = (box.size_m[0], box.size_m[2])
            for foot, part in enumerate(("left foot", "right foot")):
                for first, last in spans(is_near[:, foot].any(-1), gap):
                    motion_supports.append(Support(part, top_m, size_m, first, last, box.turn_deg))
        supports.append(tuple(sorted(motion_supports, key=lambda support: support.first)))
    return supports
