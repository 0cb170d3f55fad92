"""Motions on a ground that people describe, seen in its floor's frame and put back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..body.surface import world_sole_points
from ..correction.results import CorrectedMotion
from ..geometry.kinematics import world_poses
from ..geometry.rotations import applied, composed
from ..motion import Motion
from ..skeleton import UNTURNED
from ..support import Support


@dataclass(frozen=True, eq=False)
class OnFloor:
    """A motion in the frame of its ground's floor, the lowest ground under its feet at y = 0."""

    motion: Motion
    to_floor: np.ndarray
    """(4,) quaternion that turned the world."""
    lowest_m: float
    """Height of that ground, along the floor's normal."""

    @classmethod
    def of(cls, motion: Motion) -> OnFloor:
        """The motion as it was where it has no ground, or is seen so already."""
        ground = motion.ground
        if ground is None or ground.in_floor_frame or not len(motion):
            return cls(motion, np.array(UNTURNED), 0.0)
        turn = ground.to_floor.as_quat()
        seen = _turned(motion, turn) if ground.slope_deg else motion
        lowest_m = ground.of_floor.floor_m
        if None not in (seen.skeleton.joint("left_ankle"), seen.skeleton.joint("right_ankle")):
            soles_m = world_sole_points(seen.skeleton, *world_poses(seen))
            lowest_m = float(ground.of_floor.beneath_m(soles_m).min())
        lowered = replace(seen, root_m=seen.root_m - [0.0, lowest_m, 0.0], ground=ground.raised_from(lowest_m))
        return cls(lowered, turn, lowest_m)

    def off(self, correction: CorrectedMotion, given: Motion) -> CorrectedMotion:
        """A correction of this motion in the world of the given one."""
        if self.motion is given:
            return correction
        motion = self._restored(correction.motion, given) if correction.accepted else given
        supports = tuple(map(self._restored_support, correction.supports))
        return replace(correction, motion=motion, supports=supports)

    def _restored(self, motion: Motion, given: Motion) -> Motion:
        """A motion like this one, in the world of the given motion and on its ground."""
        raised = replace(motion, root_m=motion.root_m + np.array([0.0, self.lowest_m, 0.0]))
        tilted = given.ground is not None and given.ground.slope_deg
        world = _turned(raised, self.to_floor * (-1, -1, -1, 1)) if tilted else raised
        return replace(world, ground=given.ground)

    def _restored_support(self, support: Support) -> Support:
        """A support in the world of the given motion."""
        x, y, z = applied(self.to_floor * (-1, -1, -1, 1), support.top_m + np.array([0.0, self.lowest_m, 0.0])).tolist()
        return replace(support, top_m=(x, y, z))


def _turned(motion: Motion, turn: np.ndarray) -> Motion:
    """The motion with its world turned by a quaternion (4,)."""
    rotations = motion.rotations.astype(float)
    rotations[:, 0] = composed(turn, rotations[:, 0])
    return replace(motion, root_m=applied(turn, motion.root_m), rotations=rotations)
