"""Damaged result folders are found, file by file, and what cannot be checked is named."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import Says
from made_motions import made_motion
from robustness.damage import examples

from selfcorrect.commands.cli import main
from selfcorrect.commands.correct.file_result import FileResult, FileState
from selfcorrect.commands.verification import verify
from selfcorrect.datasets.files.open import save_motion
from selfcorrect.experiments.studies.summary import Summary, write_summary
from selfcorrect.loop.store.folder_store import FolderStore
from selfcorrect.loop.store.protocol import Generation
from selfcorrect.loop.store.tracking import write_json_lines
from selfcorrect.storage.files.digests import SUMS, compute_file_digest, encode_with_digest, write_listing
from selfcorrect.storage.files.locks import LOCK


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """Make a run with two generations, references and a corrected motion."""
    with FolderStore(tmp_path / "run" / "arm", {}) as store:
        for number in range(2):
            store.commit(Generation(number, {"weight": torch.ones(3)}, None, {"mean": 0.5}, {"train": 1.0}))
    (tmp_path / "run" / "real").mkdir()
    (tmp_path / "run" / "real" / "references.json").write_bytes(encode_with_digest({"real": {"fid": 1.0}}))
    (tmp_path / "run" / "out").mkdir()
    (tmp_path / "run" / "out" / "a.bvh").write_text("HIERARCHY")
    digest = compute_file_digest(tmp_path / "run" / "out" / "a.bvh")
    FileResult("a.bvh", "a.bvh", "accepted", output="corrected", state=FileState("key", output_hash=digest)).save(
        tmp_path / "run" / "out" / ".records" / "a.bvh.json"
    )
    return tmp_path / "run"


def test_sound_folder_and_json(sound: Path, says: Says) -> None:
    line = "16 files looked at (2 generations, 1 corrected motions); none of them damaged"
    assert says("verify", sound) == f"{line}\n"
    assert json.loads(says("verify --json", sound))["damage"] == []
    (sound / "out" / "a.bvh").write_text("hierarchy")
    (damage,) = json.loads(says("verify --json", sound, code=1))["damage"]
    assert "a.bvh" in damage


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make small outputs of runs, `correct` and `data shard`."""
    folder = tmp_path_factory.mktemp("everything")
    _run(folder / "run")
    save_motion(folder / "in" / "a.bvh", made_motion("idle", frames=6))
    shutil.copy(folder / "in" / "a.bvh", folder / "in" / "b.bvh")
    assert main(["correct", str(folder / "in"), "-o", str(folder / "out"), "--kinematic", "-q"]) == 0
    assert main(["data", "shard", str(folder / "in"), "-o", str(folder / "set")]) == 0
    corrected = ["correct", str(folder / "set"), "-o", str(folder / "corrected set"), "--kinematic", "--keep-failed"]
    assert main(corrected) == 0
    return folder


def _run(folder: Path) -> None:
    """Write a run with its report.

    Generation 0 is in its own folder, and each of two arms has two more.
    """
    with FolderStore(folder / "first", {"arm": "first"}) as first, FolderStore(folder / "arm", {"arm": "x"}) as arm:
        first.commit(Generation(0, {"weight": torch.ones(3)}, None, {"mean": 0.5}, {"train": 1.0}))
        for number in (1, 2):
            generation = Generation(number, {"weight": torch.ones(3)}, None, {"mean": float("nan")}, {"train": 1.0})
            arm.commit(generation)
    write_json_lines(folder / "metrics.jsonl", [{"arm": "x", "generation": 0, "mean": 0.5}])
    (folder / "report.html").write_text("<html></html>")
    (folder / "samples").mkdir()
    (folder / "samples" / "a.mp4").write_bytes(b"film")
    write_listing(folder, [folder / name for name in ("metrics.jsonl", "report.html", "samples/a.mp4")])
    write_summary(folder / "summary.json", Summary("again", {}, {"seeds": 1}, {}, {"real": {"fid": np.ones(1)}}))
    (folder / "wandb" / "offline").mkdir(parents=True)
    (folder / "wandb" / "offline" / "a.wandb").write_bytes(b"w")
    (folder / "wandb" / "b").write_bytes(b"w")


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != LOCK)


@pytest.mark.slow
def test_every_output_is_checked_or_named(everything: Path) -> None:
    verification = verify(everything)
    assert not verification.damage
    assert {name.rpartition("/")[0] for name in verification.unread} == {"in", "run/wandb", "run/wandb/offline"}
    assert verification.counts == {"generations": 3, "corrected motions": 3, "shards": 1}
    assert verification.files + 4 == sum(1 for _ in _files(everything))


def test_wandb_is_one_line(tmp_path: Path) -> None:
    _run(tmp_path)
    (tmp_path / "mine.txt").write_text("x")
    lines = verify(tmp_path).summary.splitlines()
    assert lines[-2:] == ["  mine.txt", "  wandb/ (2 files of W&B)"]


@pytest.mark.slow
def test_flipped_bit_is_detected(everything: Path, tmp_path: Path) -> None:
    shutil.copytree(everything, tmp_path / "all")
    random = np.random.default_rng(0)
    for path in _files(tmp_path / "all"):
        data = path.read_bytes()
        for bit in random.integers(8 * len(data), size=examples(3)):
            damaged = bytearray(data)
            damaged[bit // 8] ^= 1 << bit % 8
            path.write_bytes(damaged)
            part = _part(tmp_path / "all", path)
            verification = verify(part)
            named = any(_is_named(path, line) for line in verification.damage)
            assert named or path.relative_to(part).as_posix() in verification.unread, (path, bit)
        path.write_bytes(data)
    assert not verify(tmp_path / "all").damage


def _is_named(path: Path, line: str) -> bool:
    """Return whether a line names the damaged file; a damaged list of digests shows in the files that it names."""
    return str(path.parent if path.name == SUMS else path) in line


def _part(folder: Path, path: Path) -> Path:
    """Return the only part of the fixture that can name a file."""
    part = folder / path.relative_to(folder).parts[0]
    return folder if part.name == "in" else part


@pytest.mark.parametrize("name", ["run/metrics.jsonl", "run/samples/a.mp4", "out/a.bvh", "set/SHA256SUMS"])
def test_missing_file_is_detected(everything: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(everything, tmp_path / "all")
    path = tmp_path / "all" / name
    path.write_bytes(path.read_bytes()[:-3])
    assert any(_is_named(path, line) for line in verify(tmp_path / "all").damage)
    path.unlink()
    if path.name != SUMS:
        assert f"{path} is missing" in verify(tmp_path / "all").damage


def test_foreign_files_are_not_damaged(everything: Path, tmp_path: Path) -> None:
    shutil.copytree(everything / "out", tmp_path / "out")
    (tmp_path / "out" / "mine.json").write_text("{")
    (tmp_path / "out" / "lock.json").write_text('{"sha256": "of a download", "name": 3}')
    os.mkfifo(tmp_path / "out" / "pipe.json")
    (tmp_path / "out" / "gone").symlink_to("nowhere")
    verification = verify(tmp_path / "out")
    assert not verification.damage
    assert set(verification.unread) == {"mine.json", "lock.json", "pipe.json", "gone"}
