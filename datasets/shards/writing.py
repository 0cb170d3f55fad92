"""Motions in, shards out."""

from __future__ import annotations

from collections.abc import Iterable

from selfcorrect.storage.files.places import Place

from .manifest import ShardFacts
from .planning import Sizes, shards
from .schema import Entry, skeletons_of, write_shard


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
