"""Pack motion files and datasets into sets: parquet files of some hundred motions each, like ones beside each other.

Recordings are read in parts. A part depends only on its recordings, so that parts may be made anywhere, at any time,
with the same bytes. A record of each part tells what it was made of; the list of digests is written last.
"""

import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path

from selfcorrect.core.errors import DamagedError, InputError, RunFolderError, SettingError, UnreachableError
from selfcorrect.datasets.collections.dataset import Clip
from selfcorrect.datasets.files.parquet import NamedMotion, identify_skeleton, read_named, write_named
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.datasets.load import label_of
from selfcorrect.motion.correction.pieces import group_by_size
from selfcorrect.motion.motion import check_numbers
from selfcorrect.runtime.bugs import describe_failure
from selfcorrect.runtime.progress import Progress
from selfcorrect.storage.files.digests import SUMS, compute_file_digest, encode_sealed, format_sums, read_sealed
from selfcorrect.storage.files.limits import is_file_name, record_opened_paths
from selfcorrect.storage.files.locks import LOCK, FolderLock
from selfcorrect.storage.files.places import Place, is_address
from selfcorrect.storage.files.strict_json import as_json, read_as
from selfcorrect.storage.files.writing import explain_write_error, remove_leftovers
from selfcorrect.storage.runs.run_folder import config_differences

from ..jobs.input_keys import are_unchanged, hash_sidecars, make_input_key
from ..jobs.run import Job, run_jobs
from ..jobs.where import Where
from .sources import dataset_at, open_source

PART_RECORDINGS = 1024
PART_BYTES = 2**28
"""Most recordings that one worker reads, and most bytes of their files."""
RUN_BYTES = 2**27
"""Bytes of the numbers of motions that are sorted together."""
SHARD_BYTES = 2**25
"""Most bytes of the numbers in one shard; a motion that is larger stands alone."""
MOST_MOTIONS = 100_000
PARTS = ".parts"
"""Folder in a set with the task and a record of each part."""
_TASK = f"{PARTS}/task.json"
_PART = re.compile(rf"{re.escape(PARTS)}/part-(\d+)\.json")


@dataclass(frozen=True)
class SourceOptions:
    """Options for reading each source; see `commands.data.Source`."""

    dataset: str | None = None
    split: str | None = None
    reading: Reading = field(default_factory=Reading)


@dataclass(frozen=True)
class ShardTask:
    """A task: sources that become one set of shards."""

    sources: tuple[str, ...]
    """Paths and addresses."""
    out: str
    """Path or address of the set."""
    options: SourceOptions = field(default_factory=SourceOptions)
    motions_per_shard: int = 256

    def __post_init__(self) -> None:
        if not 1 <= self.motions_per_shard <= MOST_MOTIONS:
            raise SettingError(f"motions-per-shard must be from 1 to {MOST_MOTIONS}, got {self.motions_per_shard}")

    def describe(self) -> dict[str, object]:
        """Return all that the result depends on beside the content of the sources."""
        return as_json({"task": "shard", **{name: value for name, value in asdict(self).items() if name != "out"}}, str)


@dataclass(frozen=True)
class Recording:
    """Motions that are not read yet."""

    name: str
    size: int
    """Bytes of its file."""
    path: Path
    """The file, or the archive that holds it."""
    read: Callable[[], Iterator[NamedMotion]]


@dataclass(frozen=True)
class ShardFacts:
    """One shard of a set."""

    name: str
    motions: int
    sha256: str


@dataclass(frozen=True)
class PartRecord:
    """Source and result of a part."""

    key: str
    shards: list[ShardFacts]
    unread: list[str]
    """A sentence for each recording that could not be read."""
    sidecars: dict[str, str]
    """Hashes of the files that were opened beside the recordings."""


def make_shards(task: ShardTask, workers: int) -> tuple[list[ShardFacts], list[str]]:
    """Make those shards of a set that are missing, or whose inputs changed.

    Args:
        task: what becomes of what.
        workers: number of processes that read at the same time.

    Returns:
        All shards of the set, and a sentence for each recording that could not be read.

    Raises:
        InputError: no motion could be read.
        RunFolderError: the folder belongs to another task, or holds other files.
    """
    place = Place(task.out)
    _list_parts.cache_clear()  # files may have come since an earlier task of this process
    with tempfile.TemporaryDirectory(prefix="selfcorrect-") as scratch, _claim(place, task, Path(scratch)):
        count = len(_list_parts(task.sources, task.options))
        jobs = [Job(f"part {number}", make_part, (task, number), 1) for number in range(count)]
        run_jobs(jobs, Where(workers), "shard", unit="part")
        _remove_stale_parts(place, count, Path(scratch))
        records = [_read_record(place, number, Path(scratch)) for number in range(count)]
        if None in records:
            raise DamagedError(f"{task.out}: a record is not what was written; the same command does that part again")
        shards = [shard for record in records if record for shard in record.shards]
        unread = [sentence for record in records if record for sentence in record.unread]
        if not shards:
            raise InputError(f"no motion could be read; the first problem: {(unread or ['there is none'])[0]}")
        _send_bytes(place, SUMS, format_sums({shard.name: shard.sha256 for shard in shards}), Path(scratch))
    return shards, unread


