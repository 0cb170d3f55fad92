"""Verify the files of runs, corrected motions and shards against their recorded digests."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from selfcorrect.core.checks import count_noun
from selfcorrect.core.errors import DamagedError, InputError, OtherVersionError
from selfcorrect.loop.store.origin import BELONGS_TO, FIRST_FOLDER, LATEST, ORIGIN, PUT_BACK, describe_wrong_place
from selfcorrect.loop.store.run_folder import (
    CONFIG,
    ENVIRONMENT,
    FEASIBILITY_FILE,
    IDENTITIES_FILE,
    PARTS_FILE,
    REFERENCES_FILE,
    SUMMARY_FILE,
)
from selfcorrect.storage.files.digests import (
    DIGESTS,
    NO_CHECKSUM,
    SUMS,
    check_listing,
    describe_damage,
    has_digest,
    read_with_digest,
)
from selfcorrect.storage.files.limits import read_bytes
from selfcorrect.storage.files.locks import LOCK

from .correct.batch_report import LISTED, REPORT
from .correct.correct_file import RECORDS, FileTask
from .correct.file_result import read_record

_OURS = (CONFIG, ENVIRONMENT, REFERENCES_FILE, FEASIBILITY_FILE, IDENTITIES_FILE, SUMMARY_FILE, REPORT)
"""Names of JSON files of this package that contain their digest."""

_GENERATIONS = "generations"
"""Kind of the listings of generations."""

FileCheck: TypeAlias = tuple[str, str, str]
"""Path of a file, its fault ("" for none), and its kind in the summary ("" for other files)."""


@dataclass(frozen=True)
class Verification:
    """The number of verified files, the damage, and the files that could not be checked."""

    files: int
    counts: dict[str, int]
    """Number of files by kind, such as generations."""
    damage: tuple[str, ...]
    unread: tuple[str, ...]
    """Files without a digest."""
    unplaced: tuple[str, ...] = ()
    """Generations of an older version, which do not record the arm and seed to which they belong."""

    @property
    def summary(self) -> str:
        """Summary of the verification in a few lines."""
        counts = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        damaged = len(self.damage) or "none"
        lines = [f"{self.files} files looked at{f' ({counts})' if counts else ''}; {damaged} of them damaged"]
        if self.unplaced:
            count = count_noun(len(self.unplaced), "generation")
            lines.append(f"{count} of an older version: whether they are in the right folder was not checked")
        if self.unread:
            lines += ["not checked, because no digest is recorded:", *self._list_unread()]
        return "\n".join(lines)

    def _list_unread(self) -> list[str]:
        """List the files without a digest, with one line for each folder of W&B, which checks its own files."""
        of_wandb = Counter(_wandb_folder(name) for name in self.unread)
        others = [name for name in self.unread if not _wandb_folder(name)]
        lines = [f"  {name}" for name in others[:LISTED]]
        if len(others) > LISTED:
            lines.append(f"  and {len(others) - LISTED} more")
        return [*lines, *(f"  {folder}/ ({count_noun(n, 'file')} of W&B)" for folder, n in of_wandb.items() if folder)]


def verify(folder: str | Path) -> Verification:
    """Verify all files in a folder, except for locks, which hold no results.

    Raises:
        InputError: No file has a digest.
    """
    folder = Path(folder)
    paths = sorted(path for path in _files_below(folder) if path.name != LOCK)
    checks = [*_check_generations(folder), *(check for path in paths for check in _check_file(path))]
    checks += _check_places(folder, paths)
    if not checks:
        raise InputError(f"{folder}: no run, corrected motions or shards found: no file has a digest")
    faults: dict[str, str] = {}
    for path, fault, _ in checks:
        faults[path] = faults.get(path) or fault
    counts = Counter(kind for _, _, kind in checks if kind)
    unread = tuple(path.relative_to(folder).as_posix() for path in paths if str(path) not in faults)
    unplaced = tuple(path for path, _, kind in checks if kind == _GENERATIONS and not _has_origin(Path(path)))
    damage = tuple(dict.fromkeys(filter(None, faults.values())))
    return Verification(len(faults), dict(counts), damage, unread, unplaced)


def _wandb_folder(name: str) -> str:
    """Return the W&B folder that a file is in, or ""."""
    parts = name.split("/")
    return "/".join(parts[: parts.index("wandb") + 1]) if "wandb" in parts[:-1] else ""


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder, including links and pipes. Links to folders are not followed."""
    for root, folders, names in os.walk(folder):
        yield from (Path(root) / name for name in names)
        yield from (path for name in folders if (path := Path(root) / name).is_symlink())


