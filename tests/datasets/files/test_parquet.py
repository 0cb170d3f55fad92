"""Parquet files round-trip, and damage is reported."""

import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files import parquet
from selfcorrect.datasets.files.formats import is_motion_file
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.parquet import VERSION, NamedMotion, read_named, write_named
from selfcorrect.datasets.files.parquet_pages import read_pages
from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton

SMALL = Skeleton(("root", "tip"), (-1, 0), np.array([[0.0, 0, 0], [0, 0.1, 1 / 3]]), ("pelvis", ""))
LARGE = SMPL_BODY.average()


def motion(skeleton: Skeleton = SMALL, frames: int = 5, seed: int = 0, **facts: Any) -> Motion:
    random = np.random.default_rng(seed)
    rotations = random.normal(size=(frames, len(skeleton), 4))
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    return Motion(skeleton, random.normal(size=(frames, 3)), rotations, 30.0, **facts)


def test_motions_round_trip(tmp_path: Path) -> None:
    named = [
        NamedMotion("a", motion(frames=3, label="walk", text="a person walks\n# twice", source="é.bvh")),
        NamedMotion("b", motion(LARGE, 7, 1)),
        NamedMotion("c", motion(replace(SMALL, offsets_m=2 * SMALL.offsets_m), 1, 2)),
    ]
    write_named(tmp_path / "a.parquet", named)
    reread = read_named(tmp_path / "a.parquet")
    assert [item.name for item in reread] == ["a", "b", "c"]
    for first, second in zip(named, reread, strict=True):
        assert second.motion.skeleton.same_as(first.motion.skeleton)
        for name in ("label", "text", "source", "fps"):
            assert getattr(second.motion, name) == getattr(first.motion, name)
        np.testing.assert_array_equal(second.motion.root_m, first.motion.root_m.astype(np.float32))
        np.testing.assert_array_equal(second.motion.rotations, first.motion.rotations.astype(np.float32))


def test_a_second_round_changes_nothing(tmp_path: Path) -> None:
    write_named(tmp_path / "one", [NamedMotion("a", motion(LARGE, 9)), NamedMotion("b", motion())])
    write_named(tmp_path / "two", read_named(tmp_path / "one"))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_set_is_rewritten_with_omissions(tmp_path: Path) -> None:
    write_named(tmp_path / "a.parquet", [NamedMotion(name, motion(LARGE, 9, seed)) for seed, name in enumerate("abc")])
    file = open_motion(tmp_path / "a.parquet", any_body=True)
    first, _, last = file.motions
    file.write(tmp_path / "b.parquet", first, None, replace(last, root_m=last.root_m + 1))
    reread = open_motion(tmp_path / "b.parquet", any_body=True)
    assert (file.names, reread.names) == (("a", "b", "c"), ("a", "c"))
    np.testing.assert_array_equal(reread.motions[0].rotations, first.rotations)
    np.testing.assert_allclose(reread.motions[1].root_m, last.root_m + 1, atol=1e-6)


def test_any_table_reader_reads_it(tmp_path: Path) -> None:
    added = motion(LARGE, 4, text="jumps")
    write_named(tmp_path / "a", [NamedMotion("a", added)])
    row = pq.read_table(tmp_path / "a").to_pandas().iloc[0]
    assert (row["name"], row.caption, row.frames) == ("a", "jumps", 4)
    np.testing.assert_array_equal(row.rotations.reshape(4, 22, 4), added.rotations.astype(np.float32))


