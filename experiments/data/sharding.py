"""Make shards of motions from files, datasets and other shards.

Recordings are read in parts. A part depends only on its recordings, so that parts may be made anywhere, at any
time, with the same bytes.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path

from selfcorrect.core.errors import InputError, UnreachableError
from selfcorrect.datasets.collections.dataset import Clip
from selfcorrect.datasets.files.formats import Format, is_motion_file, writer_of
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.datasets.load import label_of
from selfcorrect.datasets.shards.manifest import (
    Manifest,
    ShardFacts,
    entries_of,
    has_manifest,
    read_manifest,
    write_manifest,
)
from selfcorrect.datasets.shards.schema import Entry
from selfcorrect.datasets.shards.writing import Sizes, put_shards
from selfcorrect.motion.correction.pieces import bounded
from selfcorrect.motion.motion import check_numbers
from selfcorrect.runtime.bugs import sentence_of
from selfcorrect.runtime.progress import Progress
from selfcorrect.storage.files.limits import is_file_name, path_below
from selfcorrect.storage.files.places import Place, is_address, place
from selfcorrect.storage.files.strict_json import as_json
from selfcorrect.storage.runs.ledger import all_recorded, claimed, record, recorded

from ..jobs.run import Job, run_jobs
from ..jobs.targets import ANOTHER, check_targets
from ..jobs.where import Where
from .sources import dataset_at, open_source

PART_RECORDINGS, PART_BYTES = 1024, 2**28
"""Recordings that one worker reads, at most: so many, in files of so many bytes."""


@dataclass(frozen=True)
class SourceOptions:
    """What is read from each source; see `commands.data.Source`."""

    dataset: str | None = None
    split: str | None = None
    reading: Reading = field(default_factory=Reading)


@dataclass(frozen=True)
class Recording:
    """Motions that are not read yet."""

    name: str
    bytes: int
    """Of its file."""
    stamp: str
    """Changes with its content."""
    read: Callable[[], Iterator[Entry]]


def recordings(source: str, options: SourceOptions) -> list[Recording]:
    """Those of a set of shards, of a dataset's folder, or of motion files."""
    if is_address(source) or has_manifest(place(source)):
        folder = place(source)
        manifest = read_manifest(folder)
        return [
            Recording(shard.name, shard.bytes, shard.sha256, partial(entries_of, folder, shard))
            for shard in manifest.shards
        ]
    path = Path(source)
    known = dataset_at(path, options.dataset, options.reading)
    _, clips = open_source(path, options.dataset, options.split, options.reading)
    return [_of_clip(clip, None if known else path) for clip in clips]


def _of_clip(clip: Clip, folder: Path | None) -> Recording:
    file = next(path for path in (clip.path, *clip.path.parents) if path.exists())
    facts = file.stat()
    own = facts.st_size if file == clip.path else 0  # in an archive
    return Recording(clip.name, own, f"{facts.st_size} {facts.st_mtime_ns}", partial(_read, clip, folder))


def _read(clip: Clip, folder: Path | None) -> Iterator[Entry]:
    """The motions of a clip; those of files in a plain `folder` get labels after their place in it."""
    motions = clip.read()
    for number, motion in enumerate(motions):
        label = motion.label or ("" if folder is None else label_of(clip.path, folder))
        name = clip.name if len(motions) == 1 else f"{clip.name}#{number}"
        yield Entry(name, replace(check_numbers(motion), label=label, source=motion.source or str(clip.path)))


@lru_cache(maxsize=1)
def _listed(sources: tuple[str, ...], options: SourceOptions) -> list[list[Recording]]:
    """The parts of some sources, listed once in each process."""
    found = [recording for source in sources for recording in recordings(source, options)]
    return list(bounded(found, lambda recording: recording.bytes, PART_BYTES, PART_RECORDINGS))


@dataclass(frozen=True)
class Sharding:
    """A task: sources that become one set of shards."""

    sources: tuple[str, ...]
    """Paths and addresses."""
    out: str
    options: SourceOptions
    sizes: Sizes

    def told(self) -> dict[str, object]:
        """All that the result depends on beside the sources' content."""
        told = {"task": "shard", "sources": self.sources, "options": asdict(self.options), "sizes": asdict(self.sizes)}
        return as_json(told, str)


