"""The motions of a file, as readers return them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.core.extras import requires_extra
from selfcorrect.motion.kinematics import in_chunks
from selfcorrect.motion.motion import FPS_READ, Motion
from selfcorrect.storage.files.digests import compute_file_digest
from selfcorrect.storage.files.limits import check_unpacked, check_workable, open_file

from .sampling import rate_of_period
from .skeletons.file_note import FileNote
from .skeletons.reading import Reading

if TYPE_CHECKING:
    from selfcorrect.motion.body.body_model import BodyModel

    from .skeletons.vertical import UpAxis


_LEGS_OFF_M = 0.12
"""Deviation of adult leg lengths from the average, in m, for statures of 1.7 ± 0.2 m."""


def doubt_height(motion: Motion, shape: np.ndarray | None) -> Motion:
    """Mark the height of a motion as uncertain if an average body replaces the real one.

    The person's legs may be longer or shorter. If the file has the person's shape, other programs will show that body,
    so its height above the file's floor must be kept. If the shape is all zeros, the average body is the real one, and
    nothing is uncertain.
    """
    if shape is not None and not np.any(shape):
        return motion
    return replace(motion, height_error_m=_LEGS_OFF_M, keeps_height=shape is not None)


@dataclass(frozen=True, eq=False)
class MotionFile:
    """The motions of a file, y up and in metres, on skeletons with an upright rest pose."""

    motions: tuple[Motion, ...]
    notes: tuple[str, ...]
    """Notes on how the file was read. A `FileNote` names the option that overrides an assumption."""
    write: Writes
    """Writes a copy of the file with other motions, as many and of the same skeletons.

    Names, units, axes and frames of reference stay the same."""
    flaw: str = ""
    """Reason why the rest pose could not be made upright; "" if it is upright."""
    names: tuple[str, ...] = ()
    """Names of the motions of a set, or of the animations of a file, which are evaluated separately; () for other
    files.

    `write` then takes None for a motion to drop from the set, or to leave unchanged in the file."""
    refusals: tuple[str, ...] = ()
    """Reason why each motion cannot be corrected, "" if it can be; () if all can be."""
    order: tuple[str, ...] = ()
    """Joint order of a file without joint names, followed by the evidence for it; () for other files."""
    up: UpAxis | None = None
    """Vertical axis of the first motion's world, with evidence; None if the format states the axis."""
    rests: tuple[Mapping[str, np.ndarray], ...] = ()
    """For each motion, the rest positions (3,) of the joints by name, in any world and unit; () if they are the
    skeleton's."""
    leg_stretch_m: float = 0.0
    """By how much bones of the legs move beyond rigid ones, at most, in m. Motions have rigid bones, so the knees of
    such a file are elsewhere, and its feet are as much away where the rigid leg does not reach."""

    @property
    def assumed(self) -> tuple[FileNote, ...]:
        """Notes to show beside a file's figures.

        They are notes on assumptions that an option overrides (unit, frame rate, axis, body, profile), without the
        option's name, and notes on damage, on skeletons that are not read, and on how far reading moved joints.
        """
        notes = [note for note in self.notes if isinstance(note, FileNote)]
        shown = [note for note in notes if note.option or note.topic in ("bones", "damage", "skeletons")]
        return tuple(FileNote(note.words, topic=note.topic) for note in shown)

    @property
    def damage(self) -> tuple[FileNote, ...]:
        """Notes on missing or dropped data."""
        return tuple(note for note in self.assumed if note.topic == "damage")

    @property
    def motion(self) -> Motion:
        """The motion of a file with a single one; several raise InputError."""
        if len(self.motions) != 1:
            raise InputError(f"{self.motions[0].source}: expected a single motion, got {len(self.motions)}")
        return self.motions[0]


Writes = Callable[..., None]
"""Function that writes a file, called with a path and motions."""


_BYTES_PER_JOINT = 4 * 8
"""Memory of a joint's rotation in one frame, in bytes."""
BYTES_PER_SAMPLED_JOINT = 11 * 8
"""Memory of a sampled joint in one frame, in bytes: rotation, position and samples of the curves."""
_MIN_WORK_BYTES = 2**17
"""Minimum work of a motion, as the size in bytes of numbers that take as long."""


def check_size(
    path: Path, sizes: Iterable[tuple[int, int]], more: int = 0, bytes_per_joint: int = _BYTES_PER_JOINT
) -> None:
    """Refuse a file whose motions would exceed the memory limit.

    The limit applies to the size of the motions in memory, unless the file itself has at least an eighth of that size,
    as recordings do; then it may take as much memory as the machine has.

    Args:
        sizes: Frames and joints of each motion.
        more: Size of further files that belong to the file, in bytes.
        bytes_per_joint: Memory of one joint in one frame, in bytes.

    Raises:
        InputError: The file would take too much memory.
    """
    numbers = [bytes_per_joint * frames * joints for frames, joints in sizes]
    work = sum(max(count, _MIN_WORK_BYTES) for count in numbers)
    stored = path.stat().st_size + more
    check_unpacked(path, 4 * work, stored=4 * stored)
    check_workable(path, sum(numbers), stored=stored)


