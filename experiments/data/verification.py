"""Verification of runs, corrected motions and shards against their recorded digests."""

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from selfcorrect.core.errors import DamagedError, InputError
from selfcorrect.storage.files.digests import (
    DIGESTS,
    SEAL,
    SUMS,
    check_listing,
    describe_sealed_damage,
    has_seal_ending,
)
from selfcorrect.storage.files.limits import read_bytes
from selfcorrect.storage.files.locks import LOCK
from selfcorrect.storage.files.places import Place, is_address
from selfcorrect.storage.files.strict_json import parse_json
from selfcorrect.storage.runs.run_folder import (
    CONFIG,
    ENVIRONMENT,
    FEASIBILITY_FILE,
    IDENTITIES_FILE,
    PREFERENCES_FILE,
    REFERENCES_FILE,
)

from ..file_correction.correct_file import RECORDS, FileTask
from ..file_correction.file_result import read_record
from ..file_correction.report import REPORT
from ..jobs.input_keys import hash_file
from ..studies.summary import SUMMARY

_OURS = (CONFIG, ENVIRONMENT, REFERENCES_FILE, FEASIBILITY_FILE, IDENTITIES_FILE, PREFERENCES_FILE, SUMMARY, REPORT)
"""JSON files that hold their digests, by their names; others may be anybody's."""
_PARTS = ".parts"
"""Folder with records of the parts of a set."""
_MISSING = " is missing"
_GENERATIONS, _MOTIONS, _SHARDS = "generations", "corrected motions", "shards"


@dataclass(frozen=True)
class FileCheck:
    """A file that was looked at, and what is wrong with it, "" for nothing."""

    path: str
    wrong: str = ""
    counts_as: str = ""
    """Kind under which the summary counts it, "" for a plain file."""


@dataclass(frozen=True)
class Verification:
    """Result of a verification: number of files, damage, and files that could not be checked."""

    files: int
    counts: dict[str, int]
    """Number of files by kind, such as generations."""
    damage: tuple[str, ...]
    unread: tuple[str, ...]
    """Files without a digest, and folders that hold nothing else, each with `/` and the number of its files."""

    @property
    def summary(self) -> str:
        """All of it in a few lines."""
        counts = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        damaged = len(self.damage) or "none"
        lines = [f"{self.files} files looked at{f' ({counts})' if counts else ''}; {damaged} of them damaged"]
        if self.unread:
            lines += ["not looked at, because no digest of it is recorded:", *(f"  {name}" for name in self.unread)]
        return "\n".join(lines)


def verify(address: str | Path, shown_as: str = "") -> Verification:
    """Look at all that is below a folder, or at an address, but for locks, which hold no results.

    Raises:
        InputError: Nothing there has digests.
    """
    if is_address(address):
        return _verify_address(Place(str(address).rstrip("/")))
    folder = Path(address)
    everything = sorted(path for path in _files_below(folder) if path.name != LOCK)
    checks = list(_check_generations(folder))
    checks += _check_listings(everything)
    checks += _check_records(everything)
    checks += _check_sealed(everything)
    if not checks:
        raise InputError(
            f"{shown_as or folder}: neither generations of a run nor corrected motions nor shards are here, "
            "no file has a digest"
        )
    checked = {file_check.path for file_check in checks}
    unread = [path for path in everything if str(path) not in checked]
    return _summarise_checks(checks, _group_by_folder(folder, unread, everything))


def _summarise_checks(checks: list[FileCheck], unread: list[str]) -> Verification:
    faults: dict[str, str] = {}
    for check in checks:
        faults[check.path] = faults.get(check.path) or check.wrong
    counts = Counter(check.counts_as for check in checks if check.counts_as)
    damage = tuple(filter(None, faults.values()))
    return Verification(len(faults), dict(counts), damage, tuple(unread))


