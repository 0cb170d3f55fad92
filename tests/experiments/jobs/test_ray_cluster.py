"""Jobs on a Ray cluster of several nodes, all on this machine, whose nodes, workers and drivers are killed."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from selfcorrect.core.errors import JobsError, SettingError
from selfcorrect.experiments.cli import main
from selfcorrect.experiments.file_correction.batch import correct_into
from selfcorrect.experiments.file_correction.options import CorrectionOptions
from selfcorrect.experiments.jobs.run import Job, run_jobs
from selfcorrect.experiments.jobs.where import Cluster, Where
from selfcorrect.experiments.motion.settings import MotionSettings, RunOptions
from selfcorrect.experiments.motion.study import make_motion_study
from selfcorrect.experiments.studies.arms import ArmSettings
from selfcorrect.experiments.studies.study import jobs_of
from selfcorrect.storage.runs.run_folder import claim_folder

os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 -- its workers get as much of a busy machine as other tests
ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")

from ray.cluster_utils import Cluster as Nodes  # noqa: E402

from selfcorrect.experiments.jobs import ray_cluster  # noqa: E402

pytestmark = pytest.mark.long
NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}
TOY = Path(__file__).parents[3] / "examples" / "loops" / "gaussian_correct.py"
UNLIKE = (
    "metrics.jsonl",
    "summary.json",
    "timings.json",
    "environment.json",
    ".selfcorrect.lock",
    "report.json",
)
"""Files that hold times, or where something ran."""


LIMIT_S = 1500.0
"""After this, something hangs; a busy machine may be very slow."""
LAST = "5.bvh"
"""Of the motions of `prepare_folder`."""


@contextmanager
def cluster(*workers: dict[str, Any], **head: Any) -> Iterator[Nodes]:
    """A head without work, and nodes."""
    nodes = Nodes(initialize_head=True, head_node_args={**NODE, "num_cpus": 0, "include_dashboard": False, **head})
    try:
        for worker in workers:
            nodes.add_node(**worker)
        yield nodes
    finally:
        nodes.shutdown()


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """Two nodes for one job each."""
    with cluster(NODE, NODE) as nodes:
        yield nodes


@pytest.fixture
def working_place(nodes: Nodes) -> Where:
    while len(nodes.worker_nodes) < 2:  # another test killed some
        nodes.add_node(**NODE)
    return Where(cluster=Cluster(nodes.address))


def content(folder: Path) -> dict[str, bytes]:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in UNLIKE]
    paths = [path for path in paths if not (path.name == "SHA256SUMS" and (path.parent / "report.html").exists())]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if ".records" not in path.parts}


def descendants(process: int) -> list[int]:
    """A process and all that it has started."""
    children = Path(f"/proc/{process}/task").glob("*/children")
    return [
        process,
        *(
            descendant
            for file in children
            for child in file.read_text().split()
            for descendant in descendants(int(child))
        ),
    ]


def at_work(nodes: Nodes, name: str) -> dict[int, Any]:
    """The workers with jobs whose names begin so, each with its node, as soon as there are some.

    The jobs must be long: of a short one, a worker may have reported the end while its title still names it.
    """
    until = time.monotonic() + LIMIT_S
    pids = dict[int, Any]()
    while not pids:
        assert time.monotonic() < until, f"no worker began with {name}"
        time.sleep(0.05)
        for node in nodes.worker_nodes:
            for process in descendants(node.all_processes["raylet"][0].process.pid):
                with suppress(OSError):  # it has ended meanwhile
                    if Path(f"/proc/{process}/cmdline").read_text().startswith(f"ray::{name}"):
                        pids[process] = node
    return pids


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
    {"dct-mlp": (ArmSettings("replace"), ArmSettings("augment:1"))}, generations=4, seeds=1,
    data=("deepmimic",),
    real_count=16, evaluated_count=16, frames=10, steps={"dct-mlp": 2}, initial_steps={"dct-mlp": 1},
)  # fmt: skip


def run_motion(folder: Path, where: Where, gate: Path) -> dict[str, bytes]:
    with claim_folder(folder, SETTINGS.config()):
        loops = [
            replace(job, function=pass_gate, arguments=(gate, job.function, *job.arguments))
            for job in jobs_of(make_motion_study(SETTINGS, options=RunOptions(device="cpu")), folder)
            if not job.name.startswith("real data")
        ]
        run_jobs(loops, where, "motion", folder=folder)
    return content(folder)


def pass_gate(gate: Path, work: Callable[..., None], *arguments: Any) -> None:
    """Do work that waits after its second generation as long as a file is there."""
    *job_arguments, progress = arguments

    def wait_at_gate(phase: str, arrived: int, total: int) -> None:
        progress(phase, arrived, total)
        while (phase, arrived) == ("generation", 2) and gate.exists():
            time.sleep(0.01)

    work(*job_arguments, wait_at_gate)


def test_a_motion_run_has_the_same_bytes_here_and_on_a_cluster_of_which_a_node_dies(
    tmp_path: Path, nodes: Nodes, working_place: Where, capsys: pytest.CaptureFixture[str]
):
    gate = tmp_path / "gate"
    expected = run_motion(tmp_path / "here", Where(), gate)
    gate.touch()
    has_ended = Event()

    def kill() -> None:
        try:
            while not list((tmp_path / "killed").glob("dct-mlp/seed-0/*/generation-0002")):
                if has_ended.wait(0.05):
                    return
            process, node = next(iter(at_work(nodes, "smooth seed 0").items()))
            nodes.remove_node(node, allow_graceful=False)
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        finally:
            gate.unlink()

    with ThreadPoolExecutor(1) as pool:
        killing = pool.submit(kill)
        try:
            assert run_motion(tmp_path / "killed", working_place, gate) == expected
        finally:
            has_ended.set()
        killing.result()
    assert "failed (1 of 3 tries)" in capsys.readouterr().err


def test_the_same_command_goes_on_under_a_new_head(tmp_path: Path):
    data = prepare_folder(tmp_path / "data")
    out = tmp_path / "cluster"
    settings = CorrectionOptions(kinematic=True)
    correct_into([data], tmp_path / "here", settings, 1)
    with cluster(NODE) as nodes:
        driver = start_correcting(data, out, nodes)
        held_pids = at_work(nodes, LAST)
        signal_processes(held_pids, signal.SIGSTOP)  # so the command certainly still works
        assert nodes.head_node is not None
        nodes.head_node.kill_gcs_server()
        _, errors = driver.communicate(timeout=LIMIT_S)
        signal_processes(held_pids, signal.SIGKILL)
    wait_for_the_end_of(held_pids)
    assert driver.returncode == 2
    assert "the head of the Ray cluster at" in errors
    assert "is gone; finished work is kept, and the same command continues" in errors
    assert "Traceback" not in errors
    finished = {path.name: path.stat().st_mtime_ns for path in out.glob("*.bvh")}
    assert 0 < len(finished) < 6
    with cluster(NODE) as nodes:
        driver = start_correcting(data, out, nodes)
        _, errors = driver.communicate(timeout=LIMIT_S)
    assert driver.returncode == 0, errors
    assert finished.items() <= {path.name: path.stat().st_mtime_ns for path in out.glob("*.bvh")}.items()
    assert content(out) == content(tmp_path / "here")


def wait_for_the_end_of(processes: Iterable[int]) -> None:
    until = time.monotonic() + LIMIT_S
    while any(Path(f"/proc/{process}").exists() for process in processes):
        assert time.monotonic() < until
        time.sleep(0.1)


def signal_processes(processes: Iterable[int], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)


IMPATIENT = """
import sys
from selfcorrect.experiments.cli import main
from selfcorrect.experiments.jobs import ray_cluster

