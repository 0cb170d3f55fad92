"""Pack motion files and datasets into sets of parquet files (shards), sorted by skeleton, with hundreds of motions
each.

Recordings are divided into batches by number and size. Each batch is a job that writes its shards and then a record of
them. The bytes therefore do not depend on where the jobs run and on how many workers, and a stopped set continues with
the batches that have no record. The list of digests is written last, so a set without it is unfinished.
"""

import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache, partial
from operator import attrgetter
from pathlib import Path

from selfcorrect.core.checks import check_count
from selfcorrect.core.errors import DamagedError, InputError, RunFolderError, SettingError
from selfcorrect.core.grouping import group_by_size
from selfcorrect.datasets.collections.dataset import Clip
from selfcorrect.datasets.files.parquet import NamedMotion, identify_skeleton, read_named, write_named
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.datasets.load import label_of
from selfcorrect.experiments.jobs.input_keys import digest_software
from selfcorrect.experiments.jobs.run import Job, require_runner, run_jobs
from selfcorrect.experiments.jobs.targets import ANOTHER, place_of
from selfcorrect.experiments.jobs.where import Where
from selfcorrect.motion.motion import check_numbers
from selfcorrect.runtime.bugs import describe_failure
from selfcorrect.runtime.processes import get_core_limit, stream_tasks
from selfcorrect.runtime.progress import Progress
from selfcorrect.storage.files.digests import (
    SUMS,
    compute_digest,
    compute_file_digest,
    format_sums,
    read_with_digest,
    write_with_digest,
)
from selfcorrect.storage.files.limits import is_file_name, read_bytes
from selfcorrect.storage.files.locks import LOCK, FolderLock
from selfcorrect.storage.files.writing import explain_write_error, remove_leftovers, write_atomically

from .sources import dataset_at, open_source

BATCH_RECORDINGS = 1024
"""Maximum number of recordings in a batch."""
BATCH_BYTES = 2**27
"""Maximum size of the files in a batch, and of the motions that are sorted together, in bytes."""
SHARD_BYTES = 2**25
"""Maximum size of the motions in a shard, in bytes. A larger motion gets a shard of its own."""
MAX_MOTIONS = 100_000
"""Maximum number of motions in a shard."""
_RECORDS = ".shards"
"""Folder with the records of batches in an unfinished set."""
_FILES_OF_SET = re.compile(
    rf"shard-\d{{5,}}(-\d{{4,}})?\.parquet|{re.escape(SUMS)}|{re.escape(LOCK)}|\..+\.tmp/.*|\.(shards|slurm)/.*"
)


@dataclass(frozen=True)
class ShardTask:
    """Sources to pack into a set of shards."""

    sources: tuple[str, ...]
    """Paths of the sources."""
    out: str
    """Path of the set."""
    motions_per_shard: int
    dataset: str | None = None
    split: str | None = None
    reading: Reading = field(default_factory=Reading)
    overwrite: bool = False
    """Whether to replace a finished set."""

    def __post_init__(self) -> None:
        check_count("motions-per-shard", self.motions_per_shard, 1, MAX_MOTIONS)


@dataclass(frozen=True)
class Recording:
    """Motions that are not read yet."""

    name: str
    size: int
    """Size of the file, in bytes."""
    version: str
    """Text that changes if the file changes, without reading it."""
    read: Callable[[], Iterable[NamedMotion]]


@dataclass(frozen=True)
class ShardBatch:
    """Recordings that a job packs."""

    number: int
    recordings: range
    """Indices of the recordings in the list of all recordings."""

    @property
    def record_name(self) -> str:
        """Name of the batch's record in the set."""
        return f"{_RECORDS}/{self.number:05d}.json"


@dataclass(frozen=True)
class BatchRecord:
    """The result of a batch."""

    key: str
    """Hash of the recordings, the settings and the software."""
    motions: int
    digests: dict[str, str]
    """Digest of each shard by name."""
    sizes: dict[str, int]
    """Size of each shard in bytes, by name."""
    unread: list[str]
    """Messages on the recordings that could not be read."""

    def is_kept(self, key: str, files: Mapping[str, int]) -> bool:
        """Return whether the batch is already done, given its key and the sizes of the set's files."""
        return self.key == key and all(files.get(name) == size for name, size in self.sizes.items())


@dataclass(frozen=True)
class ShardSet:
    """Number of motions and shards in a set, and the recordings that are missing."""

    motions: int
    shards: int
    unread: tuple[str, ...]
    """Messages on the recordings that could not be read."""


