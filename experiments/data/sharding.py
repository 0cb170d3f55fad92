"""Pack motion files and datasets into sets: parquet files of some hundred motions each, sorted by skeleton.

Worker processes read the recordings, and this process writes the shards in the order of the recordings. So the bytes do
not depend on the number of workers. The list of digests is written last: a set without this file is unfinished.
"""

import os
import re
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from operator import attrgetter
from pathlib import Path

from tqdm import tqdm

from selfcorrect.core.checks import check_count
from selfcorrect.core.errors import InputError, RunFolderError, SettingError
from selfcorrect.core.grouping import group_by_size
from selfcorrect.datasets.collections.dataset import Clip
from selfcorrect.datasets.files.parquet import NamedMotion, identify_skeleton, read_named, write_named
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.datasets.load import label_of
from selfcorrect.motion.motion import check_numbers
from selfcorrect.runtime.bugs import describe_failure
from selfcorrect.runtime.processes import map_tasks
from selfcorrect.storage.files.digests import SUMS, compute_file_digest, format_sums
from selfcorrect.storage.files.limits import is_file_name
from selfcorrect.storage.files.locks import LOCK, FolderLock
from selfcorrect.storage.files.places import Place, is_address
from selfcorrect.storage.files.writing import explain_write_error, remove_leftovers

from ..jobs.targets import ANOTHER, place_of
from .sources import dataset_at, open_source

BATCH_RECORDINGS = 1024
"""Most recordings that are read together."""
BATCH_BYTES = 2**28
"""Most bytes of the files of these."""
SORTED_BYTES = 2**27
"""Most bytes of the numbers of motions that are sorted together."""
SHARD_BYTES = 2**25
"""Most bytes of the numbers in a shard; a larger motion has a separate shard."""
MOST_MOTIONS = 100_000
"""Most motions in a shard."""
_FILES_OF_SET = re.compile(rf"shard-\d{{5,}}\.parquet|{re.escape(SUMS)}|{re.escape(LOCK)}|\..+\.tmp/.*")


@dataclass(frozen=True)
class ShardTask:
    """Sources that become a set of shards."""

    sources: tuple[str, ...]
    """Paths and addresses."""
    out: str
    """Path or address of the set."""
    dataset: str | None = None
    split: str | None = None
    reading: Reading = field(default_factory=Reading)
    motions_per_shard: int = 256
    overwrite: bool = False
    """Replace a finished set."""

    def __post_init__(self) -> None:
        check_count("motions-per-shard", self.motions_per_shard, 1, MOST_MOTIONS)


@dataclass(frozen=True)
class Recording:
    """Motions that are not read yet."""

    name: str
    size: int
    """Bytes of the shard's file."""
    read: Callable[[], Iterable[NamedMotion]]


@dataclass(frozen=True)
class ShardSet:
    """Counts of a set of shards, and the missing recordings."""

    motions: int
    shards: int
    unread: tuple[str, ...]
    """A sentence for each recording that could not be read."""


def make_shards(task: ShardTask, workers: int) -> ShardSet:
    """Make a set of shards.

    Args:
        workers: Number of processes that read at the same time.

    Raises:
        InputError: No motion could be read.
        RunFolderError: The folder holds other files.
        SettingError: The set exists, or is one of the sources.
    """
    check_count("workers", workers, 1)
    place = Place(task.out)
    with _claim(place, task), tempfile.TemporaryDirectory(prefix="selfcorrect-") as scratch:
        unread: list[str] = []
        digests = {}
        motion_count = 0
        for number, motions in enumerate(cut_shards(_read_all(task, workers, unread), task.motions_per_shard)):
            path = Path(scratch, f"shard-{number:05d}.parquet")
            write_named(path, motions)
            digests[path.name] = compute_file_digest(path)
            place.send(path, path.name)
            path.unlink()
            motion_count += len(motions)
        if not digests:
            raise InputError(f"no motion could be read; the first problem: {(unread or ['no motions found'])[0]}")
        for name in place.list_names():
            if name.startswith("shard-") and name not in digests:
                place.remove(name)  # of the set that is replaced
        sums = Path(scratch, SUMS)
        sums.write_bytes(format_sums(digests))
        place.send(sums, SUMS)
    return ShardSet(motion_count, len(digests), tuple(unread))


