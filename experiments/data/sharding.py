"""Pack motion files and datasets into sets: parquet files of some hundred motions each, sorted by skeleton.

Recordings are read in parts. A part depends only on its recordings, so that parts can be made by any process, at any
time, with the same bytes. The list of digests is written last.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache, partial
from operator import attrgetter
from pathlib import Path

from tqdm import tqdm

from selfcorrect.core.checks import check_count
from selfcorrect.core.errors import InputError, RunFolderError, UnreachableError
from selfcorrect.datasets.collections.dataset import Clip
from selfcorrect.datasets.files.parquet import NamedMotion, identify_skeleton, read_named, write_named
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.datasets.load import label_of
from selfcorrect.motion.corrector_interface.pieces import group_by_size
from selfcorrect.motion.motion import check_numbers
from selfcorrect.runtime.bugs import describe_failure
from selfcorrect.runtime.processes import map_tasks
from selfcorrect.storage.files.digests import (
    SUMS,
    compute_digest,
    compute_file_digest,
    decode_sealed,
    encode_sealed,
    format_sums,
)
from selfcorrect.storage.files.limits import is_file_name
from selfcorrect.storage.files.locks import LOCK, FolderLock
from selfcorrect.storage.files.places import Place, is_address
from selfcorrect.storage.files.strict_json import as_json
from selfcorrect.storage.files.writing import explain_write_error, remove_leftovers
from selfcorrect.storage.runs.run_folder import config_differences

from .sources import dataset_at, open_source
from .verification import SET_TASK

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
    read: Callable[[Path], Iterable[NamedMotion]]
    """Function of a folder for temporary files."""


@dataclass(frozen=True)
class Part:
    """Shards of a part, and what could not be read."""

    digests: dict[str, str]
    """SHA-256 of each shard by its name."""
    motions: int
    unread: list[str]
    """A sentence for each recording that could not be read."""


def make_shards(task: ShardTask, workers: int) -> tuple[Part, list[str]]:
    """Make a set of shards; shards of an earlier run whose recordings are gone are removed.

    Args:
        workers: Number of processes that read at the same time.

    Returns:
        All shards as one part, and the names of earlier shards that stay because nothing of their part could be read.

    Raises:
        InputError: No motion could be read.
        RunFolderError: The folder belongs to another task, or holds other files.
    """
    check_count("workers", workers, 1)
    place = Place(task.out)
    _list_parts.cache_clear()  # files may have come since an earlier task of this process
    with _claim(place, task):
        parts = _make_parts(task, workers)
        unread = [sentence for part in parts for sentence in part.unread]
        digests = {name: digest for part in parts for name, digest in part.digests.items()}
        if not digests:
            raise InputError(f"no motion could be read; the first problem: {(unread or ['there is none'])[0]}")
        unread_parts = tuple(_shard_name(number) for number, part in enumerate(parts) if not part.digests)
        kept = []
        for name in place.list_names():
            if not name.startswith("shard-") or name in digests:
                continue
            content = place.read_bytes(name)
            if content is not None and name.startswith(unread_parts):
                digests[name] = compute_digest(content)
                kept.append(name)
            else:
                place.remove(name)  # of recordings that no longer exist
        place.write_bytes(SUMS, format_sums(digests))
    return Part(digests, sum(part.motions for part in parts), unread), kept


def _make_parts(task: ShardTask, workers: int) -> list[Part]:
    numbers = range(len(_list_parts(task.sources, task.options)))
    parts: list[Part] = []
    with tqdm(total=len(numbers), desc="shard", unit="part", disable=None) as bar:
        for start in range(0, len(numbers), workers):
            parts += map_tasks(partial(make_part, task), numbers[start : start + workers], workers)
            bar.update(len(parts) - start)
    return parts


def make_part(task: ShardTask, number: int) -> Part:
    """Make the shards of a part."""
    place = Place(task.out)
    with tempfile.TemporaryDirectory(prefix="selfcorrect-") as folder:
        scratch = Path(folder)
        recordings = _list_parts(task.sources, task.options)[number]
        unread: list[str] = []
        digests = {}
        count = 0
        for index, motions in enumerate(cut_shards(_read_part(recordings, scratch, unread), task.motions_per_shard)):
            path = scratch / f"{_shard_name(number)}{index:03d}.parquet"
            write_named(path, motions)
            digests[path.name] = compute_file_digest(path)
            count += len(motions)
        for name in digests:
            place.send(scratch / name, name)
    return Part(digests, count, unread)


def _shard_name(part: int) -> str:
    """Return the beginning of the names of a part's shards."""
    return f"shard-{part:05d}-"


