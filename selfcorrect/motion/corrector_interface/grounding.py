"""Motions on a ground that people describe, seen in its floor's frame and put back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..body.foot_frames import estimate_feet_on_any_floor
from ..body.surface import sole_corners_m
from ..editing.transforms import raise_motion
from ..geometry.kinematics import in_chunks
from ..geometry.rotations import invert, rotate
from ..geometry.views import TurnedWorld
from ..measures.ground_plane import LEVEL, TILTED_DEG, GroundPlane, estimate_ground_plane
from ..motion import Motion
from ..observation.observation import observe
from ..skeleton import FootFrames
from ..support import Support
from .results import CorrectedMotion, Note, NoteKind


def find_feet_on_any_floor(motion: Motion) -> FootFrames:
    """Return a motion's foot frames and the floor on which its feet stand, wherever y = 0 is.

    A motion that carries foot frames keeps them.
    """
    estimated = estimate_feet_on_any_floor(motion)
    if motion.feet is None:
        return estimated
    return replace(motion.feet, soles_m=motion.feet.soles_m and estimated.soles_m, floor_m=estimated.floor_m)


def see_level(motion: Motion, correction: CorrectedMotion) -> tuple[Motion, Motion]:
    """Return a motion and its correction in a world in which the floor below each of them is level."""
    if correction.slope != LEVEL:
        return motion, TurnedWorld(correction.slope.to_level).view(correction.motion)
    if not correction.floor.is_tilted:
        return motion, correction.motion
    turned = TurnedWorld(correction.floor.to_level)
    is_level = any(note.kind is NoteKind.LEVELLED for note in correction.notes) and correction.accepted
    return turned.view(motion), correction.motion if is_level else turned.view(correction.motion)


_NOTED_M = 0.01
"""A note names floors that stay further from y = 0 than this."""


def find_kept_floor_m(motion: Motion) -> float:
    """Return the height of a floor that stays there because unknown bone lengths may explain it; 0 without such a
    floor.

    The feet of the person stand at y = 0, and the feet of another body with the same root path beside it.
    """
    if not motion.is_floor_trusted or motion.ground is not None or not len(motion):
        return 0.0
    levels_m = observe(motion).levels_m
    floor_m = float(levels_m[np.abs(levels_m).argmin()])
    return floor_m if abs(floor_m) <= motion.height_error_m else 0.0


def _explain_level_floor(plane: GroundPlane) -> str:
    """Return the reason why a plane is no tilted floor."""
    if not plane.stances:
        return "its stances and posture do not show a tilted plane"
    return f"it seems tilted by {plane.tilt_deg:.1f} degrees, and less than {TILTED_DEG:g} count as level"


@dataclass(frozen=True, eq=False)
class MotionOnFloor:
    """A motion in the frame of its ground's floor, the lowest ground under its feet at y = 0."""

    motion: Motion
    given: Motion
    """The motion in its world."""
    turned: TurnedWorld | None = None
    """The turned world; None if it was not turned."""
    lowest_m: float = 0.0
    """Height of that ground, along the floor's normal."""
    plane: GroundPlane = LEVEL
    """The floor that was estimated from the given motion, if it was; level in the motion if it is tilted there."""
    levels: bool = False
    """True if corrections stay level."""
    note: Note | None = None
    """Note on a tilt that the view leaves out."""

    @classmethod
    def from_estimated_plane(cls, motion: Motion, *, levels: bool = False) -> MotionOnFloor:
        """Return the motion on the plane on which its feet stand, turned level; as it is if that is nearly level.

        If the lengths of its bones are uncertain, the plane is seen at y = 0: see `find_kept_floor_m`. A tilt that
        changes is seen only to level it, because feet stand beside its mean plane.

        Args:
            motion: A motion without a ground that is known.
            levels: Whether its correction stays level.
        """
        plane = estimate_ground_plane(motion)
        note = None
        if levels and not plane.is_tilted:
            note = Note(NoteKind.NOT_LEVELLED, words=_explain_level_floor(plane))
        if plane.is_bent and not levels:
            note = Note(NoteKind.TILT_CHANGES, plane.tilt_deg)
            plane = LEVEL
        turned = TurnedWorld(plane.to_level) if plane.is_tilted else None
        seen = turned.view(motion) if turned else motion
        floor_m = find_kept_floor_m(seen)
        if floor_m:
            seen = raise_motion(seen, -floor_m)
        return cls(seen, motion, turned, floor_m, plane=plane, levels=levels and plane.is_tilted, note=note)

    @classmethod
    def from_motion(cls, motion: Motion) -> MotionOnFloor:
        """Return a motion on its ground's floor; as it is if it has no ground, or is seen so already."""
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

    def restore(self, correction: CorrectedMotion) -> CorrectedMotion:
        """Return a correction of this motion in the world of the given motion, or in the level world if it stays
        level.
        """
        if self.note is not None:
            correction = replace(correction, notes=(self.note, *correction.notes))
        if self.motion is self.given:
            return replace(correction, floor=self.plane)
        notes = correction.notes
        if self.plane.is_tilted:
            notes = (Note(NoteKind.LEVELLED if self.levels else NoteKind.TILTED, self.plane.tilt_deg), *notes)
        if self.given.ground is None and abs(self.lowest_m) > _NOTED_M:
            notes = (*notes, Note(NoteKind.FLOOR_KEPT, self.lowest_m))
        correction = replace(correction, notes=notes, floor=self.plane)
        if not correction.accepted:
            return replace(correction, motion=self.given)
        turned = None if self.levels else self.turned
        supports = tuple(self._restore_support(support, turned) for support in correction.supports)
        notes = tuple(self._restore_note(note) for note in correction.notes)
        motion = replace(raise_motion(correction.motion, self.lowest_m), ground=self.given.ground)
        motion = turned.restore(motion) if turned else motion
        return replace(correction, motion=motion, supports=supports, notes=notes)

    def _restore_note(self, note: Note) -> Note:
        if note.kind is not NoteKind.LOWEST_GROUND or note.value is None:
            return note
        return replace(note, value=note.value + self.lowest_m)

    def _restore_support(self, support: Support, turned: TurnedWorld | None) -> Support:
        raised = support.shift((0.0, self.lowest_m, 0.0))
        if turned is None:
            return raised
        x, y, z = rotate(invert(turned.turn), np.array(raised.top_m)).tolist()
        return replace(raised, top_m=(x, y, z))
