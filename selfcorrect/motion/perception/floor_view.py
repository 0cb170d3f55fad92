"""Motions seen in the frame of their described floor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from ..body.surface import sole_corners_m
from ..editing.transforms import raise_motion
from ..kinematics import in_chunks
from ..motion import Motion
from ..views import TurnedWorld


@dataclass(frozen=True, eq=False)
class FloorView:
    """A motion in the frame of its floor.

    The lowest ground under its feet is at y = 0.
    """

    motion: Motion
    given: Motion
    """The motion in its own world."""
    turned: TurnedWorld | None = None
    """Rotation of the world, or None if it was not rotated."""
    lowest_m: float = 0.0
    """Height of the lowest ground before it was moved to y = 0, along the floor's normal, in m."""

    @classmethod
    def from_ground(cls, motion: Motion) -> Self:
        """View a motion on the floor of its known ground.

        A motion without a ground, or already in the frame of its floor, is unchanged.
        """
        ground = motion.ground
        if ground is None or ground.in_floor_frame or not len(motion):
            return cls(motion, motion)
        turned = None if ground.is_level else TurnedWorld(ground.to_floor)
        seen = turned.view(motion) if turned else motion
        lowest_m = ground.in_own_frame.floor_m
        if seen.skeleton.pair("ankle") is not None:
            heights_m = in_chunks(ground.in_own_frame.beneath_m, sole_corners_m(seen))
            lowest_m = float(heights_m.min())
        seen = replace(raise_motion(seen, -lowest_m), ground=ground.with_lowest_floor(lowest_m))
        return cls(seen, motion, turned, lowest_m)
