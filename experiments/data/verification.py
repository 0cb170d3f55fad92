"""Which files of a run, of corrected motions or of shards are no longer what was written, and which have no digest."""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from selfcorrect.core.errors import DamagedError, InputError
from selfcorrect.datasets.shards.manifest import MANIFEST, opened, read_manifest
from selfcorrect.storage.files.digests import (
    DIGESTS,
    damage_of,
    ends_in_digest,
    listed_in,
    unsealed_bytes,
    values_and_seal,
)
from selfcorrect.storage.files.limits import read_bytes
from selfcorrect.storage.files.places import LocalPlace, Place, is_address, place
from selfcorrect.storage.runs.folder_store import damage_below, generation_folders
from selfcorrect.storage.runs.generation_files import looked_at
from selfcorrect.storage.runs.ledger import FOLDER as LEDGER
from selfcorrect.storage.runs.run_folder import CONFIG, ENVIRONMENT

from ..correction.correct_file import RECORDS, FileTask, hash_of_file
from ..correction.report import REPORT, read_record
from ..jobs.identities import IDENTITIES
from ..motion.run.feasibility import FILE as FEASIBILITY
from ..motion.run.references import FILE
from ..remedies.people import FILE as PREFERENCES
from ..reporting.summary import SUMMARY

_OURS = (CONFIG, ENVIRONMENT, FILE, FEASIBILITY, IDENTITIES, PREFERENCES, SUMMARY, REPORT)
"""JSON files that hold their digests, by their names; others may be anybody's."""
_MISSING = " is missing"
_GENERATIONS, _MOTIONS, _SHARDS = "generations", "corrected motions", "shards"


@dataclass(frozen=True)
class Look:
    """A file that was looked at, and what is wrong with it, "" for nothing."""

    path: str
    wrong: str = ""
    counts_as: str = ""
    """What it stands for in the summary, "" for a plain file."""


@dataclass(frozen=True)
class Found:
    """What was looked at and what could not be, and a sentence for each damaged file."""

    files: int
    counts: dict[str, int]
    """Of generations and the like."""
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


def verify(address: str | Path) -> Found:
    """Look at all that is below a folder, or at an address; InputError where nothing there has digests."""
    if is_address(address):
        return _at_address(place(address))
    folder = Path(address)
    everything = sorted(_files_below(folder))
    looks = [look for find in _FINDERS for look in find(folder, everything)]
    if not looks:
        raise InputError(
            f"{folder}: neither generations of a run nor corrected motions nor shards are here, no file has a digest"
        )
    known = {look.path for look in looks}
    unread = [path for path in everything if str(path) not in known]
    return _found(looks, _grouped(folder, unread, everything))


def _found(looks: list[Look], unread: list[str]) -> Found:
    wrong = {look.path: look.wrong for look in sorted(looks, key=lambda look: not look.wrong, reverse=True)}
    counts = Counter(look.counts_as for look in looks if look.counts_as)
    return Found(len(wrong), dict(counts), tuple(sentence for sentence in wrong.values() if sentence), tuple(unread))


def _files_below(folder: Path) -> Iterator[Path]:
    """All files in and below a folder, links and pipes too; links to folders are not followed."""
    for root, folders, names in os.walk(folder):
        yield from (Path(root) / name for name in names)
        yield from (path for name in folders if (path := Path(root) / name).is_symlink())


def _grouped(folder: Path, unread: list[Path], everything: list[Path]) -> list[str]:
    """Names of files below a folder; of folders none of whose files were looked at, these in place of the files."""
    parents = {above for path in set(everything) - set(unread) for above in path.parents}

    def shown(path: Path) -> Path:
        return next((above for above in reversed(path.parents) if above not in parents), path)

    names: list[str] = []
    for top, paths in groupby(unread, shown):
        count = sum(1 for _ in paths)
        below = top.relative_to(folder).as_posix()
        names.append(below if top in unread else f"{below}/ ({count} files)")
    return names


# --- what has digests ------------------------------------------------------------------------------------------------


