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
"""Variation of leg length between adults, in m relative to average legs: statures of 1.7 ± 0.2 m."""


def doubt_height(motion: Motion, shape: np.ndarray | None) -> Motion:
    """Put a motion of unknown body height in doubt.

    The average body stands in for a person with longer or shorter legs. If the file has the shape of the person, other
    programs will see that body on the floor of the file. A shape of zeros is the average body, so that nothing is in
    doubt.
    """
    if shape is not None and not np.any(shape):
        return motion
    return replace(motion, height_error_m=_LEGS_OFF_M, keeps_height=shape is not None)


@dataclass(frozen=True, eq=False)
class MotionFile:
    """The motions of a file.

    Each is y up and in metres, on a skeleton that rests upright.
    """

    motions: tuple[Motion, ...]
    notes: tuple[str, ...]
    """Notes on how the file was read. A `FileNote` names the option that overrules an assumption."""
    write: Writes
    """Writer of other motions into such a file. They are as many, of the same skeletons; names, units, axes and frames
    of reference stay."""
    flaw: str = ""
    """Why the rest pose could not be made upright; "" if it is upright."""
    names: tuple[str, ...] = ()
    """Names of several motions in a file. They are motions of a set, or animations of a file, evaluated separately; ()
    for other files. `write` takes None for a motion to leave out of a set, or to leave unchanged in the file."""
    refusals: tuple[str, ...] = ()
    """Why each motion cannot be corrected. It is "" for motions that can be; () if all can be."""
    order: tuple[str, ...] = ()
    """Joint order of a file without names. The evidence for it is included; () for other files."""
    up: UpAxis | None = None
    """Vertical axis of the first motion's world, with evidence; None if the format states the axis."""
    rests: tuple[Mapping[str, np.ndarray], ...] = ()
    """Rest positions (3,) of each joint, by name. Each motion has them, in any world and unit; () where the rest pose
    is the skeleton's."""

    @property
    def assumed(self) -> tuple[FileNote, ...]:
        """Return the notes to show beside a file's figures.

        These are notes that an option overrules (unit, frame rate, axis, body, profile), without the option's name, and
        notes on damage, on skeletons that are not read, and on how far reading moved joints.
        """
        notes = [note for note in self.notes if isinstance(note, FileNote)]
        shown = [note for note in notes if note.option or note.topic in ("bones", "damage", "skeletons")]
        return tuple(FileNote(note.words, topic=note.topic) for note in shown)

    @property
    def damage(self) -> tuple[FileNote, ...]:
        """Return notes on missing or omitted data."""
        return tuple(note for note in self.assumed if note.topic == "damage")

    @property
    def motion(self) -> Motion:
        """The only motion; InputError if there are several."""
        if len(self.motions) != 1:
            raise InputError(f"{self.motions[0].source}: holds {len(self.motions)} motions, expected a single motion")
        return self.motions[0]


Writes = Callable[..., None]
"""Writer of a file, called with path and motions."""


_BYTES_PER_JOINT = 4 * 8
"""Memory of a joint's rotation in a frame."""
BYTES_PER_SAMPLED_JOINT = 11 * 8
"""Memory of a sampled joint in a frame, in bytes. It holds rotation, position, and the samples of the curves."""
_LEAST_BYTES = 2**17
"""Minimum work of a motion, in bytes. Numbers of that size take as long."""


def check_size(
    path: Path, sizes: Iterable[tuple[int, int]], more: int = 0, bytes_per_joint: int = _BYTES_PER_JOINT
) -> None:
    """Refuse a file that would exceed the memory limit.

    The motions count as they lie in memory. A file of an eighth of that, as recordings are, may take as much memory as
    the machine has.

    Args:
        sizes: Frames and joints of each motion.
        more: Bytes of files beside the file.
        bytes_per_joint: Memory of one joint in one frame.
    """
    numbers = [bytes_per_joint * frames * joints for frames, joints in sizes]
    work = sum(max(count, _LEAST_BYTES) for count in numbers)
    stored = path.stat().st_size + more
    check_unpacked(path, 4 * work, stored=4 * stored)
    check_workable(path, sum(numbers), stored=stored)


