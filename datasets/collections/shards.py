"""Shards of motions as a dataset, so that what takes datasets takes them too."""

from functools import partial
from pathlib import Path

from selfcorrect.core.errors import SettingError
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.files.places import LocalPlace

from ..shards.manifest import MANIFEST, ShardFacts, entries_of, read_manifest
from .dataset import Clip, Dataset


def _read(folder: LocalPlace, shard: ShardFacts) -> list[Motion]:
    return [entry.motion for entry in entries_of(folder, shard)]


def clips(folder: Path, split: str | None = None, *, allow_pickle: bool = False) -> list[Clip]:
    """The shards of a set, each with all its motions."""
    if split is not None:
        raise SettingError(f"{folder}: shards have no splits, got {split!r}; say it when they are made")
    here = LocalPlace(folder)
    return [
        Clip(shard.name.removesuffix(".parquet"), folder / shard.name, partial(_read, here, shard))
        for shard in read_manifest(here).shards
    ]


SHARDS = Dataset(
    name="shards",
    title="shards of motions",
    holds="what `selfcorrect data shard` and `correct` put there",
    obtain="made here.",
    licence="that of the motions.",
    layout=f"{MANIFEST}; shard-*.parquet: a row per motion, each skeleton once",
    recognises=lambda path: (path / MANIFEST).is_file(),
    clips=clips,
)
