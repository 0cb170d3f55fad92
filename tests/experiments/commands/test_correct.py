"""`selfcorrect correct`: files and folders in, the same kind of files out, nothing lost, nothing half done."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import bvhio
import imageio.v3 as imageio
import numpy as np
import pymotion.io.bvh as pymotion
import pytest
from pymotion.ops.skeleton import fk as pymotion_kinematics
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.files.bvh import read_bvh, write_bvh
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.errors import WorkerError
from selfcorrect.experiments.cli import main
from selfcorrect.experiments.commands.correct import strength_of
from selfcorrect.experiments.correction import batch, correct_file
from selfcorrect.experiments.correction.correct_file import Settings
from selfcorrect.experiments.jobs import Job, jobs_error
from selfcorrect.experiments.progress_bars import silent
from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.correction.pieces import correct_long
from selfcorrect.motion.correction.results import CorrectedMotion
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.transforms import retime
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector

KINEMATIC = ["--kinematic"]


@pytest.fixture
def stepping() -> Motion:
    """A body that steps in place for a second and a half, sunk into the floor by 6 cm."""
    frames = np.linspace(0, 3 * np.pi, 45)
    rotations = np.tile([0.0, 0, 0, 1], (45, 22, 1))
    for side, phase in ((1, 0), (2, np.pi)):
        swing = np.maximum(np.sin(frames + phase), 0)[:, None]
        rotations[:, side] = Rotation.from_euler("x", -0.4 * swing).as_quat()
        rotations[:, side + 3] = Rotation.from_euler("x", 0.8 * swing).as_quat()
    skeleton = SMPL_BODY.average()
    height_m = 0.025 - skeleton.offsets_m[[1, 4, 7, 10], 1].sum() - 0.06
    return Motion(skeleton, np.tile([0.0, height_m, 0.0], (45, 1)), rotations, 30.0)


@pytest.fixture
def folder(stepping: Motion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `clips` in it: one file of each format, one of them below another folder."""
    monkeypatch.chdir(tmp_path)
    for name, kind in (("steps.bvh", "bvh"), ("deep/steps.npz", "amass"), ("rows.npy", "humanml3d"),
                       ("deep/joints.npy", "joints")):  # fmt: skip
        save_motion(tmp_path / "clips" / name, stepping, kind)
    np.save(tmp_path / "clips" / "Mean.npy", np.zeros(263))
    return tmp_path


def report_of(out: Path) -> dict[str, dict]:
    """The report's motions by name."""
    return {motion["name"]: motion for motion in json.loads((out / "report.json").read_text())["motions"]}


def test_scenes_are_told_on_the_command_line(folder):
    assert main(["correct", "clips/steps.bvh", "-o", "plain", "--raw"]) == 0
    assert main(["correct", "clips/steps.bvh", "-o", "laden", "--scene.load-kg", "30", "--scene.slope-deg", "5"]) == 0
    plain, laden = (sum(_loads(folder / name)) for name in ("plain", "laden"))
    assert laden > plain + 0.2
    assert json.loads((folder / "laden" / "report.json").read_text())["settings"]["scene"]["load_kg"] == 30.0


def _loads(out: Path) -> list[float]:
    """What each contact of the one motion bore on average, by how long it lasted."""
    motion = report_of(out)["steps.bvh"]
    return [
        contact["load_bodyweights"] * (contact["last_frame"] - contact["first_frame"] + 1) / motion["frames"]
        for contact in motion["contacts"]
    ]


def test_bodies_without_help_get_none(folder):
    pytest.importorskip("mujoco")
    assert main(["correct", "clips/steps.bvh", "-o", "alone", "--strength", "unaided", "--engine", "mujoco"]) == 0
    told = report_of(folder / "alone")["steps.bvh"]
    assert told["help"]["residual_force_bodyweights"] == told["help"]["residual_torque_nm"] == 0.0
    assert not any(told["over_time"]["residual_force_bodyweights"])
    assert told["verdict"] == "accepted"
    assert json.loads((folder / "alone" / "report.json").read_text())["settings"]["unaided"] is True


def test_bodies_without_help_need_an_engine_that_gives_way(folder, capsys):
    assert main(["correct", "clips/steps.bvh", "--strength", "unaided"]) == 2
    assert "unaided needs an engine whose joints give way (mujoco), got pybullet" in capsys.readouterr().err


def test_a_scene_needs_a_simulation(folder, capsys):
    assert main(["correct", "clips/steps.bvh", "--kinematic", "--scene.load-kg", "3"]) == 2
    assert "a scene needs a simulation" in capsys.readouterr().err


