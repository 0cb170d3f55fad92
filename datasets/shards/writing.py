"""Motions in, shards out, in which those of one skeleton, frame rate and length lie beside each other.

Motions are taken as they come and sorted as far as they fit into memory together.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from selfcorrect.core.errors import SettingError
from selfcorrect.motion.correction.pieces import bounded
from selfcorrect.storage.files.places import Place

from .manifest import ShardFacts
from .schema import GROUP_BYTES, GROUP_MOTIONS, Entry, identity, skeletons_of, write_shard

RUN_BYTES = 2**27
"""Numbers of motions that are sorted together."""
SHARD_BYTES = 2**25
MOST_MOTIONS = 100_000


@dataclass(frozen=True)
class Sizes:
    """How motions are cut into shards."""

    motions: int = 256
    """In a shard, at most. It is what one worker does at a time."""
    bytes: int = SHARD_BYTES
    """Of their numbers, at most; a motion that is larger stands alone."""

    def __post_init__(self) -> None:
        if not 1 <= self.motions <= MOST_MOTIONS:
            raise SettingError(f"motions-per-shard must be from 1 to {MOST_MOTIONS}, got {self.motions}")


def shards(entries: Iterable[Entry], sizes: Sizes) -> Iterator[list[list[Entry]]]:
    """Motions as shards of row groups, like ones beside each other."""
    for run in bounded(entries, _bytes, RUN_BYTES, MOST_MOTIONS):
        for shard in bounded(_sorted(run), _bytes, sizes.bytes, sizes.motions):
            yield list(bounded(shard, _bytes, GROUP_BYTES, GROUP_MOTIONS))


def _bytes(entry: Entry) -> int:
    return entry.bytes


def _sorted(entries: list[Entry]) -> list[Entry]:
    """By skeleton in the order in which they come, then by frame rate and length; like motions keep their order."""
    first: dict[bytes, int] = {}
    order = [first.setdefault(identity(entry.motion.skeleton), len(first)) for entry in entries]
    keys = [(number, entry.motion.fps, len(entry.motion)) for number, entry in zip(order, entries, strict=True)]
    return [entries[index] for index in sorted(range(len(entries)), key=keys.__getitem__)]


def put_shards(out: Place, part: int, entries: Iterable[Entry], sizes: Sizes) -> list[ShardFacts]:
    """Write the shards of one part of a set; `manifest.write_manifest` makes them a set."""
    return [
        _put(out, f"shard-{part:05d}-{index:03d}.parquet", rows) for index, rows in enumerate(shards(entries, sizes))
    ]


def _put(out: Place, name: str, rows: list[list[Entry]]) -> ShardFacts:
    entries = [entry for group in rows for entry in group]
    with out.replacing(name) as path:
        write_shard(path, skeletons_of(entries), rows)
        return ShardFacts.of(name, path, [len(entry.motion) for entry in entries])
