"""What a set of shards is: a folder, or a place at an address, whose manifest lists its shards with their digests.

The manifest is written last. A place without one is no set, or one that is not finished.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from selfcorrect.datasets.shards.schema import VERSION, Shard, open_shard
from selfcorrect.errors import DamagedError, InputError
from selfcorrect.storage.digests import digest_of_file, sealed, unsealed_bytes
from selfcorrect.storage.places import Place, read_file, write_file

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

    @property
    def motions(self) -> int:
        return sum(shard.motions for shard in self.shards)


def has_manifest(folder: Place) -> bool:
    """Whether a place is a finished set of shards."""
    return bool(folder.names(MANIFEST))


def write_manifest(folder: Place, shards: Sequence[ShardFacts]) -> Manifest:
    """Write the list that makes a place a set."""
    values = {"schema": VERSION, "shards": [asdict(shard) for shard in shards]}
    write_file(folder, MANIFEST, sealed(values))
    return Manifest(tuple(shards))


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
        shards = tuple(ShardFacts(**each) for each in values["shards"])
    except (TypeError, KeyError) as error:
        raise InputError(f"{where}: does not list shards ({error})") from error
    for shard in shards:
        if not (isinstance(shard.name, str) and _NAME.fullmatch(shard.name)):
            raise InputError(f"{where}: {shard.name!r} is not the name of a shard")
    return Manifest(shards)


def _without_manifest(folder: Place) -> str:
    if folder.names(SHARD):
        return f"the set of shards is not finished, it has no {MANIFEST}; the command that makes it goes on with it"
    return f"no shards of motions are here ({MANIFEST}); `selfcorrect data shard` makes them"


@contextmanager
def opened(folder: Place, shard: ShardFacts) -> Iterator[Shard]:
    """A shard of a set, open; InputError where it is missing or is not what was written."""
    where = f"{folder}/{shard.name}"
    with ExitStack() as stack:
        try:
            path = stack.enter_context(folder.fetched(shard.name))
        except FileNotFoundError as error:
            raise InputError(f"{where}: missing") from error
        if path.stat().st_size != shard.bytes or digest_of_file(path) != shard.sha256:
            raise InputError(f"{where}: is not what was written: it differs from its digest in {MANIFEST}")
        yield stack.enter_context(open_shard(path, where))
