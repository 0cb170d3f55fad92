"""Describe motion datasets by source, folder layout and clips."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from selfcorrect.core.errors import InputError
from selfcorrect.motion.motion import Motion, check_numbers
from selfcorrect.runtime.bugs import describe_failure

_MAX_SPAN_S = 1e9


@dataclass(frozen=True)
class Clip:
    """A recording that is not read yet."""

    name: str
    """Name, unique within the dataset."""
    path: Path
    """File of the recording."""
    read: Callable[[], list[Motion]]
    """Reads the motions of the recording, one for each captioned time span."""


class ListsClips(Protocol):
    """Function that lists the recordings of a dataset folder or of one of its splits.

    With `allow_pickle`, the caller vouches that pickle files in the folder are from a trusted source.
    """

    def __call__(self, folder: Path, split: str | None = None, *, allow_pickle: bool = False) -> list[Clip]: ...


@dataclass(frozen=True)
class Dataset:
    """A published collection of motions, in its published layout."""

    name: str
    """Name on the command line."""
    title: str
    holds: str
    """Description of the contents."""
    obtain: str
    """Where the data can be obtained."""
    licence: str
    """Terms of use."""
    layout: str
    """Files in the folder, one per line."""
    recognises: Callable[[Path], bool]
    """Function that returns whether a folder or file is this dataset."""
    clips: ListsClips
    """Function that lists the recordings of a folder."""


class MissingData(InputError):
    """A dataset's folder lacks files of its layout."""


def require(dataset: Dataset, folder: Path, *names: str) -> None:
    """Raise MissingData unless a folder has all these files.

    The message names the missing files and where they can be obtained.
    """
    if missing := [name for name in names if not (folder / name).exists()]:
        raise MissingData(
            f"{folder}: expected {' and '.join(missing)} of {dataset.title} in this folder. "
            f"Source: {dataset.obtain} Licence: {dataset.licence}"
        )


def read_all(clips: Iterable[Clip], complain: Callable[[str], None] = warnings.warn) -> Iterator[Motion]:
    """Yield the motions of all readable clips.

    `complain` is called with a message about each clip that cannot be read.
    """
    for clip in clips:
        try:
            motions = [check_numbers(motion) for motion in clip.read()]
        except Exception as error:  # a bad file must not stop the others
            complain(describe_failure(clip.path, error))
        else:
            yield from motions


def read_most(clips: Iterable[Clip]) -> list[Motion]:
    """Read the motions of all clips, and warn of clips that cannot be read.

    Raises InputError if no clip can be read.
    """
    complaints: list[str] = []
    motions = list(read_all(clips, complaints.append))
    if complaints and not motions:
        raise InputError(complaints[0])
    for line in complaints:
        warnings.warn(line, stacklevel=3)
    return motions


def cut_clip(motion: Motion, span_s: tuple[float, float] | None) -> Motion:
    """Return the frames in an annotated time span, or all frames if there is no span."""
    if span_s is None:
        return motion
    is_sound = max(map(abs, span_s)) < _MAX_SPAN_S
    start = round(span_s[0] * motion.fps) if is_sound else -1
    stop = round(span_s[1] * motion.fps) if is_sound else -1
    if not 0 <= start < min(stop, len(motion)):
        raise InputError(
            f"{motion.source}: expected an annotated time span within the clip's {motion.seconds:.2f} s, got {span_s}"
        )
    return motion.frames(start, stop)
