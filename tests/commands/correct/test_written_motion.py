"""What was written is what is judged: the written file is read again, compared and checked."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import Says, report_of
from turned_joints import shift

import selfcorrect as sc
from selfcorrect.commands.correct import correct_file as module
from selfcorrect.commands.correct import in_python
from selfcorrect.datasets.files.motion_file import MotionFile
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.datasets.files.people.humanml3d import write_rows
from selfcorrect.motion.editing.transforms import close_cycle, repeat_cycle
from selfcorrect.motion.measures.slip import measure_slip
from selfcorrect.motion.motion import Motion

Spoil = Callable[[Motion], Motion]


def teleport(motion: Motion) -> Motion:
    """Jump in the last third, as if a file had another unit or a lost digit."""
    away_m = np.where(np.arange(len(motion)) > 2 * len(motion) // 3, 0.4, 0.0)
    return shift(motion, np.outer(away_m, (1.0, 0.0, 0.0)))


def spoil_writer(monkeypatch: pytest.MonkeyPatch, spoil: Spoil) -> None:
    """Make all files write other motions than they are given."""
    opened = module.open_input

    def open_spoiled(*arguments: object) -> MotionFile:
        file = opened(*arguments)  # type: ignore[arg-type]
        return replace(file, write=lambda path, *motions: file.write(path, *map(spoil, motions)))

    monkeypatch.setattr(module, "open_input", open_spoiled)
    monkeypatch.setattr(in_python, "open_input", open_spoiled)


@pytest.mark.parametrize("suffix", [".bvh", ".glb", ".npz", ".parquet"])
def test_wrong_file_is_not_put_in_place(
    tmp_path: Path, walk: Motion, suffix: str, monkeypatch: pytest.MonkeyPatch, says: Says
) -> None:
    save_motion(tmp_path / f"walk{suffix}", walk)
    spoil_writer(monkeypatch, teleport)
    command = ("correct", tmp_path / f"walk{suffix}", "-o", tmp_path / "out", "--kinematic")
    printed = says(*command, code=1)
    assert "the written file was discarded, because it reads as another motion" in printed
    assert not (tmp_path / "out" / f"walk{suffix}").exists()
    assert "0.400 m off in frame" in report_of(tmp_path / "out")[f"walk{suffix}"]["reason"]
    says(*command, "--no-verify")
    assert (tmp_path / "out" / f"walk{suffix}").exists()


def test_rows_that_place_the_body_are_accepted(tmp_path: Path, walk: Motion) -> None:
    """HumanML3D's rows put the lowest joint on the floor, wherever it was."""
    write_rows(tmp_path / "rows.npy", shift(walk, np.tile((0.0, 0.05, 0.0), (len(walk), 1))))
    (result,) = sc.correct_files(tmp_path / "rows.npy", tmp_path / "out", kinematic=True)
    assert result.verdict == "accepted", result.reason


def test_existing_file_survives_wrong_writer(tmp_path: Path, walk: Motion, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "walk.bvh", tmp_path / "fixed.bvh"
    save_motion(source, walk)
    assert sc.correct_file(source, target, kinematic=True).accepted
    before = target.read_bytes()
    spoil_writer(monkeypatch, lambda motion: motion.frames(0, len(motion) - 1))
    correction = sc.correct_file(source, target, kinematic=True, overwrite=True)
    assert not correction.accepted
    assert "reads as 38 frames of" in correction.reason
    assert target.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {source.name, target.name}


def test_unreadable_file_is_not_put_in_place(tmp_path: Path, walk: Motion, monkeypatch: pytest.MonkeyPatch) -> None:
    save_motion(tmp_path / "walk.bvh", walk)
    opened = module.open_input

    def open_broken(*arguments: object) -> MotionFile:
        file = opened(*arguments)  # type: ignore[arg-type]
        return replace(file, write=lambda path, *_: path.write_text("HIERARCHY\n"))

    monkeypatch.setattr(module, "open_input", open_broken)
    (result,) = sc.correct_files(tmp_path / "walk.bvh", tmp_path / "out", kinematic=True)
    assert result.verdict == "rejected"
    assert "cannot be read again" in result.reason
    assert not (tmp_path / "out" / "walk.bvh").exists()


def slide(motion: Motion, speed_m_s: float = 0.5) -> Motion:
    return shift(motion, np.outer(np.arange(len(motion)) / motion.fps, (speed_m_s, 0.0, 0.0)))


@pytest.mark.parametrize("spoil", [teleport, slide, lambda motion: motion])
def test_findings_are_those_of_check(tmp_path: Path, walk: Motion, says: Says, spoil: Spoil) -> None:
    """Each finding of `check` in a written file is named by `correct`, and faults give exit code 1."""
    save_motion(tmp_path / "walk.bvh", spoil(repeat_cycle(close_cycle(walk), 3)))
    out = tmp_path / "out"
    options = ("--kinematic", "--keep", "path")
    (result,) = sc.correct_files(tmp_path / "walk.bvh", out, kinematic=True, keep=("path",))
    entry = report_of(out)["walk.bvh"]
    code = int(bool(entry["faults_left"] or entry["worse"]))
    printed = says("correct", tmp_path / "walk.bvh", "-o", tmp_path / "again", *options, code=code)
    checked = says("check --format json", out / "walk.bvh", code=int(bool(entry["findings_left"])))
    ((findings,),) = [file["motions"] for file in json.loads(checked)]
    assert [(finding["code"], finding["start"], finding["stop"]) for finding in entry["findings_left"]] == [
        (finding["code"], finding["start"], finding["stop"]) for finding in findings
    ]
    for finding in entry["findings_left"]:
        assert finding["reason"] or finding["name"].replace("-", " ") in printed
    assert result.content.checked.findings_left == entry["findings_left"]


def test_figures_are_those_of_the_file(tmp_path: Path, walk: Motion) -> None:
    save_motion(tmp_path / "walk.npy", slide(walk, speed_m_s=0.4))
    (result,) = sc.correct_files(tmp_path / "walk.npy", tmp_path / "out", kinematic=True)
    given, written = (open_motion(folder / "walk.npy").motion for folder in (tmp_path, tmp_path / "out"))
    assert result.figures.before["slip_m"] == measure_slip(given).per_stance_m
    assert result.figures.after["slip_m"] == measure_slip(written).per_stance_m
    off_m = np.linalg.norm(sc.joint_positions(written) - sc.joint_positions(given), axis=-1)
    assert result.figures.body.moved_m == pytest.approx(off_m.mean(), rel=1e-6)
    assert result.figures.joints.furthest_m == pytest.approx(off_m.max(), rel=1e-6)