def make_part(task: ShardTask, number: int, progress: Progress) -> None:
    """Make the shards of one part and record them, unless the record shows that its inputs did not change."""
    place = Place(task.out)
    with tempfile.TemporaryDirectory(prefix="selfcorrect-") as folder:
        scratch = Path(folder)
        part = _list_parts(task.sources, task.options)[number]
        part = [_fetch(recording, scratch / "inputs" / str(index)) for index, recording in enumerate(part)]
        key = _make_part_key(part, task.options)
        record = _read_record(place, number, scratch)
        if record is None or record.key != key or record.unread or not are_unchanged(record.sidecars):
            _remove_shards(place, record)
            record = _write_part(place, number, part, task, key, scratch, progress)
            _send_bytes(place, _record_name(number), encode_sealed(asdict(record)), scratch)
    progress("generation", 1, 1)


def _write_part(
    place: Place, number: int, part: Sequence[Recording], task: ShardTask, key: str, scratch: Path, progress: Progress
) -> PartRecord:
    unread: list[str] = []
    shards: list[ShardFacts] = []
    with record_opened_paths() as opened:
        for index, motions in enumerate(cut_shards(_read_part(part, unread, progress), task.motions_per_shard)):
            name = f"shard-{number:05d}-{index:03d}.parquet"
            write_named(scratch / name, motions)
            place.send(scratch / name, name)
            shards.append(ShardFacts(name, len(motions), compute_file_digest(scratch / name)))
            (scratch / name).unlink()
    own_files = {recording.path for recording in part}
    sidecars = {path for path in opened if path not in own_files and not path.is_relative_to(scratch)}
    return PartRecord(key, shards, unread, hash_sidecars(sorted(sidecars), scratch))


# --- the set ---------------------------------------------------------------------------------------------------------


