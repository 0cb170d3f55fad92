"""A shard: a parquet file with a row per motion, and each skeleton once in the file's metadata.

Numbers are 32-bit floats, split by bytes and compressed, in pages with checksums. A row group is read and written at a
time, so memory does not grow with the shard.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from selfcorrect.core.errors import InputError
from selfcorrect.motion.motion import Motion, check_numbers
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.storage.files.limits import check_workable
from selfcorrect.storage.files.strict_json import parsed

from . import VERSION

GROUP_MOTIONS, GROUP_BYTES = 64, 2**23
"""Motions of a row group, at most: so many, with so many bytes of numbers."""

_NUMBERS = pa.list_(pa.float32())
COLUMNS = pa.schema(
    [
        ("name", pa.string()),
        ("skeleton", pa.int32()),
        ("frames", pa.int32()),
        ("fps", pa.float64()),
        ("root_m", _NUMBERS),
        ("rotations", _NUMBERS),
        ("label", pa.string()),
        ("caption", pa.string()),
        ("source", pa.string()),
    ]
)
"""The name is what the motion is called in its set, the skeleton its place in the list of the metadata. The root_m are
(frames, 3) in metres, row by row. The rotations are (frames, joints, 4) unit quaternions xyzw. The frames of reference
are `Motion`'s."""

_KEY = b"selfcorrect"
_STORED: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 1,
    "use_dictionary": ["name", "label", "caption", "source"],
    "use_byte_stream_split": ["root_m.list.element", "rotations.list.element"],
    "write_statistics": ["skeleton", "frames", "fps"],
    "write_page_checksum": True,
}


@dataclass(frozen=True, eq=False)
class Entry:
    """A motion of a shard, with its name."""

    name: str
    motion: Motion

    @property
    def bytes(self) -> int:
        """What its numbers take in a shard before compression."""
        return 4 * (self.motion.root_m.size + self.motion.rotations.size)


def skeletons_of(entries: Iterable[Entry]) -> list[Skeleton]:
    """The different skeletons of motions, in the order in which they come."""
    found: dict[bytes, Skeleton] = {}
    for entry in entries:
        found.setdefault(identity(entry.motion.skeleton), entry.motion.skeleton)
    return list(found.values())


def identity(skeleton: Skeleton) -> bytes:
    """Equal for skeletons that are the same."""
    return json.dumps(_facts(skeleton)).encode()


def write_shard(path: Path, skeletons: Sequence[Skeleton], rows: Iterable[Sequence[Entry]]) -> None:
    """Write motions on some skeletons, a row group for each sequence of them."""
    numbers = {identity(skeleton): number for number, skeleton in enumerate(skeletons)}
    facts = {"schema": VERSION, "skeletons": [_facts(skeleton) for skeleton in skeletons]}
    schema = COLUMNS.with_metadata({_KEY: json.dumps(facts).encode()})
    with pq.ParquetWriter(path, schema, **_STORED) as writer:
        for entries in rows:
            writer.write_table(_table(entries, numbers, schema))


def _facts(skeleton: Skeleton) -> dict[str, Any]:
    return {
        "names": skeleton.names,
        "parents": skeleton.parents,
        "offsets_m": skeleton.offsets_m.tolist(),
        "parts": skeleton.parts,
    }