def refuse_placeholder(path: Path) -> None:
    """Refuse a placeholder for a missing download.

    The file was not downloaded. Such a file is a pointer, a web page, or empty.
    """
    if path.is_dir():
        return  # its reader explains what is wrong with it
    with open_file(path) as stream:
        start = stream.read(_START_BYTES).lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"version https://git-lfs"):
        raise InputError(f"{path}: a Git LFS pointer, not the file itself; fetch it with `git lfs pull`")
    if re.match(rb"<!doctype html|<html|<\?xml[^>]*>\s*<(!doctype )?html", start, re.IGNORECASE):
        raise InputError(f"{path}: an HTML page, not a motion file; download the file itself")


_START_BYTES = 512


def check_within(what: str, array: np.ndarray, most: float) -> None:
    """Refuse numbers that are not finite or too large.

    Args:
        array: (T, ...) numbers.
        most: Largest distance of the numbers from 0.

    Raises:
        InputError: Names the first frame with other numbers.
    """
    axes = tuple(range(1, array.ndim))
    are_sound = in_chunks(lambda rows: (np.abs(rows.astype(float)) <= most).all(axis=axes), array)
    if not are_sound.all():
        raise InputError(f"{what} not finite in frame {int(are_sound.argmin())}, or beyond ±{most:g}")


RATES = ("fps", "mocap_framerate", "mocap_frame_rate", "frame_rate", "framerate")
"""Names that programs have for frames per second."""
PERIODS = ("frame_time", "frametime", "dt", "timestep", "time_step")
"""Names of the frame duration in files, in seconds."""


def rate_of(
    path: Path,
    numbers: Mapping[str, float],
    reading: Reading,
    usual: float | None,
    program: str,
    others: Iterable[str] = (),
) -> tuple[float, tuple[str, ...]]:
    """Return a file's frame rate, and whether it is assumed.

    The note says so if the rate is assumed. The file states the rate, or an option does, or the rate is usual for the
    program.

    Args:
        numbers: The single numbers in the file, by name.
        reading: What the file does not state.
        usual: The rate of the program's files, None without one.
        program: Name of the program in messages.
        others: Names of values in the file that are no numbers.

    Raises:
        InputError: Nothing determines the rate; names the option.
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
            f"{path}: has no frame rate, none of {', '.join(RATES)}; pass --fps, for {program} the video's"
        )
    return usual, (FileNote(f"{usual:g} fps assumed, the usual rate of {program}", "--fps"),)


def refuse_world(path: Path, reading: Reading, program: str) -> None:
    """Refuse options that turn or scale a program's rows.

    These rows are y up and in metres.
    """
    if (reading.up or "y").rstrip("!") != "y" or reading.metres_per_unit not in (None, 1.0):
        raise InputError(f"{path}: {program}'s rows are y up, in metres; leave out --up and --metres-per-unit")


def check_real(where: str, name: str, array: np.ndarray, most: float) -> None:
    """Refuse an array with unreal or huge numbers.

    Every frame must hold real, finite numbers of limited size.

    Args:
        where: The file, and the person there if there are several.
        array: (T, ...) numbers of the file.
        most: Largest distance of the numbers from 0.
    """
    if array.dtype.kind not in "fiu" or not array.ndim:
        raise InputError(f"{where}: expected {name} to be real numbers, got {array.dtype} {array.shape}")
    check_within(f"{where}: {name} is", array, most)


def body_model_of(reading: Reading) -> BodyModel | None:
    """Return the body model that a reading names.

    A model with unchanged content is not read again.
    """
    path = reading.body_model
    if path is None:
        return None
    with requires_extra("a body model", "smpl"):
        return _load_body_model(path, compute_file_digest(path), reading.allow_pickle)


@lru_cache(maxsize=1)
def _load_body_model(path: Path, digest: str, allow_pickle: bool) -> BodyModel:
    """Load a body model.

    The cache uses the content's digest to notice a file that was replaced.
    """
    from selfcorrect.motion.body.body_model import load_body_model

    return load_body_model(path, allow_pickle=allow_pickle)