def make_shards(task: ShardTask, where: Where) -> ShardSet:
    """Make or complete a set of shards.

    Args:
        task: Sources and settings.
        where: Runner of the jobs, and number of workers.

    Raises:
        InputError: No motion could be read.
        RunFolderError: The folder holds other files.
        SettingError: The set exists, or is one of the sources.
    """
    require_runner(where)
    out = Path(task.out)
    with _claim(out, task):
        listing = Listing(task, Path.cwd(), secrets.token_hex(8))
        recordings = listing.recordings()
        batches = cut_batches(recordings)
        keys = {batch.number: listing.make_key(batch) for batch in batches}
        kept = _find_kept(out, batches, keys)
        jobs = []
        for batch in batches:
            if batch.number not in kept:
                name = f"{recordings[batch.recordings[0]].name} and {len(batch.recordings) - 1} more"
                arguments = (listing, batch, keys[batch.number])
                jobs.append(Job(f"batch {batch.number}: {name}", pack_batch, arguments, len(batch.recordings)))
        if jobs:
            run_jobs(jobs, where, "shard", unit="file", folder=place_of(out))
        return _finish(out, [kept.get(batch.number) or read_batch_record(out, batch) for batch in batches])


def _list_files(folder: Path) -> dict[str, int]:
    """Return the size of each file below a folder, by its name within the folder, in order."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _send(content: bytes, target: Path) -> None:
    """Write a file completely or not at all; a file with that name is replaced."""
    with explain_write_error(target.parent):
        write_atomically(target, content)


def _find_kept(out: Path, batches: Sequence[ShardBatch], keys: Mapping[int, str]) -> dict[int, BatchRecord]:
    """Return the records of the batches that an earlier call finished, by number."""
    files = _list_files(out)
    kept = {}
    for batch in batches:
        if batch.record_name in files:
            try:
                record = read_batch_record(out, batch)
            except DamagedError:
                continue
            if record.is_kept(keys[batch.number], files):
                kept[batch.number] = record
    return kept


def read_batch_record(out: Path, batch: ShardBatch) -> BatchRecord:
    """Read the record of a batch. Raises DamagedError if it is missing or damaged."""
    path = out / batch.record_name
    if not path.is_file():
        raise DamagedError(f"{path} is missing; check that all nodes reach this folder")
    return BatchRecord(**read_with_digest(path))


def _finish(out: Path, records: Sequence[BatchRecord]) -> ShardSet:
    """Write the digests, and remove stale shards and all records."""
    digests = {name: digest for record in records for name, digest in record.digests.items()}
    unread = tuple(sentence for record in records for sentence in record.unread)
    if digests:
        for name in _list_files(out):
            if name.startswith("shard-") and name not in digests:
                (out / name).unlink(missing_ok=True)  # of the set that is replaced
        _send(format_sums(digests), out / SUMS)
    shutil.rmtree(out / _RECORDS, ignore_errors=True)
    if not digests:
        raise InputError(f"no motion could be read; the first problem: {(unread or ('no motions found',))[0]}")
    return ShardSet(sum(record.motions for record in records), len(digests), unread)


@contextmanager
def _claim(folder: Path, task: ShardTask) -> Iterator[None]:
    """Claim and lock the output folder of a set.

    It may hold no files other than those of an unfinished set, or of a set that is to be replaced.
    """
    names = _list_files(folder)
    if foreign := [name for name in names if not _FILES_OF_SET.fullmatch(name)]:
        raise RunFolderError(f"{task.out}: holds other files ({', '.join(foreign[:3])}); choose another folder")
    if SUMS in names and not task.overwrite:
        raise SettingError(f"{task.out}: exists; {ANOTHER}")
    target = place_of(folder)
    for source in map(place_of, map(Path, task.sources)):
        if source == target or source in target.parents or target in source.parents:
            raise SettingError(f"{task.out}: a set cannot contain its sources or be inside them; choose another folder")
    with explain_write_error(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(folder)
    with lock:
        remove_leftovers(folder, below=True)
        yield


@dataclass(frozen=True)
class Listing:
    """The recordings of all sources, in order.

    Each process lists them once, because clips cannot be sent to other processes.
    """

    task: ShardTask
    directory: Path
    """Folder to which relative paths refer. Worker processes may have started in another one."""
    token: str
    """Random token of the call, so that another call lists the recordings again."""

    def recordings(self) -> list[Recording]:
        """List the recordings, once per process."""
        return _list_once(self)

    def make_key(self, batch: ShardBatch) -> str:
        """Return a hash of everything on which the shards of a batch depend."""
        task = self.task
        recordings = self.recordings()
        versions = [(recordings[number].name, recordings[number].version) for number in batch.recordings]
        settings = {**asdict(task), "out": "", "sources": (), "overwrite": False}
        named_files = [path and compute_file_digest(path) for path in task.reading.files]
        parts = [versions, settings, named_files, digest_software()]
        return compute_digest(json.dumps(parts, default=str).encode())


@lru_cache(maxsize=1)
def _list_once(listing: Listing) -> list[Recording]:
    os.chdir(listing.directory)
    task = listing.task
    return [recording for source in task.sources for recording in list_recordings(source, task)]


def cut_batches(recordings: Sequence[Recording]) -> list[ShardBatch]:
    """Divide recordings into batches by number and size."""
    batches = []
    sizes = [recording.size for recording in recordings]
    for numbers in group_by_size(range(len(sizes)), sizes.__getitem__, BATCH_BYTES, BATCH_RECORDINGS):
        batches.append(ShardBatch(len(batches), range(numbers[0], numbers[-1] + 1)))
    return batches


def pack_batch(listing: Listing, batch: ShardBatch, key: str, progress: Progress) -> None:
    """Write the shards of a batch, and then its record.

    Raises:
        InputError: The recordings differ from those that the command listed.
    """
    if max(batch.recordings) >= len(listing.recordings()) or listing.make_key(batch) != key:
        raise InputError("the sources changed since the command listed them, or differ on this node")
    out = Path(listing.task.out)
    unread: list[str] = []
    digests = {}
    sizes = {}
    count = 0
    with tempfile.TemporaryDirectory(prefix="selfcorrect-") as scratch:
        motions = _read_batch(listing, batch, unread, progress)
        for number, shard in enumerate(cut_shards(motions, listing.task.motions_per_shard)):
            path = Path(scratch, f"shard-{batch.number:05d}-{number:04d}.parquet")
            write_named(path, shard)
            digests[path.name] = compute_file_digest(path)
            sizes[path.name] = path.stat().st_size
            _send(read_bytes(path), out / path.name)
            path.unlink()
            count += len(shard)
        path = Path(scratch, "record.json")
        write_with_digest(path, asdict(BatchRecord(key, count, digests, sizes, unread)))
        _send(read_bytes(path), out / batch.record_name)


def _read_batch(listing: Listing, batch: ShardBatch, unread: list[str], progress: Progress) -> Iterator[NamedMotion]:
    """Yield the motions of a batch. A message for each recording that cannot be read is appended to `unread`."""
    total = len(batch.recordings)
    read = stream_tasks(partial(_read_recording, listing), batch.recordings, get_core_limit())
    for done_count, motions in enumerate(read, 1):
        if isinstance(motions, str):
            unread.append(motions)
        else:
            yield from motions
        progress("generation", done_count, total)


def _read_recording(listing: Listing, number: int) -> list[NamedMotion] | str:
    """Read the motions of a recording, or return a message if this fails."""
    recording = listing.recordings()[number]
    try:
        return [_check(item) for item in recording.read()]
    except Exception as error:  # a bad recording must not stop the others
        return describe_failure(recording.name, error)


def list_recordings(source: str, task: ShardTask) -> list[Recording]:
    """List the recordings of a source: a dataset's folder, or motion files."""
    path = Path(source)
    folder = None if dataset_at(path, task.dataset, task.reading) else path
    _, clips = open_source(path, task.dataset, task.split, task.reading)
    recordings = []
    for clip in clips:
        size, version = 0, str(clip.path)  # of a clip in an archive
        if clip.path.is_file():
            state = clip.path.stat()
            size, version = state.st_size, f"{clip.path}, {state.st_size} bytes of {state.st_mtime_ns}"
        recordings.append(Recording(clip.name, size, version, partial(_read_clip, clip, folder)))
    return recordings


