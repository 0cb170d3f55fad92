"""Shards are made, corrected and merged by commands."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from helpers import Says, killed_at_sync
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow.fs import FileSelector, FileSystem

from selfcorrect.commands.cli import main
from selfcorrect.commands.correct import correct_file
from selfcorrect.commands.data import sharding
from selfcorrect.commands.data.sharding import cut_shards
from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.datasets.files.parquet import NamedMotion, read_named, write_named
from selfcorrect.datasets.load import load_motions
from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.simulators.corrector import KinematicCorrector
from selfcorrect.simulators.results.results import CorrectedMotion

MOTIONS = 7


@pytest.fixture
def folder(walk: Motion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a working folder with `clips` of two lengths and formats, one too short, and a broken file."""
    monkeypatch.chdir(tmp_path)
    for number in range(MOTIONS - 1):
        sunk = replace(walk, root_m=walk.root_m - [0.0, 0.05 + 0.01 * number, 0.0]).frames(0, 12 + 4 * (number % 2))
        save_motion(tmp_path / "clips" / "walks" / f"{number}.{('bvh', 'glb')[number % 3 == 0]}", sunk)
    save_motion(tmp_path / "clips" / "short.bvh", walk.frames(0, 2))
    (tmp_path / "clips" / "broken.bvh").write_text("HIERARCHY\nnothing")
    return tmp_path


@pytest.fixture
def remote(tmp_path: Path) -> str:
    """Return an unused address that pyarrow opens as it opens buckets."""
    return (tmp_path / "remote").as_uri()


def motions_in(folder: str) -> dict[str, Motion]:
    """All motions of a set, by name."""
    return {item.name: item.motion for path in sorted(Path(folder).glob("*.parquet")) for item in read_named(path)}


def contents(address: str) -> dict[str, bytes]:
    """Map the files below a folder or address to their bytes, without locks."""
    uri = address if "://" in address else Path(address).absolute().as_uri()
    system, root = FileSystem.from_uri(uri)
    infos = [info for info in system.get_file_info(FileSelector(root, recursive=True)) if info.is_file]
    paths = [info.path for info in infos if info.extension != "lock"]
    return {path.removeprefix(root): system.open_input_stream(path).read() for path in paths}


def shard(*options: str, out: str = "shards") -> int:
    return main(["data", "shard", "clips", "-o", out, "--motions-per-shard", "3", *options])


def test_shards_correct_like_files(folder: Path, walk: Motion, says: Says) -> None:
    output = says("data shard clips -o shards --motions-per-shard 3", code=2)
    assert f"{MOTIONS} motions in 3 shards → shards" in output
    assert "unreadable (1)" in output
    assert "broken.bvh" in output
    (folder / "clips" / "broken.bvh").unlink()
    save_motion(folder / "clips" / "later.bvh", walk)
    assert f"{MOTIONS + 1} motions in " in says("data shard clips -o more")

    assert "1 of 3 motions not corrected: short.bvh" in says("correct shards -o fixed --kinematic", code=1)
    packed = motions_in("shards")
    fixed = motions_in("fixed")
    assert packed.keys() - fixed.keys() == {"short.bvh"}
    for name, motion in fixed.items():
        alone = KinematicCorrector()([packed[name]])[0].motion
        np.testing.assert_array_equal(motion.rotations, alone.rotations.astype(np.float32))
        np.testing.assert_array_equal(motion.root_m, alone.root_m.astype(np.float32))
    report = json.loads(Path("fixed/report.json").read_text())
    results = {motion["name"]: motion for file in report["motions"] for motion in file["motions"]}
    assert results.keys() == packed.keys()
    assert results["short.bvh"]["reason"].startswith("too short: at least 4 frames are needed, got 2")
    assert "penetration_m" in results["walks/1.bvh"]["before"]

    assert main(["correct", "shards", "-o", "all", "--kinematic", "--keep-failed"]) == 1
    assert motions_in("all").keys() == packed.keys()


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_sha256sum_agrees(folder: Path) -> None:
    shard()
    subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd="shards", check=True, capture_output=True)


