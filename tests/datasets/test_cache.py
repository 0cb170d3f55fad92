"""The cache of a dataset: what goes in comes out, in any order, and no other content gives the same folder."""

import re
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.cache import CacheSettings, MotionCache, open_cache
from selfcorrect.datasets.files import amass
from selfcorrect.motion.body.smpl import SMPL_BODY, SMPL_H, to_smpl
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.transforms import on_skeleton, resample

CLIPS, FRAMES = 7, 90


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for clip in range(CLIPS):
        random = np.random.default_rng(clip)
        rotations = Rotation.from_rotvec(np.cumsum(random.normal(0, 0.02, (FRAMES + clip, 52, 3)), axis=0)).as_quat()
        root_m = np.cumsum(random.normal(0, 0.01, (FRAMES + clip, 3)), axis=0) + np.array([0, 0.9, 0])
        amass.write(tmp_path / "data" / f"{clip}.npz", Motion(SMPL_H.average(), root_m, rotations, 60.0))
    return tmp_path / "data"


@pytest.fixture
def settings(folder: Path) -> CacheSettings:
    return CacheSettings("amass", folder, clips_per_shard=3)


def test_motions_come_out_as_they_were_read(settings: CacheSettings, tmp_path: Path) -> None:
    motions = open_cache(settings, tmp_path / "cache", workers=1, progress=False)
    assert len(motions) == CLIPS
    assert len(list(motions.folder.glob("*.safetensors"))) == 3
    for index in (5, 0, -1):
        expected = to_smpl(resample(amass.read(settings.folder / f"{index % CLIPS}.npz"), 30.0))
        assert (motions[index].fps, motions[index].source) == (30.0, expected.source)
        np.testing.assert_allclose(joint_positions(motions[index]), joint_positions(expected), atol=1e-5)
    with pytest.raises(IndexError):
        motions[CLIPS]
    part = motions.frames(2, 10, 15)
    np.testing.assert_array_equal(part.rotations, motions[2].rotations[10:15])


def test_all_joints_are_kept_on_request(settings: CacheSettings, folder: Path, tmp_path: Path) -> None:
    whole = CacheSettings("amass", folder, fps=None, body_only=False)
    motions = open_cache(whole, tmp_path / "cache", workers=1, progress=False)
    assert (len(motions[0].skeleton), motions[0].fps) == (52, 60.0)
    with pytest.raises(ValueError, match="set body_only and fps"):
        motions.random_windows(1, 8, np.random.default_rng(0))


