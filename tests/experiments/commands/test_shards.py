"""Shards made, corrected and merged from the command line, on this machine and in a bucket of an object store."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers import killed_at_sync

from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.datasets.load import load_motions
from selfcorrect.datasets.shards.manifest import MANIFEST, opened, read_manifest, write_manifest
from selfcorrect.datasets.shards.schema import Entry
from selfcorrect.datasets.shards.writing import Sizes, put_shards
from selfcorrect.experiments.cli import main
from selfcorrect.experiments.correction.options import CorrectionOptions
from selfcorrect.motion.correction.pieces import correct_long
from selfcorrect.motion.correction.results import CorrectedMotion
from selfcorrect.motion.geometry.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.corrector import KinematicCorrector
from selfcorrect.storage.files.places import LocalPlace, place

MOTIONS = 7


@pytest.fixture
def folder(walk: Motion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `clips`: motions of two lengths in two formats, one too short, and a broken file."""
    monkeypatch.chdir(tmp_path)
    for number in range(MOTIONS - 1):
        sunk = replace(walk, root_m=walk.root_m - [0.0, 0.05 + 0.01 * number, 0.0]).frames(0, 12 + 4 * (number % 2))
        save_motion(tmp_path / "clips" / "walks" / f"{number}.{('bvh', 'glb')[number % 3 == 0]}", sunk)
    save_motion(tmp_path / "clips" / "short.bvh", walk.frames(0, 2))
    (tmp_path / "clips" / "broken.bvh").write_text("HIERARCHY\nnothing")
    return tmp_path


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An address in a bucket, with nothing there, on a server of this machine that speaks S3."""
    server_module = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    server = server_module.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    system = fsspec.filesystem("s3", skip_instance_cache=True)
    system.makedirs("motions", exist_ok=True)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    yield f"s3://motions/{tmp_path.name}"
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    server.stop()


def entries(address: str) -> list[Entry]:
    """All motions of a set."""
    folder, found = place(address), list[Entry]()
    for shard in read_manifest(folder).shards:
        with opened(folder, shard) as file:
            found += [entry for rows in file.rows() for entry in rows]
    return found


def contents(address: str) -> dict[str, bytes]:
    """All files below a folder or an address but locks."""
    system, root = fsspec.core.url_to_fs(address)
    system.invalidate_cache()
    paths = [path for path in system.find(root) if not path.endswith(".lock")]
    return {path.removeprefix(root): system.cat_file(path) for path in paths}


def shard(*options: str, out: str = "shards") -> int:
    return main(["data", "shard", "clips", "-o", out, "--motions-per-shard", "3", *options])


def test_files_that_came_since_are_listed(folder: Path, walk: Motion, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "clips" / "broken.bvh").unlink()
    assert shard() == 0
    save_motion(folder / "clips" / "later.bvh", walk)
    assert shard(out="more") == 0
    assert f"{MOTIONS + 1} motions in " in capsys.readouterr().out


def test_files_become_shards_and_are_corrected_as_they_are_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shard() == 2  # one file could not be read
    told = capsys.readouterr().out
    assert f"{MOTIONS} motions in 3 shards → shards" in told
    assert "unreadable (1)" in told
    assert "broken.bvh" in told

    assert main(["correct", "shards", "-o", "fixed", "--kinematic"]) == 1
    told = capsys.readouterr().out
    assert f"{MOTIONS - 1} of {MOTIONS} motions corrected → fixed" in told
    assert "short.bvh: rejected: too short: 2 frames, at least 4 are needed" in told

    given = {entry.name: entry.motion for entry in entries("shards")}
    for entry in entries("fixed"):
        alone = correct_long(KinematicCorrector(), given[entry.name]).motion
        np.testing.assert_array_equal(entry.motion.rotations, alone.rotations.astype(np.float32))
        np.testing.assert_array_equal(entry.motion.root_m, alone.root_m.astype(np.float32))
    failures = pq.read_table("fixed/failures.parquet").to_pylist()
    assert [(row["name"], row["verdict"]) for row in failures] == [("short.bvh", "rejected")]
    assert failures[0]["source"].endswith("clips/short.bvh")
    results = pq.read_table("fixed/results").to_pandas()
    assert sorted(results.name) == sorted(given)
    assert {"penetration_m_before", "penetration_m_after"} <= set(dict(results.figures.iloc[-1]))


@pytest.mark.slow
def test_results_depend_on_no_number_of_workers(folder: Path) -> None:
    shard()
    shard("--workers", "2", out="again")
    assert contents("shards") == {
        name: content.replace(b"again", b"shards") for name, content in contents("again").items()
    }
    main(["correct", "shards", "-o", "one", "--kinematic"])
    main(["correct", "shards", "-o", "two", "--kinematic", "--workers", "2"])
    assert contents("one") == contents("two")


@pytest.mark.slow
def test_shards_in_a_bucket_are_corrected_into_a_bucket(folder: Path, bucket: str) -> None:
    shard()
    assert shard(out=f"{bucket}/shards") == 2
    assert main(["correct", "shards", "-o", "here", "--kinematic"]) == 1
    assert main(["correct", f"{bucket}/shards", "-o", f"{bucket}/there", "--kinematic", "--workers", "2"]) == 1
    here, there = contents("here"), contents(f"{bucket}/there")
    assert here.keys() == there.keys()
    assert {name for name in here if here[name] != there[name]} == {"/.ledger/task.json"}  # names its source
    assert main(["data", "merge", "shards", f"{bucket}/shards", "-o", "both"]) == 0
    assert len(entries("both")) == 2 * MOTIONS


def test_an_address_that_is_not_there_ends_in_a_sentence(
    folder: Path, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for address, told in (
        (f"{bucket}/none", "no shards of motions are here"),
        ("s3://nobody-has-this/shards", "no shards of motions are here|cannot be reached"),
    ):
        assert main(["correct", address, "-o", "fixed"]) == 2
        assert re.fullmatch(f"selfcorrect: {address}: ({told}).*\n", capsys.readouterr().err)
    shard()
    assert main(["correct", "shards", "-o", "s3://nobody-has-this/fixed", "--kinematic"]) == 2
    assert "selfcorrect: s3://nobody-has-this/fixed/.ledger: cannot be written to" in capsys.readouterr().err


@pytest.mark.slow
def test_a_server_that_does_not_answer_ends_in_a_sentence(
    folder: Path, bucket: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert main(["correct", f"{bucket}/shards", "-o", "fixed"]) == 2
    assert f"{bucket}/shards: cannot be reached" in capsys.readouterr().err


def test_without_the_extra_a_sentence_names_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.setattr(sys.modules["fsspec.registry"], "registry", {})
    assert main(["correct", "s3://motions/shards"]) == 2
    assert "s3://motions/shards needs the extra `remote`" in capsys.readouterr().err


def test_damaged_and_unfinished_sets_are_told_of_and_the_rest_goes_on(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shard()
    damaged = folder / "shards" / "shard-00000-001.parquet"
    sound = damaged.read_bytes()
    damaged.write_bytes(sound[:-100])
    assert main(["verify", "shards"]) == 1
    capsys.readouterr()
    assert main(["correct", "shards", "-o", "fixed", "--kinematic"]) == 2
    told = capsys.readouterr().err
    assert "1 of 3 shards could not be read; the first: shards/shard-00000-001.parquet: is not what was written" in told
    assert not (folder / "fixed" / MANIFEST).exists()
    assert main(["correct", "fixed", "-o", "again", "--kinematic"]) == 2
    assert "the set of shards is not finished" in capsys.readouterr().err

    damaged.write_bytes(sound)
    assert main(["correct", "shards", "-o", "fixed", "--kinematic"]) == 1
    assert "2 of 3 shards are finished already" in capsys.readouterr().out
    assert main(["correct", "shards", "-o", "whole", "--kinematic"]) == 1
    assert contents("fixed") == contents("whole")
    assert main(["verify", "whole"]) == 0


def test_one_motion_that_breaks_a_corrector_leaves_the_others_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shard("--motions-per-shard", "100")
    sound = KinematicCorrector()

    def breaking(motions: Sequence[Motion]) -> list[CorrectedMotion]:
        if any(Path(motion.source).name == "1.bvh" for motion in motions):
            raise ZeroDivisionError("of a corrector")
        corrections = sound(motions)
        return [
            replace(each, motion=replace(each.motion, root_m=each.motion.root_m + np.nan))
            if Path(each.motion.source).name == "2.bvh"
            else each
            for each in corrections
        ]

    monkeypatch.setattr(CorrectionOptions, "corrector", lambda settings: breaking)
    assert main(["correct", "shards", "-o", "broken", "--kinematic"]) == 1
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert main(["correct", "shards", "-o", "whole", "--kinematic"]) == 1
    failures = {row["name"]: row for row in pq.read_table("broken/failures.parquet").to_pylist()}
    assert set(failures) == {"short.bvh", "walks/1.bvh", "walks/2.bvh"}
    assert "of a corrector" in failures["walks/1.bvh"]["reason"]
    assert "is not finite in frame 0" in failures["walks/2.bvh"]["reason"]
    left = {entry.name: entry.motion.root_m.tobytes() for entry in entries("broken")}
    assert left == {entry.name: entry.motion.root_m.tobytes() for entry in entries("whole") if entry.name in left}
    assert len(left) == MOTIONS - 3


def test_shards_become_files_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shard()
    assert main(["data", "convert", "shards", "--out", "files"]) == 0
    files = {path.relative_to("files").as_posix() for path in Path("files").rglob("*") if path.is_file()}
    assert files == {f"{Path(entry.name).with_suffix('.bvh')}" for entry in entries("shards")}
    given = {f"{Path(entry.name).with_suffix('.bvh')}": entry.motion for entry in entries("shards")}
    for name in files - {"short.bvh"}:
        again = open_motion(Path("files") / name, any_body=True).motion
        np.testing.assert_allclose(joint_positions(again), joint_positions(given[name]), atol=1e-5)
    capsys.readouterr()
    assert main(["data", "convert", "shards", "--out", "files"]) == 2
    assert "exists; choose another place with --out, or say --overwrite" in capsys.readouterr().err


@pytest.mark.parametrize("name", [b"a\nb.bvh", b"a\x1b[2Jb.bvh", b"caf\xe9.bvh"])
def test_a_name_that_no_file_could_get_back_is_told_and_left_out(
    folder: Path, name: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    os.rename(folder / "clips" / "walks" / "1.bvh", os.path.join(os.fsencode(folder), b"clips", name))
    capsys.readouterr()
    assert main(["data", "shard", str(folder / "clips"), "-o", "shards"]) == 2
    told = capsys.readouterr()
    assert "cannot be the name of a file in a set of shards; rename it" in told.out + told.err
    assert len(entries("shards")) == MOTIONS - 1
    assert main(["data", "convert", "shards", "--out", "back"]) == 0


def test_a_name_in_a_shard_leads_nowhere_else(folder: Path, walk: Motion, capsys: pytest.CaptureFixture[str]) -> None:
    out = LocalPlace(folder / "evil")
    write_manifest(out, put_shards(out, 0, [Entry("../../evil", walk)], Sizes()))
    assert main(["data", "convert", "evil", "--out", "files"]) == 2
    assert "leads out of this folder" in capsys.readouterr().err
    assert not (folder.parent / "evil.bvh").exists()


def test_a_damaged_shard_is_merged_once_it_is_repaired(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shard()
    damaged = folder / "shards" / "shard-00000-001.parquet"
    sound = damaged.read_bytes()
    damaged.write_bytes(sound[:-1])
    assert main(["data", "merge", "shards", "-o", "merged"]) == 2
    assert len(entries("merged")) == MOTIONS - 3
    damaged.write_bytes(sound)
    assert main(["data", "merge", "shards", "-o", "merged"]) == 0
    assert {entry.name for entry in entries("merged")} == {entry.name for entry in entries("shards")}


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(folder: Path) -> None:
    shard("--motions-per-shard", "1")
    command = [sys.executable, "-m", "selfcorrect.experiments.cli", "correct", "shards", "--kinematic", "-o"]
    subprocess.run([*command, "whole"], capture_output=True, check=False)
    killed_at_sync(8, [*command, "killed", "--workers", "2"], folder / "halting", folder)
    finished = [len(os.listdir(folder / name / ".ledger")) for name in ("killed", "whole")]
    assert 0 < finished[0] < finished[1]
    subprocess.run([*command, "killed"], capture_output=True, check=False)
    assert contents("killed") == contents("whole")


def test_shards_are_a_dataset(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shard()
    motions = load_motions("shards")
    assert len(motions) == MOTIONS
    assert {motion.label for motion in motions} == {"walks", "walk", "short"}  # glTF files name theirs
    capsys.readouterr()
    assert main(["data", "check", "shards"]) == 0
    assert f"{MOTIONS} motions" in capsys.readouterr().out
