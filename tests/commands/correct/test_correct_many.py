"""Many files are corrected as if each were alone, and nothing is done twice."""

import base64
import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import Says, bytes_of, killed_at_sync, report_of

import selfcorrect as sc
from selfcorrect.commands.cli import main
from selfcorrect.commands.correct import batch, correct_file, in_python
from selfcorrect.commands.correct.options import CorrectionOptions
from selfcorrect.core.errors import WorkerError
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.datasets.files.rigs.bvh import read_bvh
from selfcorrect.experiments.jobs import run as jobs
from selfcorrect.experiments.jobs.run import Job
from selfcorrect.experiments.jobs.where import Where
from selfcorrect.motion.motion import Motion
from selfcorrect.runtime import processes
from selfcorrect.runtime.progress import silent
from selfcorrect.simulators.corrector import KinematicCorrector
from selfcorrect.simulators.results.results import CorrectedMotion

KINEMATIC = ["--kinematic"]


def test_second_run_does_missing_files(folder: Path, says: Says) -> None:
    out = folder / "corrected"
    says("correct clips --kinematic")
    first = bytes_of(out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.bvh")}
    (out / "deep" / "steps.npz").unlink()
    (out / "rows.npy").unlink()
    assert "2 of 4 motions are finished already with these settings" in says("correct clips --kinematic")
    assert set(bytes_of(out)) == set(first)
    for name in ("rows.npy", "steps.bvh", "report.json"):
        assert bytes_of(out)[name] == first[name]
    assert times == {path: path.stat().st_mtime_ns for path in out.rglob("*.bvh")}


@pytest.mark.parametrize("lost", [".", ".records", "rows.npy", ".records/rows.npy.json"])
def test_vanished_results_are_counted(folder: Path, says: Says, monkeypatch: pytest.MonkeyPatch, lost: str) -> None:
    """Whatever is moved away while the command works, each file that was asked for is in the report."""
    out = folder / "corrected"
    deliver = correct_file._deliver
    done: list[str] = []

    def deliver_and_lose(task: correct_file.FileTask, *arguments: Any) -> None:
        deliver(task, *arguments)
        done.append(task.name)
        if len(done) == 4:
            (out / lost).rename(folder / "elsewhere")
            out.mkdir(exist_ok=True)

    with monkeypatch.context() as patch:
        patch.setattr(correct_file, "_deliver", deliver_and_lose)
        says("correct clips --kinematic", code=1 if "rows" in lost else 2)
    report = report_of(out)
    assert sorted(report) == sorted(done)
    vanished = [name for name, motion in report.items() if "vanished" in motion["reason"]]
    assert "rows.npy" in vanished
    assert len(vanished) == (1 if "rows" in lost else 4)
    if "records" not in lost:  # else the files are of an unknown command
        says("correct clips --kinematic")


def test_workers_start_for_long_work(tmp_path: Path) -> None:
    tasks = []
    for size in (1_000, 1_500_000, 50_000_000):
        path = tmp_path / f"{size}.bvh"
        with path.open("wb") as file:
            file.truncate(size)
        tasks.append(correct_file.FileTask(path, path.name, tmp_path / "out"))
    options = CorrectionOptions(kinematic=True)
    counts = [batch.limit_workers(Where(4), [task], options).workers for task in tasks]
    assert counts == [1, 2, 4]
    assert batch.limit_workers(Where(4), tasks, options).workers == 4
    assert batch.limit_workers(Where(1), tasks, options).workers == 1


def test_remote_jobs_start_processes(tmp_path: Path) -> None:
    path = tmp_path / "clip.bvh"
    path.write_bytes(b"")
    tasks = [correct_file.FileTask(path, f"{number}.bvh", tmp_path / "out") for number in range(1000)]
    counts = {}
    for size in (1_000, 1_000_000, 100_000_000):
        os.truncate(path, size)
        counts[size] = batch._count_files_per_job(tasks, CorrectionOptions(kinematic=True), Where(1, "slurm"))
    assert counts == {1_000: 100, 1_000_000: 5, 100_000_000: 4}
    few = batch._count_files_per_job(tasks[:3], CorrectionOptions(kinematic=True), Where(1, "slurm"))
    assert few == 1, "each of them takes minutes"


@pytest.mark.parametrize("change", ["settings", "input"])
def test_changed_settings_redo_files(folder: Path, stepping: Motion, change: str) -> None:
    assert main(["correct", "clips/steps.bvh", *KINEMATIC]) == 0
    first = (folder / "corrected" / "steps.bvh").read_bytes()
    if change == "input":
        save_motion(folder / "clips" / "steps.bvh", stepping.frames(0, 30), overwrite=True)
    changed = [] if change == "input" else ["--support", "off"]
    assert main(["correct", "clips/steps.bvh", *KINEMATIC, *changed]) == 0
    assert (folder / "corrected" / "steps.bvh").read_bytes() != first


def test_file_is_independent_of_others(folder: Path, stepping: Motion) -> None:
    """A rig's other clips do not change a file, although clips on wrong floors show other soles."""
    for name, height_m in (("a", 0.0), ("b", 0.011), ("c", -0.007)):
        raised = replace(stepping, root_m=stepping.root_m + np.array([0.0, height_m, 0.0]))
        save_motion(folder / "rig" / f"{name}.bvh", raised)
    assert main(["correct", "rig", *KINEMATIC, "-o", "together"]) == 0
    for name in "abc":
        assert main(["correct", f"rig/{name}.bvh", *KINEMATIC, "-o", "alone"]) == 0
        assert (folder / "alone" / f"{name}.bvh").read_bytes() == (folder / "together" / f"{name}.bvh").read_bytes()


def test_profile_is_an_input(folder: Path, stepping: Motion, says: Says) -> None:
    for name, frames in (("a", 40), ("b", 30)):
        save_motion(folder / "rig" / f"{name}.bvh", stepping.frames(0, frames))
    assert main(["data", "profile", "rig/a.bvh", "./rig/../rig/a.bvh", "-o", "rig.json"]) == 2  # one clip, named twice
    assert main(["data", "profile", "rig", "-o", "rig.json"]) == 0
    command = "correct rig/a.bvh --kinematic --profile rig.json"
    says(command)
    assert "feet as in rig.json (--profile)" in (folder / "corrected" / "report.json").read_text()
    profile = json.loads((folder / "rig.json").read_text())
    next(iter(profile["rigs"].values()))["soles_m"] = [0.03, 0.03]
    (folder / "rig.json").write_text(json.dumps(profile))
    assert "finished already" not in says(command)


def test_sidecars_are_inputs(folder: Path, stepping: Motion, says: Says) -> None:
    save_motion(folder / "a.gltf", stepping)
    document = json.loads((folder / "a.gltf").read_text())
    beside = folder / "a.bin"
    beside.write_bytes(base64.b64decode(document["buffers"][0]["uri"].partition(",")[2]))
    document["buffers"][0]["uri"] = beside.name
    (folder / "a.gltf").write_text(json.dumps(document))
    command = "correct a.gltf --kinematic"
    for finished in (False, True):
        assert ("finished already" in says(command)) == finished
    content = bytearray(beside.read_bytes())
    content[-1] ^= 1
    beside.write_bytes(bytes(content))
    assert "finished already" not in says(command)


@pytest.mark.slow
@pytest.mark.parametrize("kinematic", [True, False])
def test_cores_change_no_byte(folder: Path, stepping: Motion, kinematic: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def pids() -> set[int]:
        return {process.pid for pool in processes._executors.values() for process in pool._processes.values()}

    words = ["correct", "clips/steps.bvh", "clips/deep/joints.npy", *(["--kinematic"] if kinematic else [])]
    motions = [stepping, stepping.frames(0, 30), stepping.frames(5, 45)]
    assert main([*words, "-o", "one"]) == 0
    alone = sc.correct_motions(motions, kinematic=kinematic)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(in_python, "FRAMES_PER_WORKER", 10)
    monkeypatch.setattr(batch, "_WORKER_START_S", 0.01)
    monkeypatch.setattr(processes, "_executors", {})
    begun: list[int] = []
    start = jobs.start_processes

    def start_counted(count: int, *arguments: Any, **options: Any) -> ProcessPoolExecutor:
        begun.append(count)
        return start(count, *arguments, **options)

    monkeypatch.setattr(jobs, "start_processes", start_counted)
    assert main([*words, "-o", "two"]) == 0
    assert begun == [2]
    assert bytes_of(folder / "one") == bytes_of(folder / "two")
    shared = sc.correct_motions(motions, kinematic=kinematic)
    assert len(pids()) == 2
    for first, second in zip(alone, shared, strict=True):
        assert np.array_equal(first.motion.root_m, second.motion.root_m)
        assert np.array_equal(first.motion.rotations, second.motion.rotations)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["mujoco", pytest.param("pybullet", marks=pytest.mark.nightly)])
def test_batch_equals_single_files(
    folder: Path, stepping: Motion, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files give the same in a batch as alone.

    The files differ in length, body, rate and format. One is rejected, and one is not a motion.
    """
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
    options = ["--engine", engine]
    assert main(["correct", "clips", "-o", "together", *options]) == 1
    verdicts = {name: entry["verdict"] for name, entry in report_of(folder / "together").items()}
    assert (verdicts.pop("thrown.bvh"), verdicts.pop("torn.bvh")) == ("rejected", "failed")
    assert list(verdicts.values()) == ["accepted"] * 7
    monkeypatch.setattr(batch, "FILES_TOGETHER", 1)
    assert main(["correct", "clips", "-o", "alone", *options]) == 1
    assert bytes_of(folder / "together") == bytes_of(folder / "alone")


@pytest.mark.parametrize(
    ("options", "least"), [(CorrectionOptions(kinematic=True), 3), (CorrectionOptions(simulate="always"), 40)]
)
def test_finished_frames_are_reported(folder: Path, options: CorrectionOptions, least: int) -> None:
    tasks = batch.make_tasks([Path("clips")], Path("out"))
    messages: list[tuple[str, int, int]] = []
    correct_file.correct_tasks(tasks, options.resolve_engine(), lambda *message: messages.append(message))
    frames = sum(len(motion) for task in tasks for motion in open_motion(task.source).motions)
    correct = [message for message in messages if message[0] == "correct"]
    assert correct[0] == ("correct", 0, frames)
    assert correct[-1] == ("correct", frames, frames)
    assert sorted(correct) == correct
    assert len(set(correct)) >= least
    assert [message for message in messages if message[0] == "generation"][-1] == ("generation", len(tasks), len(tasks))


def test_repeated_job_skips_files(folder: Path) -> None:
    """A job that is repeated after its node was lost skips the files that are done."""
    options = CorrectionOptions(kinematic=True).resolve_engine()
    tasks = batch.make_tasks([Path("clips")], Path("out"))
    done, *_ = tasks
    correct_file.correct_tasks([done], options, lambda *message: None)
    before = done.record.read_bytes(), done.target.stat().st_mtime_ns
    messages: list[tuple[str, int, int]] = []
    correct_file.correct_tasks(tasks, options, lambda *message: messages.append(message))
    assert (done.record.read_bytes(), done.target.stat().st_mtime_ns) == before
    assert messages[0] == ("generation", 1, len(tasks))
    assert [message for message in messages if message[0] == "generation"][-1] == ("generation", len(tasks), len(tasks))
    assert all(task.target.exists() for task in tasks)


def test_memory_limits_batch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together: list[int] = []

    def corrector(motions: Sequence[Motion]) -> list[CorrectedMotion]:
        together.append(len(motions))
        return KinematicCorrector()(motions)

    monkeypatch.setattr(correct_file, "correct_through_views", lambda motions, pipeline: corrector(motions))
    for frames, files, expected in ((100, 32, [2, 2]), (10, 32, [1, 1, 1, 1]), (1000, 3, [3, 1])):
        monkeypatch.setattr(correct_file, "MAX_FRAMES_TOGETHER", frames)
        monkeypatch.setattr(batch, "FILES_TOGETHER", files)
        assert main(["correct", "clips", "-o", f"out{files}-{frames}"]) == 0
        assert together == expected
        together.clear()


def test_dead_worker_isolates_files(folder: Path, monkeypatch: pytest.MonkeyPatch, says: Says) -> None:
    """A file that kills its worker ends the command, but costs no other file."""

    def run_jobs(jobs: Sequence[Job], *_: object, **__: object) -> None:
        for job in jobs:
            if any(task.name == "rows.npy" for task in job.arguments[0]):
                raise WorkerError("a worker process died")
            job.function(*job.arguments, silent)

    monkeypatch.setattr(batch, "run_jobs", run_jobs)
    output = says("correct clips --kinematic", code=2)
    assert "the remaining files are corrected one by one" in output
    assert "a worker process died" in output
    assert {path.name for path in (folder / "corrected").rglob("*.np[yz]")} == {"joints.npy", "steps.npz"}


@pytest.mark.slow
def test_killed_run_resumes(folder: Path, stepping: Motion) -> None:
    for index in range(12):
        save_motion(folder / "many" / f"{index}.bvh", stepping)
    command = [sys.executable, "-m", "selfcorrect.commands.cli", "correct", "many", "--workers", "2"]
    (folder / "temporary").mkdir()
    environment = {"TMPDIR": str(folder / "temporary")}
    killed_at_sync(8, command, folder / "halting", folder, environment)
    leftovers = sorted((folder / "corrected").glob("*.bvh"))
    assert leftovers
    assert all(len(read_bvh(path).motion) == 45 for path in leftovers)
    assert main(["correct", "many"]) == 0  # at once: the workers end with the program
    assert len(list((folder / "corrected").glob("*.bvh"))) == 12
    assert not list((folder / "corrected").rglob(".*.tmp"))
    assert all(path.name.startswith("pymp-") for path in (folder / "temporary").iterdir())  # the server's socket
    assert len({path.read_bytes() for path in (folder / "corrected").glob("*.bvh")}) == 1