def make_shards(task: Sharding, workers: int) -> tuple[Manifest, list[str]]:
    """Make what is missing; the set, and a sentence for each recording that could not be read.

    InputError where none can be read.
    """
    out = place(task.out)
    _listed.cache_clear()  # files may have come since an earlier task of this process
    parts = _listed(task.sources, task.options)
    names = {f"part-{number:05d}": number for number in range(len(parts))}
    with claimed(out, task.told()):
        done = recorded(out, list(names), _Part)
        waiting = {name: number for name, number in names.items() if not _is_done(done.get(name), parts[number])}
        jobs = [Job(name, make_part, (task, number), 1) for name, number in waiting.items()]
        if jobs:
            run_jobs(jobs, Where(workers), "shard", unit="part")
        finished = all_recorded(out, list(names), _Part)
        facts = [each for part in finished for each in part.shards]
        unread = [sentence for part in finished for sentence in part.unread]
        if not facts:
            raise InputError(f"no motion could be read; the first problem: {(unread or ['there is none'])[0]}")
        return write_manifest(out, facts), unread


@dataclass(frozen=True)
class _Part:
    """The ledger's record of a part."""

    key: str
    shards: list[ShardFacts]
    unread: list[str]
    """A sentence for each recording that could not be read."""


def _is_done(told: _Part | None, part: Sequence[Recording]) -> bool:
    """Where something could not be read, a part is made again: the same file may be readable now."""
    return told is not None and told.key == _key(part) and not told.unread


def _key(part: Sequence[Recording]) -> str:
    told = [(recording.name, recording.stamp) for recording in part]
    return hashlib.sha256(json.dumps(told).encode(errors="surrogateescape")).hexdigest()


def make_part(task: Sharding, number: int, progress: Progress) -> None:
    """Make the shards of one part, then record them."""
    out, part = place(task.out), _listed(task.sources, task.options)[number]
    unread: list[str] = []
    facts = put_shards(out, number, _entries(part, unread, progress), task.sizes)
    record(out, f"part-{number:05d}", _Part(_key(part), facts, unread))
    progress("generation", 1, 1)


def _entries(part: Sequence[Recording], unread: list[str], progress: Progress) -> Iterator[Entry]:
    """The motions of recordings; of each that cannot be read, `unread` gets a sentence."""
    for done, recording in enumerate(part):
        progress("read", done, len(part))
        try:
            entries = [_named(entry) for entry in recording.read()]
        except UnreachableError:  # later, all may be there
            raise
        except Exception as error:  # whatever is wrong with one recording, the others go on
            unread.append(sentence_of(recording.name, error))
        else:
            yield from entries


def _named(entry: Entry) -> Entry:
    """The entry; InputError where `data convert` could make no file of its name."""
    if not is_file_name(entry.name):
        raise InputError(f"{entry.name!r} cannot be the name of a file in a set of shards; rename it")
    return entry


def unpack(folder: Place, out: Path, kind: Format, overwrite: bool) -> Iterator[tuple[str, Path]]:
    """Write each motion of a set below `out`, and give its name and file.

    Raises SettingError where two would become one file, or one is there, before anything is written; InputError where a
    name leads out of the folder.
    """
    targets = [(Path(f"{folder}/{entry.name}"), _target(out, entry, kind)) for entry in _entries_of(folder)]
    check_targets(targets, lambda _: overwrite, ANOTHER)
    write = writer_of(kind)
    for entry in _entries_of(folder):
        target = _target(out, entry, kind)
        write(target, entry.motion)
        yield entry.name, target


def _entries_of(folder: Place) -> Iterator[Entry]:
    for shard in read_manifest(folder).shards:
        yield from entries_of(folder, shard)


def _target(out: Path, entry: Entry, kind: Format) -> Path:
    """The place of a motion, its name with the format's suffix in place of that of another."""
    path = path_below(out, entry.name)
    if path == out or path.name in ("", ".", ".."):
        raise InputError(f"{entry.name!r} is not the name of a file")
    return path.with_suffix(kind.suffixes[0]) if is_motion_file(path) else path.with_name(path.name + kind.suffixes[0])
