"""Motions of files whose world or rest pose lies otherwise, seen y up on a skeleton that rests upright, and back."""

from dataclasses import dataclass, replace

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.rest_pose import upright_turns
from selfcorrect.motion.geometry.views import FrameChange, FrameChanges, TurnedFrames, to_y_up
from selfcorrect.motion.motion import Motion

from .reading import Up
from .vertical import stands_along, up_of_motion


@dataclass(frozen=True, eq=False)
class Upright:
    """A motion y up on a skeleton that rests upright."""

    motion: Motion
    view: FrameChange
    """Of the motion as the file has it."""
    notes: tuple[str, ...]
    """What was assumed."""
    flaw: str = ""
    """Why the rest pose could not be made upright, "" where it is."""


def upright(motion: Motion, up: Up | None = None, told: int | None = None) -> Upright:
    """A motion as read, whatever its vertical axis and its rest pose; `up` None to infer the axis from both.

    told: the axis that the format has, None where it has none. Raises InputError where they contradict each other and
    nothing decides between them.
    """
    motion, flaw, turns = _with_even_feet(motion), "", None
    axis, notes = up_of_motion(motion, up, told, _rest_axis(motion))
    y_up = FrameChanges((to_y_up(axis),) if axis else ())
    try:
        turns = upright_turns(y_up.view(motion))
    except InputError as error:
        flaw = str(error)
    if turns is None:
        return Upright(y_up.view(motion), y_up, notes, flaw)
    both = FrameChanges((*y_up.each, TurnedFrames(turns)))
    return Upright(both.view(motion), both, (*notes, "the rest pose is not upright; measured from one that is"), flaw)


def _rest_axis(motion: Motion) -> int | None:
    """The axis along which the rest pose stands; None where it stands along none, or where that is not known."""
    neck, *ankles = (motion.skeleton.joint(part) for part in ("neck", "left_ankle", "right_ankle"))
    if neck is None or None in ankles:
        return None
    rest_m = motion.skeleton.rest_positions_m
    return stands_along(rest_m[neck] - np.mean([rest_m[ankle] for ankle in ankles if ankle is not None], axis=0))


def _with_even_feet(motion: Motion) -> Motion:
    """The motion, its feet taken for blocks where only one of them has toes."""
    toes = {"left_foot", "right_foot"}
    if len(toes & set(motion.skeleton.parts)) != 1:
        return motion
    parts = tuple("" if part in toes else part for part in motion.skeleton.parts)
    return replace(motion, skeleton=replace(motion.skeleton, parts=parts))
