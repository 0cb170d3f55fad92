"""Jobs on a Ray cluster of several nodes, all on this machine, whose nodes, workers and drivers are killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from selfcorrect.errors import JobsError, SettingError
from selfcorrect.experiments.cli import main
from selfcorrect.experiments.correction.batch import correct_into
from selfcorrect.experiments.correction.correct_file import Settings
from selfcorrect.experiments.jobs import Job, run_jobs
from selfcorrect.experiments.motion.arms import Arm
from selfcorrect.experiments.motion.experiment import jobs
from selfcorrect.experiments.motion.presets import Comparison, MotionSettings
from selfcorrect.experiments.where import Cluster, Where
from selfcorrect.storage.run_folder import claim_folder

ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")

from ray.cluster_utils import Cluster as Nodes  # noqa: E402

from selfcorrect.experiments import ray_cluster  # noqa: E402

pytestmark = pytest.mark.slow
NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}
UNLIKE = ("metrics.jsonl", "summary.json", "timings.json", "environment.json", ".lock", "report.json")
"""Files that hold times, or where something ran."""


IDLE = ("ray::IDLE", "ray::DashboardAgent", "ray::RuntimeEnvAgent")


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """A head without work, and two nodes for one job each."""
    cluster = Nodes(initialize_head=True, head_node_args={**NODE, "num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(2):
            cluster.add_node(**NODE)
        yield cluster
    finally:
        cluster.shutdown()


@pytest.fixture
def where(nodes: Nodes) -> Where:
    while len(nodes.worker_nodes) < 2:  # another test killed some
        nodes.add_node(**NODE)
    return Where(cluster=Cluster(nodes.address))


def content(folder: Path) -> dict[str, bytes]:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in UNLIKE]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if ".records" not in path.parts}


def node_of(process: int, nodes: Nodes) -> object:
    """The node whose worker a process is."""
    parent = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return next(node for node in nodes.worker_nodes if node.all_processes["raylet"][0].process.pid == parent)


def kill_when(ready: Callable[[], int | None], nodes: Nodes) -> threading.Thread:
    """Kill, without warning, the node of the process that `ready` finds."""

    def watch() -> None:
        until = time.monotonic() + 100
        while (process := ready()) is None:
            if time.monotonic() > until:
                return
            time.sleep(0.01)
        nodes.remove_node(node_of(process, nodes), allow_graceful=False)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def leave(folder: Path, name: str, progress) -> None:
    (folder / name).write_text(str(os.environ["OMP_NUM_THREADS"]))
    progress("generation", 1, 1)


def fail(progress) -> None:
    raise SettingError("this one is broken")


def be_killed(folder: Path, times: int, progress) -> None:
    """What the kernel does to a process that takes all memory."""
    deaths = len(list(folder.glob("death-*")))
    if deaths < times:
        (folder / f"death-{deaths}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    progress("generation", 1, 1)


# --- the same bytes, whatever dies -----------------------------------------------------------------------------------

SETTINGS = MotionSettings(
    (Comparison("dct-mlp", (Arm("replace"), Arm("augment:1"))),), generations=8, seeds=1, data=("deepmimic",),
    real_count=16, judged_count=16, frames=10, steps={"dct-mlp": 30}, initial_steps={"dct-mlp": 1},
)  # fmt: skip


def run_motion(folder: Path, where: Where) -> dict[str, bytes]:
    with claim_folder(folder, SETTINGS.config()):
        loops = [job for job in jobs(SETTINGS, folder, device="cpu") if not job.name.startswith("real data")]
        run_jobs(loops, where, "motion", folder=folder)
    return content(folder)


def test_a_motion_run_has_the_same_bytes_here_and_on_a_cluster_of_which_a_node_dies(
    tmp_path: Path, nodes: Nodes, where: Where, capsys: pytest.CaptureFixture[str]
):
    expected = run_motion(tmp_path / "here", Where())
    folder = tmp_path / "killed" / "dct-mlp" / "seed-0" / "replace+none"

    def in_the_middle() -> int | None:
        return int((folder / ".lock").read_text().split()[1]) if (folder / "generation-0002").exists() else None

    killing = kill_when(in_the_middle, nodes)
    assert run_motion(tmp_path / "killed", where) == expected
    killing.join()
    assert "failed (1 of 3 tries)" in capsys.readouterr().err


def test_corrections_have_the_same_bytes_when_a_node_dies(tmp_path: Path, nodes: Nodes, where: Where):
    data = prepared(tmp_path / "data")
    settings = Settings(strength=0.0)
    correct_into([data], tmp_path / "here", settings, tmp_path / "here" / "report.json", Where())

    def in_the_middle() -> int | None:
        if not list((tmp_path / "cluster").glob("*.bvh")):
            return None
        return next(iter(busy(nodes)), None)

    killing = kill_when(in_the_middle, nodes)
    out = tmp_path / "cluster"
    results = correct_into([data], out, settings, out / "report.json", where)
    killing.join()
    assert [result.verdict for result in results] == ["accepted"] * 6
    assert content(out) == content(tmp_path / "here")


def prepared(folder: Path) -> Path:
    """Motions to correct, which take long enough that a node can die amid one."""
    from selfcorrect.datasets.collections.deepmimic import load_deepmimic
    from selfcorrect.datasets.files.open import save_motion
    from selfcorrect.motion.transforms import close_cycle, repeat_cycle

    step = next(motion for motion in load_deepmimic() if motion.label == "walk")
    walk = repeat_cycle(close_cycle(step), 30)
    for index in range(6):
        save_motion(folder / f"{index}.bvh", replace(walk, root_m=walk.root_m + np.array([0, 0.002 * index, 0])))
    return folder


def test_ctrl_c_stops_the_clusters_work_and_another_engine_goes_on(tmp_path: Path, nodes: Nodes, where: Where):
    command = ["toy", "weighting", "linear", "--quick", "--out", str(tmp_path / "toy")]
    command = [sys.executable, "-m", "selfcorrect.experiments.cli", *command]
    driver = subprocess.Popen([*command, "--cluster", where.cluster.cluster], stderr=subprocess.PIPE, text=True)
    while not (started := busy(nodes)):
        assert driver.poll() is None
        time.sleep(0.05)
    driver.send_signal(signal.SIGINT)
    _, told = driver.communicate(timeout=300)
    assert driver.returncode == 130
    assert "the same command continues" in told
    until = time.monotonic() + 200
    while any(Path(f"/proc/{process}").exists() for process in started):
        assert time.monotonic() < until
        time.sleep(0.1)
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "toy" / "gallery.html").is_file()


def busy(nodes: Nodes) -> list[int]:
    """The processes that work on a job."""
    raylets = {node.all_processes["raylet"][0].process.pid for node in nodes.worker_nodes}
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            told = stat.read_text()
            line = (stat.parent / "cmdline").read_text()
        except OSError:
            continue
        if (
            int(told.rpartition(")")[2].split()[1]) in raylets
            and line.startswith("ray::")
            and not line.startswith(IDLE)
        ):
            found.append(int(stat.parent.name))
    return found


# --- jobs that fail --------------------------------------------------------------------------------------------------


def test_a_worker_out_of_memory_is_replaced(tmp_path: Path, where: Where, capsys: pytest.CaptureFixture[str]):
    run_jobs([Job("hungry", be_killed, (tmp_path, 1), 1)], where, "test", folder=tmp_path)
    assert "hungry failed (1 of 3 tries): its worker process died" in capsys.readouterr().err


def test_jobs_that_fail_every_time_are_named_and_the_rest_goes_on(tmp_path: Path, where: Where):
    started = [
        Job("broken", fail, (), 1),
        Job("after", leave, (tmp_path, "after"), 1, ("broken",)),
        Job("doomed", be_killed, (tmp_path, 9), 1),
        Job("other", leave, (tmp_path, "other"), 1),
    ]
    with pytest.raises(JobsError, match="2 of 4 jobs failed 3 times") as raised:
        run_jobs(started, where, "test", folder=tmp_path)
    assert {name: type(error).__name__ for name, error in raised.value.failed.items()} == {
        "broken": "SettingError",
        "doomed": "WorkerError",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["death-0", "death-1", "death-2", "other"]
    assert (tmp_path / "other").read_text() == "1"


# --- clusters that cannot be used ------------------------------------------------------------------------------------


def test_a_node_with_other_software_is_named_before_anything_is_written(
    tmp_path: Path, where: Where, monkeypatch: pytest.MonkeyPatch
):
    software = ray_cluster._software()
    monkeypatch.setattr(ray_cluster, "_software", lambda: {**software, "selfcorrect": "0.0.9"})
    there = re.escape(software["selfcorrect"])
    with pytest.raises(SettingError, match=rf"has other software .*: selfcorrect {there} instead of 0\.0\.9 \(at "):
        run_jobs([Job("a", leave, (tmp_path, "a"), 1)], where, "test", folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_a_node_does_not_have_is_named(tmp_path: Path):
    with ray_cluster._Meeting.held(tmp_path) as meeting:
        assert meeting.objection() == ""
        assert meeting.place is not None
        (meeting.place / "secret").write_text("that of another folder at the same path")
        assert f"cannot read and write the output folder {tmp_path}" in meeting.objection()
        (meeting.place / "secret").unlink()
        assert f"cannot read and write the output folder {tmp_path}" in meeting.objection()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("127.0.0.1:1", "no Ray cluster answers at 127.0.0.1:1"),
        ("somewhere", "cluster must be auto or HOST:PORT"),
        ("ray://127.0.0.1:10001", "cluster must be auto or HOST:PORT"),
    ],
)
def test_a_cluster_that_is_not_there_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], address: str, sentence: str
):
    assert main(["toy", "linear", "--quick", "--out", str(tmp_path / "toy"), "--cluster", address]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == []
