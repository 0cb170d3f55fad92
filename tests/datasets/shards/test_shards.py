"""Shards: what goes in comes out, like motions lie together, and what is damaged is told of."""

import json
from dataclasses import asdict, replace
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.datasets.shards.manifest import (
    MANIFEST,
    Manifest,
    ShardFacts,
    opened,
    read_manifest,
    write_manifest,
)
from selfcorrect.datasets.shards.schema import VERSION, Entry, open_shard, skeletons_of, write_shard
from selfcorrect.datasets.shards.writing import Sizes, shards
from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.correction.pieces import bounded
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.storage.files.digests import sealed
from selfcorrect.storage.files.places import LocalPlace

SMALL = Skeleton(("root", "tip"), (-1, 0), np.array([[0.0, 0, 0], [0, 0.1, 1 / 3]]), ("pelvis", ""))
LARGE = SMPL_BODY.average()


def motion(skeleton: Skeleton = SMALL, frames: int = 5, seed: int = 0, **facts: str) -> Motion:
    random = np.random.default_rng(seed)
    rotations = random.normal(size=(frames, len(skeleton), 4))
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    return Motion(skeleton, random.normal(size=(frames, 3)), rotations, 30.0, **facts)


def written(path: Path, rows: list[list[Entry]]) -> list[list[Entry]]:
    write_shard(path, skeletons_of(entry for group in rows for entry in group), rows)
    with open_shard(path) as shard:
        return list(shard.rows())


def test_motions_come_back_as_they_went_in(tmp_path: Path) -> None:
    rows = [
        [Entry("a", motion(frames=3, label="walk", text="a person walks\n# twice", source="é.bvh"))],
        [Entry("b", motion(LARGE, 7, 1)), Entry("c", motion(replace(SMALL, offsets_m=2 * SMALL.offsets_m), 1, 2))],
    ]
    again = written(tmp_path / "shard", rows)
    assert [[entry.name for entry in group] for group in again] == [["a"], ["b", "c"]]
    for one, other in zip(chain(*rows), chain(*again), strict=True):
        assert other.motion.skeleton.same_as(one.motion.skeleton)
        assert (other.motion.label, other.motion.text, other.motion.source, other.motion.fps) == (
            one.motion.label, one.motion.text, one.motion.source, one.motion.fps
        )  # fmt: skip
        np.testing.assert_array_equal(other.motion.root_m, one.motion.root_m.astype(np.float32))
        np.testing.assert_array_equal(other.motion.rotations, one.motion.rotations.astype(np.float32))


def test_a_second_round_changes_nothing(tmp_path: Path) -> None:
    rows = written(tmp_path / "one", [[Entry("a", motion(LARGE, 9)), Entry("b", motion())]])
    write_shard(tmp_path / "two", skeletons_of(rows[0]), rows)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_any_table_reader_reads_a_shard(tmp_path: Path) -> None:
    one = motion(LARGE, 4, text="jumps")
    written(tmp_path / "shard", [[Entry("a", one)]])
    row = pq.read_table(tmp_path / "shard").to_pandas().iloc[0]
    assert (row["name"], row.caption, row.frames) == ("a", "jumps", 4)
    np.testing.assert_array_equal(row.rotations.reshape(4, 22, 4), one.rotations.astype(np.float32))


@given(st.lists(st.integers(1, 20)), st.integers(1, 5), st.integers(1, 30))
def test_groups_hold_all_in_order_and_as_much_as_they_may(sizes: list[int], most: int, most_bytes: int) -> None:
    cut = list(bounded(sizes, lambda size: size, most_bytes, most))
    assert list(chain(*cut)) == sizes
    assert all(len(group) <= most and (sum(group) <= most_bytes or len(group) == 1) for group in cut)
    for group, following in pairwise(cut):
        assert len(group) == most or sum(group) + following[0] > most_bytes


