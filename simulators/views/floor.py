"""Correct motions in the frame of their floor, and return corrections to the world."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from selfcorrect.motion.editing.transforms import raise_motion
from selfcorrect.motion.geometry.vectors import UP
from selfcorrect.motion.motion import Motion, replace_keeping_stances
from selfcorrect.motion.perception.floor_view import FloorView
from selfcorrect.motion.perception.foot_frames import estimate_foot_frames
from selfcorrect.motion.perception.ground_plane import LEVEL, GroundPlane
from selfcorrect.motion.perception.observed_ground import OTHER_GROUND_M, observe_ground
from selfcorrect.motion.views import TurnedWorld

from ..results.results import NOTED_M, CorrectedMotion, Note, NoteKind
from ..results.way_back import map_space


def _fit_soles_to_floor(motion: Motion) -> Motion:
    """Fit soles to a moved floor, if the motion comes with soles."""
    if motion.feet is None or motion.feet.soles_m is None:
        return motion
    soles_m = estimate_foot_frames([replace_keeping_stances(motion, feet=None)]).soles_m
    return motion if soles_m is None else replace_keeping_stances(motion, feet=replace(motion.feet, soles_m=soles_m))


@dataclass(frozen=True, eq=False)
class MotionOnFloor(FloorView):
    """A motion in the frame of its floor, and the way back.

    The floor is that of a known ground, or the plane that the feet show.
    """

    estimated: GroundPlane = LEVEL
    """Estimated floor of the given motion; level if its ground is known."""
    levels: bool = False
    """Whether corrections stay level, as users may ask. Otherwise, they return to their tilted floor."""
    moves_floor: bool = False
    """Whether the floor of corrections is moved to y = 0. Otherwise it stays at its height."""

    @classmethod
    def from_estimated_plane(cls, motion: Motion, *, levels: bool = False, moves_floor: bool = False) -> MotionOnFloor:
        """View a motion on its estimated ground plane, turned level if tilted.

        If uncertain bone lengths explain the height of the plane (see `ObservedGround.kept_m`), the motion is seen with
        the plane at y = 0, and its corrections return to that height.

        Args:
            motion: A motion whose ground is unknown.
            levels: Whether corrections stay level.
            moves_floor: Whether the floor of corrections is moved to y = 0, unless bone lengths explain its height.
        """
        view = cls(motion, motion, estimated=observe_ground(motion).plane, levels=levels)
        turned = TurnedWorld(view.plane.to_level) if view.plane.is_tilted else None
        seen = turned.view(motion) if turned else motion
        kept_m = observe_ground(seen).kept_m or 0.0
        if kept_m:
            seen = raise_motion(seen, -kept_m)
        return replace(view, motion=seen, turned=turned, lowest_m=kept_m, moves_floor=moves_floor and not kept_m)

    @property
    def plane(self) -> GroundPlane:
        """The estimated floor on which the motion is seen.

        Under a floor whose tilt changes, feet stand beside the mean plane, so a level floor is taken instead, unless
        corrections are to be level.
        """
        return LEVEL if self.estimated.is_bent and not self.levels else self.estimated

    @property
    def is_levelled(self) -> bool:
        """Whether corrections stay level although the floor is tilted."""
        return self.levels and self.plane.is_tilted

    def restore(self, correction: CorrectedMotion) -> CorrectedMotion:
        """Restore a correction to the original world.

        If corrections stay level, it is restored to the level world.
        """
        world = replace(correction.world, plane=self.plane, levels=self.levels)
        correction = replace(correction, remarks=(*self._remark_on_plane(), *correction.remarks), world=world)
        if self.motion is self.given:
            return self.move_floor_to_zero(correction)
        if not correction.accepted:
            return replace(correction, motion=self.given)
        turned = None if self.is_levelled else self.turned
        placed = map_space(correction, (0.0, self.lowest_m, 0.0), turned)
        return self.move_floor_to_zero(replace(placed, motion=replace(placed.motion, ground=self.given.ground)))

    def _remark_on_plane(self) -> Iterator[Note]:
        """Yield remarks on the plane and height of the floor."""
        if self.plane.is_tilted:
            yield Note(NoteKind.LEVELLED if self.levels else NoteKind.TILTED, self.plane.tilt_deg)
        elif self.estimated.is_bent and not self.levels:
            yield Note(NoteKind.TILT_CHANGES, self.estimated.tilt_deg)
        if self.given.ground is None and abs(self.lowest_m) > NOTED_M:
            yield Note(NoteKind.FLOOR_KEPT, self.lowest_m)

    def move_floor_to_zero(self, correction: CorrectedMotion) -> CorrectedMotion:
        """Move the floor that a restored correction's feet show to y = 0.

        A tilted floor is moved vertically, too, so that the horizontal path does not change. With the given motion's
        feet, the floor of captures would be 1 mm more accurate, but that of sinking motions 4 mm less, because the
        clean-up removes some of the sinking.
        """
        if not correction.accepted or self.given.ground is not None:
            return correction
        _, level = correction.see_level(self.given)
        level = level.frames(*correction.world.find_frames_between_t_poses(level))
        ground = observe_ground(level)
        shown_m = ground.floor_to_zero_m
        floor_m = shown_m or 0.0 if self.moves_floor else 0.0
        lowest_level_m = float(ground.feet_seen.levels_m[0])
        lowest_m = lowest_level_m - floor_m
        has_lower_ground = ground.is_shown and ground.is_stood_on and abs(lowest_m) > OTHER_GROUND_M
        is_floor_unknown = shown_m is None and self.moves_floor and not has_lower_ground
        world = replace(
            correction.world,
            floor_moved_m=floor_m,
            lowest_ground_m=lowest_m if has_lower_ground else None,
            unknown_floor_m=lowest_level_m if is_floor_unknown else None,
        )
        placed = replace(correction, world=world)
        if not floor_m:
            return placed
        down_m = floor_m
        if world.plane.is_tilted and not self.levels:
            down_m = floor_m / world.plane.normal[1]  # the height is along the normal
        moved = map_space(placed, -down_m * UP)
        return replace(moved, motion=_fit_soles_to_floor(moved.motion))
