"""The world of a motion, perceived once, and the floor of its correction, decided once.

`core.world` perceives the world before the correction, and later stages read it as a value. `FloorDecision` says where
the correction put the floor. Notes are written from both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.floor_frame import FloorFrame
from selfcorrect.motion.perception.ground_plane import LEVEL, GroundPlane


@dataclass(frozen=True, eq=False)
class Ride:
    """Ground that rises or sinks under T frames."""

    rises_m: np.ndarray
    """(T,) ground height relative to the first frame of a lift, or to the middle of ground that rises steadily."""
    is_lift: bool
    """Whether a lift carries the body. Otherwise, the ground rises or sinks steadily, as captured floors do."""
    is_certain: bool = False
    """Whether a steady rise is certain, so that it is removed."""

    @property
    def extent_m(self) -> float:
        """Largest rise since the first frame, or fall if that is larger (negative)."""
        extents_m = self.rises_m - self.rises_m[0]
        return float(extents_m[np.abs(extents_m).argmax()])


@dataclass(frozen=True)
class TPoses:
    """T-poses of the rig at both ends of a motion."""

    opening: int = 0
    """Number of T-pose frames at the beginning."""
    closing: int = 0
    """Number of T-pose frames at the end."""
    fades_in: bool = False
    """Whether the motion leaves the opening T-pose smoothly."""
    fades_out: bool = False
    """Whether the motion enters the closing T-pose smoothly."""

    def __bool__(self) -> bool:
        return bool(self.opening or self.closing)


@dataclass(frozen=True, eq=False)
class MotionWorld:
    """The world that a motion of T frames shows (y up), in the motion's frames."""

    ride: Ride | None = None
    """Ground that rises or sinks; None if it does not."""
    estimated_plane: GroundPlane = LEVEL
    """Floor under the feet, seen from the ride; level if the ground is known."""
    levels: bool = False
    """Whether users asked to level the floor if it is tilted."""
    floor_frame: FloorFrame = field(default_factory=FloorFrame)
    """Frame in which the motion is corrected: that of the known ground, or of the floor under the feet. An estimated
    floor is at its own height there, unless it stays at that height in the end, too."""
    moves_floor: bool = False
    """Whether the correction moves the floor to y = 0."""
    is_height_kept: bool = False
    """Whether the body keeps its height because its support is unknown."""
    t_poses: TPoses = TPoses()
    takes: tuple[int, ...] = ()
    """First frame of each take except the first."""

    @property
    def plane(self) -> GroundPlane:
        """The estimated floor on which the motion is corrected.

        Under a floor whose tilt changes, feet stand beside the mean plane, so a level floor is taken instead, unless
        corrections are to be level.
        """
        return LEVEL if self.estimated_plane.is_bent and not self.levels else self.estimated_plane

    @property
    def is_levelled(self) -> bool:
        """Whether a tilted floor was levelled, so that the corrected motion stands on a level floor."""
        return self.levels and self.plane.is_tilted

    @property
    def is_rise_removed(self) -> bool:
        """Whether a rise of the ground was removed."""
        ride = self.ride
        return ride is not None and (self.levels or (ride.is_certain and self.moves_floor))

    def on_level_floor(self) -> MotionWorld:
        """Return the world as if its estimated floor were level."""
        return replace(self, estimated_plane=LEVEL, floor_frame=FloorFrame())

    def find_frames_between_t_poses(self, motion: Motion) -> tuple[int, int]:
        """Return the first frame after the opening T-pose, and of the closing one."""
        return self.t_poses.opening, len(motion) - self.t_poses.closing

    def select_frames(self, start: int, stop: int, frames: int) -> MotionWorld:
        """Return the world of frames `start` to `stop` (exclusive) of a motion with so many frames.

        T-poses that would leave nothing between them are part of the motion.
        """
        opening = max(self.t_poses.opening - start, 0)
        closing = max(self.t_poses.closing - (frames - stop), 0)
        t_poses = TPoses()
        if opening + closing < stop - start:
            fades_in = bool(opening) and self.t_poses.fades_in
            t_poses = TPoses(opening, closing, fades_in, fades_out=bool(closing) and self.t_poses.fades_out)
        ride = self.ride and replace(self.ride, rises_m=self.ride.rises_m[start:stop])
        takes = tuple(frame - start for frame in self.takes if start < frame < stop)
        return replace(self, ride=ride, t_poses=t_poses, takes=takes)

    def map_time(self, bounds: Sequence[int]) -> MotionWorld:
        """Return the world in the frames of the whole motion: see `way_back.map_time`."""
        last = len(bounds) - 1
        opening = bounds[self.t_poses.opening] - bounds[0]
        closing = bounds[last] - bounds[last - self.t_poses.closing]
        ride = self.ride
        if ride is not None:
            counts = [stop - start for start, stop in pairwise(bounds)]
            ride = replace(ride, rises_m=np.repeat(ride.rises_m, counts))
        t_poses = replace(self.t_poses, opening=opening, closing=closing)
        return replace(self, ride=ride, t_poses=t_poses, takes=tuple(bounds[frame] for frame in self.takes))

    @classmethod
    def join(cls, worlds: Sequence[MotionWorld]) -> MotionWorld:
        """Join the worlds of a motion's parts, all in the frames of the motion.

        Parts may have other floors, so the whole has only their cuts and T-poses.
        """
        if not worlds:
            return cls()
        first, last = worlds[0].t_poses, worlds[-1].t_poses
        return cls(
            is_height_kept=any(world.is_height_kept for world in worlds),
            t_poses=TPoses(first.opening, last.closing, first.fades_in, last.fades_out),
            takes=tuple(frame for world in worlds for frame in world.takes),
        )


@dataclass(frozen=True)
class FloorDecision:
    """Where a correction put the floor: see `core.world.MotionOnFloor.decide_floor`."""

    moved_m: float = 0.0
    """Height of the floor before it was moved to y = 0, in m; 0 if it was not moved."""
    lowest_ground_m: float | None = None
    """Height of the lowest ground under the corrected motion, in m; None if this is the floor or unknown."""
    unknown_m: float | None = None
    """Height of the feet if no floor is visible, in m; None if the floor is known."""
    kept_m: float = 0.0
    """Height of a floor that stays above y = 0 under the corrected motion, in m; 0 if it was moved to y = 0."""
    slope: GroundPlane = LEVEL
    """Sloping floor that a scene has given the corrected motion."""

    @property
    def ground_m(self) -> float:
        """Height of the lowest known ground under the corrected motion, in m."""
        return self.kept_m if self.lowest_ground_m is None else self.lowest_ground_m

    @classmethod
    def join(cls, decisions: Sequence[FloorDecision]) -> FloorDecision:
        """Join the decisions for a motion's parts: the lowest ground of the last part, and the lowest floor of all."""
        heights_m = [decision.lowest_ground_m for decision in decisions]
        last_m = next((height_m for height_m in reversed(heights_m) if height_m is not None), None)
        return cls(lowest_ground_m=last_m, kept_m=min((decision.kept_m for decision in decisions), default=0.0))