def _files_below(folder: Path) -> Iterator[Path]:
    """All files in and below a folder, links and pipes too; links to folders are not followed."""
    for root, folders, names in os.walk(folder):
        yield from (Path(root) / name for name in names)
        yield from (path for name in folders if (path := Path(root) / name).is_symlink())


def _group_by_folder(folder: Path, unread: list[Path], everything: list[Path]) -> list[str]:
    """Names of files below a folder; of folders none of whose files were looked at, these in place of the files."""
    parents = {above for path in set(everything) - set(unread) for above in path.parents}

    def find_top(path: Path) -> Path:
        return next((above for above in reversed(path.parents) if above not in parents), path)

    names: list[str] = []
    for top, paths in groupby(unread, find_top):
        count = sum(1 for _ in paths)
        below = top.relative_to(folder).as_posix()
        names.append(below if top in unread else f"{below}/ ({count} files)")
    return names


# --- what has digests ------------------------------------------------------------------------------------------------


def _check_generations(folder: Path) -> Iterator[FileCheck]:
    runs = sorted({path.parent for path in folder.rglob("generation-*") if path.is_dir()})
    if not runs:
        return
    from selfcorrect.storage.runs.folder_store import find_damage, generation_folders
    from selfcorrect.storage.runs.generation_files import check_files

    for run in runs:
        for _, generation in generation_folders(run):
            yield from (FileCheck(str(path), wrong) for path, wrong in check_files(generation))
            yield FileCheck(str(generation / DIGESTS), counts_as=_GENERATIONS)
        lines = [line for faults in find_damage(run).values() for line in faults]
        yield from (FileCheck(line.removesuffix(_MISSING), line) for line in lines if line.endswith(_MISSING))


def _check_listings(everything: list[Path]) -> Iterator[FileCheck]:
    """Yield lists of digests, and the files in them."""
    for path in everything:
        if path.name == SUMS:
            for file, damage in check_listing(path):
                yield FileCheck(str(file), damage, _SHARDS if file.suffix == ".parquet" else "")


def _check_records(everything: list[Path]) -> Iterator[FileCheck]:
    for path in everything:
        out = next((above.parent for above in path.parents if above.name == RECORDS), None)
        if out is None or path.suffix != ".json":
            continue
        try:
            result = read_record(path)
        except DamagedError as error:
            yield FileCheck(str(path), str(error))
            continue
        yield FileCheck(str(path), counts_as=_MOTIONS)
        task = FileTask(Path(result.source), result.name, out)
        for target, expected in ((task.target, result.state.output_hash), (task.video, result.state.video_hash)):
            if expected:
                digest = hash_file(target)
                fault = "damaged: checksum mismatch" if digest else "missing"
                yield FileCheck(str(target), "" if digest == expected else f"{target} is {fault}")


def _check_sealed(everything: list[Path]) -> Iterator[FileCheck]:
    """Yield JSON files that hold their digests: configs, environments, references, summaries, reports, ledgers."""
    for path in everything:
        if path.suffix != ".json" or RECORDS in path.parts or not path.is_file():
            continue
        is_ours = path.name in _OURS or path.parent.name == _PARTS
        if has_seal_ending(content := read_bytes(path)) or (is_ours and not _is_plain(content)):
            yield FileCheck(str(path), describe_sealed_damage(path))


def _is_plain(content: bytes) -> bool:
    """Return whether a text is a JSON object that never had a digest, such as somebody's `config.json`."""
    try:
        values = parse_json(content, "it")
    except InputError:
        return False
    return isinstance(values, dict) and SEAL not in values


def _verify_address(place: Place) -> Verification:
    """Verify a place at an address by a copy of it among the temporary files."""
    with tempfile.TemporaryDirectory(prefix="selfcorrect-") as scratch:
        for name in place.list_names():
            place.fetch(name, Path(scratch) / name)
        verification = verify(scratch, shown_as=place.address)
    damage = tuple(sentence.replace(scratch, place.address) for sentence in verification.damage)
    return replace(verification, damage=damage)
