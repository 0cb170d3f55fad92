"""Which files of a run, or of corrected motions, are no longer what was written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from selfcorrect.datasets.shards.manifest import MANIFEST, ShardFacts, opened, read_manifest
from selfcorrect.errors import DamagedError, InputError
from selfcorrect.experiments.correction.correct_file import RECORDS, hash_of_file
from selfcorrect.experiments.correction.report import Result
from selfcorrect.experiments.motion.references import FILE, read_references
from selfcorrect.storage.folder_store import damage_below, generation_folders
from selfcorrect.storage.places import LocalPlace


@dataclass(frozen=True)
class Found:
    """What was looked at, and a sentence for each damaged file."""

    generations: int
    references: int
    motions: int
    shards: int
    damage: tuple[str, ...]

    @property
    def summary(self) -> str:
        """All of it in one line."""
        return (
            f"{self.generations} generations, {self.references} files of references, {self.motions} corrected motions "
            f"and {self.shards} shards looked at; {len(self.damage) or 'none'} damaged"
        )


def verify(folder: Path) -> Found:
    """Look at all that is below a folder; InputError where nothing there has digests."""
    runs = sorted({path.parent for path in folder.rglob("generation-*") if path.is_dir()})
    references = sorted(folder.rglob(FILE))
    records = sorted(folder.rglob(f"{RECORDS}/**/*.json"))
    shards = [(path.parent, shard) for path in sorted(folder.rglob(MANIFEST)) for shard in _listed(path.parent)]
    if not (runs or references or records or shards):
        raise InputError(f"{folder}: neither generations of a run nor corrected motions nor shards are here")
    generations = sum(len(generation_folders(run)) for run in runs)
    damage = [line for run in runs for lines in damage_below(run).values() for line in lines]
    damage += [line for path in references for line in _of_references(path)]
    damage += [line for path in records for line in _of_record(path)]
    damage += [line for home, shard in shards for line in _of_shard(home, shard)]
    return Found(generations, len(references), len(records), len(shards), tuple(damage))


def _of_references(path: Path) -> list[str]:
    try:
        read_references(path.parent)
    except DamagedError as error:
        return [str(error)]
    return []


def _of_record(path: Path) -> list[str]:
    result = Result.load(path)
    if result is None:
        return [f"{path} is not what was written"]
    out = next(parent for parent in path.parents if parent.name == RECORDS).parent
    target = out / result.name
    if result.output and hash_of_file(target) != result.output_hash:
        return [f"{target} is {'not what was written' if target.is_file() else 'missing'}"]
    return []


def _listed(folder: Path) -> tuple[ShardFacts, ...]:
    return read_manifest(LocalPlace(folder)).shards


def _of_shard(folder: Path, shard: ShardFacts) -> list[str]:
    try:
        with opened(LocalPlace(folder), shard):
            return []
    except InputError as error:
        return [str(error)]
