"""Pack motion files and datasets into sets: parquet files of some hundred motions each, sorted by skeleton.

Recordings are read in parts. A part depends only on its recordings, so that parts can be made anywhere, at any time,
with the same bytes. Each part has a record of its inputs. The list of digests is written last.
"""

import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache, partial
from operator import attrgetter
from pathlib import Path

from selfcorrect.core.checks import check_count
from selfcorrect.core.errors import DamagedError, InputError, RunFolderError, UnreachableError
from selfcorrect.datasets.collections.dataset import Clip
from selfcorrect.datasets.files.parquet import NamedMotion, identify_skeleton, read_named, write_named
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.datasets.load import label_of
from selfcorrect.motion.corrector_interface.pieces import group_by_size
from selfcorrect.motion.motion import check_numbers
from selfcorrect.runtime.bugs import describe_failure
from selfcorrect.runtime.progress import Progress
from selfcorrect.storage.files.digests import SUMS, compute_file_digest, decode_sealed, encode_sealed, format_sums
from selfcorrect.storage.files.limits import is_file_name, record_opened_paths
from selfcorrect.storage.files.locks import LOCK, FolderLock
from selfcorrect.storage.files.places import Place, is_address
from selfcorrect.storage.files.strict_json import as_json, read_as
from selfcorrect.storage.files.writing import explain_write_error, remove_leftovers
from selfcorrect.storage.runs.run_folder import config_differences

from ..jobs.input_keys import are_unchanged, hash_sidecars, make_input_key
from ..jobs.run import Job, run_jobs
from ..jobs.targets import check_no_link
from ..jobs.where import Where
from .sources import dataset_at, open_source

PART_RECORDINGS = 1024
"""Most recordings in a part."""
PART_BYTES = 2**28
"""Most bytes of the files of a part."""
RUN_BYTES = 2**27
"""Most bytes of the numbers of motions that are sorted together."""
SHARD_BYTES = 2**25
"""Most bytes of the numbers in a shard; a larger motion has its own."""
MOST_MOTIONS = 100_000
"""Most motions in a shard."""
PARTS = ".parts"
"""Folder in a set with the task and a record of each part."""
_TASK = f"{PARTS}/task.json"
_MADE = re.compile(rf"{re.escape(PARTS)}/part-\d+\.json|shard-[\d-]+\.parquet")
"""Names of records and shards."""


@dataclass(frozen=True)
class SourceOptions:
    """Options for reading each source; see `commands.data.Source`."""

    dataset: str | None = None
    split: str | None = None
    reading: Reading = field(default_factory=Reading)