@pytest.mark.parametrize("how", ["cut off", "flipped"])
def test_damage_is_told_of(tmp_path: Path, how: str) -> None:
    path = tmp_path / "a.parquet"
    write_named(path, [NamedMotion("a", motion())])
    content = path.read_bytes()
    flipped = content[:60] + bytes([content[60] ^ 1]) + content[61:]
    path.write_bytes(content[: len(content) // 2] if how == "cut off" else flipped)
    assert is_motion_file(path), "its reader says what is wrong"
    with pytest.raises(InputError, match="damaged"):
        read_named(path)


def test_other_schema_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "VERSION", VERSION + 1)
    write_named(tmp_path / "a.parquet", [NamedMotion("a", motion())])
    monkeypatch.undo()
    with pytest.raises(InputError, match=rf"expected schema {VERSION}, got {VERSION + 1};"):
        read_named(tmp_path / "a.parquet")


def test_other_parquet_is_no_motion(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    assert not is_motion_file(tmp_path / "a.parquet")
    with pytest.raises(InputError, match="without motions"):
        open_motion(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("column", "value"),
    [("frames", 4), ("skeleton", 3), ("fps", -1.0), ("fps", 1e-308), ("fps", 1e308), ("name", None)],
)
def test_forged_numbers_raise(tmp_path: Path, column: str, value: object) -> None:
    path = tmp_path / "a.parquet"
    write_named(path, [NamedMotion("a", motion())])
    table = pq.read_table(path)
    index = table.schema.get_field_index(column)
    forged = pa.array([value], table.schema.types[index])
    pq.write_table(table.set_column(index, table.schema.field(index), forged), path)
    with pytest.raises(InputError, match=f"{path}: "):
        open_motion(path, any_body=True)


@pytest.mark.parametrize("odd", [{"parents": [-1, False]}, {"parents": [-1, 0.0]}, {"names": ["root", 3]}])
def test_forged_skeletons_are_refused(tmp_path: Path, odd: dict[str, list]) -> None:
    path = tmp_path / "a.parquet"
    write_named(path, [NamedMotion("a", motion())])
    table = pq.read_table(path)
    facts = json.loads(table.schema.metadata[b"selfcorrect"])
    facts["skeletons"][0] |= odd
    pq.write_table(table.replace_schema_metadata({b"selfcorrect": json.dumps(facts)}), path)
    with pytest.raises(InputError, match=r"parquet: damaged"):
        read_named(path)


def test_expanding_numbers_raise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = 20_000
    path = tmp_path / "a.parquet"
    still = Motion(SMALL, np.zeros((frames, 3)), np.tile([0.0, 0, 0, 1], (frames, len(SMALL), 1)), 30.0)
    write_named(path, [NamedMotion("a", still)])
    pq.write_table(pq.read_table(path), path, compression="zstd", use_dictionary=True)
    assert path.stat().st_size < 20_000
    assert len(read_named(path)[0].motion) == frames
    monkeypatch.setenv("SELFCORRECT_UNPACKED_LIMIT_MB", "1")
    with pytest.raises(InputError, match=r"limit .*1 MB"):
        read_named(path)


def test_zero_quaternions_raise(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_named(path, [NamedMotion("a", Motion(SMALL, np.zeros((3, 3)), np.zeros((3, len(SMALL), 4)), 30.0))])
    with pytest.raises(InputError, match=r"unit quaternions.*frame 0"):
        open_motion(path, any_body=True)


def encode_integer(value: int) -> bytes:
    """Return a number as Thrift's compact protocol has it."""
    value = (value << 1) ^ (value >> 63)
    content = b""
    while value >= 0x80:
        content += bytes([value & 0x7F | 0x80])
        value >>= 7
    return content + bytes([value])


def write_page(size: int, stored: bytes, values: int) -> bytes:
    """Make a data page whose header claims a size and a number of values."""
    numbers = b"".join(b"\x15" + encode_integer(number) for number in (0, size, len(stored)))
    return numbers + b"\x2c\x15" + encode_integer(values) + b"\x15\x00\x00\x00" + stored


def test_pages_count_by_header() -> None:
    pages = [(5, 100, b"x" * 10), (2**30, 7, b"y" * 300), (9, 2**29, b"")]
    stream = io.BytesIO(b"PAR1" + b"".join(write_page(size, stored, values) for size, values, stored in pages))
    length = len(stream.getvalue()) - 4
    read = [(page.size, page.values) for page in read_pages(stream, 4, length)]
    assert read == [(size, values) for size, values, _ in pages]
    with pytest.raises(InputError, match="page"):
        list(read_pages(stream, 5, length - 1))


def test_footer_claims_are_ignored(tmp_path: Path) -> None:
    frames = 20_000
    skeleton = SMPL_BODY.average()
    motion = Motion(skeleton, np.zeros((frames, 3)), np.tile([0.0, 0.0, 0.0, 1.0], (frames, len(skeleton), 1)), 30.0)
    write_named(tmp_path / "a.parquet", [NamedMotion("a", motion)])
    assert (tmp_path / "a.parquet").stat().st_size < 100_000
    facts = pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(0)

    class Lying:
        """A footer that lies about sizes.

        The footer claims one byte and one value for each column, and gives the positions of pages.
        """

        def __init__(self, column: object) -> None:
            self._column = column

        def __getattr__(self, name: str) -> object:
            small = name in ("total_uncompressed_size", "num_values")
            return 1 if small else getattr(self._column, name)

    group = SimpleNamespace(num_columns=facts.num_columns, num_rows=1, total_byte_size=1)
    group.column = lambda index: Lying(facts.column(index))
    with (tmp_path / "a.parquet").open("rb") as stream:
        numbers, texts = parquet._decoded_bytes(stream, group)
    assert numbers >= 4 * frames * (3 + 4 * len(skeleton))
    assert texts < 10_000
    with pytest.raises(InputError, match=r"would take .* of memory"):
        read_named(tmp_path / "a.parquet")


def test_long_text_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skeleton = SMPL_BODY.average()
    turns = np.tile([0.0, 0.0, 0.0, 1.0], (2, len(skeleton), 1))
    motion = Motion(skeleton, np.zeros((2, 3)), turns, 30.0, text="x" * 70_000)
    with pytest.raises(InputError, match="caption of 70,000 characters"):
        write_named(tmp_path / "a.parquet", [NamedMotion("a", motion)])
    with monkeypatch.context() as patch:
        patch.setattr(parquet, "_MAX_TEXT_LENGTH", 10**6)
        write_named(tmp_path / "a.parquet", [NamedMotion("a", motion)])
    with pytest.raises(InputError, match="caption of 70,000 characters"):
        read_named(tmp_path / "a.parquet")