def test_a_second_opening_builds_nothing(
    settings: CacheSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_cache(settings, tmp_path / "cache", workers=1, progress=False)
    monkeypatch.setattr("pyarrow.parquet.write_table", None)
    assert open_cache(settings, tmp_path / "cache", workers=1, progress=False).folder == first.folder


def test_other_content_or_settings_are_another_cache(settings: CacheSettings, folder: Path, tmp_path: Path) -> None:
    def name(changed: CacheSettings) -> str:
        return changed.fingerprint(changed.clips())

    before = name(settings)
    assert name(replace(settings, fps=20.0)) != before
    moved = folder.rename(tmp_path / "elsewhere")
    assert name(replace(settings, folder=moved)) == before
    amass.write(moved / "3.npz", amass.read(moved / "4.npz"))
    assert name(replace(settings, folder=moved)) != before


def test_a_build_goes_on_where_it_was_stopped(
    settings: CacheSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table, written = pq.write_table, []

    def stops(table: pa.Table, path: Path) -> None:
        written.append(path.name)
        if len(written) == 2:
            raise KeyboardInterrupt
        write_table(table, path)

    monkeypatch.setattr("pyarrow.parquet.write_table", stops)
    with pytest.raises(KeyboardInterrupt):
        open_cache(settings, tmp_path / "cache", workers=1, progress=False)
    assert len(open_cache(settings, tmp_path / "cache", workers=1, progress=False)) == CLIPS
    assert [len(written), len(set(written)), written[1]] == [4, 3, written[2]]


@pytest.mark.parametrize("suffix", [".safetensors", ".parquet", ".json"])
@pytest.mark.parametrize("damage", ["bit", "cut", "gone"])
def test_a_damaged_shard_is_told_of_and_made_again(
    settings: CacheSettings, tmp_path: Path, suffix: str, damage: str
) -> None:
    motions = open_cache(settings, tmp_path / "cache", workers=1, progress=False)
    before = {path.name: path.read_bytes() for path in motions.folder.iterdir()}
    path = motions.folder / f"shard-00001{suffix}"
    flipped = bytearray(path.read_bytes())
    flipped[len(flipped) // 2] ^= 1
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(flipped if damage == "bit" else path.read_bytes()[:-3])
    told = nullcontext() if (suffix, damage) == (".json", "gone") else pytest.warns(UserWarning, match="made again")
    with told:
        open_cache(settings, tmp_path / "cache", workers=1, progress=False)
    assert {path.name: path.read_bytes() for path in motions.folder.iterdir()} == before


@pytest.mark.slow
def test_processes_build_the_same_cache(settings: CacheSettings, tmp_path: Path) -> None:
    alone = open_cache(settings, tmp_path / "alone", workers=1, progress=False)
    together = open_cache(settings, tmp_path / "together", workers=2, progress=False)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.rotations, other.rotations)


def test_bad_files_are_told_of_and_the_others_go_on(settings: CacheSettings, tmp_path: Path) -> None:
    (settings.folder / "2.npz").write_bytes(b"PK\x03\x04 cut off")
    motions = open_cache(settings, tmp_path / "cache", workers=1, progress=False)
    assert len(motions) == CLIPS - 1
    assert len(motions.complaints) == 1
    assert "2.npz: the file cannot be read" in motions.complaints[0]
    assert MotionCache(motions.folder).complaints == motions.complaints


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "bad.npz").write_bytes(b"junk")
    with pytest.raises(ValueError, match=r"no motion could be read; the first problem: .*bad\.npz"):
        open_cache(CacheSettings("amass", tmp_path / "data"), tmp_path / "cache", workers=1, progress=False)


def test_windows_are_pieces_of_the_motions_on_one_body(settings: CacheSettings, tmp_path: Path) -> None:
    motions = open_cache(settings, tmp_path / "cache", workers=1, progress=False)
    batch = motions.random_windows(20, 16, np.random.default_rng(3))
    assert batch.root_m.shape == (20, 16, 3)
    assert (len(batch), batch.fps, batch.skeleton.names) == (20, 30.0, motions[0].skeleton.names)
    pieces = [
        on_skeleton(motion, batch.skeleton).frames(start, start + 16)
        for motion in motions
        for start in range(len(motion) - 15)
    ]
    for window in range(20):
        distances = [np.abs(piece.rotations - batch.rotations[window]).max() for piece in pieces]
        nearest = pieces[int(np.argmin(distances))]
        assert min(distances) < 1e-6
        np.testing.assert_allclose(nearest.root_m, batch.root_m[window], atol=1e-5)


def test_windows_longer_than_all_motions_are_refused(settings: CacheSettings, tmp_path: Path) -> None:
    motions = open_cache(settings, tmp_path / "cache", workers=1, progress=False)
    with pytest.raises(ValueError, match="no motion has 1000 frames, the longest 48"):
        motions.random_windows(1, 1000, np.random.default_rng(0))


def own_memory_mb() -> float:
    """Memory of this process that is not a mapped file."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory use from /proc")
def test_reading_everything_takes_no_more_memory_than_reading_little(tmp_path: Path) -> None:
    rotations = np.tile([0.0, 0, 0, 1], (4000, 22, 1))
    motion = Motion(SMPL_BODY.average(), np.zeros((4000, 3)), rotations, 60.0)
    for clip in range(30):
        amass.write(tmp_path / "data" / f"{clip:02d}.npz", motion)
    settings = CacheSettings("amass", tmp_path / "data", fps=None, clips_per_shard=4)
    motions = open_cache(settings, tmp_path / "cache", workers=1, progress=False)
    on_disk_mb = sum(path.stat().st_size for path in motions.folder.iterdir()) / 2**20
    for index in range(3):
        motions[index]
    before_mb = own_memory_mb()
    for motion in motions:
        assert len(motion) == 4000
    assert on_disk_mb > 40
    assert own_memory_mb() - before_mb < 10
