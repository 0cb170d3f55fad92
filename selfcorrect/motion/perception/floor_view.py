"""Motions in the frame of their floor.

It is level there, at y = 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..body.surface import sole_corners_m
from ..editing.transforms import raise_motion
from ..kinematics import in_chunks
from ..motion import Motion
from ..views import TurnedWorld
from .ground_plane import LEVEL, GroundPlane
from .observed_ground import observe_ground


@dataclass(frozen=True, eq=False)
class FloorView:
    """A motion in the frame of its floor.

    The lowest ground under its feet is at y = 0.
    """

    motion: Motion
    given: Motion
    """The motion in its own world."""
    turned: TurnedWorld | None = None
    """The turned world, or None if the world was not turned."""
    lowest_m: float = 0.0
    """Height of the lowest ground, in m along the floor's normal."""
    plane: GroundPlane = LEVEL
    """The floor on which the motion is seen, if it was estimated from the given motion."""
    estimated: GroundPlane = LEVEL
    """The estimated floor. It differs from `plane` if its tilt changes."""

    @classmethod
    def from_estimated_plane(cls, motion: Motion, *, accept_bent: bool = False) -> FloorView:
        """See a motion on its estimated ground plane.

        The feet stand on this plane; it is turned level if it is tilted. If the bone lengths are uncertain, the plane
        is put at y = 0: see `ObservedGround.kept_m`.

        Args:
            motion: A motion whose ground is unknown.
            accept_bent: Whether to turn a floor whose tilt changes, although feet stand beside its mean plane.
        """
        estimated = observe_ground(motion).plane
        plane = LEVEL if estimated.is_bent and not accept_bent else estimated
        turned = TurnedWorld(plane.to_level) if plane.is_tilted else None
        seen = turned.view(motion) if turned else motion
        kept_m = observe_ground(seen).kept_m or 0.0
        if kept_m:
            seen = raise_motion(seen, -kept_m)
        return cls(seen, motion, turned, kept_m, plane, estimated)

    @classmethod
    def from_ground(cls, motion: Motion) -> FloorView:
        """See a motion on the floor of its ground.

        The ground is known. A motion without a ground, or one that is already in the floor's frame, stays as it is.
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
