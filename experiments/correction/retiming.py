"""Motion files whose time runs at another pace than gravity's, played at that, at the frame rate of the file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.motion_file import MotionFile
from selfcorrect.motion.checks.check import check
from selfcorrect.motion.checks.motion_features import MotionFeatures
from selfcorrect.motion.checks.pace import pace
from selfcorrect.motion.editing.transforms import retime
from selfcorrect.motion.motion import Motion

_SUFFIXES = (".bvh", ".npz", ".npy")
"""Files that may get another number of frames."""


def retimed(file: MotionFile, path: Path) -> MotionFile:
    """The file with those motions at gravity's pace whose flights or walks are off it, and a note of each.

    Raises InputError for a kind of file whose times cannot be changed.
    """
    paces = [pace_off_gravity(motion) for motion in file.motions]
    if not any(paces):
        return file
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise InputError(f"{path}: only {', '.join(_SUFFIXES)} files can be retimed, not {suffix}")
    played = (at_pace(motion, own) for motion, own in zip(file.motions, paces, strict=True))
    notes = [f"time ran {own:.2f} times as fast as gravity lets it; retimed" for own in paces if own]
    return replace(file, motions=tuple(played), notes=(*file.notes, *notes))


def pace_off_gravity(motion: Motion) -> float | None:
    """How many times as fast as gravity lets it time runs; None if that is unknown or within the rule's threshold."""
    return pace(MotionFeatures(motion)) if check(motion, ("P1",)) else None


def at_pace(motion: Motion, own: float | None) -> Motion:
    """A motion whose time runs `own` times too fast, slowed down at its own frame rate."""
    return retime(motion, 1 / own) if own else motion