@dataclass(frozen=True)
class ShardTask:
    """Sources that become a set of shards."""

    sources: tuple[str, ...]
    """Paths and addresses."""
    out: str
    """Path or address of the set."""
    options: SourceOptions = field(default_factory=SourceOptions)
    motions_per_shard: int = 256

    def __post_init__(self) -> None:
        check_count("motions-per-shard", self.motions_per_shard, 1, MOST_MOTIONS)

    def describe(self) -> dict[str, object]:
        """Return all that the result depends on besides the content of the sources."""
        settings = asdict(self)
        del settings["out"]
        return as_json({"task": "shard", **settings}, str)


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
        workers: Number of processes that read at the same time.

    Returns:
        All shards of the set, and a sentence for each recording that could not be read.

    Raises:
        InputError: No motion could be read.
        RunFolderError: The folder belongs to another task, or holds other files.
    """
    place = Place(task.out)
    _list_parts.cache_clear()  # files may have come since an earlier task of this process
    with _claim(place, task):
        count = len(_list_parts(task.sources, task.options))
        jobs = [Job(f"part {number}", make_part, (task, number), 1) for number in range(count)]
        run_jobs(jobs, Where(workers), "shard", unit="part")
        shards: list[ShardFacts] = []
        unread: list[str] = []
        for number in range(count):
            record = _read_record(place, number)
            if record is None:
                raise DamagedError(f"{task.out}: a record is damaged; the same command makes that part again")
            shards += record.shards
            unread += record.unread
        if not shards:
            raise InputError(f"no motion could be read; the first problem: {(unread or ['there is none'])[0]}")
        digests = {shard.name: shard.sha256 for shard in shards}
        current = {*digests, *map(_record_name, range(count))}
        for name in place.list_names():
            if _MADE.fullmatch(name) and name not in current:
                place.remove(name)  # of inputs that no longer exist
        place.write_bytes(SUMS, format_sums(digests))
    return shards, unread


def make_part(task: ShardTask, number: int, progress: Progress) -> None:
    """Make the shards of a part and record them, unless its record shows that the inputs did not change.

    Args:
        progress: Called with the recordings that are done.
    """
    place = Place(task.out)
    with tempfile.TemporaryDirectory(prefix="selfcorrect-") as folder:
        scratch = Path(folder)
        part = []
        for index, recording in enumerate(_list_parts(task.sources, task.options)[number]):
            part.append(_fetch(recording, scratch / "inputs" / str(index)))
        key = _make_part_key(part, task.options)
        record = _read_record(place, number)
        if record is None or record.key != key or record.unread or not are_unchanged(record.sidecars):
            new_record = _write_part(place, number, part, task, key, scratch, progress)
            if record is not None and not new_record.shards:  # nothing could be read, so the earlier shards stay
                new_record = replace(record, unread=new_record.unread)
            place.write_bytes(_record_name(number), encode_sealed(asdict(new_record)))
    progress("generation", 1, 1)


def _write_part(
    place: Place, number: int, part: Sequence[Recording], task: ShardTask, key: str, scratch: Path, progress: Progress
) -> PartRecord:
    unread: list[str] = []
    shards: list[ShardFacts] = []
    scratch_shards: list[Path] = []
    with record_opened_paths() as opened:
        motions_of_part = _read_part(part, unread, progress)
        for index, motions in enumerate(cut_shards(motions_of_part, task.motions_per_shard)):
            name = f"shard-{number:05d}-{index:03d}.parquet"
            path = scratch / name
            write_named(path, motions)
            shards.append(ShardFacts(name, len(motions), compute_file_digest(path)))
            scratch_shards.append(path)
    for path in scratch_shards:
        place.send(path, path.name)
    part_files = {recording.path for recording in part}
    sidecars = {path for path in opened if path not in part_files and not path.is_relative_to(scratch)}
    return PartRecord(key, shards, unread, hash_sidecars(sorted(sidecars), scratch))


# --- the set ---------------------------------------------------------------------------------------------------------


@contextmanager
def _claim(place: Place, task: ShardTask) -> Iterator[None]:
    """Record the task in its place, which is new or belongs to the same task; lock a folder of this machine."""
    if not is_address(task.out):
        check_no_link([Path(task.out, PARTS)])
    description = task.describe()
    recorded = place.read_bytes(_TASK)
    if recorded is not None:
        if differences := config_differences(decode_sealed(recorded, f"{task.out}/{_TASK}"), description):
            raise RunFolderError(
                f"{task.out}: belongs to another task. {' '.join(differences)} Choose another folder, or use those."
            )
    elif foreign := [name for name in place.list_names() if "/" not in name and name != LOCK]:
        raise RunFolderError(f"{task.out}: holds other files ({', '.join(foreign[:3])}); choose another folder")
    if is_address(task.out):
        place.write_bytes(_TASK, encode_sealed(description))
        yield
        return
    folder = Path(task.out)
    with explain_write_error(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(folder)
    with lock:
        remove_leftovers(folder, below=True)
        place.write_bytes(_TASK, encode_sealed(description))
        yield


def _record_name(number: int) -> str:
    return f"{PARTS}/part-{number:05d}.json"


def _read_record(place: Place, number: int) -> PartRecord | None:
    """Return the record of a part; None for a missing or damaged record."""
    name = _record_name(number)
    content = place.read_bytes(name)
    if content is None:
        return None
    try:
        return read_as(PartRecord, decode_sealed(content, name), "it")
    except (DamagedError, InputError):
        return None


# --- recordings ------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _list_parts(sources: tuple[str, ...], options: SourceOptions) -> list[list[Recording]]:
    """Return the parts of some sources, listed once in each process."""
    recordings = [recording for source in sources for recording in list_recordings(source, options)]
    return list(group_by_size(recordings, lambda recording: recording.size, PART_BYTES, PART_RECORDINGS))


def list_recordings(source: str, options: SourceOptions) -> list[Recording]:
    """Return the recordings of a dataset's folder, of motion files, or of a set at an address."""
    if is_address(source):
        names = [name for name in Place(source).list_names() if Path(name).suffix == ".parquet"]
        if not names:
            raise InputError(f"{source}: no shards of motions are here; `selfcorrect data shard` makes them")
        return [Recording(f"{source}/{name}", SHARD_BYTES, Path(name), lambda: iter(())) for name in names]
    path = Path(source)
    folder = None if dataset_at(path, options.dataset, options.reading) else path
    _, clips = open_source(path, options.dataset, options.split, options.reading)
    recordings = []
    for clip in clips:
        file = next(place for place in (clip.path, *clip.path.parents) if place.exists())
        size = file.stat().st_size if file == clip.path else 0  # in an archive
        recordings.append(Recording(clip.name, size, file, partial(_read_clip, clip, folder)))
    return recordings