def _generations(folder: Path, everything: list[Path]) -> Iterator[Look]:
    for run in sorted({path.parent for path in folder.rglob("generation-*") if path.is_dir()}):
        for _, generation in generation_folders(run):
            yield from (Look(str(path), wrong) for path, wrong in looked_at(generation))
            yield Look(str(generation / DIGESTS), counts_as=_GENERATIONS)
        lines = [line for each in damage_below(run).values() for line in each]
        yield from (Look(line.removesuffix(_MISSING), line) for line in lines if line.endswith(_MISSING))


def _listings(folder: Path, everything: list[Path]) -> Iterator[Look]:
    for path in everything:
        if path.name == DIGESTS and not path.parent.name.startswith("generation-"):
            yield from (Look(str(each), wrong) for each, wrong in listed_in(path))


def _records(folder: Path, everything: list[Path]) -> Iterator[Look]:
    for path in everything:
        out = next((above.parent for above in path.parents if above.name == RECORDS), None)
        if out is None or path.suffix != ".json":
            continue
        try:
            result, is_sealed = read_record(path)
        except DamagedError as error:
            yield Look(str(path), str(error))
            continue
        if is_sealed:
            yield Look(str(path), counts_as=_MOTIONS)
        task = FileTask(Path(result.source), result.name, out)
        for target, expected in ((task.target, result.output_hash), (task.video, result.video_hash)):
            if expected:
                yield Look(str(target), _changed(target, hash_of_file(target), (expected,)))


def _changed(path: Path, found: str, expected: Collection[str]) -> str:
    """What is wrong with a file whose digest was `found`, "" for nothing."""
    return "" if found in expected else f"{path} is {'not what was written' if found else 'missing'}"


def _sealed(folder: Path, everything: list[Path]) -> Iterator[Look]:
    """JSON files that hold their digests: configs, environments, references, summaries, reports, ledgers."""
    for path in everything:
        if path.suffix != ".json" or path.name == MANIFEST or RECORDS in path.parts or not path.is_file():
            continue
        content = read_bytes(path)
        try:
            _, is_sealed = values_and_seal(content, str(path))
        except DamagedError as error:
            if path.name in _OURS or path.parent.name == LEDGER or ends_in_digest(content):
                yield Look(str(path), str(error))
        else:
            yield from [Look(str(path))] * is_sealed


def _sets(folder: Path, everything: list[Path]) -> Iterator[Look]:
    for path in everything:
        if path.name == MANIFEST:
            yield from _of_set(LocalPlace(path.parent))


def _of_set(folder: Place) -> Iterator[Look]:
    """A manifest, the shards that it lists, and tables of what became of their motions."""
    try:
        manifest = read_manifest(folder)
    except InputError as error:
        yield Look(f"{folder}/{MANIFEST}", str(error))
        return
    yield Look(f"{folder}/{MANIFEST}")
    for shard in manifest.shards:
        try:
            with opened(folder, shard):
                yield Look(f"{folder}/{shard.name}", counts_as=_SHARDS)
        except InputError as error:
            yield Look(f"{folder}/{shard.name}", str(error))
    for name, expected in manifest.tables.items():
        yield Look(f"{folder}/{name}", _damage_at(folder, name, expected))


def _damage_at(folder: Place, name: str, expected: str) -> str:
    try:
        with folder.fetched(name) as path:
            return damage_of(path, expected).replace(str(path), f"{folder}/{name}")
    except FileNotFoundError:
        return f"{folder}/{name} is missing"


_FINDERS: tuple[Callable[[Path, list[Path]], Iterator[Look]], ...] = (
    _generations, _listings, _records, _sets, _sealed,
)  # fmt: skip


def _at_address(folder: Place) -> Found:
    """A set of shards, the only results that are kept at addresses, and the ledger of what made it."""
    if not folder.names(MANIFEST):
        raise InputError(f"{folder}: no {MANIFEST} is here, and at addresses only sets of shards are verified")
    looks = list(_of_set(folder))
    ledger = folder / LEDGER
    for name, content in ledger.read(ledger.names("*.json")).items():
        try:
            unsealed_bytes(content, f"{ledger}/{name}")
        except DamagedError as error:
            looks.append(Look(f"{ledger}/{name}", str(error)))
        else:
            looks.append(Look(f"{ledger}/{name}"))
    known = {look.path for look in looks}
    return _found(looks, [name for name in folder.names("*") if f"{folder}/{name}" not in known])
