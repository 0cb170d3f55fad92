"""Read and write parquet files of many motions.

A file has a row per motion and stores each skeleton once, in its metadata. Numbers are 32-bit floats with byte-stream
split and compression, in pages with checksums.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from selfcorrect.core.errors import InputError
from selfcorrect.core.grouping import group_by_size
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import SOLE_BELOW_TOE_JOINT_M, Skeleton
from selfcorrect.storage.files.limits import COPIES_IN_WORK, Budget, check_unpacked, open_file
from selfcorrect.storage.files.strict_json import parse_json
from selfcorrect.storage.files.writing import replacing

from .motion_file import MotionFile
from .parquet_pages import read_pages
from .skeletons.reading import Reading

VERSION = 1
"""Version of the schema; files of other versions are refused."""
GROUP_MOTIONS = 64
"""Maximum number of motions in a row group."""
GROUP_BYTES = 2**23
"""Maximum size of a row group, in bytes."""

_NUMBERS = pa.list_(pa.float32())
_COLUMNS = pa.schema(
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
"""Schema of the rows.

`name` is the motion's name in the set, and `skeleton` an index into the metadata's list. `root_m` is (frames, 3) in
metres, and `rotations` are unit quaternions xyzw (frames, joints, 4), both flattened row by row. The frames of
reference are those of `Motion`."""

_KEY = b"selfcorrect"
_STORED: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 1,
    "use_dictionary": ["name", "label", "caption", "source"],
    "use_byte_stream_split": ["root_m.list.element", "rotations.list.element"],
    "write_statistics": ["skeleton", "frames", "fps"],
    "write_page_checksum": True,
}
_VALUE_BYTES = 8
"""Memory of a decoded 32-bit number, in bytes, including its two levels for the position in lists."""
_TEXTS = ("name", "label", "caption", "source")
_MAX_TEXT_LENGTH = 2**16
"""Maximum length of a name, label, caption or source, in characters."""
_DAMAGES = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError, AttributeError)
"""Exceptions that reading a damaged file may raise."""


@dataclass(frozen=True, eq=False)
class NamedMotion:
    """A motion and its name in the set."""

    name: str
    motion: Motion

    @property
    def bytes(self) -> int:
        """Size of all numbers before compression, in bytes."""
        return 4 * (self.motion.root_m.size + self.motion.rotations.size)


def holds_motions(path: Path) -> bool:
    """Return whether a parquet file holds motions, or is damaged and may have held some."""
    try:
        with open_file(path) as stream:
            return _KEY in (pq.read_schema(stream).metadata or {})
    except _DAMAGES:
        return True


def open_parquet(path: Path, reading: Reading) -> MotionFile:
    """Open the named motions of a file. Writing drops those for which it gets None."""
    named = read_named(path)
    if not named:
        raise InputError(f"{path}: expected at least one motion, got none")

    def write(target: Path, *motions: Motion | None) -> None:
        pairs = zip(named, motions, strict=True)
        write_named(target, [NamedMotion(old.name, motion) for old, motion in pairs if motion is not None])

    names = tuple(item.name for item in named)
    return MotionFile(tuple(item.motion for item in named), (), write, names=names)


def read_named(path: Path) -> list[NamedMotion]:
    """Read all motions of a parquet file.

    Raises InputError if it is damaged or holds something else.
    """
    with open_file(path) as stream, _explain_damage(path):
        file = pq.ParquetFile(stream, page_checksum_verification=True)
        skeletons = _read_skeletons(file.schema_arrow, path)
        stored = path.stat().st_size
        budget = Budget(path, stored=COPIES_IN_WORK * stored)
        text_budget = Budget(f"{path}: its texts", stored=stored)
        named: list[NamedMotion] = []
        for number in range(file.num_row_groups):
            number_bytes, text_bytes = _decoded_bytes(stream, file.metadata.row_group(number))
            budget.take(COPIES_IN_WORK * 2 * number_bytes)
            check_unpacked(f"{path}: its texts", text_bytes, stored=stored)
            table = file.read_row_group(number)
            text_budget.take(sum(table[name].nbytes for name in _TEXTS))
            table.validate(full=True)
            missing = [column for column in table.column_names if table[column].null_count]
            if missing:
                raise InputError(f"{path}: values are missing: {missing[0]}")
            named += _read_rows(table, skeletons)
        return named


def _decoded_bytes(stream: BinaryIO, facts: Any) -> tuple[float, float]:
    """Return upper bounds of a row group's decoded numbers and strings, in bytes, from the page headers.

    Equal strings are stored only once, in a dictionary, so each decoded string may be as long as the whole dictionary.
    """
    numbers = texts = 0.0
    for index in range(facts.num_columns):
        column = facts.column(index)
        offsets = [offset for offset in (column.dictionary_page_offset, column.data_page_offset) if offset]
        if not offsets:
            raise InputError("a column has no pages")
        dictionary = 0
        for page in read_pages(stream, min(offsets), column.total_compressed_size):
            if page.kind == "dictionary":
                dictionary = max(dictionary, page.size)
            if column.physical_type == "BYTE_ARRAY":
                texts += page.size + page.values * dictionary
            else:
                numbers += page.size + page.values * _VALUE_BYTES
    return numbers, texts


def _read_rows(table: pa.Table, skeletons: Sequence[Skeleton]) -> Iterator[NamedMotion]:
    roots_m = table["root_m"].to_numpy()
    rotations = table["rotations"].to_numpy()
    rows = table.drop_columns(["root_m", "rotations"]).to_pylist()
    for row, root_m, quaternions in zip(rows, roots_m, rotations, strict=True):
        for name in _TEXTS:
            _check_text(name, row[name])
        skeleton = skeletons[range(len(skeletons))[row["skeleton"]]]
        frames = row["frames"]
        motion = Motion(
            skeleton,
            root_m.reshape(frames, 3).astype(float),
            quaternions.reshape(frames, len(skeleton), 4).astype(float),
            row["fps"],
            row["label"],
            row["caption"],
            row["source"],
        )
        yield NamedMotion(row["name"], motion)


def _check_text(name: str, text: str) -> None:
    """Raise InputError if a string is too long."""
    if len(text) > _MAX_TEXT_LENGTH:
        raise InputError(f"{name} of {len(text):,} characters, expected at most {_MAX_TEXT_LENGTH:,}")


def _read_skeletons(schema: pa.Schema, path: Path) -> list[Skeleton]:
    facts = parse_json((schema.metadata or {}).get(_KEY, b"{}"), "its metadata")
    version = facts.get("schema")
    if version is None:
        raise InputError(f"{path}: a parquet file without motions; make one with `selfcorrect data shard`")
    if version != VERSION:
        raise InputError(f"{path}: expected schema {VERSION}, got {version}; write the file again with this version")
    if schema.remove_metadata() != _COLUMNS:
        raise InputError(f"{path}: expected the columns {', '.join(_COLUMNS.names)}")
    return [_read_skeleton(**skeleton) for skeleton in facts["skeletons"]]


def _read_skeleton(
    names: list[str],
    parents: list[int],
    offsets_m: list[list[float]],
    parts: list[str],
    usual_sole_m: float = SOLE_BELOW_TOE_JOINT_M,
) -> Skeleton:
    if not all(isinstance(name, str) for name in names) or not all(type(parent) is int for parent in parents):
        raise ValueError("expected strings as joint names and whole numbers as parents in a skeleton")
    offsets = np.array(offsets_m, dtype=float).reshape(-1, 3)
    return Skeleton(tuple(names), tuple(parents), offsets, tuple(parts), usual_sole_m=float(usual_sole_m))


@contextmanager
def _explain_damage(path: Path) -> Iterator[None]:
    """Turn the exceptions that damage causes in pyarrow into an InputError."""
    try:
        yield
    except _DAMAGES as error:
        if isinstance(error, InputError) and str(path) in str(error):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: damaged or incomplete ({reason})") from error


def write_parquet(path: Path, *motions: Motion) -> None:
    """Write motions, named by their numbers."""
    write_named(path, [NamedMotion(str(number), motion) for number, motion in enumerate(motions)])


def write_named(path: Path, named: Iterable[NamedMotion]) -> None:
    """Write named motions in their order."""
    named = list(named)
    numbers: dict[bytes, int] = {}
    skeletons: list[Skeleton] = []
    for item in named:
        if numbers.setdefault(identify_skeleton(item.motion.skeleton), len(skeletons)) == len(skeletons):
            skeletons.append(item.motion.skeleton)
    facts = {"schema": VERSION, "skeletons": [_describe_skeleton(skeleton) for skeleton in skeletons]}
    schema = _COLUMNS.with_metadata({_KEY: json.dumps(facts).encode()})
    with replacing(path) as temporary, pq.ParquetWriter(temporary, schema, **_STORED) as writer:
        for group in group_by_size(named, lambda item: item.bytes, GROUP_BYTES, GROUP_MOTIONS):
            writer.write_table(_make_table(group, numbers, schema))


def identify_skeleton(skeleton: Skeleton) -> bytes:
    """Return a key that is equal for equal skeletons."""
    return json.dumps(_describe_skeleton(skeleton)).encode()


def _describe_skeleton(skeleton: Skeleton) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "names": skeleton.names,
        "parents": skeleton.parents,
        "offsets_m": skeleton.offsets_m.tolist(),
        "parts": skeleton.parts,
    }
    if skeleton.usual_sole_m != SOLE_BELOW_TOE_JOINT_M:
        facts["usual_sole_m"] = skeleton.usual_sole_m
    return facts


def _make_table(named: Sequence[NamedMotion], numbers: dict[bytes, int], schema: pa.Schema) -> pa.Table:
    motions = [item.motion for item in named]
    columns = {
        "name": [_escape(item.name) for item in named],
        "skeleton": [numbers[identify_skeleton(motion.skeleton)] for motion in motions],
        "frames": [len(motion) for motion in motions],
        "fps": [motion.fps for motion in motions],
        "root_m": [motion.root_m.astype(np.float32).ravel() for motion in motions],
        "rotations": [motion.rotations.astype(np.float32).ravel() for motion in motions],
        "label": [_escape(motion.label) for motion in motions],
        "caption": [_escape(motion.text) for motion in motions],
        "source": [_escape(motion.source) for motion in motions],
    }
    for name in _TEXTS:
        for text in columns[name]:
            _check_text(name, str(text))
    return pa.Table.from_pydict(columns, schema=schema)


def _escape(text: str) -> str:
    """Escape characters that UTF-8 cannot encode, as in file names with undecodable bytes."""
    return text.encode(errors="backslashreplace").decode()