def _fetch(recording: Recording, folder: Path) -> Recording:
    """Return a recording on this machine: the same recording, or a copy from an address."""
    if not is_address(recording.name):
        return recording
    address, _, name = recording.name.rpartition("/")
    path = folder / name
    if not Place(address).fetch(name, path):
        raise UnreachableError(f"{recording.name}: is missing")
    return Recording(recording.name, recording.size, path, lambda: iter(read_named(path)))


def _read_clip(clip: Clip, folder: Path | None) -> Iterator[NamedMotion]:
    """Yield the motions of a clip; files in a plain `folder` get labels from their place in it."""
    if clip.path.suffix.lower() == ".parquet":
        yield from read_named(clip.path)
        return
    motions = clip.read()
    for number, motion in enumerate(motions):
        label = motion.label or ("" if folder is None else label_of(clip.path, folder))
        name = clip.name if len(motions) == 1 else f"{clip.name}#{number}"
        yield NamedMotion(name, replace(motion, label=label, source=motion.source or str(clip.path)))


def _make_part_key(part: Sequence[Recording], options: SourceOptions) -> str:
    keys = []
    for recording in part:
        keys.append((recording.name, make_input_key(recording.path, asdict(options), options.reading.files)))
    return hashlib.sha256(json.dumps(keys).encode(errors="surrogateescape")).hexdigest()


def _read_part(part: Sequence[Recording], unread: list[str], progress: Progress) -> Iterator[NamedMotion]:
    """Yield the motions of recordings; `unread` gets a sentence for each that cannot be read."""
    for index, recording in enumerate(part):
        progress("read", index, len(part))
        try:
            motions = [_check(item) for item in recording.read()]
        except Exception as error:  # a bad recording stops no other
            unread.append(describe_failure(recording.name, error))
        else:
            yield from motions


def _check(item: NamedMotion) -> NamedMotion:
    """Return a motion; InputError if its numbers are wrong, or its name cannot name a file."""
    if not is_file_name(item.name):
        raise InputError(f"{item.name!r} cannot be the name of a file in a set of shards; rename it")
    check_numbers(item.motion)
    return item


# --- like motions beside each other ----------------------------------------------------------------------------------


def cut_shards(motions: Iterable[NamedMotion], most_motions: int) -> Iterator[list[NamedMotion]]:
    """Yield motions in shards; as many as fit into memory are sorted together, so that similar motions share a
    shard.
    """
    size = attrgetter("bytes")
    for run in group_by_size(motions, size, RUN_BYTES, MOST_MOTIONS):
        yield from group_by_size(_sort(run), size, SHARD_BYTES, most_motions)


def _sort(motions: Sequence[NamedMotion]) -> list[NamedMotion]:
    """Return motions by skeleton in the order in which these come, then by frame rate and length; stable."""
    numbers: dict[bytes, int] = {}

    def sort_key(item: NamedMotion) -> tuple[int, float, int]:
        number = numbers.setdefault(identify_skeleton(item.motion.skeleton), len(numbers))
        return number, item.motion.fps, len(item.motion)

    return sorted(motions, key=sort_key)