def bytes_of(out: Path) -> dict[str, bytes]:
    """All files but the lock, with their contents."""
    files = [path for path in out.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def test_every_format_comes_back_as_itself(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = bytes_of(folder / "clips")
    assert main(["correct", "clips", *KINEMATIC]) == 0
    assert bytes_of(folder / "clips") == before
    told = capsys.readouterr().out
    for name in ("steps.bvh", "deep/steps.npz", "rows.npy", "deep/joints.npy"):
        old, new = (open_motion(folder / each / name).motion for each in ("clips", "corrected"))
        assert (len(new), new.fps, new.skeleton.names) == (len(old), old.fps, old.skeleton.names)
        assert re.search(rf"^{re.escape(name)} .*→", told, re.MULTILINE)
    assert "4 of 4 motions corrected → corrected" in told
    np.testing.assert_allclose(new.skeleton.offsets_m, old.skeleton.offsets_m, atol=0.01)


def test_the_report_says_what_was_removed_and_how_far_it_moved(folder: Path) -> None:
    assert main(["correct", "clips/steps.bvh", "-o", "out", "--strength", "faithful"]) == 0
    motion = report_of(folder / "out")["steps.bvh"]
    assert (motion["verdict"], motion["output"], motion["frames"], motion["fps"]) == ("accepted", "corrected", 45, 30.0)
    assert motion["before"]["penetration_m"] == pytest.approx(0.065, abs=0.005)
    assert motion["after"]["penetration_m"] < 0.1 * motion["before"]["penetration_m"]
    assert set(motion["after"]) == {"penetration_m", "floating_m", "skate_m_s", "jerk_m_s3"}
    assert motion["notes"][0] == "unit of length taken as 0.01 m"
    assert motion["help"]["residual_force_bodyweights"] > 0
    assert {contact["part"] for contact in motion["contacts"]} == {"left foot", "right foot"}
    assert all(0.05 < contact["load_bodyweights"] < 3 for contact in motion["contacts"])
    force = motion["over_time"]["residual_force_bodyweights"]
    assert (len(force), len(motion["over_time"]["residual_torque_nm"])) == (45, 45)
    assert np.mean(force[1:]) == pytest.approx(motion["help"]["residual_force_bodyweights"], abs=2e-3)
    assert 60 < motion["mass_kg"] < 80
    old, new = (read_bvh(folder / place / "steps.bvh").motion for place in ("clips", "out"))
    moved_m = np.linalg.norm(joint_positions(new) - joint_positions(old), axis=-1)
    assert motion["moved_m"] == pytest.approx(moved_m.mean(), abs=1e-5)
    assert list(motion["moved_by_joint_m"].values()) == pytest.approx(moved_m.mean(axis=0), abs=1e-5)
    frame, joint = np.unravel_index(moved_m.argmax(), moved_m.shape)
    assert motion["furthest_m"] == pytest.approx(moved_m[frame, joint], abs=1e-5)
    assert motion["furthest_joint"] == new.skeleton.names[joint]
    settings = json.loads((folder / "out" / "report.json").read_text())["settings"]
    assert settings["strength"] == 0.0


def test_a_body_weighs_what_the_user_says_else_what_its_shape_does(folder: Path) -> None:
    assert [Settings(0.7, mass_kg).corrector(101.0).tracker.body.mass_kg for mass_kg in (60.0, None)] == [60.0, 101.0]
    assert main(["correct", "clips/steps.bvh", "--mass-kg", "50"]) == 0
    assert report_of(folder / "corrected")["steps.bvh"]["mass_kg"] == 50


def joints_by_bvhio(path: Path, frames: list[int], names: tuple[str, ...]) -> np.ndarray:
    """World positions (frames, joints, 3) in the file's unit, as one independent reader of BVH finds them."""
    root, found = bvhio.readAsHierarchy(str(path)), []
    for frame in frames:
        root.loadPose(frame)
        places = {joint.Name: np.array(joint.PositionWorld) for joint, *_ in root.layout()}
        found.append([places[name] for name in names])
    return np.array(found)


def joints_by_pymotion(path: Path, frames: list[int], names: tuple[str, ...]) -> np.ndarray:
    """The same as another independent reader finds them."""
    clip = pymotion.BVH()
    clip.load(str(path))
    rotations, positions, parents, offsets, _, _ = clip.get_data()
    joints, _ = pymotion_kinematics(rotations[frames], positions[frames, 0], offsets, parents)
    return joints[:, [clip.data["names"].tolist().index(name) for name in names]]


def test_what_carries_a_body_is_reported_and_chosen(
    folder: Path, stepping: Motion, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half of the time one storey up: a step by default, nothing but the floor, or a height that is left alone."""
    high = np.linspace(-3, 3, 90)[:, None].clip(0, 1) * [0.0, 0.3, 0.0]
    rotations = np.concatenate([stepping.rotations, stepping.rotations])
    root_m = np.concatenate([stepping.root_m, stepping.root_m]) + high
    save_motion(folder / "up.bvh", replace(stepping, root_m=root_m, rotations=rotations), "bvh")
    told = {}
    for choice in ("infer", "floor", "off"):
        assert main(["correct", "up.bvh", "-o", choice, *KINEMATIC, "--support", choice]) == 0
        told[choice] = capsys.readouterr().out
    reports = {choice: report_of(folder / choice)["up.bvh"] for choice in told}
    supports = reports["infer"]["supports"]
    assert {support["part"] for support in supports} == {"left foot", "right foot"}
    assert [support["top_m"][1] for support in supports] == pytest.approx([0.3] * len(supports), abs=0.03)
    assert "on steps, seats or the like (1): up.bvh" in told["infer"]
    assert "moved by up to" not in told["infer"]
    assert reports["floor"]["supports"] == reports["off"]["supports"] == []
    assert "height left alone" in reports["off"]["notes"]
    assert reports["off"]["moved_m"] < reports["infer"]["moved_m"]


def test_what_is_moved_far_is_named_with_the_reason(
    folder: Path, stepping: Motion, capsys: pytest.CaptureFixture[str]
) -> None:
    raised = replace(stepping, root_m=stepping.root_m + np.array([0.0, 0.6, 0.0]))
    save_motion(folder / "raised.bvh", raised, "bvh")
    assert main(["correct", "raised.bvh", "-o", "down", *KINEMATIC]) == 0
    told = capsys.readouterr().out
    assert re.search(r"^raised\.bvh: moved by up to 0\.[56]\d m: it is put on the floor$", told, re.M)
    assert report_of(folder / "down")["raised.bvh"]["moved_because"].startswith("moved by up to")


@pytest.mark.parametrize("joints_by", [joints_by_bvhio, joints_by_pymotion])
@pytest.mark.parametrize("name", ["test/03_01.bvh", "train/01_01.bvh"])
def test_real_clips_of_both_cmu_skeletons(
    name: str, joints_by: Callable[[Path, list[int], tuple[str, ...]], np.ndarray], cmu: Path, tmp_path: Path
) -> None:
    """What is written has the input's skeleton, channels and frame rate; other readers find the same joints."""
    clip = read_bvh(cmu / name)
    stretches_m = {joint: track_m[:60] for joint, track_m in clip.stretches_m.items()}
    write_bvh(tmp_path / "cut.bvh", replace(clip, motion=clip.motion.frames(0, 60), stretches_m=stretches_m))
    assert main(["correct", str(tmp_path / "cut.bvh"), "-o", str(tmp_path / "out")]) == 0
    old, new = read_bvh(tmp_path / "cut.bvh"), read_bvh(tmp_path / "out" / "cut.bvh")
    assert (new.channels, new.end_sites, new.motion.fps) == (old.channels, old.end_sites, old.motion.fps)
    assert new.motion.skeleton.names == old.motion.skeleton.names
    np.testing.assert_allclose(new.offsets, old.offsets, atol=1e-6)
    frames, names = [0, 30, 59], new.motion.skeleton.names
    jointed = [joint for joint in range(len(names)) if joint not in new.end_sites]
    read_m = new.metres_per_unit * joints_by(tmp_path / "out" / "cut.bvh", frames, tuple(names[j] for j in jointed))
    np.testing.assert_allclose(read_m, joint_positions(new.motion)[frames][:, jointed], atol=2e-5)
    motion = report_of(tmp_path / "out")["cut.bvh"]
    assert motion["after"]["penetration_m"] <= motion["before"]["penetration_m"]
    assert 0 < motion["moved_m"] < 0.05


def test_the_other_engine_is_an_option(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    pytest.importorskip("mujoco")
    for engine in ("pybullet", "mujoco"):
        assert main(["correct", "clips/steps.bvh", "-o", engine, "--engine", engine]) == 0
        assert report_of(folder / engine)["steps.bvh"]["after"]["penetration_m"] < 0.005
    contents = [(folder / engine / "steps.bvh").read_bytes() for engine in ("pybullet", "mujoco")]
    assert contents[0] != contents[1]
    monkeypatch.setitem(sys.modules, "mujoco", None)
    monkeypatch.delitem(sys.modules, "selfcorrect.simulators.engines.mujoco_world", raising=False)
    assert main(["correct", "clips/steps.bvh", "-o", "no", "--engine", "mujoco"]) == 2
    assert "pip install 'selfcorrect[mujoco]'" in capsys.readouterr().err


def test_a_second_run_does_what_is_missing_only(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "corrected"
    command = ["correct", "clips", *KINEMATIC]
    assert main(command) == 0
    first, times = bytes_of(out), {path: path.stat().st_mtime_ns for path in out.rglob("*.bvh")}
    (out / "deep" / "steps.npz").unlink()
    (out / "rows.npy").write_bytes(b"half of a fi")
    capsys.readouterr()
    assert main(command) == 0
    assert "2 of 4 motions are finished already with these settings" in capsys.readouterr().out
    assert set(bytes_of(out)) == set(first)
    for name in ("rows.npy", "steps.bvh", "report.json"):
        assert bytes_of(out)[name] == first[name]
    assert times == {path: path.stat().st_mtime_ns for path in out.rglob("*.bvh")}


@pytest.mark.parametrize("change", ["settings", "input"])
def test_what_was_made_otherwise_is_made_again(folder: Path, stepping: Motion, change: str) -> None:
    assert main(["correct", "clips/steps.bvh", *KINEMATIC]) == 0
    first = (folder / "corrected" / "steps.bvh").read_bytes()
    if change == "input":
        save_motion(folder / "clips" / "steps.bvh", stepping.frames(0, 30))
    command = ["correct", "clips/steps.bvh", *(KINEMATIC if change == "input" else [])]
    assert main(command) == 0
    assert (folder / "corrected" / "steps.bvh").read_bytes() != first


@pytest.mark.slow
def test_results_do_not_depend_on_workers(folder: Path) -> None:
    names = ["clips/steps.bvh", "clips/deep/joints.npy"]
    assert main(["correct", *names, "-o", "one"]) == 0
    assert main(["correct", *names, "-o", "two", "--workers", "2"]) == 0
    assert bytes_of(folder / "one") == bytes_of(folder / "two")


@pytest.mark.parametrize("engine", ["pybullet", "mujoco"])
def test_files_that_are_corrected_together_have_the_bytes_of_each_alone(
    folder: Path, stepping: Motion, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other lengths, another body, another frame rate, other formats, one that is rejected, one that is no motion."""
    pytest.importorskip(engine)
    tall = replace(stepping.skeleton, offsets_m=1.1 * stepping.skeleton.offsets_m)
    thrown_m = np.linspace(0, 9, 45)[:, None] ** 2 * [0.0, 1.0, 0.0]
    for name, motion in {
        "short": stepping.frames(3, 30),
        "tall": replace(stepping, skeleton=tall, root_m=1.1 * stepping.root_m),
        "slow": replace(stepping, fps=24.0),
        "thrown": replace(stepping, root_m=stepping.root_m + thrown_m),
    }.items():
        save_motion(folder / "clips" / f"{name}.bvh", motion)
    (folder / "clips" / "torn.bvh").write_text("HIERARCHY")
    options = ["--engine", engine, "--metres-per-unit", "0.01"]
    assert main(["correct", "clips", "-o", "together", *options]) == 1
    verdicts = {name: told["verdict"] for name, told in report_of(folder / "together").items()}
    assert (verdicts.pop("thrown.bvh"), verdicts.pop("torn.bvh")) == ("rejected", "failed")
    assert list(verdicts.values()) == ["accepted"] * 7
    monkeypatch.setattr(batch, "FILES_TOGETHER", 1)
    assert main(["correct", "clips", "-o", "alone", *options]) == 1
    assert bytes_of(folder / "together") == bytes_of(folder / "alone")


def test_a_motion_that_breaks_the_corrector_does_not_end_the_others(
    folder: Path, stepping: Motion, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def corrector(motions: Sequence[Motion]) -> list[CorrectedMotion]:
        seen.append(len(motions))
        if any(len(motion) == 33 for motion in motions):
            raise FloatingPointError("cannot work on 33 frames")
        return KinematicCorrector()(motions)

    save_motion(folder / "clips" / "odd.bvh", stepping.frames(0, 33))
    monkeypatch.setattr(Settings, "corrector", lambda self, shape_kg=None: corrector)
    assert main(["correct", "clips"]) == 1
    told = report_of(folder / "corrected")
    assert [name for name, motion in told.items() if motion["verdict"] == "accepted"] == [
        "deep/joints.npy", "deep/steps.npz", "rows.npy", "steps.bvh"]  # fmt: skip
    assert re.search("odd.bvh: .*cannot work on 33 frames", told["odd.bvh"]["reason"])
    assert seen == [5, 1, 1, 1, 1, 1]


def test_no_more_files_are_together_than_memory_is_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together: list[int] = []

    def corrector(motions: Sequence[Motion]) -> list[CorrectedMotion]:
        together.append(len(motions))
        return KinematicCorrector()(motions)

    monkeypatch.setattr(Settings, "corrector", lambda self, shape_kg=None: corrector)
    for frames, files, expected in ((100, 32, [2, 2]), (10, 32, [1, 1, 1, 1]), (1000, 3, [3, 1])):
        monkeypatch.setattr(correct_file, "FRAMES_TOGETHER", frames)
        monkeypatch.setattr(batch, "FILES_TOGETHER", files)
        assert main(["correct", "clips", "-o", f"out{files}-{frames}"]) == 0
        assert together == expected
        together.clear()


def test_a_file_that_kills_its_worker_takes_no_other_with_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a cluster does with jobs whose workers die again and again, acted."""

    def run_jobs(jobs: Sequence[Job], *_: object, **__: object) -> None:
        failed = {}
        for job in jobs:
            if any(task.name == "rows.npy" for task in job.arguments[0]):
                failed[job.name] = WorkerError("a worker process died")
            else:
                job.function(*job.arguments, silent)
        if failed:
            raise jobs_error(failed, len(jobs), 3)

    monkeypatch.setattr(batch, "run_jobs", run_jobs)
    assert main(["correct", "clips", *KINEMATIC]) == 1
    told = report_of(folder / "corrected")
    assert {name: motion["verdict"] for name, motion in told.items()} == {
        "deep/joints.npy": "accepted", "deep/steps.npz": "accepted", "rows.npy": "failed", "steps.bvh": "accepted"
    }  # fmt: skip
    assert "a worker process died" in told["rows.npy"]["reason"]
    assert "now each file alone" in capsys.readouterr().out


BAD = {
    "truncated.bvh": (lambda text: text[: len(text) // 2], "expected 45 frames|finite numbers"),
    "nan.bvh": (lambda text: re.sub(r"\n(\S+) (\S+ [^\n]*)\n$", r"\nnan \2\n", text), "in frame 44, got 'nan'"),
    "counts.bvh": (lambda text: text.replace("CHANNELS 6", "CHANNELS 5"), "CHANNELS, their number"),
    "backwards.bvh": (lambda text: re.sub("Frame Time: .*", "Frame Time: -0.03", text), "a positive number"),
    "text.bvh": (lambda text: "Dear diary,\ntoday I walked.\n", "line 1"),
    "chair.bvh": (lambda text: re.sub("(left|right)_(hip|knee|ankle)", r"\1 part of a chair \2",
                                      re.sub(r"(\t+OFFSET).*", r"\1 0 10 0", text)),
                  "no joint is recognised as left_hip, left_knee"),
    "flat.bvh": (lambda text: re.sub(r"(JOINT left_knee\s*{\s*OFFSET).*", r"\1 0 0 0", text),
                 "the bone from left_hip to left_knee has no length"),
}  # fmt: skip


def test_bad_files_get_a_sentence_each_and_the_others_go_on(
    folder: Path, stepping: Motion, capsys: pytest.CaptureFixture[str]
) -> None:
    mixed = folder / "mixed"
    save_motion(mixed / "good.bvh", stepping)
    text = (mixed / "good.bvh").read_text()
    for name, (spoil, _) in BAD.items():
        assert spoil(text) != text
        (mixed / name).write_text(spoil(text))
    save_motion(mixed / "short.bvh", stepping.frames(0, 1))
    (mixed / "torn.npz").write_bytes((folder / "clips" / "deep" / "steps.npz").read_bytes()[:500])
    np.save(mixed / "pickled.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(mixed / "shape.npy", np.zeros((5, 21, 3)))
    assert main(["correct", "mixed", *KINEMATIC]) == 1
    told = capsys.readouterr().out
    report = report_of(folder / "corrected")
    for name, (_, sentence) in BAD.items():
        assert re.search(sentence, report[name]["reason"])
        assert report[name]["verdict"] == "failed"
        assert str(Path("mixed") / name) in report[name]["reason"]
    assert report["short.bvh"]["verdict"] == "rejected"
    assert "too short: 1 frames" in report["short.bvh"]["reason"]
    assert "cannot be read" in report["torn.npz"]["reason"]
    assert "pickled" in report["pickled.npy"]["reason"]
    assert "expected 22 joints" in report["shape.npy"]["reason"]
    assert set(os.listdir(folder / "corrected")) == {"good.bvh", "report.json", ".records", ".lock"}
    assert "1 of 12 motions corrected" in told
    assert "not corrected (11): backwards.bvh, chair.bvh" in told
    assert "Traceback" not in told


def test_rejected_motions_are_passed_through_on_request(folder: Path, stepping: Motion) -> None:
    save_motion(folder / "mixed" / "short.bvh", stepping.frames(0, 2))
    save_motion(folder / "mixed" / "good.bvh", stepping)
    assert main(["correct", "mixed", *KINEMATIC, "--keep-failed"]) == 1
    kept = folder / "corrected" / "short.bvh"
    assert kept.read_bytes() == (folder / "mixed" / "short.bvh").read_bytes()
    assert report_of(folder / "corrected")["short.bvh"]["output"] == "original"
    assert main(["correct", "mixed", *KINEMATIC]) == 1  # now without: the copy goes
    assert not kept.exists()


def test_a_motion_that_physics_cannot_follow_is_rejected_with_its_frame(folder: Path, stepping: Motion) -> None:
    jump_m = np.where(np.arange(45) < 20, 0.0, 3.0)[:, None] * [0.0, 1.0, 0.0]
    thrown = replace(stepping, root_m=stepping.root_m + jump_m * np.linspace(0, 4, 45)[:, None])
    save_motion(folder / "thrown.bvh", thrown)
    assert main(["correct", "thrown.bvh"]) == 1
    motion = report_of(folder / "corrected")["thrown.bvh"]
    assert motion["verdict"] == "rejected"
    assert f"frame {motion['frame']}" in motion["reason"]
    assert not (folder / "corrected" / "thrown.bvh").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.bvh"], "nowhere.bvh: no such file or folder"),
        (["empty"], "empty: no motion files (.bvh, .npz, .npy, "),
        (["clips", "--strength", "brutal"], "must be one of faithful, balanced, physical, unaided or a number"),
        (["clips", "--strength", "1.5"], "a number from 0 to 1, got '1.5'"),
        (["clips", "--mass-kg", "-70"], "mass-kg must be from 1 to 1000, got -70"),
        (["clips", "--mass-kg", "inf"], "mass-kg must be from 1 to 1000, got inf"),
        (["clips", "--workers", "0"], "workers must be at least 1, got 0"),
        (["clips", "--metres-per-unit", "-1"], "metres-per-unit must be a positive number from 1e-09 to 1e+06, got -1"),
        (["clips", "--metres-per-unit", "1e308"], "metres-per-unit must be a positive number from 1e-09 to 1e+06"),
        (["clips", "--fps", "1e308"], "fps must be a positive number from 0.01 to 100000, got 1e+308"),
        (["clips", "--body-model", "file.txt"], "file.txt: expected a body model as .npz or .pkl"),
        (["clips", "-o", "clips"], "an input would be overwritten"),
        (["clips/steps.bvh", "-o", "clips"], "an input would be overwritten"),
        (["clips/steps.bvh", "copy/steps.bvh"], "would both become corrected/steps.bvh"),
        (["clips/steps.bvh", "-o", "copy"], "copy/steps.bvh: exists and was not written by this command"),
        (["clips", "--report", "clips/steps.bvh"], "the report would overwrite a motion"),
        (["clips", "--report", "clips"], "clips: the report is a file, this is a folder"),
        (["clips/steps.bvh", "-o", "file.txt"], "cannot write to"),
    ],
)
def test_bad_arguments_end_in_a_sentence_before_anything_is_written(
    folder: Path, stepping: Motion, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "empty").mkdir()
    save_motion(folder / "copy" / "steps.bvh", stepping)
    (folder / "file.txt").write_text("precious")
    before = bytes_of(folder)
    assert main(["correct", *arguments]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert "Traceback" not in told
    assert bytes_of(folder) == before


def test_a_full_disk_is_told_and_leaves_no_half_of_a_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(source: Path, target: Path) -> None:
        Path(target).write_bytes(Path(source).read_bytes()[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfile", full)
        assert main(["correct", "clips/steps.bvh", *KINEMATIC]) == 2
    assert "corrected: No space left on device; what was committed before is intact" in capsys.readouterr().err
    assert not list((folder / "corrected").glob("*.bvh"))
    assert main(["correct", "clips/steps.bvh", *KINEMATIC]) == 0


def test_nothing_readable_is_exit_code_2(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("notes.txt", "more.txt"):
        (folder / name).write_text("no motion")
    assert main(["correct", "notes.txt", "more.txt"]) == 2
    captured = capsys.readouterr()
    assert "motions are read from .bvh, .npz, .npy, " in captured.out
    assert "none of the files could be read" in captured.err


def test_the_output_folder_is_no_input(folder: Path) -> None:
    assert main(["correct", ".", *KINEMATIC]) == 0
    assert main(["correct", ".", *KINEMATIC]) == 0
    assert set(report_of(folder / "corrected")) == {
        "clips/steps.bvh", "clips/rows.npy", "clips/deep/steps.npz", "clips/deep/joints.npy"}  # fmt: skip


def test_an_input_folder_may_lie_in_the_output_folder(folder: Path) -> None:
    assert main(["correct", "clips/deep", "-o", ".", *KINEMATIC]) == 0
    assert (folder / "steps.npz").is_file()
    assert set(report_of(folder)) == {"steps.npz", "joints.npy"}


def test_a_video_shows_before_and_after(folder: Path) -> None:
    assert main(["correct", "clips/steps.bvh", *KINEMATIC, "--video"]) == 0
    pictures = np.asarray(imageio.imread(folder / "corrected" / "steps.bvh.mp4"))
    assert pictures.shape == (45, 360, 720, 3)
    left, right = pictures[20, :, :360].astype(int), pictures[20, :, 360:].astype(int)
    assert (left[..., 0] - left[..., 1]).max() > 100  # sunk feet are red before
    assert np.abs(left - right).max() > 100
    reds = [np.sum((half[..., 0] > 180) & (half[..., 1] < 70)) for half in (left, right)]
    assert reds[0] > 50 > reds[1]


def test_a_report_may_go_to_a_device_which_stays_one(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    reader = os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    assert main(["correct", "clips/steps.bvh", *KINEMATIC, "--report", "pipe"]) == 0
    assert json.loads(os.read(reader, 2**20))["motions"][0]["name"] == "steps.bvh"
    os.close(reader)
    assert (folder / "pipe").is_fifo()
    assert main(["correct", "clips/steps.bvh", *KINEMATIC, "--report", "/dev/null"]) == 0
    assert Path("/dev/null").is_char_device()


def test_a_report_replaces_an_earlier_one_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert main(["correct", "clips/steps.bvh", *KINEMATIC, "--report", "told.json"]) == 0
    (folder / "notes.json").write_text('{"my": "notes"}')
    assert main(["correct", "clips/steps.bvh", *KINEMATIC, "--report", "notes.json"]) == 2
    assert "notes.json: exists and is no report of this command" in capsys.readouterr().err
    assert (folder / "notes.json").read_text() == '{"my": "notes"}'


@pytest.mark.parametrize(
    "name", [b"caf\xe9.bvh", b"x" * 251 + b".bvh", "λ".encode() * 125 + b".bvh", b"a\nb\x1b[2J.bvh"]
)
def test_names_that_are_no_text_or_long_are_names_like_others(folder: Path, name: bytes) -> None:
    (folder / "odd").mkdir()
    shutil.copyfile(folder / "clips" / "steps.bvh", os.path.join(os.fsencode(folder), b"odd", name))
    shutil.copyfile(folder / "clips" / "steps.bvh", folder / "odd" / "plain.bvh")
    for _ in range(2):
        assert main(["correct", "odd", *KINEMATIC]) == 0
    assert name in os.listdir(os.fsencode(folder / "corrected"))
    assert set(report_of(folder / "corrected")) == {"plain.bvh", os.fsdecode(name)}


def test_foreign_folders_that_look_like_leftovers_stay(folder: Path) -> None:
    for place in ("corrected/.cache.tmp", "corrected/below/.x-12345678.tmp"):
        (folder / place).mkdir(parents=True)
        (folder / place / "precious").write_text("…")
    assert main(["correct", "clips/steps.bvh", *KINEMATIC]) == 0
    assert (folder / "corrected/.cache.tmp/precious").is_file()
    assert (folder / "corrected/below/.x-12345678.tmp/precious").is_file()


@pytest.mark.parametrize("words", [["correct", ""], ["data", "check", ""], ["motion", "--data", ""], [""]])
def test_an_empty_word_stands_for_nothing(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "an empty word on the command line" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_run_leaves_whole_files_and_is_finished_by_the_next(folder: Path, stepping: Motion) -> None:
    for index in range(12):
        save_motion(folder / "many" / f"{index}.bvh", stepping)
    command = [sys.executable, "-m", "selfcorrect.experiments.cli", "correct", "many", "--workers", "2"]
    (folder / "temporary").mkdir()
    environment = {**os.environ, "TMPDIR": str(folder / "temporary")}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and not list((folder / "corrected").glob("*.bvh")):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = sorted((folder / "corrected").glob("*.bvh"))
    assert left
    assert all(len(read_bvh(path).motion) == 45 for path in left)
    assert main(["correct", "many"]) == 0  # at once: the workers end with the program
    assert len(list((folder / "corrected").glob("*.bvh"))) == 12
    assert not list((folder / "corrected").rglob(".*.tmp"))
    assert not list((folder / "temporary").iterdir())
    assert len({path.read_bytes() for path in (folder / "corrected").glob("*.bvh")}) == 1


def test_a_long_motion_has_no_seams(cmu: Path) -> None:
    """In three pieces a real walk is what it is in one: as smooth, as clean, in the same place."""
    motion = open_motion(cmu / "test" / "94_13.bvh").motion
    whole, joined = PhysicsCorrector()([motion])[0], correct_long(PhysicsCorrector(), motion, piece_frames=200)
    assert joined.accepted
    assert joined.diagnostics["penetration_m_after"] < 0.001
    joints_m = [joint_positions(correction.motion) for correction in (whole, joined)]
    assert np.linalg.norm(joints_m[1] - joints_m[0], axis=-1).mean() < 0.01
    jerks = [np.linalg.norm(np.diff(each_m, n=3, axis=0), axis=-1).mean(axis=1).max() for each_m in joints_m]
    assert jerks[1] < 1.3 * jerks[0]


@pytest.mark.parametrize(("word", "strength"), [("faithful", 0.0), ("physical", 1.0), ("0.25", 0.25)])
def test_strength_is_a_name_or_a_number(word: str, strength: float) -> None:
    assert strength_of(word) == strength


@pytest.mark.parametrize("suffix", [".bvh", ".npz", ".npy"])
@pytest.mark.parametrize("speed", [0.7, 1.0, 1.4])
def test_motions_that_contradict_gravity_are_retimed_where_that_is_asked_for(
    tmp_path: Path, stepping: Motion, suffix: str, speed: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """A jump of 0.6 s is played at another speed, and comes back as long as it was."""
    times_s = np.arange(60) / 20.0
    flight_s = np.clip(times_s - 1.0, 0.0, 0.6)
    jump_m = 0.06 + 0.5 * 9.81 * flight_s * (0.6 - flight_s)
    still = stepping.frames(0, 1)
    root_m = still.root_m + jump_m[:, None] * np.array([0.0, 1.0, 0.0])
    jump = replace(still, root_m=root_m, rotations=np.tile(still.rotations, (60, 1, 1)), fps=20.0)
    played = replace(jump, fps=20.0 * speed) if suffix != ".npy" else retime(jump, speed)
    save_motion(tmp_path / f"jump{suffix}", played)
    flags = [] if suffix != ".bvh" else ["--metres-per-unit", "0.01"]
    for option in ([], ["--retime"]):
        out = tmp_path / f"out{len(option)}"
        main(["correct", str(tmp_path / f"jump{suffix}"), "-o", str(out), *KINEMATIC, *option, *flags])
        seconds = open_motion(out / f"jump{suffix}").motion.seconds
        asked = bool(option) and speed != 1.0
        assert seconds == pytest.approx(jump.seconds if asked else played.seconds, rel=0.04)
        notes = " ".join(report_of(out)[f"jump{suffix}"]["notes"])
        assert ("retimed" in notes) == asked
        assert ("P1 pace" in notes) == (speed != 1.0 and not option)
        assert ("P1" in capsys.readouterr().out) == (speed != 1.0 and not option)


def test_problems_come_first_and_alone_where_quiet_is_asked_for(
    folder: Path, stepping: Motion, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "clips" / "zebra.bvh").write_text("HIERARCHY\n")
    for option in ([], ["--quiet"]):
        assert main(["correct", "clips/steps.bvh", "clips/zebra.bvh", *KINEMATIC, *option]) == 1
        lines = [line.split()[0] for line in capsys.readouterr().out.splitlines() if ".bvh  " in line]
        assert lines == (["zebra.bvh"] if option else ["zebra.bvh", "steps.bvh"])
    assert main(["correct", "clips/steps.bvh", "-o", "other", *KINEMATIC, "--quiet"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "1 of 1 motions corrected → other"