def _table(entries: Sequence[Entry], numbers: dict[bytes, int], schema: pa.Schema) -> pa.Table:
    motions = [entry.motion for entry in entries]
    columns = [
        [_text(entry.name) for entry in entries],
        [numbers[identity(motion.skeleton)] for motion in motions],
        [len(motion) for motion in motions],
        [motion.fps for motion in motions],
        _lists([motion.root_m for motion in motions]),
        _lists([motion.rotations for motion in motions]),
        *([_text(getattr(motion, name)) for motion in motions] for name in ("label", "text", "source")),
    ]
    arrays = [
        column if isinstance(column, pa.Array) else pa.array(column, kind)
        for column, kind in zip(columns, schema.types, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _text(text: str) -> str:
    """Names of files need not be text; what is not is escaped."""
    return text.encode(errors="backslashreplace").decode()


def _lists(arrays: Sequence[np.ndarray]) -> pa.Array:
    ends = np.cumsum([0, *(array.size for array in arrays)], dtype=np.int32)
    return pa.ListArray.from_arrays(ends, np.concatenate([array.ravel() for array in arrays], dtype=np.float32))


def _decoded_bytes(facts: Any) -> float:
    """What a row group may become, at most: equal values are stored once, however many there are."""
    columns = [facts.column(index) for index in range(facts.num_columns)]
    texts = [column.total_uncompressed_size for column in columns if column.physical_type == "BYTE_ARRAY"]
    numbers = sum(8 * column.num_values for column in columns if column.physical_type != "BYTE_ARRAY")
    return max(facts.total_byte_size, numbers + facts.num_rows * sum(texts))


@dataclass(frozen=True)
class Shard:
    """An open shard."""

    where: str
    skeletons: list[Skeleton]
    _file: pq.ParquetFile

    def __len__(self) -> int:
        return self._file.metadata.num_rows

    def rows(self) -> Iterator[list[Entry]]:
        """The motions, a row group at a time. InputError where one is damaged."""
        for number in range(self._file.num_row_groups):
            facts = self._file.metadata.row_group(number)
            stored = sum(facts.column(index).total_compressed_size for index in range(facts.num_columns))
            check_workable(self.where, _decoded_bytes(facts), stored=stored)
            with _damage_named(self.where):
                table = self._file.read_row_group(number)
                table.validate(full=True)
                if missing := [name for name in table.column_names if table[name].null_count]:
                    raise ValueError(f"values are missing: {missing[0]}")
                entries = self._entries(table)
            yield entries

    def _entries(self, table: pa.Table) -> list[Entry]:
        root_m, rotations = (_arrays(table[name]) for name in ("root_m", "rotations"))
        rest = table.drop_columns(["root_m", "rotations"]).to_pylist()
        return [self._entry(*row) for row in zip(rest, root_m, rotations, strict=True)]

    def _entry(self, row: dict[str, Any], root_m: np.ndarray, rotations: np.ndarray) -> Entry:
        skeleton, frames = self.skeletons[range(len(self.skeletons))[row["skeleton"]]], row["frames"]
        motion = Motion(
            skeleton,
            root_m.reshape(frames, 3),
            rotations.reshape(frames, len(skeleton), 4),
            row["fps"],
            row["label"],
            row["caption"],
            row["source"],
        )
        return Entry(row["name"], check_numbers(motion))


def _arrays(column: pa.ChunkedArray) -> list[np.ndarray]:
    lists = column.combine_chunks()
    numbers = lists.values.to_numpy(zero_copy_only=False).astype(float)
    ends = lists.offsets.to_numpy()
    return [numbers[start:stop] for start, stop in pairwise(ends)]


@contextmanager
def open_shard(path: Path, where: str | None = None) -> Iterator[Shard]:
    """A shard, whose row groups are read when they are asked for; `where` is what messages call it.

    InputError where it is damaged, cut off, no shard, or one of another version of the schema.
    """
    where = where or str(path)
    with _damage_named(where):
        file = pq.ParquetFile(path, memory_map=True, page_checksum_verification=True)
    with file:
        yield Shard(where, _skeletons(file.schema_arrow, where), file)


def _skeletons(schema: pa.Schema, where: str) -> list[Skeleton]:
    with _damage_named(where):
        facts = parsed((schema.metadata or {}).get(_KEY, b"{}"), "its metadata")
        version = facts.get("schema")
    if version is None:
        raise InputError(f"{where}: a parquet file, but no shard of motions; `selfcorrect data shard` makes them")
    if version != VERSION:
        raise InputError(
            f"{where}: has schema {version}, this version reads schema {VERSION}; make the shards again with it"
        )
    if schema.remove_metadata() != COLUMNS:
        raise InputError(f"{where}: expected the columns {', '.join(COLUMNS.names)} of a shard")
    with _damage_named(where):
        return [_skeleton(**each) for each in facts["skeletons"]]


def _skeleton(names: list[str], parents: list[int], offsets_m: list[list[float]], parts: list[str]) -> Skeleton:
    if not all(isinstance(name, str) for name in names) or not all(type(parent) is int for parent in parents):
        raise ValueError("a skeleton has names of joints, and whole numbers for their parents")
    return Skeleton(tuple(names), tuple(parents), np.array(offsets_m, dtype=float).reshape(-1, 3), tuple(parts))


@contextmanager
def _damage_named(where: str) -> Iterator[None]:
    """Whatever a damaged file makes its readers raise becomes one sentence."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{where}: damaged, or not written to its end ({reason})") from error
