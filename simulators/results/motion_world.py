"""The world of a motion, as its correction found it.

Views find its facts one by one: floor, cuts, T-poses, and what carries the body. Later stages read them as values, and
notes are written from the values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.ground_plane import LEVEL, GroundPlane
from selfcorrect.motion.views import TurnedWorld


@dataclass(frozen=True)
class MotionWorld:
    """World of a corrected motion (y up), with the frames of the motion."""

    plane: GroundPlane = LEVEL
    """Estimated floor of the motion before correction."""
    levels: bool = False
    """Whether users asked to level the floor if it is tilted."""
    slope: GroundPlane = LEVEL
    """Sloping floor that a scene has given the corrected motion."""
    floor_moved_m: float = 0.0
    """Height of the floor before it was moved to y = 0, in m; 0 if it was not moved."""
    lowest_ground_m: float | None = None
    """Height of the lowest ground under the corrected motion, in m; None if this is the floor or unknown."""
    unknown_floor_m: float | None = None
    """Height of the feet if no floor is visible, in m; None if the floor is known."""
    is_height_kept: bool = False
    """Whether the body keeps its height because its support is unknown."""
    is_carried: bool = False
    """Whether something carries the body (a belt, a lift, or something unseen), or frames are unrelated poses. Feet
    that rise or slide are then not a fault."""
    is_glide_removed: bool = False
    """Whether a standing glide was removed."""
    takes: tuple[int, ...] = ()
    """First frame of each take except the first."""
    t_pose_frames: tuple[int, int] = (0, 0)
    """Numbers of opening and closing frames in T-pose, which are left unchanged."""

    @classmethod
    def join(cls, worlds: Sequence[MotionWorld]) -> MotionWorld:
        """Join the worlds of a motion's parts, all in the frames of the motion."""
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
        """Whether a tilted floor was levelled, so that the corrected motion stands on a level floor."""
        return self.levels and self.plane.is_tilted

    def find_frames_between_t_poses(self, motion: Motion) -> tuple[int, int]:
        """Return the first frame after the opening T-pose, and of the closing one."""
        opening, closing = self.t_pose_frames
        return opening, len(motion) - closing

    def see_level(self, motion: Motion, corrected: Motion, *, is_corrected: bool = True) -> tuple[Motion, Motion]:
        """Return a motion and its correction above a level floor.

        Args:
            motion: The motion before its correction.
            corrected: The corrected motion, or the motion itself if it was rejected.
            is_corrected: Whether it was accepted. A rejected motion is not levelled yet.
        """
        if self.slope != LEVEL:
            return motion, TurnedWorld(self.slope.to_level).view(corrected)
        if not self.plane.is_tilted:
            return motion, corrected
        turned = TurnedWorld(self.plane.to_level)
        return turned.view(motion), corrected if self.is_levelled and is_corrected else turned.view(corrected)