@contextmanager
def _claim(place: Place, task: ShardTask) -> Iterator[None]:
    """Check that the place has no files but the shards of an unfinished or replaced set; lock a folder of this
    machine.
    """
    names = place.list_names()
    if foreign := [name for name in names if not _FILES_OF_SET.fullmatch(name)]:
        raise RunFolderError(f"{task.out}: holds other files ({', '.join(foreign[:3])}); choose another folder")
    if SUMS in names and not task.overwrite:
        raise SettingError(f"{task.out}: exists; {ANOTHER}")
    folder = Path(task.out)
    target = place_of(folder)  # addresses, too, are compared as paths
    for source in map(place_of, map(Path, task.sources)):
        if source == target or source in target.parents or target in source.parents:
            raise SettingError(f"{task.out}: a set cannot hold its sources, or lie in them; choose another place")
    if is_address(task.out):
        yield
        return
    with explain_write_error(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(folder)
    with lock:
        remove_leftovers(folder, below=True)
        yield


def _read_all(task: ShardTask, workers: int, unread: list[str]) -> Iterator[NamedMotion]:
    """Yield the motions of all recordings; `unread` gets a sentence for each recording that cannot be read."""
    listing = partial(_list_recordings, task, Path.cwd(), secrets.token_hex(8))
    recordings = listing()
    numbers = range(len(recordings))
    batches = group_by_size(numbers, lambda number: recordings[number].size, BATCH_BYTES, BATCH_RECORDINGS)
    with tqdm(total=len(recordings), desc="shard", unit="file", disable=None) as bar:
        for batch in batches:
            for motions in map_tasks(partial(_read_recording, listing), batch, workers):
                if isinstance(motions, str):
                    unread.append(motions)
                else:
                    yield from motions
            bar.update(len(batch))


def _read_recording(listing: Callable[[], list[Recording]], number: int) -> list[NamedMotion] | str:
    """Return the motions of a recording, or a sentence on a failed reading."""
    recording = listing()[number]
    try:
        return [_check(item) for item in recording.read()]
    except Exception as error:  # a bad recording stops no other
        return describe_failure(recording.name, error)


@lru_cache(maxsize=1)
def _list_recordings(task: ShardTask, directory: Path, token: str) -> list[Recording]:
    """Return the recordings of all sources, listed once in each process for a token: clips cannot be sent to another.

    Args:
        directory: Folder where relative paths start; worker processes may have begun in another.
    """
    os.chdir(directory)
    return [recording for source in task.sources for recording in list_recordings(source, task)]


def list_recordings(source: str, task: ShardTask) -> list[Recording]:
    """Return the recordings of a dataset's folder, of motion files, or of a set at an address."""
    if is_address(source):
        place = Place(source)
        return [
            Recording(f"{source}/{name}", SHARD_BYTES, partial(_read_set, place, name)) for name in place.list_sets()
        ]
    path = Path(source)
    folder = None if dataset_at(path, task.dataset, task.reading) else path
    _, clips = open_source(path, task.dataset, task.split, task.reading)
    recordings = []
    for clip in clips:
        size = clip.path.stat().st_size if clip.path.is_file() else 0  # in an archive
        recordings.append(Recording(clip.name, size, partial(_read_clip, clip, folder)))
    return recordings


def _read_set(place: Place, name: str) -> list[NamedMotion]:
    """Return the motions of a parquet file at an address."""
    with tempfile.TemporaryDirectory(prefix="selfcorrect-") as scratch:
        path = Path(scratch, "set.parquet")
        if not place.fetch(name, path):
            raise InputError(f"{place.address}/{name}: is missing")
        return read_named(path)


def _read_clip(clip: Clip, folder: Path | None) -> Iterator[NamedMotion]:
    """Yield the motions of a clip; files in a plain `folder` get labels from the place there."""
    if clip.path.suffix.lower() == ".parquet":
        yield from read_named(clip.path)
        return
    motions = clip.read()
    for number, motion in enumerate(motions):
        label = motion.label or ("" if folder is None else label_of(clip.path, folder))
        name = clip.name if len(motions) == 1 else f"{clip.name}#{number}"
        yield NamedMotion(name, replace(motion, label=label, source=motion.source or str(clip.path)))


def _check(item: NamedMotion) -> NamedMotion:
    """Return a motion; InputError for wrong numbers, or for a name that cannot name a file."""
    if not is_file_name(item.name):
        raise InputError(f"{item.name!r} cannot be the name of a file in a set of shards; rename it")
    check_numbers(item.motion)
    return item


def cut_shards(motions: Iterable[NamedMotion], most_motions: int) -> Iterator[list[NamedMotion]]:
    """Yield motions in shards; as many as fit into memory are sorted together, so that like motions share a shard."""
    size = attrgetter("bytes")
    for group in group_by_size(motions, size, SORTED_BYTES, MOST_MOTIONS):
        yield from group_by_size(sorted(group, key=_sort_key), size, SHARD_BYTES, most_motions)


def _sort_key(item: NamedMotion) -> tuple[bytes, float, int]:
    return identify_skeleton(item.motion.skeleton), item.motion.fps, len(item.motion)
