"""Motions on a ground that people describe, seen in its floor's frame and put back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..body.foot_frames import estimate_foot_frames
from ..body.surface import sole_corners_m
from ..editing.transforms import raise_motion
from ..geometry.rotations import invert, rotate
from ..geometry.vectors import UP
from ..kinematics import in_chunks
from ..measures.ground_plane import LEVEL, TILTED_DEG, GroundPlane
from ..motion import Motion
from ..observed_ground import OTHER_GROUND_M, ObservedGround
from ..support import Support
from ..views import TurnedWorld
from .results import CorrectedMotion, Note, NoteKind


def see_level(motion: Motion, correction: CorrectedMotion) -> tuple[Motion, Motion]:
    """Return a motion and its correction in a world in which the floor below each of them is level."""
    if correction.slope != LEVEL:
        return motion, TurnedWorld(correction.slope.to_level).view(correction.motion)
    if not correction.floor.is_tilted:
        return motion, correction.motion
    turned = TurnedWorld(correction.floor.to_level)
    is_level = any(note.kind is NoteKind.LEVELLED for note in correction.notes) and correction.accepted
    return turned.view(motion), correction.motion if is_level else turned.view(correction.motion)


def find_frames_between_t_poses(motion: Motion, correction: CorrectedMotion) -> tuple[int, int]:
    """Return the first frame of a motion after the T-poses that a correction names, and the frame after its last."""
    frames = {note.kind: round(note.value or 0.0) for note in correction.notes}
    return frames.get(NoteKind.T_POSE, 0), len(motion) - frames.get(NoteKind.T_POSE_AT_END, 0)


NOTED_M = 0.01
"""A note names floors that stay further from y = 0 than this."""


def _fit_soles_to_floor(motion: Motion) -> Motion:
    """Return a motion whose floor was moved, with soles that explain its height if it carries soles."""
    if motion.feet is None or motion.feet.soles_m is None:
        return motion
    soles_m = estimate_foot_frames([replace(motion, feet=None)]).soles_m
    return motion if soles_m is None else replace(motion, feet=replace(motion.feet, soles_m=soles_m))


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
    moves_floor: bool = False
    """True if the floor of corrections is put at y = 0; otherwise it stays at its height."""

    @classmethod
    def from_estimated_plane(cls, motion: Motion, *, levels: bool = False, moves_floor: bool = False) -> MotionOnFloor:
        """Return the motion on the plane on which its feet stand, turned level; as it is if that is nearly level.

        If the lengths of its bones are uncertain, the plane is seen at y = 0: see `ObservedGround.kept_m`. A tilt that
        changes is seen only to level it, because feet stand beside its mean plane.

        Args:
            motion: A motion without a ground that is known.
            levels: Whether its correction stays level.
            moves_floor: Whether the floor of its correction is put at y = 0, unless it is kept for unknown bones.
        """
        plane = ObservedGround(motion).plane
        note = None
        if levels and not plane.is_tilted:
            note = Note(NoteKind.NOT_LEVELLED, words=_explain_level_floor(plane))
        if plane.is_bent and not levels:
            note = Note(NoteKind.TILT_CHANGES, plane.tilt_deg)
            plane = LEVEL
        turned = TurnedWorld(plane.to_level) if plane.is_tilted else None
        seen = turned.view(motion) if turned else motion
        kept_m = ObservedGround(seen).kept_m or 0.0
        if kept_m:
            seen = raise_motion(seen, -kept_m)
        return cls(
            seen,
            motion,
            turned,
            kept_m,
            plane=plane,
            levels=levels and plane.is_tilted,
            note=note,
            moves_floor=moves_floor and not kept_m,
        )

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
            return self.put_floor_at_zero(replace(correction, floor=self.plane))
        notes = correction.notes
        if self.plane.is_tilted:
            notes = (Note(NoteKind.LEVELLED if self.levels else NoteKind.TILTED, self.plane.tilt_deg), *notes)
        if self.given.ground is None and abs(self.lowest_m) > NOTED_M:
            notes = (*notes, Note(NoteKind.FLOOR_KEPT, self.lowest_m))
        correction = replace(correction, notes=notes, floor=self.plane)
        if not correction.accepted:
            return replace(correction, motion=self.given)
        turned = None if self.levels else self.turned
        supports = tuple(self._restore_support(support, turned) for support in correction.supports)
        motion = replace(raise_motion(correction.motion, self.lowest_m), ground=self.given.ground)
        motion = turned.restore(motion) if turned else motion
        return self.put_floor_at_zero(replace(correction, motion=motion, supports=supports))

    def put_floor_at_zero(self, correction: CorrectedMotion) -> CorrectedMotion:
        """Return a restored correction whose floor, as its feet show it, is at y = 0, with notes on its height.

        A tilted floor is moved along its normal.
        """
        if not correction.accepted or self.given.ground is not None:
            return correction
        _, level = see_level(self.given, correction)
        level = level.frames(*find_frames_between_t_poses(level, correction))
        ground = ObservedGround(level)
        shown_m = ground.for_zero_m
        floor_m = shown_m or 0.0 if self.moves_floor else 0.0
        notes = list(correction.notes)
        if shown_m is None and self.moves_floor:
            notes.append(Note(NoteKind.FLOOR_UNKNOWN, ground.lowest_m))
        if abs(floor_m) > NOTED_M:
            notes.append(Note(NoteKind.FLOOR_MOVED, floor_m))
        lowest_m = ground.lowest_m - floor_m
        if ground.is_shown and ground.is_stood_on and abs(lowest_m) > OTHER_GROUND_M:
            notes.append(Note(NoteKind.LOWEST_GROUND, lowest_m))
        up = UP
        if correction.floor.is_tilted and not self.levels:
            up = rotate(invert(correction.floor.to_level), up)
        if not floor_m:
            return replace(correction, notes=tuple(notes))
        figures = {**correction.figures, "floor_m": floor_m}
        motion = _fit_soles_to_floor(replace(correction.motion, root_m=correction.motion.root_m - floor_m * up))
        supports = tuple(support.shift(-floor_m * up) for support in correction.supports)
        return replace(correction, motion=motion, supports=supports, notes=tuple(notes), figures=figures)

    def _restore_support(self, support: Support, turned: TurnedWorld | None) -> Support:
        raised = support.shift((0.0, self.lowest_m, 0.0))
        if turned is None:
            return raised
        x, y, z = rotate(invert(turned.turn), np.array(raised.top_m)).tolist()
        return replace(raised, top_m=(x, y, z))