def test_finished_set_needs_overwrite(folder: Path, walk: Motion, says: Says) -> None:
    """Unreadable inputs cost no earlier shard, even if all inputs became unreadable."""
    line = "data shard clips/walks -o set --motions-per-shard 2"
    says(line)
    before = contents("set")
    assert "set: exists; choose another --out, or pass --overwrite" in says(line, code=2)
    says(line, "--overwrite")
    assert contents("set") == before
    save_motion("clips/walks/1.bvh", walk, overwrite=True)
    says(line, "--overwrite")
    assert contents("set") != before
    before = contents("set")
    for sources, out in (("set clips", "set"), ("clips set/shard-00000-0000.parquet", "set"), ("clips", "clips/set")):
        refusal = says(f"data shard {sources} -o {out} --overwrite", code=2)
        assert f"{out}: a set cannot contain its sources or be inside them" in refusal
    for path in (folder / "clips" / "walks").iterdir():
        path.write_bytes(b"junk")
    says(line, "--overwrite", code=2)
    assert contents("set") == before
    says("verify set")


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
def test_only_set_files_are_replaced(folder: Path, overwrite: tuple[str, ...]) -> None:
    for name in ("mine/notes.txt", "other/SHA256SUMS/a", "below/deeper/shard-00000.parquet"):
        path = folder / name
        path.parent.mkdir(parents=True)
        path.write_text("mine")
        assert shard(*overwrite, out=path.relative_to(folder).parts[0]) == 2
        assert path.read_text() == "mine"


def test_unfinished_set_is_remade(folder: Path) -> None:
    shard()
    whole = contents("shards")
    (folder / "shards" / "SHA256SUMS").unlink()
    (folder / "shards" / "shard-00000-0002.parquet").unlink()
    (folder / "shards" / "shard-00009.parquet").write_text("of a listing that was longer")
    assert shard() == 2  # one file could not be read
    assert contents("shards") == whole


@settings(max_examples=20)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 3)), max_size=30), st.integers(1, 7))
def test_like_motions_lie_together(kinds: list[tuple[bool, int]], most: int) -> None:
    small = Skeleton(("root", "tip"), (-1, 0), np.array([[0.0, 0, 0], [0, 0.1, 0.3]]), ("pelvis", ""))
    motions = []
    for index, (is_small, frames) in enumerate(kinds):
        skeleton = small if is_small else SMPL_BODY.average()
        rotations = np.tile([0.0, 0.0, 0.0, 1.0], (frames, len(skeleton), 1))
        motions.append(NamedMotion(str(index), Motion(skeleton, np.zeros((frames, 3)), rotations, 30.0)))
    shards = list(cut_shards(motions, most))
    flat = [item for shard in shards for item in shard]
    assert sorted(int(item.name) for item in flat) == list(range(len(motions)))
    kinds_met = [(len(item.motion.skeleton), len(item.motion)) for item in flat]
    changes = sum(kind != next_kind for kind, next_kind in pairwise(kinds_met))
    assert changes == max(len(set(kinds_met)) - 1, 0)
    assert all(len(shard) <= most for shard in shards)


@pytest.mark.slow
def test_shards_are_merged_and_verified(folder: Path) -> None:
    shard()
    assert main(["correct", "shards", "-o", "here", "--kinematic"]) == 1
    assert motions_in("here").keys() < motions_in("shards").keys()
    assert main(["verify", "here"]) == main(["verify", "shards"]) == 0
    shutil.copytree("shards", "others")
    assert main(["data", "shard", "shards", "others", "-o", "both"]) == 0
    assert sum(len(read_named(path)) for path in Path("both").glob("*.parquet")) == 2 * MOTIONS


def test_damaged_shard_is_skipped(folder: Path, says: Says) -> None:
    shard()
    damaged = folder / "shards" / "shard-00000-0001.parquet"
    sound = damaged.read_bytes()
    damaged.write_bytes(sound[:-100])
    says("verify shards", code=1)
    correct = "correct shards --kinematic -o"
    assert re.search(r"shard-00000-0001\.parquet +failed +– +damaged", says(correct, "fixed", code=1))
    damaged.write_bytes(sound)
    assert "2 of 3 files are finished already" in says(correct, "fixed", code=1)
    says(correct, "whole", code=1)
    for path in Path("whole").glob("*.parquet"):
        assert path.read_bytes() == (Path("fixed") / path.name).read_bytes()
    says("verify whole")


