"""The world of a motion, as its correction found it.

It has floor, cuts, T-poses, what carries the body, and what is unknown. Views find these facts one by one. They are
values that later stages read; notes on them are written from the values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.ground_plane import LEVEL, GroundPlane
from selfcorrect.motion.views import TurnedWorld


@dataclass(frozen=True)
class MotionWorld:
    """World of a corrected motion.

    It is y up, with the frames of the motion.
    """

    plane: GroundPlane = LEVEL
    """Estimated floor of the motion before correction."""
    levels: bool = False
    """Whether users asked to level the floor if it is tilted."""
    slope: GroundPlane = LEVEL
    """Sloping floor of the corrected motion. A scene gave it the slope."""
    floor_moved_m: float = 0.0
    """Height of the floor before it was moved to 0, in m; 0 if the floor stayed."""
    lowest_ground_m: float | None = None
    """Height of the corrected motion's lowest ground, in m. None if that is the floor, or unknown."""
    unknown_floor_m: float | None = None
    """Height of the feet without a visible floor, in m; None if the floor is known."""
    is_height_kept: bool = False
    """True if the body keeps its height. Its support is unknown."""
    is_carried: bool = False
    """True if something carries the body. It is a belt, a lift or something unseen; or frames are unrelated poses. Feet
    that rise or slide then show no fault."""
    is_glide_removed: bool = False
    """True if a standing glide was removed."""
    takes: tuple[int, ...] = ()
    """First frame of each take but the first."""
    t_pose_frames: tuple[int, int] = (0, 0)
    """Number of opening and closing T-pose frames. The rig's poses stay."""

    @classmethod
    def join(cls, worlds: Sequence[MotionWorld]) -> MotionWorld:
        """Join the worlds of a motion's parts, in the frames of the motion."""
        lowest_m = [world.lowest_ground_m for world in worlds]
        return cls(
            lowest_ground_m=next((height_m for height_m in reversed(lowest_m) if height_m is not None), None),
            is_height_kept=any(world.is_height_kept for world in worlds),
            is_carried=any(world.is_carried for world in worlds),
            is_glide_removed=any(world.is_glide_removed for world in worlds),
            takes=tuple(frame for world in worlds for frame in world.takes),
            t_pose_frames=(worlds[0].t_pose_frames[0], worlds[-1].t_pose_frames[1]) if worlds else (0, 0),
        )

    @property
    def is_levelled(self) -> bool:
        """True if the corrected motion stands on a level floor, and stood on a tilted one before."""
        return self.levels and self.plane.is_tilted

    def find_frames_between_t_poses(self, motion: Motion) -> tuple[int, int]:
        """Find the frames between opening and closing T-poses.

        The first is after the opening ones, the last (exclusive) before the closing ones.
        """
        opening, closing = self.t_pose_frames
        return opening, len(motion) - closing

    def see_level(self, motion: Motion, corrected: Motion, *, is_corrected: bool = True) -> tuple[Motion, Motion]:
        """Level the floor below motion and correction.

        Both are returned in a world in which it is level.

        Args:
            motion: The motion before its correction.
            corrected: The corrected motion, or the motion itself if it was rejected.
            is_corrected: Whether it was accepted; a rejected motion is not levelled.
        """
        if self.slope != LEVEL:
            return motion, TurnedWorld(self.slope.to_level).view(corrected)
        if not self.plane.is_tilted:
            return motion, corrected
        turned = TurnedWorld(self.plane.to_level)
        return turned.view(motion), corrected if self.is_levelled and is_corrected else turned.view(corrected)
