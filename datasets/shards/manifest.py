"""What a set of shards is: a folder, or a place at an address, whose manifest lists its shards with their digests.

The manifest is written last. A place without one is no set, or one that is not finished.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from selfcorrect.core.errors import DamagedError, InputError
from selfcorrect.core.extras import needed_for
from selfcorrect.storage.files.digests import digest_of_file, sealed, unsealed_bytes
from selfcorrect.storage.files.places import Place, read_file, write_file
from selfcorrect.storage.files.strict_json import read_as

from . import VERSION

if TYPE_CHECKING:
    from .schema import Entry, Shard

MANIFEST = "shards.json"
SHARD = "shard-*.parquet"
_NAME = re.compile(r"shard-[0-9]{5,}(-[0-9]{3,})?\.parquet")


@dataclass(frozen=True)
class ShardFacts:
    """A shard of a set."""

    name: str
    motions: int
    frames: int
    """Of all motions together."""
    bytes: int
    sha256: str

    @classmethod
    def of(cls, name: str, path: Path, lengths: Sequence[int]) -> ShardFacts:
        """Those of a written file, given the numbers of frames of its motions."""
        return cls(name, len(lengths), sum(lengths), path.stat().st_size, digest_of_file(path))


@dataclass(frozen=True)
class Manifest:
    """All shards of a set, in their order."""

    shards: tuple[ShardFacts, ...]
    tables: dict[str, str] = field(default_factory=dict)
    """Digests of other files that belong to the set, by their names."""

    @property
    def motions(self) -> int:
        return sum(shard.motions for shard in self.shards)


def has_manifest(folder: Place) -> bool:
    """Whether a place is a finished set of shards."""
    return bool(folder.names(MANIFEST))


def write_manifest(folder: Place, shards: Sequence[ShardFacts], tables: Mapping[str, str] | None = None) -> Manifest:
    """Write the list that makes a place a set; `tables`: digests of other files there, by their names."""
    manifest = Manifest(tuple(shards), dict(tables or {}))
    values = {"schema": VERSION, "shards": [asdict(shard) for shard in shards], "tables": manifest.tables}
    write_file(folder, MANIFEST, sealed(values))
    return manifest


def read_manifest(folder: Place) -> Manifest:
    """The shards of a set. InputError where it is none, not finished, damaged, or of another version."""
    where = f"{folder}/{MANIFEST}"
    try:
        values = unsealed_bytes(read_file(folder, MANIFEST), where)
    except FileNotFoundError as error:
        raise InputError(f"{folder}: {_without_manifest(folder)}") from error
    except DamagedError as error:
        raise InputError(f"{error}; make the shards again") from error
    if values.get("schema") != VERSION:
        raise InputError(
            f"{where}: has schema {json.dumps(values.get('schema'))}, this version reads schema {VERSION}; "
            "make the shards again with it"
        )
    try:
        manifest = read_as(Manifest, {name: value for name, value in values.items() if name != "schema"}, "it")
    except InputError as error:
        raise InputError(f"{where}: does not list shards ({error})") from error
    for shard in manifest.shards:
        if not _NAME.fullmatch(shard.name):
            raise InputError(f"{where}: {shard.name!r} is not the name of a shard")
    return manifest


def _without_manifest(folder: Place) -> str:
    if folder.names(SHARD):
        return f"the set of shards is not finished, it has no {MANIFEST}; the command that makes it resumes it"
    return f"no shards of motions are here ({MANIFEST}); `selfcorrect data shard` makes them"


@contextmanager
def opened(folder: Place, shard: ShardFacts) -> Iterator[Shard]:
    """A shard of a set, open; InputError where it is missing or is not what was written."""
    with needed_for("reading shards"):
        from .schema import open_shard
    where = f"{folder}/{shard.name}"
    with ExitStack() as stack:
        try:
            path = stack.enter_context(folder.fetched(shard.name))
        except FileNotFoundError as error:
            raise InputError(f"{where}: missing") from error
        if path.stat().st_size != shard.bytes or digest_of_file(path) != shard.sha256:
            raise InputError(f"{where}: is not what was written: it differs from its digest in {MANIFEST}")
        yield stack.enter_context(open_shard(path, where))


def entries_of(folder: Place, shard: ShardFacts) -> Iterator[Entry]:
    """The motions of a shard of a set, one after the other; InputError as of `opened`."""
    with opened(folder, shard) as file:
        for rows in file.rows():
            yield from rows