@settings(max_examples=20)
@given(st.lists(st.tuples(st.sampled_from([SMALL, LARGE]), st.integers(1, 3)), max_size=30), st.integers(1, 7))
def test_like_motions_lie_together(kinds: list[tuple[Skeleton, int]], most: int) -> None:
    entries = [Entry(str(index), motion(*kind)) for index, kind in enumerate(kinds)]
    planned = list(shards(entries, Sizes(most)))
    flat = [entry for shard in planned for group in shard for entry in group]
    assert sorted(int(entry.name) for entry in flat) == list(range(len(entries)))
    kinds_met = [(len(entry.motion.skeleton), len(entry.motion)) for entry in flat]
    changes = sum(one != other for one, other in pairwise(kinds_met))
    assert changes == max(len(set(kinds_met)) - 1, 0)
    assert all(sum(map(len, shard)) <= most for shard in planned)


def test_a_set_is_known_by_its_manifest(tmp_path: Path) -> None:
    folder = LocalPlace(tmp_path)
    with pytest.raises(InputError, match="no shards of motions are here"):
        read_manifest(folder)
    facts = shard_in(tmp_path)
    with pytest.raises(InputError, match=r"not finished, it has no shards\.json"):
        read_manifest(folder)
    write_manifest(folder, [facts])
    assert read_manifest(folder) == Manifest((facts,))
    with opened(folder, facts) as shard:
        assert len(shard) == 1


def shard_in(folder: Path, name: str = "shard-00000.parquet") -> ShardFacts:
    written(folder / name, [[Entry("a", motion())]])
    return ShardFacts.of(name, folder / name, [5])


