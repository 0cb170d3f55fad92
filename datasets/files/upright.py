"""Motions of files whose world or rest pose lies otherwise, seen y up on a skeleton that rests upright, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from scipy.spatial.transform import Rotation

from selfcorrect.errors import InputError
from selfcorrect.motion.body.rest_pose import is_z_up, turn_frames, upright_turns
from selfcorrect.motion.motion import Motion

_Z_UP_TO_Y_UP = Rotation.from_euler("x", -90, degrees=True)


@dataclass(frozen=True, eq=False)
class Upright:
    """A motion y up on a skeleton that rests upright."""

    motion: Motion
    back: Callable[[Motion], Motion]
    """Another motion of this skeleton as the file has it."""
    notes: tuple[str, ...]
    """What was assumed."""
    flaw: str = ""
    """Why the rest pose could not be made upright, "" where it is."""


def upright(motion: Motion, up: Literal["y", "z"] | None = None) -> Upright:
    """A motion as read, whatever its vertical axis and its rest pose; `up` None to tell the axis from both."""
    motion, notes, flaw, turns = _with_even_feet(motion), (), "", None
    z_up = is_z_up(motion) if up is None else up == "z"
    if z_up:
        motion, notes = _turned(motion, _Z_UP_TO_Y_UP), ("z taken as up",)
    try:
        turns = upright_turns(motion)
    except InputError as error:
        flaw = str(error)
    if turns is not None:
        motion = turn_frames(motion, turns)
        notes = (*notes, "the rest pose is not upright; measured from one that is")

    def back(changed: Motion) -> Motion:
        changed = changed if turns is None else turn_frames(changed, turns.inv())
        return _turned(changed, _Z_UP_TO_Y_UP.inv()) if z_up else changed

    return Upright(motion, back, notes, flaw)


def _turned(motion: Motion, rotation: Rotation) -> Motion:
    """The motion in a world turned by `rotation`."""
    rotations = motion.rotations.copy()
    rotations[:, 0] = (rotation * Rotation.from_quat(rotations[:, 0])).as_quat()
    return replace(motion, root_m=rotation.apply(motion.root_m), rotations=rotations)


def _with_even_feet(motion: Motion) -> Motion:
    """The motion, its feet taken for blocks where only one of them has toes."""
    toes = {"left_foot", "right_foot"}
    if len(toes & set(motion.skeleton.parts)) != 1:
        return motion
    parts = tuple("" if part in toes else part for part in motion.skeleton.parts)
    return replace(motion, skeleton=replace(motion.skeleton, parts=parts))