ray_cluster._PACE_S, ray_cluster.HEAD_GONE_S, ray_cluster.LEAVE_S = 0.5, 3.0, 1.0
sys.exit(main(sys.argv[1:]))
"""
"""The command, which gives a head up sooner."""


def start_correcting(data: Path, out: Path, nodes: Nodes) -> subprocess.Popen[str]:
    """The command, the same for every cluster."""
    command = ["correct", str(data), "-o", str(out), "--kinematic", "--cluster", "auto"]
    return subprocess.Popen(
        [sys.executable, "-c", IMPATIENT, *command],
        env={**os.environ, "RAY_ADDRESS": str(nodes.address)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def prepare_folder(folder: Path) -> Path:
    """Motions to correct, which take about a second each."""
    from selfcorrect.datasets.collections.deepmimic import load_deepmimic
    from selfcorrect.datasets.files.open import save_motion
    from selfcorrect.motion.editing.transforms import close_cycle, repeat_cycle

    step = next(motion for motion in load_deepmimic() if motion.label == "walk")
    walk = repeat_cycle(close_cycle(step), 60)
    for index in range(6):
        save_motion(folder / f"{index}.bvh", replace(walk, root_m=walk.root_m + np.array([0, 0.002 * index, 0])))
    return folder


def test_ctrl_c_stops_the_clusters_work_and_the_same_command_goes_on_elsewhere(tmp_path: Path):
    data = prepare_folder(tmp_path / "data")
    out = tmp_path / "cluster"
    with cluster(NODE) as nodes:
        driver = start_correcting(data, out, nodes)
        held_pids = at_work(nodes, LAST)
        driver.send_signal(signal.SIGINT)
        _, errors = driver.communicate(timeout=LIMIT_S)
        assert driver.returncode == 130, errors
        assert "the same command continues" in errors
        wait_for_the_end_of(held_pids)
    assert main(["correct", str(data), "-o", str(out), "--kinematic"]) == 0
    assert len(list(out.glob("*.bvh"))) == 6


# --- jobs that fail --------------------------------------------------------------------------------------------------


def test_a_worker_out_of_memory_is_replaced(tmp_path: Path, working_place: Where, capsys: pytest.CaptureFixture[str]):
    run_jobs([Job("hungry", be_killed, (tmp_path, 1), 1)], working_place, "test", folder=tmp_path)
    assert "hungry failed (1 of 3 tries): its worker process died" in capsys.readouterr().err


def test_jobs_that_fail_every_time_are_named_and_the_rest_goes_on(tmp_path: Path, working_place: Where):
    started = [
        Job("broken", fail, (), 1),
        Job("after", leave, (tmp_path, "after"), 1, ("broken",)),
        Job("doomed", be_killed, (tmp_path, 9), 1),
        Job("other", leave, (tmp_path, "other"), 1),
    ]
    with pytest.raises(JobsError, match="2 of 4 jobs failed 3 times") as raised:
        run_jobs(started, working_place, "test", folder=tmp_path)
    assert {name: type(error).__name__ for name, error in raised.value.failed.items()} == {
        "broken": "SettingError",
        "doomed": "WorkerError",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["death-0", "death-1", "death-2", "other"]
    assert (tmp_path / "other").read_text() == "1"


# --- clusters that cannot be used ------------------------------------------------------------------------------------


def test_a_node_with_other_software_is_named_before_anything_is_written(
    tmp_path: Path, working_place: Where, monkeypatch: pytest.MonkeyPatch
):
    software = ray_cluster.describe_environment()
    packages = {**software["packages"], "selfcorrect": "0.0.9"}
    monkeypatch.setattr(ray_cluster, "describe_environment", lambda: {**software, "packages": packages})
    there = re.escape(software["packages"]["selfcorrect"])
    message = rf'has other software .*: packages\.selfcorrect is "0\.0\.9" on this machine and "{there}" there\. \(at '
    with pytest.raises(SettingError, match=message):
        run_jobs([Job("a", leave, (tmp_path, "a"), 1)], working_place, "test", folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_a_node_does_not_have_is_named(tmp_path: Path):
    software = ray_cluster.describe_environment()
    assert ray_cluster.find_objection((software, tmp_path)) == ""
    assert len(list(tmp_path.iterdir())) == 1
    objection = ray_cluster.find_objection((software, tmp_path / "marker of another machine"))
    assert f"cannot write the output folder {tmp_path};" in objection


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
    assert main(["toy", str(TOY), "--quick", "--out", str(tmp_path / "toy"), "--cluster", address]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


# --- who can reach it ------------------------------------------------------------------------------------------------

LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}
"""127.0.0.1 in the kernel's tables, also as an address of IPv6."""


