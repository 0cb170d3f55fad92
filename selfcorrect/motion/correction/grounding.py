"""Motions on a ground that people describe, seen in its floor's frame and put back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..body.surface import world_sole_points
from ..geometry.kinematics import forward_kinematics, in_chunks
from ..geometry.views import TurnedWorld
from ..motion import Motion
from ..support import Support
from .results import CorrectedMotion


@dataclass(frozen=True, eq=False)
class OnFloor:
    """A motion in the frame of its ground's floor, the lowest ground under its feet at y = 0."""

    motion: Motion
    given: Motion
    """The motion in its world."""
    turned: TurnedWorld | None = None
    """How the world was turned, None where it was not."""
    lowest_m: float = 0.0
    """Height of that ground, along the floor's normal."""

    @classmethod
    def of(cls, motion: Motion) -> OnFloor:
        """The motion as it was where it has no ground, or is seen so already."""
        ground = motion.ground
        if ground is None or ground.in_floor_frame or not len(motion):
            return cls(motion, motion)
        turned = None if ground.is_level else TurnedWorld(ground.to_floor)
        seen = turned.view(motion) if turned else motion
        lowest_m = ground.in_own_frame.floor_m
        if None not in (seen.skeleton.joint("left_ankle"), seen.skeleton.joint("right_ankle")):
            skeleton, of_floor = seen.skeleton, ground.in_own_frame
            beneath_m = in_chunks(
                lambda *poses: of_floor.beneath_m(world_sole_points(skeleton, *forward_kinematics(skeleton, *poses))),
                seen.root_m,
                seen.rotations,
            )
            lowest_m = float(beneath_m.min())
        root_m = seen.root_m - np.array([0.0, lowest_m, 0.0])
        return cls(replace(seen, root_m=root_m, ground=ground.with_lowest_floor(lowest_m)), motion, turned, lowest_m)

    def off(self, correction: CorrectedMotion) -> CorrectedMotion:
        """A correction of this motion in the world of the given one."""
        if self.motion is self.given:
            return correction
        motion = self._restored(correction.motion) if correction.accepted else self.given
        return replace(correction, motion=motion, supports=tuple(map(self._restored_support, correction.supports)))

    def _restored(self, motion: Motion) -> Motion:
        raised = replace(motion, root_m=motion.root_m + np.array([0.0, self.lowest_m, 0.0]), ground=self.given.ground)
        return self.turned.restore(raised) if self.turned else raised

    def _restored_support(self, support: Support) -> Support:
        raised = support.shift((0.0, self.lowest_m, 0.0))
        if self.turned is None:
            return raised
        x, y, z = self.turned.turn.inv().apply(raised.top_m).tolist()
        return replace(raised, top_m=(x, y, z))