def refuse_placeholder(path: Path) -> None:
    """Refuse a file that stands for a missing download, such as a Git LFS pointer or a web page."""
    if path.is_dir():
        return  # the reader explains what is wrong
    with open_file(path) as stream:
        start = stream.read(_START_BYTES).lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"version https://git-lfs"):
        raise InputError(f"{path}: a Git LFS pointer, not the file itself; fetch it with `git lfs pull`")
    if re.match(rb"<!doctype html|<html|<\?xml[^>]*>\s*<(!doctype )?html", start, re.IGNORECASE):
        raise InputError(f"{path}: an HTML page, not a motion file; download the file itself")


_START_BYTES = 512


LARGEST_NUMBER = 1e6
"""Largest magnitude of numbers in files that are in metres and radians."""


def check_within(label: str, array: np.ndarray, most: float = LARGEST_NUMBER) -> None:
    """Refuse numbers that are not finite or too large.

    Args:
        label: Beginning of the message: the file and the array.
        array: (T, ...) numbers.
        most: Largest magnitude allowed.

    Raises:
        InputError: The message names the first frame with such numbers.
    """
    axes = tuple(range(1, array.ndim))
    are_sound = in_chunks(lambda rows: (np.abs(rows.astype(float)) <= most).all(axis=axes), array)
    if not are_sound.all():
        raise InputError(f"{label} not finite in frame {int(are_sound.argmin())}, or beyond ±{most:g}")


RATES = ("fps", "mocap_framerate", "mocap_frame_rate", "frame_rate", "framerate")
"""Names of frame rates in files, in frames per second."""
PERIODS = ("frame_time", "frametime", "dt", "timestep", "time_step")
"""Names of frame durations in files, in seconds."""


def rate_of(
    path: Path,
    numbers: Mapping[str, float],
    reading: Reading,
    usual: float | None,
    program: str,
    others: Iterable[str] = (),
) -> tuple[float, tuple[str, ...]]:
    """Determine a file's frame rate.

    The rate stated in the file comes first, then the option, and then the usual rate of the program.

    Args:
        numbers: Single numbers in the file, by name.
        reading: Options, which may state the rate.
        usual: Usual rate of the program's files; None if they have any rate.
        program: Name of the program in messages.
        others: Names of the values in the file that are not numbers.

    Returns:
        The frame rate, and a note if it is the usual one and therefore an assumption.

    Raises:
        InputError: The rate is unknown or out of range. If it is unknown, the message names the option.
    """
    stated_fps = next((number for name, number in numbers.items() if name.rpartition(".")[2] in RATES), None)
    if stated_fps is not None:
        least, most = FPS_READ
        if not least <= stated_fps <= most:
            raise InputError(f"{path}: expected {least:g} to {most:g} frames per second, got {stated_fps:g}")
        return stated_fps, ()
    least, most = FPS_READ
    period_s = next((number for name, number in numbers.items() if name.rpartition(".")[2] in PERIODS), 0.0)
    if period_s and least <= 1 / period_s <= most:
        single = np.float32(period_s)
        return rate_of_period(str(single if single == period_s else period_s)), ()
    if reading.fps is not None:
        return reading.fps, ()
    if usual is None:
        if wrong_names := sorted(name for name in others if name.rpartition(".")[2] in RATES):
            raise InputError(f"{path}: expected a number as {wrong_names[0]}, got another value; pass --fps")
        raise InputError(
            f"{path}: has no frame rate (one of {', '.join(RATES)}); pass --fps, for {program} the video's frame rate"
        )
    return usual, (FileNote(f"{usual:g} fps assumed, the usual rate of {program}", "--fps"),)


def refuse_world(path: Path, reading: Reading, program: str) -> None:
    """Refuse options for the vertical axis or unit of rows that are always y up and in metres."""
    if (reading.up or "y").rstrip("!") != "y" or reading.metres_per_unit not in (None, 1.0):
        raise InputError(f"{path}: {program}'s rows are y up, in metres; leave out --up and --metres-per-unit")


def check_real(where: str, name: str, array: np.ndarray, most: float = LARGEST_NUMBER) -> None:
    """Refuse an array whose numbers are not real, not finite or too large.

    Args:
        where: The file and, if it holds several, the person.
        name: Name of the array.
        array: (T, ...) numbers of the file.
        most: Largest magnitude allowed.

    Raises:
        InputError: The message names the array, and the first frame with such numbers.
    """
    if array.dtype.kind not in "fiu" or not array.ndim:
        raise InputError(f"{where}: expected {name} to be real numbers, got {array.dtype} {array.shape}")
    check_within(f"{where}: {name} is", array, most)


def body_model_of(reading: Reading) -> BodyModel | None:
    """Load the body model that a reading names, or return None. The last model is cached by its content."""
    path = reading.body_model
    if path is None:
        return None
    with requires_extra("a body model", "smpl"):
        return _load_body_model(path, compute_file_digest(path), reading.allow_pickle)


@lru_cache(maxsize=1)
def _load_body_model(path: Path, digest: str, allow_pickle: bool) -> BodyModel:
    """Load a body model. The digest is part of the cache key, so that a replaced file is noticed."""
    from selfcorrect.motion.body.body_model import load_body_model

    return load_body_model(path, allow_pickle=allow_pickle)