def test_failing_motion_is_isolated(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard("--motions-per-shard", "100")
    sound = KinematicCorrector()

    def breaking(motions: Sequence[Motion]) -> list[CorrectedMotion]:
        if any(Path(motion.source).name == "1.bvh" for motion in motions):
            raise ZeroDivisionError("of a corrector")
        corrections = sound(motions)
        return [
            replace(correction, motion=replace(correction.motion, root_m=correction.motion.root_m + np.nan))
            if Path(correction.motion.source).name == "2.bvh"
            else correction
            for correction in corrections
        ]

    monkeypatch.setattr(correct_file, "correct_through_views", lambda motions, pipeline: breaking(motions))
    assert main(["correct", "shards", "-o", "broken", "--kinematic"]) == 1
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert main(["correct", "shards", "-o", "whole", "--kinematic"]) == 1
    report = json.loads(Path("broken/report.json").read_text())
    results = {motion["name"]: motion for file in report["motions"] for motion in file["motions"]}
    failed = {name for name, result in results.items() if result["verdict"] != "accepted"}
    assert failed == {"short.bvh", "walks/1.bvh", "walks/2.bvh"}
    assert "of a corrector" in results["walks/1.bvh"]["reason"]
    assert "is not finite in frame 0" in results["walks/2.bvh"]["reason"]
    intact = motions_in("whole")
    remaining = motions_in("broken")
    assert len(remaining) == MOTIONS - 3
    assert all(np.array_equal(motion.root_m, intact[name].root_m) for name, motion in remaining.items())


def test_shards_become_files_again(folder: Path, says: Says) -> None:
    shard()
    says("data convert shards --out files")
    files = {path.relative_to("files").as_posix() for path in Path("files").rglob("*") if path.is_file()}
    packed = {f"{Path(name).with_suffix('.bvh')}": motion for name, motion in motions_in("shards").items()}
    assert files == packed.keys()
    for name in files - {"short.bvh"}:
        reread = open_motion(Path("files") / name, any_body=True).motion
        joints = [reread.skeleton.names.index(joint) for joint in packed[name].skeleton.names]  # beside end sites
        np.testing.assert_allclose(joint_positions(reread)[:, joints], joint_positions(packed[name]), atol=1e-5)
    refusal = says("data convert shards --out files", code=2)
    assert "exists; choose another --out, or pass --overwrite" in refusal


@pytest.mark.parametrize("name", [b"a\nb.bvh", b"a\x1b[2Jb.bvh", b"caf\xe9.bvh"])
def test_unusable_name_is_omitted(folder: Path, name: bytes, says: Says) -> None:
    os.rename(folder / "clips" / "walks" / "1.bvh", os.path.join(os.fsencode(folder), b"clips", name))
    output = says("data shard clips -o shards", code=2)
    assert "cannot be the name of a file in a set of shards; rename it" in output
    assert len(motions_in("shards")) == MOTIONS - 1
    says("data convert shards --out back")


def test_shard_names_stay_inside(folder: Path, walk: Motion, says: Says) -> None:
    write_named(folder / "evil" / "a.parquet", [NamedMotion("../../evil", walk)])
    assert "leads out of this folder" in says("data convert evil --out files", code=2)
    assert not (folder.parent / "evil.bvh").exists()


@pytest.mark.long
@pytest.mark.parametrize("at", [3, pytest.param(6, marks=pytest.mark.nightly), 12])  # between the first and the last
def test_killed_run_resumes(folder: Path, at: int) -> None:
    shard("--motions-per-shard", "1")
    correct = ["correct", "shards", "--kinematic", "-o"]
    pack = ["data", "shard", "clips", "--motions-per-shard", "1", "-o"]
    main([*correct, "whole"])
    for words, whole in ((correct, "whole"), (pack, "shards")):
        killed = f"killed-{whole}"
        command = [sys.executable, "-m", "selfcorrect.commands.cli", *words, killed, "--workers", "2"]
        killed_at_sync(at, command, folder / "halting", folder)
        main([*words, killed])
        assert without_report(killed) == without_report(whole)


def without_report(folder: str) -> dict[str, bytes]:
    return {name: content for name, content in contents(folder).items() if not name.endswith("report.json")}


def test_stopped_set_resumes(folder: Path, monkeypatch: pytest.MonkeyPatch, says: Says) -> None:
    (folder / "clips" / "broken.bvh").unlink()
    monkeypatch.setattr(sharding, "BATCH_RECORDINGS", 2)
    assert f"{MOTIONS} motions in 4 shards" in says("data shard clips -o whole --workers 1")
    written: list[str] = []

    def write(path: Path, motions: Sequence[NamedMotion], most: int) -> None:
        if len(written) == most:
            raise InputError("the disk is gone")
        written.append(path.name)
        write_named(path, motions)

    monkeypatch.setattr(sharding, "write_named", partial(write, most=2))
    says("data shard clips -o shards --workers 1", code=2)
    assert len(written) == 2
    os.utime("clips/short.bvh", ns=(0, 0))  # of the first batch
    monkeypatch.setattr(sharding, "write_named", partial(write, most=9))
    says("data shard clips -o shards --workers 1")
    assert written[2:] == ["shard-00000-0000.parquet", "shard-00002-0000.parquet", "shard-00003-0000.parquet"]
    assert contents("shards") == contents("whole")


def test_shards_are_readable(folder: Path, says: Says) -> None:
    shard()
    motions = load_motions("shards")
    assert len(motions) == MOTIONS
    assert {motion.label for motion in motions} == {"walks", "walk", "short"}  # glTF files name theirs
    assert f"{MOTIONS} motions" in says("data check shards")
