"""The frame of a floor: level, with the lowest ground at y = 0."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..body.surface import sole_corners_m
from ..editing.transforms import raise_motion
from ..kinematics import in_chunks
from ..motion import Motion
from ..views import TurnedWorld


@dataclass(frozen=True, eq=False)
class FloorFrame:
    """Frame of a floor, relative to the world of a motion."""

    turned: TurnedWorld | None = None
    """Rotation that turns the floor level; None if it is level."""
    lowest_m: float = 0.0
    """Height of the lowest ground along the floor's normal, in m."""

    @classmethod
    def from_ground(cls, motion: Motion) -> FloorFrame:
        """Return the frame of a motion's known ground, with the lowest ground under its feet at y = 0.

        Without a ground, and if the motion is in the frame of its floor already, it is the motion's own frame.
        """
        ground = motion.ground
        if ground is None or ground.in_floor_frame or not len(motion):
            return cls()
        turned = None if ground.is_level else TurnedWorld(ground.to_floor)
        seen = turned.view(motion) if turned else motion
        lowest_m = ground.in_own_frame.floor_m
        if seen.skeleton.pair("ankle") is not None:
            heights_m = in_chunks(ground.in_own_frame.beneath_m, sole_corners_m(seen))
            lowest_m = float(heights_m.min())
        return cls(turned, lowest_m)

    def view(self, motion: Motion) -> Motion:
        """View a motion, and its ground if that is known, in this frame."""
        ground = motion.ground
        seen = self.turned.view(motion) if self.turned else motion
        if self.lowest_m:
            seen = raise_motion(seen, -self.lowest_m)
        if ground is None or ground.in_floor_frame or not len(motion):
            return seen
        return replace(seen, ground=ground.with_lowest_floor(self.lowest_m))


def view_on_known_floor(motion: Motion) -> Motion:
    """View a motion in the frame of its known floor: see `FloorFrame.from_ground`."""
    return FloorFrame.from_ground(motion).view(motion)