@contextmanager
def _claim(place: Place, task: ShardTask, scratch: Path) -> Iterator[None]:
    """Take the place of a task, new or begun by the same one; of a folder of this machine, sole use."""
    description = task.describe()
    if place.has(_TASK):
        place.fetch(_TASK, scratch / "task.json")
        if differences := config_differences(read_sealed(scratch / "task.json"), description):
            raise RunFolderError(
                f"{task.out}: belongs to another task. {' '.join(differences)} Choose another folder, or use those."
            )
    elif foreign := [name for name in place.list_names() if "/" not in name and name != LOCK]:
        raise RunFolderError(f"{task.out}: holds other files ({', '.join(foreign[:3])}); choose another folder")
    if is_address(task.out):
        _send_bytes(place, _TASK, encode_sealed(description), scratch)
        yield
        return
    folder = Path(task.out)
    with explain_write_error(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(folder)
    with lock:
        remove_leftovers(folder, below=True)
        _send_bytes(place, _TASK, encode_sealed(description), scratch)
        yield


def _record_name(number: int) -> str:
    return f"{PARTS}/part-{number:05d}.json"


def _read_record(place: Place, number: int, scratch: Path) -> PartRecord | None:
    """Return the record of a part; None where there is none, or it is damaged."""
    path = scratch / "part.json"
    try:
        return read_as(PartRecord, read_sealed(path), "it") if place.fetch(_record_name(number), path) else None
    except (DamagedError, InputError):
        return None


def _remove_shards(place: Place, record: PartRecord | None) -> None:
    """Remove what a part had become, so that nothing of it stays beside what it becomes now."""
    for shard in record.shards if record else ():
        place.remove(shard.name)


def _remove_stale_parts(place: Place, count: int, scratch: Path) -> None:
    """Remove the parts of inputs that are no longer there."""
    for name in place.list_names(PARTS):
        match = _PART.fullmatch(name)
        if match and int(match[1]) >= count:
            _remove_shards(place, _read_record(place, int(match[1]), scratch))
            place.remove(name)


def _send_bytes(place: Place, name: str, content: bytes, scratch: Path) -> None:
    path = scratch / "content"
    path.write_bytes(content)
    place.send(path, name)


# --- recordings ------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _list_parts(sources: tuple[str, ...], options: SourceOptions) -> list[list[Recording]]:
    """Return the parts of some sources, listed once in each process."""
    recordings = [recording for source in sources for recording in list_recordings(source, options)]
    return list(group_by_size(recordings, lambda recording: recording.size, PART_BYTES, PART_RECORDINGS))


def list_recordings(source: str, options: SourceOptions) -> list[Recording]:
    """Return the recordings of a dataset's folder, of motion files, or of a set at an address."""
    if is_address(source):
        names = [name for name in Place(source).list_names() if is_shard(name)]
        if not names:
            raise InputError(f"{source}: no shards of motions are here; `selfcorrect data shard` makes them")
        return [Recording(f"{source}/{name}", SHARD_BYTES, Path(name), lambda: iter(())) for name in names]
    path = Path(source)
    known_dataset = dataset_at(path, options.dataset, options.reading)
    _, clips = open_source(path, options.dataset, options.split, options.reading)
    return [_make_recording(clip, None if known_dataset else path) for clip in clips]


def is_shard(name: str) -> bool:
    """Return whether a file of a place is a shard by its name; earlier versions put tables into `results/`."""
    path = Path(name)
    return path.suffix == ".parquet" and path.parts[0] != "results" and path.name != "failures.parquet"


def _make_recording(clip: Clip, folder: Path | None) -> Recording:
    file = next(path for path in (clip.path, *clip.path.parents) if path.exists())
    size = file.stat().st_size if file == clip.path else 0  # in an archive
    return Recording(clip.name, size, file, partial(_read_clip, clip, folder))


def _fetch(recording: Recording, folder: Path) -> Recording:
    """Return a recording of this machine: itself, or a copy of the one at an address."""
    if not is_address(recording.name):
        return recording
    address, _, name = recording.name.rpartition("/")
    path = folder / name
    if not Place(address).fetch(name, path):
        raise UnreachableError(f"{recording.name}: has gone")
    return Recording(recording.name, recording.size, path, lambda: iter(read_named(path)))


def _read_clip(clip: Clip, folder: Path | None) -> Iterator[NamedMotion]:
    """Yield the motions of a clip; those of files in a plain `folder` get labels after their place in it."""
    if clip.path.suffix.lower() == ".parquet":
        yield from read_named(clip.path)
        return
    motions = clip.read()
    for number, motion in enumerate(motions):
        label = motion.label or ("" if folder is None else label_of(clip.path, folder))
        name = clip.name if len(motions) == 1 else f"{clip.name}#{number}"
        yield NamedMotion(name, replace(motion, label=label, source=motion.source or str(clip.path)))


def _make_part_key(part: Sequence[Recording], options: SourceOptions) -> str:
    reading = options.reading
    keys = [(item.name, make_input_key(item.path, asdict(options), reading.files)) for item in part]
    return hashlib.sha256(json.dumps(keys).encode(errors="surrogateescape")).hexdigest()


def _read_part(part: Sequence[Recording], unread: list[str], progress: Progress) -> Iterator[NamedMotion]:
    """Yield the motions of recordings; of each that cannot be read, `unread` gets a sentence."""
    for index, recording in enumerate(part):
        progress("read", index, len(part))
        try:
            motions = [_check(item) for item in recording.read()]
        except Exception as error:  # whatever is wrong with one recording, the others go on
            unread.append(describe_failure(recording.name, error))
        else:
            yield from motions


def _check(item: NamedMotion) -> NamedMotion:
    """Return a motion; InputError where its numbers are wrong, or `data convert` could make no file of its name."""
    if not is_file_name(item.name):
        raise InputError(f"{item.name!r} cannot be the name of a file in a set of shards; rename it")
    check_numbers(item.motion)
    return item


# --- like motions beside each other ----------------------------------------------------------------------------------


def cut_shards(motions: Iterable[NamedMotion], most_motions: int) -> Iterator[list[NamedMotion]]:
    """Yield motions in shards; as many as fit into memory together are sorted, so that like ones share a shard."""
    for run in group_by_size(motions, _size, RUN_BYTES, MOST_MOTIONS):
        yield from group_by_size(_sort(run), _size, SHARD_BYTES, most_motions)


def _size(item: NamedMotion) -> int:
    return item.bytes


def _sort(motions: Sequence[NamedMotion]) -> list[NamedMotion]:
    """Return motions by skeleton in the order in which these come, then by frame rate and length; stable."""
    numbers: dict[bytes, int] = {}

    def sort_key(item: NamedMotion) -> tuple[int, float, int]:
        number = numbers.setdefault(identify_skeleton(item.motion.skeleton), len(numbers))
        return number, item.motion.fps, len(item.motion)

    return sorted(motions, key=sort_key)
