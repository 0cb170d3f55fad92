"""Motion datasets: source, folder layout and clips."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from selfcorrect.core.errors import InputError
from selfcorrect.motion.motion import Motion, check_numbers
from selfcorrect.runtime.bugs import describe_failure

_LONGEST_S = 1e9


@dataclass(frozen=True)
class Clip:
    """A recording that is not read yet.

    `read()` returns its motions, one for each captioned span.
    """

    name: str
    """Unique within the dataset."""
    path: Path
    """The file that is read."""
    read: Callable[[], list[Motion]]


class ListsClips(Protocol):
    """Lists the recordings in a dataset folder or split.

    allow_pickle: the caller's word that pickle files of the layout come from a trusted source.
    """

    def __call__(self, folder: Path, split: str | None = None, *, allow_pickle: bool = False) -> list[Clip]: ...


@dataclass(frozen=True)
class Dataset:
    """A published collection of motions in its published layout."""

    name: str
    """Name on the command line."""
    title: str
    holds: str
    """Contents, in words."""
    obtain: str
    """Source of the data, in words."""
    licence: str
    """Terms of use."""
    layout: str
    """Files of the folder, a file per line."""
    recognises: Callable[[Path], bool]
    """Function that returns whether a folder or file is this dataset."""
    clips: ListsClips
    """Function that lists the recordings of a folder."""


class MissingData(InputError):
    """A dataset's folder lacks files of the layout."""


def require(dataset: Dataset, folder: Path, *names: str) -> None:
    """Raise MissingData unless a folder holds all names.

    The error names what is missing and where it can be obtained.
    """
    if missing := [name for name in names if not (folder / name).exists()]:
        raise MissingData(
            f"{folder}: {dataset.title} needs {' and '.join(missing)} here. "
            f"Source: {dataset.obtain} Licence: {dataset.licence}"
        )


def read_all(clips: Iterable[Clip], complain: Callable[[str], None] = warnings.warn) -> Iterator[Motion]:
    """Yield the motions of all readable clips.

    `complain` is called with a sentence about each other clip.
    """
    for clip in clips:
        try:
            motions = [check_numbers(motion) for motion in clip.read()]
        except Exception as error:  # a bad file stops no other
            complain(describe_failure(clip.path, error))
        else:
            yield from motions


def read_most(clips: Iterable[Clip]) -> list[Motion]:
    """Return the motions of all readable clips.

    Each other clip gives a warning. Raises InputError if no clip can be read.
    """
    complaints: list[str] = []
    motions = list(read_all(clips, complaints.append))
    if complaints and not motions:
        raise InputError(complaints[0])
    for line in complaints:
        warnings.warn(line, stacklevel=3)
    return motions


def cut_clip(motion: Motion, span_s: tuple[float, float] | None) -> Motion:
    """Return the frames of an annotated time span.

    Returns all frames if the annotation names no span.
    """
    if span_s is None:
        return motion
    is_sound = max(map(abs, span_s)) < _LONGEST_S
    start = round(span_s[0] * motion.fps) if is_sound else -1
    stop = round(span_s[1] * motion.fps) if is_sound else -1
    if not 0 <= start < min(stop, len(motion)):
        raise InputError(f"{motion.source}: an annotation speaks of {span_s} s in a clip of {motion.seconds:.2f} s")
    return motion.frames(start, stop)
