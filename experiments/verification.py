"""Which files of a run, or of corrected motions, are no longer what was written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from selfcorrect.errors import DamagedError, InputError
from selfcorrect.experiments.correction.correct_file import RECORDS, hash_of_file
from selfcorrect.experiments.correction.report import Result
from selfcorrect.experiments.motion.references import FILE, read_references
from selfcorrect.storage.folder_store import damage_below, generation_folders


@dataclass(frozen=True)
class Found:
    """What was looked at, and a sentence for each damaged file."""

    generations: int
    references: int
    motions: int
    damage: tuple[str, ...]

    @property
    def summary(self) -> str:
        """All of it in one line."""
        return (
            f"{self.generations} generations, {self.references} files of references and {self.motions} corrected "
            f"motions looked at; {len(self.damage) or 'none'} damaged"
        )


def verify(folder: Path) -> Found:
    """Look at all that is below a folder; InputError where nothing there has digests."""
    runs = sorted({path.parent for path in folder.rglob("generation-*") if path.is_dir()})
    references = sorted(folder.rglob(FILE))
    records = sorted(folder.rglob(f"{RECORDS}/**/*.json"))
    if not (runs or references or records):
        raise InputError(f"{folder}: neither generations of a run nor corrected motions are here")
    generations = sum(len(generation_folders(run)) for run in runs)
    damage = [line for run in runs for lines in damage_below(run).values() for line in lines]
    damage += [line for path in references for line in _of_references(path)]
    damage += [line for path in records for line in _of_record(path)]
    return Found(generations, len(references), len(records), tuple(damage))


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