def damaged(folder: Path, how: str) -> None:
    path = folder / "shard-00000.parquet"
    content = path.read_bytes()
    if how == "cut off":
        path.write_bytes(content[: len(content) // 2])
    elif how == "flipped":
        path.write_bytes(content[:60] + bytes([content[60] ^ 1]) + content[61:])
    else:
        path.unlink()


@pytest.mark.parametrize(
    ("how", "told"),
    [("cut off", "is not what was written"), ("flipped", "is not what was written"), ("gone", "missing")],
)
def test_a_damaged_shard_of_a_set_is_named(tmp_path: Path, how: str, told: str) -> None:
    facts = shard_in(tmp_path)
    damaged(tmp_path, how)
    with pytest.raises(InputError, match=f"shard-00000.parquet: {told}"), opened(LocalPlace(tmp_path), facts):
        pass


@pytest.mark.parametrize("how", ["cut off", "flipped"])
def test_a_damaged_shard_is_told_of_without_a_manifest_too(tmp_path: Path, how: str) -> None:
    shard_in(tmp_path)
    damaged(tmp_path, how)
    with (
        pytest.raises(InputError, match="damaged, or not written to its end"),
        open_shard(tmp_path / "shard-00000.parquet") as shard,
    ):
        list(shard.rows())


def test_another_version_of_the_schema_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfcorrect.datasets.shards.schema.VERSION", VERSION + 1)
    monkeypatch.setattr("selfcorrect.datasets.shards.manifest.VERSION", VERSION + 1)
    facts = shard_in(tmp_path)
    write_manifest(LocalPlace(tmp_path), [facts])
    monkeypatch.undo()
    with pytest.raises(
        InputError, match=rf"shards.json: has schema {VERSION + 1}, this version reads schema {VERSION}"
    ):
        read_manifest(LocalPlace(tmp_path))
    told = rf"has schema {VERSION + 1}.*make the shards again"
    with pytest.raises(InputError, match=told), open_shard(tmp_path / facts.name):
        pass


def test_other_parquet_files_are_no_shards(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="no shard of motions"), open_shard(tmp_path / "a.parquet"):
        pass


@pytest.mark.parametrize(
    ("column", "value"),
    [("frames", 4), ("skeleton", 3), ("fps", -1.0), ("fps", 1e-308), ("fps", 1e308), ("name", None)],
)
def test_numbers_of_a_forged_shard_are_refused(tmp_path: Path, column: str, value: object) -> None:
    path = tmp_path / "shard"
    write_shard(path, [SMALL], [[Entry("a", motion())]])
    table = pq.read_table(path)
    index = table.schema.get_field_index(column)
    forged = pa.array([value], table.schema.types[index])
    pq.write_table(table.set_column(index, table.schema.field(index), forged), path)
    with pytest.raises(InputError, match=f"{path}: "), open_shard(path) as shard:
        list(shard.rows())


def test_a_manifest_may_name_nothing_outside_its_folder(tmp_path: Path) -> None:
    write_manifest(LocalPlace(tmp_path), [replace(shard_in(tmp_path), name="../shard-00000.parquet")])
    with pytest.raises(InputError, match="is not the name of a shard"):
        read_manifest(LocalPlace(tmp_path))


def test_an_edited_manifest_is_noticed(tmp_path: Path) -> None:
    write_manifest(LocalPlace(tmp_path), [shard_in(tmp_path)])
    text = (tmp_path / MANIFEST).read_text()
    (tmp_path / MANIFEST).write_text(text.replace('"motions": 1', '"motions": 2'))
    with pytest.raises(InputError, match="differs from its digest; make the shards again"):
        read_manifest(LocalPlace(tmp_path))


def test_sizes_are_checked() -> None:
    with pytest.raises(SettingError, match="motions-per-shard must be from 1"):
        Sizes(0)


@pytest.mark.parametrize("odd", [{"parents": [-1, False]}, {"parents": [-1, 0.0]}, {"names": ["root", 3]}])
def test_forged_skeletons_are_refused(tmp_path: Path, odd: dict[str, list]) -> None:
    write_shard(tmp_path / "shard", [SMALL], [[Entry("a", motion())]])
    table = pq.read_table(tmp_path / "shard")
    facts = json.loads(table.schema.metadata[b"selfcorrect"])
    facts["skeletons"][0] |= odd
    pq.write_table(table.replace_schema_metadata({b"selfcorrect": json.dumps(facts)}), tmp_path / "shard")
    with (
        pytest.raises(InputError, match=r"shard: damaged.*whole numbers for"),
        open_shard(tmp_path / "shard"),
    ):
        pass


def test_equal_numbers_that_expand_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames, path = 20_000, tmp_path / "shard-00000.parquet"
    still = Motion(SMALL, np.zeros((frames, 3)), np.tile([0.0, 0, 0, 1], (frames, len(SMALL), 1)), 30.0)
    write_shard(path, [SMALL], [[Entry("a", still)]])
    pq.write_table(pq.read_table(path), path, compression="zstd", use_dictionary=True)
    assert path.stat().st_size < 20_000
    with open_shard(path) as shard:
        assert len(next(iter(shard.rows()))[0].motion) == frames
    monkeypatch.setenv("SELFCORRECT_UNPACKED_LIMIT_MB", "1")
    with open_shard(path) as shard, pytest.raises(InputError, match=r"would take .* the limit is 1 MB"):
        list(shard.rows())


@pytest.mark.parametrize("frames", ["x", None, 1.5, [], {}])
def test_a_forged_manifest_is_refused_in_a_sentence(tmp_path: Path, frames: object) -> None:
    facts = {**asdict(shard_in(tmp_path)), "frames": frames}
    (tmp_path / MANIFEST).write_bytes(sealed({"schema": VERSION, "shards": [facts]}))
    with pytest.raises(InputError, match=r"does not list shards \(it: shards: frames: expected int"):
        read_manifest(LocalPlace(tmp_path))


def test_quaternions_without_a_direction_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "shard-00000.parquet"
    zero = Motion(SMALL, np.zeros((3, 3)), np.zeros((3, len(SMALL), 4)), 30.0)
    write_shard(path, [SMALL], [[Entry("a", zero)]])
    with open_shard(path) as shard, pytest.raises(InputError, match="expected unit quaternions, those of frame 0"):
        list(shard.rows())