def _check_generations(folder: Path) -> Iterator[FileCheck]:
    folders = {path.parent for path in folder.rglob("generation-*") if path.is_dir()}
    runs = sorted(folders | {path.parent for path in folder.rglob(LATEST)})
    if not runs:
        return
    from selfcorrect.loop.store.folder_store import FolderReader, find_missing, find_other_latest, generation_folders
    from selfcorrect.loop.store.generation_files import TIMINGS_FILE, check_generation_files

    for run in runs:
        first = FolderReader(run.parent / FIRST_FOLDER)
        has_first = first.latest == 0
        reader = FolderReader(run, first=first if has_first else None)
        if not has_first and reader.latest > 0 and run != folder and reader.continues_another:
            yield str(first.folder), f"{first.folder} is missing", ""
        for number, generation in generation_folders(run):
            yield from ((str(path), fault, "") for path, fault in check_generation_files(generation))
            yield str(generation / DIGESTS), "", _GENERATIONS
            try:
                reader.timings(number)
            except DamagedError as error:
                yield str(generation / TIMINGS_FILE), str(error), ""
        yield from ((str(path), f"{path} is missing", "") for path in find_missing(run).values())
        yield from ((str(run / LATEST), fault, "") for fault in find_other_latest(run).values())


def _has_origin(listing: Path) -> bool:
    try:
        return ORIGIN in read_with_digest(listing)
    except DamagedError:
        return True  # which is said already


def _check_places(folder: Path, paths: Sequence[Path]) -> Iterator[FileCheck]:
    """Yield faults of generations and measurements that are not where they belong, and of parts that are missing."""
    study_of: dict[Path, tuple[str, Path]] = {}
    for path in paths:
        if path.suffix != ".json" or not path.is_file() or not has_digest(read_bytes(path)):
            continue
        try:
            if path.name == PARTS_FILE:
                from selfcorrect.experiments.studies.parts import find_lost_parts
                from selfcorrect.experiments.studies.summary import find_other_summary

                yield from ((str(path), fault, "") for fault in find_lost_parts(path.parent)[:LISTED])
                yield str(path.with_name(SUMMARY_FILE)), find_other_summary(path.parent), ""
            values = read_with_digest(path)
        except DamagedError:
            continue
        owner = values if path.name == ORIGIN else values.get(BELONGS_TO)
        if not isinstance(owner, dict) or not owner.get("place"):
            continue
        place = PurePosixPath(owner["place"])
        if path.name == ORIGIN:
            place = place / path.parent.name / ORIGIN
        if fault := describe_wrong_place(path, str(place), folder):
            yield str(path), fault, ""
            continue
        root = Path(*path.parts[: -len(place.parts)])
        study, example = study_of.setdefault(root, (owner["study"], path))
        if study != owner["study"]:
            yield str(path), f"{path} belongs to a run with other settings than {example}; {PUT_BACK}", ""


def _check_file(path: Path) -> Iterator[FileCheck]:
    """Yield the checks of a file with digests (a list, a record or JSON) and of the files that these digests cover."""
    out = next((above.parent for above in path.parents if above.name == RECORDS), None)
    if path.name == SUMS:
        for file, fault in check_listing(path):
            yield str(file), fault, "shards" if file.suffix == ".parquet" else ""
    elif path.suffix == ".json" and out is not None:
        yield from _check_record(path, out)
    elif path.suffix == ".json" and path.is_file():
        fault = describe_damage(path)
        if (path.name in _OURS and not fault.endswith(NO_CHECKSUM)) or has_digest(read_bytes(path)):
            yield str(path), fault, ""


def _check_record(path: Path, out: Path) -> Iterator[FileCheck]:
    try:
        result = read_record(path)
    except DamagedError as error:
        yield str(path), str(error), ""
        return
    except OtherVersionError:
        yield str(path), "", "records of another version, whose motions were not checked"
        return
    yield str(path), "", "corrected motions"
    task = FileTask(Path(result.source), result.name, out)
    if task.record != path:
        yield str(path), f"{path} is the record of {result.name}; {PUT_BACK}", ""
    if result.state.output_hash:
        yield str(task.target), describe_damage(task.target, result.state.output_hash), ""
