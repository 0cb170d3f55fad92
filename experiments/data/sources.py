"""A dataset's folder, a folder of motion files, or a file: what it is and what recordings it holds."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.datasets.collections import catalog
from selfcorrect.datasets.collections.dataset import Clip, Dataset, read_all
from selfcorrect.datasets.files.open import motion_files, open_motion
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.motion import Motion
from selfcorrect.runtime.bugs import sentence_of

T = TypeVar("T")


def open_source(
    path: Path,
    dataset: str | None = None,
    split: str | None = None,
    reading: Reading | None = None,
    *,
    limit: int | None = None,
) -> tuple[str, list[Clip]]:
    """What a path is, in words, and its recordings, at most `limit` spread over all; see `commands.data.Source`."""
    reading = reading or Reading()
    if known := dataset_at(path, dataset, reading):
        clips = known.clips(path, split, allow_pickle=reading.allow_pickle)
        return f"{known.title} ({known.holds})", _limited(clips, limit)
    clips = [Clip(_name(file, path), file, partial(_read_file, file, reading)) for file in motion_files(path)]
    if not clips:
        raise InputError(f"{path}: neither a known dataset nor motion files; see `selfcorrect data list`")
    return "motion files", _limited(clips, limit)


def dataset_at(path: Path, name: str | None, reading: Reading) -> Dataset | None:
    """The dataset of that name, or whose layout a path has; None for plain motion files.

    Datasets say all that reading needs: with a reading that says more, a path is one of plain motion files.
    """
    if name and reading.tells_anything:
        raise SettingError(f"{path}: the dataset {name} gives unit, fps, up and body; leave these options out")
    if reading.tells_anything:
        return None
    return catalog.dataset(name) if name else catalog.recognise(path)


def _name(file: Path, folder: Path) -> str:
    return file.name if file == folder else file.relative_to(folder).as_posix()


def _limited(clips: list[Clip], limit: int | None) -> list[Clip]:
    return clips if limit is None or limit >= len(clips) else spread(clips, limit)


def spread(clips: Sequence[Clip], count: int) -> list[Clip]:
    """So many recordings, spread evenly over all."""
    return [clips[index] for index in np.linspace(0, len(clips) - 1, min(count, len(clips))).round().astype(int)]


def read_clips(clips: Sequence[Clip], complain: Callable[[str], None]) -> Iterator[Motion]:
    """The motions that can be read, with a progress bar on a terminal; `complain` gets a sentence per other file."""
    return read_all(tqdm(clips, "reading", unit="clip", disable=None, leave=False), complain)


def of_each(motions: Iterable[Motion], work: Callable[[Motion], T], complain: Callable[[str], None]) -> Iterator[T]:
    """What `work` makes of each motion; where it fails, `complain` gets a sentence and the others go on."""
    for motion in motions:
        try:
            made = work(motion)
        except Exception as error:
            complain(sentence_of(motion.source, error))
        else:
            yield made


def _read_file(path: Path, reading: Reading) -> list[Motion]:
    return list(open_motion(path, reading, any_body=True).motions)
