"""Sets of shards that were damaged, or forged so that all digests are right: read, sharded again, and corrected."""

from __future__ import annotations

import json
import shutil
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bad_files import ODD_VALUES, Random, cut, flipped, odd_document, sound, stuffed
from harness import Case, random_of, run_command

from selfcorrect.storage.files.digests import digest_of_file, sealed

MANIFEST = "shards.json"
_COMMANDS = (
    ["data", "check", "set"],
    ["data", "shard", "set", "-o", "again"],
    ["correct", "set", "-o", "corrected", "--kinematic"],
    ["verify", "set"],
)


@cache
def _sound_set(folder: Path) -> Path:
    """A set of two shards."""
    place = folder / "sound"
    (place / "data").mkdir(parents=True)
    for name in ("a.bvh", "b.npz", "c.npy"):
        (place / "data" / name).write_bytes(sound({"b.npz": "a.npz", "c.npy": "rows.npy"}.get(name, name)))
    ended = run_command(["data", "shard", "data", "-o", "set", "--motions-per-shard", "2"], place)
    assert ended.code == 0, ended.err
    return place / "set"


def shard_cases(seed: int, count: int, folder: Path) -> list[Case]:
    """`count` commands with a damaged set."""
    _sound_set(folder)
    return [Case(f"shards:{case}", partial(_case, seed, case, folder)) for case in range(count)]


def _case(seed: int, case: int, folder: Path) -> str:
    random, place = random_of(seed, "shards", case), folder / f"shards-{case}"
    shutil.copytree(_sound_set(folder), place / "set")
    damage = _DAMAGES[case % len(_DAMAGES)]
    damage(place / "set", random)
    before = {path: path.read_bytes() for path in (place / "set").rglob("*") if path.is_file()}
    words = _COMMANDS[random.integers(len(_COMMANDS))]
    ended = run_command(words, place)
    wrong = ended.wrong()
    if not wrong and damage is _bytes and ended.code == 0:
        wrong = "damage was not noticed"
    changed = [path.name for path, content in before.items() if not path.is_file() or path.read_bytes() != content]
    if changed:
        wrong = wrong or f"changed {changed[0]}"
    shutil.rmtree(place)
    return f"{damage.__name__}, {words}: {wrong}" if wrong else ""


def _shard(folder: Path) -> Path:
    """The first one."""
    return min(folder.glob("shard-*.parquet"))


def _bytes(folder: Path, random: Random) -> None:
    """Bytes of a shard changed."""
    path = _shard(folder)
    path.write_bytes((flipped, cut, stuffed)[random.integers(3)](path.read_bytes(), random) + b"x")


def _bytes_and_digest(folder: Path, random: Random) -> None:
    """The same, with a manifest that says that it was so written."""
    path = _shard(folder)
    path.write_bytes((flipped, cut, stuffed)[random.integers(3)](path.read_bytes(), random))
    _record(folder)


def _manifest(folder: Path, random: Random) -> None:
    """A manifest that says something else, with the digest of that."""
    values = json.loads((folder / MANIFEST).read_bytes())
    values.pop("sha256")
    odd = json.loads(odd_document(json.dumps(values).encode(), random))
    (folder / MANIFEST).write_bytes(sealed(odd if isinstance(odd, dict) else {"shards": odd}))


def _name(folder: Path, random: Random) -> None:
    """A manifest whose shard is called otherwise."""
    names = ("../data/a.bvh", "/etc/passwd", "", ".", "shard-00000.parquet/", "shard-99999.parquet", "\0", "x" * 5000)
    _record(folder, name=names[random.integers(len(names))])


def _table(folder: Path, random: Random) -> None:
    """A shard with other values in a column, and a manifest for it."""
    table = pq.read_table(_shard(folder))
    column = int(random.integers(table.num_columns))
    odd = ODD_VALUES[random.integers(len(ODD_VALUES))]
    kind = table.schema.field(column).type
    try:
        values = pa.array([odd] * len(table), kind if random.random() < 0.6 else None)
    except (pa.ArrowException, OverflowError, TypeError, ValueError, UnicodeError):
        values = pa.nulls(len(table), kind)
    if pa.types.is_struct(values.type):  # which parquet does not hold without fields
        values = pa.nulls(len(table), kind)
    field = pa.field(table.schema.names[column], values.type)
    changed = table.set_column(column, field, values).replace_schema_metadata(table.schema.metadata)
    pq.write_table(changed, _shard(folder))
    _record(folder)


def _numbers(folder: Path, random: Random) -> None:
    """A shard whose motions hold other numbers, and a manifest for it."""
    table = pq.read_table(_shard(folder))
    name = ("root_m", "rotations")[random.integers(2)]
    rows: list[Any] = [np.asarray(row, dtype=np.float32) for row in table[name].to_pylist()]
    rows = [[row * np.float32(np.nan), row * np.float32(1e30), row * 0, row[:-1], row[:0]][random.integers(5)]
            for row in rows]  # fmt: skip
    at = table.schema.names.index(name)
    pq.write_table(table.set_column(at, table.schema.field(at), pa.array(rows, table.schema.field(at).type)),
                   _shard(folder))  # fmt: skip
    _record(folder)


def _skeletons(folder: Path, random: Random) -> None:
    """A shard with another skeleton in its metadata, and a manifest for it."""
    table = pq.read_table(_shard(folder))
    metadata = dict(table.schema.metadata or {})
    metadata[b"selfcorrect"] = odd_document(metadata[b"selfcorrect"], random)
    pq.write_table(table.replace_schema_metadata(metadata), _shard(folder))
    _record(folder)


def _record(folder: Path, **facts: object) -> None:
    """Make the manifest's entry of the first shard that of the file which is there."""
    values = json.loads((folder / MANIFEST).read_bytes())
    values.pop("sha256")
    path = _shard(folder)
    values["shards"][0] |= {"bytes": path.stat().st_size, "sha256": digest_of_file(path), **facts}
    (folder / MANIFEST).write_bytes(sealed(values))


_DAMAGES = (_bytes, _bytes_and_digest, _manifest, _name, _table, _numbers, _skeletons)
