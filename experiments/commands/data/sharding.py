"""Pack motions into sets of parquet files.

Motion files and datasets are packed, some hundred motions to a file, sorted by skeleton. Recordings are cut into
batches by number and size, and each batch is a job that writes its shards and then a record of them. So the bytes do
not depend on where and by how many workers the jobs are done, and a set that was stopped goes on with the batches that
lack a record. The list of digests is written last: a set without this file is unfinished.
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
from selfcorrect.storage.files.limits import is_file_name
from selfcorrect.storage.files.locks import LOCK, FolderLock
from selfcorrect.storage.files.places import FileFacts, Place, is_address
from selfcorrect.storage.files.writing import explain_write_error, remove_leftovers

from ...jobs.input_keys import digest_software
from ...jobs.run import Job, require_runner, run_jobs
from ...jobs.targets import ANOTHER, place_of
from ...jobs.where import Where
from .sources import dataset_at, open_source

BATCH_RECORDINGS = 1024
"""Most recordings of a job."""
BATCH_BYTES = 2**27
"""Most bytes of the files of these."""
SORTED_BYTES = 2**27
"""Most bytes of the numbers of motions that are sorted together."""
SHARD_BYTES = 2**25
"""Most bytes of the numbers in a shard; a larger motion has a separate shard."""
MOST_MOTIONS = 100_000
"""Most motions in a shard."""
_RECORDS = ".shards"
"""Folder of the records of batches, in an unfinished set."""
_FILES_OF_SET = re.compile(
    rf"shard-\d{{5,}}(-\d{{4,}})?\.parquet|{re.escape(SUMS)}|{re.escape(LOCK)}|\..+\.tmp/.*|\.(shards|slurm)/.*"
)


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
    """Bytes of the file."""
    version: str
    """What changes with the file, without reading it."""
    read: Callable[[], Iterable[NamedMotion]]


@dataclass(frozen=True)
class ShardBatch:
    """Recordings that a job packs."""

    number: int
    recordings: range
    """Numbers of the recordings in the list of all."""

    @property
    def record_name(self) -> str:
        """Name of the record in the set."""
        return f"{_RECORDS}/{self.number:05d}.json"


@dataclass(frozen=True)
class BatchRecord:
    """What became of a batch."""

    key: str
    """Hash of the recordings, the settings and the software."""
    motions: int
    digests: dict[str, str]
    """Digest of each shard by name."""
    sizes: dict[str, int]
    """Bytes of each shard by name."""
    unread: list[str]
    """A sentence for each recording that could not be read."""

    def is_kept(self, key: str, files: Mapping[str, FileFacts]) -> bool:
        """Return whether the batch of a set with `files` is already done."""
        return self.key == key and all(name in files and files[name].size == self.sizes[name] for name in self.sizes)


@dataclass(frozen=True)
class ShardSet:
    """Counts of a shard set, and missing recordings."""

    motions: int
    shards: int
    unread: tuple[str, ...]
    """A sentence for each recording that could not be read."""


def make_shards(task: ShardTask, where: Where) -> ShardSet:
    """Make or complete a set of shards.

    Args:
        where: Where recordings are read, and by how many workers.

    Raises:
        InputError: No motion could be read.
        RunFolderError: The folder holds other files.
        SettingError: The set exists, or is one of the sources.
    """
    require_runner(where)
    place = Place(task.out)
    with _claim(place, task):
        listing = Listing(task, Path.cwd(), secrets.token_hex(8))
        recordings = listing.recordings()
        batches = cut_batches(recordings)
        keys = {batch.number: listing.make_key(batch) for batch in batches}
        kept = _find_kept(place, batches, keys)
        jobs = []
        for batch in batches:
            if batch.number not in kept:
                name = f"{recordings[batch.recordings[0]].name} and {len(batch.recordings) - 1} more"
                arguments = (listing, batch, keys[batch.number])
                jobs.append(Job(f"batch {batch.number}: {name}", pack_batch, arguments, len(batch.recordings)))
        folder = None if is_address(task.out) else place_of(Path(task.out))
        if jobs:
            run_jobs(jobs, where, "shard", unit="file", folder=folder)
        return _finish(place, [kept.get(batch.number) or read_batch_record(place, batch) for batch in batches])


def _find_kept(place: Place, batches: Sequence[ShardBatch], keys: Mapping[int, str]) -> dict[int, BatchRecord]:
    """Return records by number of the batches that an earlier call finished."""
    files = place.list_files()
    kept = {}
    for batch in batches:
        if batch.record_name in files:
            try:
                record = read_batch_record(place, batch)
            except DamagedError:
                continue
            if record.is_kept(keys[batch.number], files):
                kept[batch.number] = record
    return kept


def read_batch_record(place: Place, batch: ShardBatch) -> BatchRecord:
    """Read a batch's record; raises DamagedError if it is missing or damaged."""
    with tempfile.TemporaryDirectory(prefix="selfcorrect-") as scratch:
        path = Path(scratch, "record.json")
        if not place.fetch(batch.record_name, path):
            raise DamagedError(f"{place.address}/{batch.record_name} is missing: do all nodes reach that place?")
        return BatchRecord(**read_with_digest(path))