# --- the set ---------------------------------------------------------------------------------------------------------


@contextmanager
def _claim(place: Place, task: ShardTask) -> Iterator[None]:
    """Record the task in its place, which is new or belongs to the same task; lock a folder of this machine."""
    description = task.describe()
    recorded = place.read_bytes(SET_TASK)
    if recorded is not None:
        if differences := config_differences(decode_sealed(recorded, f"{task.out}/{SET_TASK}"), description):
            raise RunFolderError(
                f"{task.out}: belongs to another task. {' '.join(differences)} Choose another folder, or use those."
            )
    elif foreign := [name for name in place.list_names() if "/" not in name and name != LOCK]:
        raise RunFolderError(f"{task.out}: holds other files ({', '.join(foreign[:3])}); choose another folder")
    if is_address(task.out):
        place.write_bytes(SET_TASK, encode_sealed(description))
        yield
        return
    folder = Path(task.out)
    with explain_write_error(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(folder)
    with lock:
        remove_leftovers(folder, below=True)
        place.write_bytes(SET_TASK, encode_sealed(description))
        yield


# --- recordings ------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _list_parts(sources: tuple[str, ...], options: SourceOptions) -> list[list[Recording]]:
    """Return the parts of some sources, listed once in each process."""
    recordings = [recording for source in sources for recording in list_recordings(source, options)]
    return list(group_by_size(recordings, lambda recording: recording.size, PART_BYTES, PART_RECORDINGS))


def list_recordings(source: str, options: SourceOptions) -> list[Recording]:
    """Return the recordings of a dataset's folder, of motion files, or of a set at an address."""
    if is_address(source):
        place = Place(source)
        return [
            Recording(f"{source}/{name}", SHARD_BYTES, partial(_read_set, place, name)) for name in place.list_sets()
        ]
    path = Path(source)
    folder = None if dataset_at(path, options.dataset, options.reading) else path
    _, clips = open_source(path, options.dataset, options.split, options.reading)
    recordings = []
    for clip in clips:
        file = next(place for place in (clip.path, *clip.path.parents) if place.exists())
        size = file.stat().st_size if file == clip.path else 0  # in an archive
        recordings.append(Recording(clip.name, size, partial(_read_clip, clip, folder)))
    return recordings


def _read_set(place: Place, name: str, scratch: Path) -> list[NamedMotion]:
    """Return the motions of a parquet file at an address."""
    path = scratch / "set.parquet"
    if not place.fetch(name, path):
        raise UnreachableError(f"{place.address}/{name}: is missing")
    return read_named(path)


def _read_clip(clip: Clip, folder: Path | None, scratch: Path) -> Iterator[NamedMotion]:
    """Yield the motions of a clip; files in a plain `folder` get labels from their place in it."""
    if clip.path.suffix.lower() == ".parquet":
        yield from read_named(clip.path)
        return
    motions = clip.read()
    for number, motion in enumerate(motions):
        label = motion.label or ("" if folder is None else label_of(clip.path, folder))
        name = clip.name if len(motions) == 1 else f"{clip.name}#{number}"
        yield NamedMotion(name, replace(motion, label=label, source=motion.source or str(clip.path)))


def _read_part(recordings: Iterable[Recording], scratch: Path, unread: list[str]) -> Iterator[NamedMotion]:
    """Yield the motions of recordings; `unread` gets a sentence for each that cannot be read."""
    for recording in recordings:
        try:
            motions = [_check(item) for item in recording.read(scratch)]
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
