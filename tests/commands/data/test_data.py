"""`selfcorrect data` prints and writes what it should, by its words on the command line."""

import errno
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tyro
from helpers import bytes_of
from scipy.spatial.transform import Rotation

from selfcorrect.commands.data.command import DataCommand
from selfcorrect.commands.data.sources import measure_motion
from selfcorrect.core.errors import InputError
from selfcorrect.datasets.collections import catalog
from selfcorrect.datasets.files import open as opening
from selfcorrect.datasets.files.formats import FORMATS
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.datasets.files.parquet import NamedMotion, write_named
from selfcorrect.datasets.files.rigs.gltf import write_gltf as write_gltf
from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.motion import Motion


def run(*words: object) -> None:
    tyro.cli(DataCommand, args=[str(word) for word in words]).run()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make three walks and a broken file.

    The walks are at 1 m/s, and one leaps 5 m in a frame.
    """
    random = np.random.default_rng(0)
    for name in ("a.bvh", "b.npz", "below/leaps.bvh"):
        rotations = Rotation.from_rotvec(np.cumsum(random.normal(0, 0.01, (61, 22, 3)), axis=0)).as_quat()
        root_m = np.linspace([0, 0.97, 0], [0, 0.97, 2], 61)
        root_m[30:] += [5.0, 0, 0] if "leaps" in name else 0
        save_motion(tmp_path / "data" / name, Motion(SMPL_BODY.average(), root_m, rotations, 30.0))
    (tmp_path / "data" / "broken.bvh").write_text("HIERARCHY\nROOT\n")
    return tmp_path / "data"


def test_check_reports_odd_and_broken(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="1 file"):
        run("check", folder)
    printed = capsys.readouterr().out
    assert "motion files" in printed
    assert "3 motions, 183 frames, 0.1 minutes; 2.03 to 2.03 s" in printed
    assert "frames per second: 30; joints: 27 (2), 52 (1)" in printed
    assert "implausible (" in printed
    assert "leaps.bvh: " in printed
    assert "broken.bvh, line 2" in printed


def test_json_lists_every_dataset(capsys: pytest.CaptureFixture[str]) -> None:
    run("list", "--json")
    listed = {dataset["name"]: dataset for dataset in json.loads(capsys.readouterr().out)}
    assert set(listed) == {dataset.name for dataset in catalog.datasets()}


@pytest.mark.parametrize("name", ["a.bvh", "b.npz"])
def test_check_prints_json(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    run("check", folder / name, "--json")
    report = json.loads(capsys.readouterr().out)
    assert (report["motions"], report["frames"], report["unreadable"]) == (1, 61, [])
    assert all("sliding" in " ".join(broken) for broken in report["findings"].values())


def test_check_recognises_layouts(cmu: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("check", cmu, "--split", "test", "--limit", "5")
    printed = capsys.readouterr().out
    assert "CMU motion capture" in printed
    assert "5 motions" in printed
    assert "captions: 5" in printed


def test_list_names_sources(capsys: pytest.CaptureFixture[str]) -> None:
    run("list")
    printed = capsys.readouterr().out
    for dataset in catalog.datasets():
        assert f"{dataset.name}: {dataset.title}" in printed
    assert printed.count("  licence  ") == printed.count("  from     ") == len(catalog.DATASETS.names)


def test_formats_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    run("formats")
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert list(lines) == [kind.name for kind in FORMATS]
    assert "in and out" in lines["bvh"]
    assert "(extra `fbx`)" in lines["fbx"]
    assert " out " not in lines["fbx"]


def test_convert_writes_named_file(folder: Path, tmp_path: Path) -> None:
    run("convert", folder / "a.bvh", "--out", tmp_path / "new" / "b.glb")
    run("convert", folder / "a.bvh", "--out", tmp_path / "new" / "b.npz", "--to", "kimodo")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["b.glb", "b.npz"]
    motion = open_motion(folder / "a.bvh").motion
    save_motion(tmp_path / "expected.npz", motion, "kimodo")
    assert (tmp_path / "new" / "b.npz").read_bytes() == (tmp_path / "expected.npz").read_bytes()
    with pytest.raises(ValueError, match="exists"):
        run("convert", folder / "a.bvh", "--out", tmp_path / "new" / "b.glb")
    for sources in ([folder], [folder / "a.bvh", folder / "b.npz"]):
        with pytest.raises(ValueError, match=r"c\.glb: expected a folder"):
            run("convert", *sources, "--out", tmp_path / "c.glb")
    with pytest.raises(ValueError, match="no format 'kimodo'"):
        run("convert", folder / "a.bvh", "--out", tmp_path / "c.glb", "--to", "kimodo")
    assert not (tmp_path / "c.glb").exists()


def test_convert_continues_after_failure(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="1 of 4 files"):
        run("convert", folder, "--to", "joints", "--out", tmp_path / "out")
    assert "broken.bvh, line 2" in capsys.readouterr().err
    written = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.npy"))
    assert written == ["a.npy", "b.npy", "below/leaps.npy"]
    assert np.load(tmp_path / "out" / "a.npy").shape == (41, 22, 3)


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_takes_keep_separate_files(folder: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    takes = [open_motion(folder / name).motion for name in ("a.bvh", "below/leaps.bvh")]
    takes = [replace(takes[0], label="walk|1"), replace(takes[1], label="leap")]
    for name in ("x", "y"):
        write_gltf(tmp_path / "rigs" / f"{name}.glb", *takes)
    run("convert", tmp_path / "rigs", "--to", "bvh", "--out", tmp_path / "out", *options)
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["x_leap.bvh", "x_walk-1.bvh", "y_leap.bvh", "y_walk-1.bvh"]
    leap = open_motion(tmp_path / "out" / "y_leap.bvh").motion
    np.testing.assert_allclose(leap.root_m, takes[1].root_m, atol=1e-4)


@pytest.mark.parametrize("other", ["a_b.glb", "set.parquet"])
def test_colliding_takes_raise(folder: Path, tmp_path: Path, other: str, capsys: pytest.CaptureFixture[str]) -> None:
    motions = [open_motion(folder / name).motion for name in ("a.bvh", "below/leaps.bvh")]
    rigs = tmp_path / "rigs"
    write_gltf(rigs / "a.glb", replace(motions[0], label="b_c"), replace(motions[1], label="d"))
    if other.endswith(".glb"):
        write_gltf(rigs / other, replace(motions[0], label="c"), replace(motions[1], label="e"))
    else:
        write_named(rigs / other, [NamedMotion("a_b_c.bvh", motions[1])])
    with pytest.raises(InputError, match="1 of 2 files"):
        run("convert", rigs, "--to", "bvh", "--out", tmp_path / "out", "--overwrite")
    assert re.search(r"would both become .*a_b_c\.bvh", capsys.readouterr().err)
    alone = tmp_path / "alone"
    run("convert", rigs / "a.glb", "--to", "bvh", "--out", alone)
    for path in alone.iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(("name", "hint"), [("glb", "the format of .glb files is gltf"), ("fbx", "but not written")])
def test_suffix_as_format_gets_hint(folder: Path, tmp_path: Path, name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        run("convert", folder, "--to", name, "--out", tmp_path / "out")


def test_convert_stops_on_full_disk(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*target: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(opening, "save_motion", full)
    with pytest.raises(ValueError, match=r"a.npy: .*No space left"):
        run("convert", folder, "--to", "joints", "--out", tmp_path / "out")


def test_stats_measure_by_label(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="1 file"):
        run("stats", folder)
    printed = capsys.readouterr().out
    header, row = printed.splitlines()[1:3]
    assert header.split()[:3] == ["label", "motions", "seconds"]
    assert row.split()[:3] == ["(none)", "3", "2.033"]
    assert "broken.bvh" in printed


def test_speed_is_roots(folder: Path) -> None:
    measured = measure_motion(open_motion(folder / "a.bvh").motion)
    assert measured["speed m/s"] == pytest.approx(1.0, abs=1e-3)
    assert measured["seconds"] == pytest.approx(61 / 30)


@pytest.mark.parametrize("out", [".", "data/../data", "link"])
def test_converting_never_overwrites_an_input(folder: Path, out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    Path("link").symlink_to("data")
    before = bytes_of(folder)
    target = folder if out == "." else Path(out)
    with pytest.raises(ValueError, match=r"a\.bvh:.*--out"):
        run("convert", folder, "--out", target, "--to", "bvh", "--overwrite")
    assert bytes_of(folder) == before


def test_colliding_targets_raise(folder: Path, tmp_path: Path) -> None:
    save_motion(folder / "a.npz", open_motion(folder / "a.bvh").motion)
    with pytest.raises(ValueError, match=r"a\.bvh.*a\.npz.*a\.glb"):
        run("convert", folder / "a.bvh", folder / "a.npz", "--out", tmp_path / "out", "--to", "gltf")
    assert not (tmp_path / "out").exists()


def test_colliding_motions_raise(folder: Path, tmp_path: Path) -> None:
    joints_m = np.random.default_rng(0).normal(size=(2, 22, 3, 8))
    np.save(folder / "many.npy", np.array({"motion": joints_m, "lengths": np.array([8, 8])}, dtype=object))
    out = tmp_path / "out"
    run("convert", folder / "many.npy", "--out", out)
    assert sorted(path.name for path in out.iterdir()) == ["many_000.bvh", "many_001.bvh"]
    (out / "many_001.bvh").write_text("precious")
    with pytest.raises(ValueError, match="could not be converted"):
        run("convert", folder / "many.npy", "--out", out)
    assert (out / "many_001.bvh").read_text() == "precious"
    save_motion(folder / "many_000.bvh", open_motion(folder / "a.bvh").motion)
    before = bytes_of(folder)
    with pytest.raises(ValueError, match=r"converted|overwritten"):
        run("convert", folder / "many.npy", folder / "many_000.bvh", "--out", folder, "--overwrite")
    assert bytes_of(folder) == before