def _finish(place: Place, records: Sequence[BatchRecord]) -> ShardSet:
    """Write digests, and remove stale shards and records."""
    digests = {name: digest for record in records for name, digest in record.digests.items()}
    unread = tuple(sentence for record in records for sentence in record.unread)
    names = place.list_names()
    if digests:
        for name in names:
            if name.startswith("shard-") and name not in digests:
                place.remove(name)  # of the set that is replaced
        with tempfile.TemporaryDirectory(prefix="selfcorrect-") as scratch:
            sums = Path(scratch, SUMS)
            sums.write_bytes(format_sums(digests))
            place.send(sums, SUMS)
    for name in names:
        if name.startswith(f"{_RECORDS}/"):
            place.remove(name)
    if not is_address(place.address):
        shutil.rmtree(Path(place.address, _RECORDS), ignore_errors=True)
    if not digests:
        raise InputError(f"no motion could be read; the first problem: {(unread or ('no motions found',))[0]}")
    return ShardSet(sum(record.motions for record in records), len(digests), unread)


@contextmanager
def _claim(place: Place, task: ShardTask) -> Iterator[None]:
    """Claim a place for a shard set.

    It must have no files but the shards of an unfinished or replaced set. A folder of this machine is locked.
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


@dataclass(frozen=True)
class Listing:
    """The recordings of all sources, in order.

    Each process lists them once, because clips cannot be sent to another.
    """

    task: ShardTask
    directory: Path
    """Folder where relative paths start; worker processes may have begun in another."""
    token: str
    """Differs in each call."""

    def recordings(self) -> list[Recording]:
        """Return the recordings."""
        return _list_once(self)

    def make_key(self, batch: ShardBatch) -> str:
        """Return a hash of all inputs on which a batch's shards depend."""
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
    """Return the batches of some recordings."""
    batches = []
    sizes = [recording.size for recording in recordings]
    for numbers in group_by_size(range(len(sizes)), sizes.__getitem__, BATCH_BYTES, BATCH_RECORDINGS):
        batches.append(ShardBatch(len(batches), range(numbers[0], numbers[-1] + 1)))
    return batches


def pack_batch(listing: Listing, batch: ShardBatch, key: str, progress: Progress) -> None:
    """Write the shards of a batch, then the record.

    Raises:
        InputError: The recordings are not those that the command has listed.
    """
    if max(batch.recordings) >= len(listing.recordings()) or listing.make_key(batch) != key:
        raise InputError("the sources changed since the command listed them, or are others on this node")
    place = Place(listing.task.out)
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
            place.send(path, path.name)
            path.unlink()
            count += len(shard)
        path = Path(scratch, "record.json")
        write_with_digest(path, asdict(BatchRecord(key, count, digests, sizes, unread)))
        place.send(path, batch.record_name)


def _read_batch(listing: Listing, batch: ShardBatch, unread: list[str], progress: Progress) -> Iterator[NamedMotion]:
    """Yield the motions of a batch; `unread` gets a sentence for each recording that cannot be read."""
    total = len(batch.recordings)
    read = stream_tasks(partial(_read_recording, listing), batch.recordings, get_core_limit())
    for done_count, motions in enumerate(read, 1):
        if isinstance(motions, str):
            unread.append(motions)
        else:
            yield from motions
        progress("generation", done_count, total)


def _read_recording(listing: Listing, number: int) -> list[NamedMotion] | str:
    """Read a recording's motions, or describe the failure."""
    recording = listing.recordings()[number]
    try:
        return [_check(item) for item in recording.read()]
    except Exception as error:  # a bad recording stops no other
        return describe_failure(recording.name, error)


def list_recordings(source: str, task: ShardTask) -> list[Recording]:
    """List the recordings of a dataset's folder, of motion files, or of a set at an address."""
    if is_address(source):
        place = Place(source)
        files = place.list_files()
        recordings = []
        for name in place.list_sets():
            facts = files[name]
            read = partial(_read_set, place, name)
            recordings.append(Recording(f"{source}/{name}", facts.size, str(facts), read))
        return recordings
    path = Path(source)
    folder = None if dataset_at(path, task.dataset, task.reading) else path
    _, clips = open_source(path, task.dataset, task.split, task.reading)
    recordings = []
    for clip in clips:
        facts = FileFacts(0)  # of a clip in an archive
        if clip.path.is_file():
            state = clip.path.stat()
            facts = FileFacts(state.st_size, state.st_mtime_ns)
        recordings.append(Recording(clip.name, facts.size, f"{clip.path} {facts}", partial(_read_clip, clip, folder)))
    return recordings


def _read_set(place: Place, name: str) -> list[NamedMotion]:
    """Return the motions of a remote parquet file."""
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
    """Return a motion with valid numbers and name.

    Raises InputError for wrong numbers, or for a name that cannot name a file.
    """
    if not is_file_name(item.name):
        raise InputError(f"{item.name!r} cannot be the name of a file in a set of shards; rename it")
    check_numbers(item.motion)
    return item


def cut_shards(motions: Iterable[NamedMotion], most_motions: int) -> Iterator[list[NamedMotion]]:
    """Sort motions into shards.

    As many as fit into memory are sorted together, so that like motions share a shard.
    """
    size = attrgetter("bytes")
    for group in group_by_size(motions, size, SORTED_BYTES, MOST_MOTIONS):
        yield from group_by_size(sorted(group, key=_sort_key), size, SHARD_BYTES, most_motions)


def _sort_key(item: NamedMotion) -> tuple[bytes, float, int]:
    return identify_skeleton(item.motion.skeleton), item.motion.fps, len(item.motion)
