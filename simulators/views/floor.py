"""Return corrections on a floor to the world."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from selfcorrect.motion.geometry.vectors import UP
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.floor_view import FloorView
from selfcorrect.motion.perception.foot_frames import estimate_foot_frames
from selfcorrect.motion.perception.ground_plane import TILTED_DEG, GroundPlane
from selfcorrect.motion.perception.observed_ground import OTHER_GROUND_M, observe_ground

from ..results.results import NOTED_M, CorrectedMotion, Note, NoteKind
from ..results.way_back import map_space


def _fit_soles_to_floor(motion: Motion) -> Motion:
    """Fit soles to a moved floor.

    A motion that carries soles gets soles that explain the floor's height.
    """
    if motion.feet is None or motion.feet.soles_m is None:
        return motion
    soles_m = estimate_foot_frames([replace(motion, feet=None)]).soles_m
    return motion if soles_m is None else replace(motion, feet=replace(motion.feet, soles_m=soles_m))


def _explain_level_floor(plane: GroundPlane) -> str:
    """Explain why a plane is no tilted floor."""
    if not plane.stances:
        return "its stances and posture do not show a tilted plane"
    return f"it seems tilted by {plane.tilt_deg:.1f} degrees, and less than {TILTED_DEG:g} count as level"


@dataclass(frozen=True, eq=False)
class MotionOnFloor:
    """A motion seen on its floor.

    It has the way back for its corrections.
    """

    seen: FloorView
    levels: bool = False
    """True if corrections stay level."""
    not_levelled: str = ""
    """Why corrections are not levelled on request; "" if they are, or need not be."""
    moves_floor: bool = False
    """True if the floor is put at y = 0. Otherwise the floor of corrections stays at its height."""

    @classmethod
    def from_estimated_plane(cls, motion: Motion, *, levels: bool = False, moves_floor: bool = False) -> MotionOnFloor:
        """See a motion on its estimated ground plane.

        Its feet stand on the plane.

        Args:
            motion: A motion whose ground is unknown.
            levels: Whether the correction stays level.
            moves_floor: Whether the floor of the correction is put at y = 0, unless uncertain bone lengths explain its
                height.
        """
        seen = FloorView.from_estimated_plane(motion, accept_bent=levels)
        not_levelled = _explain_level_floor(seen.estimated) if levels and not seen.estimated.is_tilted else ""
        return cls(seen, levels and seen.plane.is_tilted, not_levelled, moves_floor and not seen.lowest_m)

    @classmethod
    def from_ground(cls, motion: Motion) -> MotionOnFloor:
        """See a motion on its known floor."""
        return cls(FloorView.from_ground(motion))

    @property
    def motion(self) -> Motion:
        """The motion in the frame of its floor."""
        return self.seen.motion

    @property
    def given(self) -> Motion:
        """The motion in its own world."""
        return self.seen.given

    @property
    def plane(self) -> GroundPlane:
        """The floor on which the motion is seen."""
        return self.seen.plane

    def restore(self, correction: CorrectedMotion) -> CorrectedMotion:
        """Restore a correction to the original world, or to the level world if it stays level."""
        world = replace(correction.world, plane=self.plane, is_levelled=self.levels, not_levelled=self.not_levelled)
        correction = replace(correction, remarks=(*self._remark_on_plane(), *correction.remarks), world=world)
        if self.motion is self.given:
            return self.move_floor_to_zero(correction)
        if not correction.accepted:
            return replace(correction, motion=self.given)
        turned = None if self.levels else self.seen.turned
        placed = map_space(correction, (0.0, self.seen.lowest_m, 0.0), turned)
        return self.move_floor_to_zero(replace(placed, motion=replace(placed.motion, ground=self.given.ground)))

    def _remark_on_plane(self) -> Iterator[Note]:
        """Yield remarks on the plane and height on which the motion is seen."""
        if self.plane.is_tilted:
            yield Note(NoteKind.LEVELLED if self.levels else NoteKind.TILTED, self.plane.tilt_deg)
        elif self.seen.estimated.is_bent and not self.not_levelled:
            yield Note(NoteKind.TILT_CHANGES, self.seen.estimated.tilt_deg)
        if self.given.ground is None and abs(self.seen.lowest_m) > NOTED_M:
            yield Note(NoteKind.FLOOR_KEPT, self.seen.lowest_m)

    def move_floor_to_zero(self, correction: CorrectedMotion) -> CorrectedMotion:
        """Move the observed floor to y = 0.

        The correction is restored; its feet show the floor. A tilted floor is moved vertically, too: the path over the
        world stays. The given motion's feet would show the floor of captures 1 mm better, but that of sinking motions
        4 mm worse, because the clean-up removes some of the sinking.
        """
        if not correction.accepted or self.given.ground is not None:
            return correction
        _, level = correction.see_level(self.given)
        level = level.frames(*correction.world.find_frames_between_t_poses(level))
        ground = observe_ground(level)
        shown_m = ground.floor_to_zero_m
        floor_m = shown_m or 0.0 if self.moves_floor else 0.0
        lowest_m = ground.lowest_m - floor_m
        has_lower_ground = ground.is_shown and ground.is_stood_on and abs(lowest_m) > OTHER_GROUND_M
        is_floor_unknown = shown_m is None and self.moves_floor and not has_lower_ground
        world = replace(
            correction.world,
            floor_moved_m=floor_m,
            lowest_ground_m=lowest_m if has_lower_ground else None,
            unknown_floor_m=ground.lowest_m if is_floor_unknown else None,
        )
        placed = replace(correction, world=world)
        if not floor_m:
            return placed
        down_m = floor_m
        if world.plane.is_tilted and not self.levels:
            down_m = floor_m / world.plane.normal[1]  # the height is along the normal
        moved = map_space(placed, -down_m * UP)
        return replace(moved, motion=_fit_soles_to_floor(moved.motion))