def _read_clip(clip: Clip, folder: Path | None) -> Iterator[NamedMotion]:
    """Yield the motions of a clip. In a plain `folder`, labels follow from the path (`label_of`)."""
    if clip.path.suffix.lower() == ".parquet":
        yield from read_named(clip.path)
        return
    motions = clip.read()
    for number, motion in enumerate(motions):
        label = motion.label or ("" if folder is None else label_of(clip.path, folder))
        name = clip.name if len(motions) == 1 else f"{clip.name}#{number}"
        yield NamedMotion(name, replace(motion, label=label, source=motion.source or str(clip.path)))


def _check(item: NamedMotion) -> NamedMotion:
    """Return a motion. Raises InputError for invalid numbers, or for a name that cannot be a file name."""
    if not is_file_name(item.name):
        raise InputError(f"{item.name!r} cannot be the name of a file in a set of shards; rename it")
    check_numbers(item.motion)
    return item


def cut_shards(motions: Iterable[NamedMotion], most_motions: int) -> Iterator[list[NamedMotion]]:
    """Sort motions into shards. As many as fit into memory are sorted together, so that similar ones share a shard."""
    size = attrgetter("bytes")
    for group in group_by_size(motions, size, BATCH_BYTES, MAX_MOTIONS):
        yield from group_by_size(sorted(group, key=_sort_key), size, SHARD_BYTES, most_motions)


def _sort_key(item: NamedMotion) -> tuple[bytes, float, int]:
    return identify_skeleton(item.motion.skeleton), item.motion.fps, len(item.motion)
