"""Arrays of several people: joint positions (N, T, J, 3) or (T, N, J, 3), as models of interactions give.

Time is the axis along which joints move little from one entry to the next; people are further apart.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.geometry.vectors import median, norms
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.files.arrays import read_npy, write_npy

from ..motion_file import MotionFile
from ..skeletons.reading import Reading

_CLEARLY = 2.0
"""Minimum ratio of typical distances along the people's and the time axis."""


def open_people(
    path: Path, array: np.ndarray, reading: Reading, open_one: Callable[[Path, np.ndarray, Reading], MotionFile]
) -> MotionFile:
    """Open joint positions of several people as one motion for each.

    Args:
        array: (N, T, J, 3) or (T, N, J, 3) joint positions.
        open_one: Opens the joint positions (T, J, 3) of a person.

    Raises:
        InputError: People and frames cannot be told apart, or people are read in different worlds.
    """
    axis = _find_people_axis(path, array)
    people = np.moveaxis(array, axis, 0)
    files = [open_one(path, person, reading) for person in people]
    axes = {file.up.axis for file in files if file.up is not None}
    if len(axes) > 1:
        raise InputError(f"{path}: the vertical axes of the {len(files)} people differ; pass --up")
    motions = [replace(file.motion, source=f"{path}, person {index}") for index, file in enumerate(files)]
    layout = "people first" if axis == 0 else "frames first"
    notes = dict.fromkeys([f"{len(files)} people ({layout})", *(note for file in files for note in file.notes)])

    def write(target: Path, *changed: Motion) -> None:
        written = [_collect(file, motion, target) for file, motion in zip(files, changed, strict=True)]
        write_npy(target, np.moveaxis(np.stack(written), 0, axis))

    return MotionFile(tuple(motions), tuple(notes), write, up=files[0].up, order=files[0].order)


def _collect(file: MotionFile, motion: Motion, target: Path) -> np.ndarray:
    """Return the array (T, J, 3) of a person, in the file's unit, axes and number type."""
    file.write(target, motion)
    return read_npy(target)


def _find_people_axis(path: Path, array: np.ndarray) -> int:
    """Return the axis of people, 0 or 1."""
    lengths = array.shape[:2]
    if 1 in lengths:
        return lengths.index(1)
    along = [float(median(norms(np.diff(array[..., :, :].astype(float), axis=axis)))) for axis in (0, 1)]
    people = int(np.argmax(along))
    if not along[people] > _CLEARLY * along[1 - people]:
        shape = " × ".join(map(str, array.shape))
        raise InputError(f"{path}: expected people or frames first in {shape} numbers, but both axes move alike")
    return people