def test_a_cluster_of_one_machine_listens_on_loopback_alone(tmp_path: Path):
    recipe = (Path(__file__).resolve().parents[3] / "docs" / "scale.md").read_text()
    exported = dict(re.findall(r"(RAY_ENABLE\w+)=(\d)", recipe))
    script = """
import ray
for attempt in range(3):
    try:
        ray.init(num_cpus=1, include_dashboard=False, object_store_memory=80_000_000)
        break
    except Exception as error:  # Ray gives a node 30 s, which a busy machine may exceed
        if attempt == 2 or "timed out during startup" not in str(error):
            raise
        ray.shutdown()
print(ray.get(ray.remote(lambda: 2).remote()), flush=True)
input()
"""
    with (tmp_path / "said").open("w") as said:
        driver = subprocess.Popen(
            [sys.executable, "-c", script],
            env={**os.environ, **exported},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
    try:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "2\n", (tmp_path / "said").read_text()
        listening = addresses_of(descendants(driver.pid))
    finally:
        driver.communicate("\n", timeout=600)
    assert len(listening) >= 5  # the head, two of the node, a worker, the command
    assert set(listening) <= LOOPBACK


def addresses_of(processes: list[int]) -> list[str]:
    """Where processes listen, as the kernel writes it."""
    sockets = set()
    for process in processes:
        for descriptor in Path(f"/proc/{process}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                sockets.add(os.readlink(descriptor))
    rows = [
        line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return [row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets]
