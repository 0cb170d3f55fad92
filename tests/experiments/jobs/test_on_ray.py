"""Ray clusters of several nodes, all on this machine, leave what one process leaves."""

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import cluster_jobs
import pytest
from cluster_runs import LIMIT_S, LOOP, assert_killer_is_isolated, digest, selfcorrect, succeed
from helpers import write_walks

from selfcorrect.commands.correct.batch import correct_into
from selfcorrect.commands.correct.options import CorrectionOptions
from selfcorrect.core.errors import NodeError, SettingError
from selfcorrect.experiments.jobs.run import Job, run_jobs
from selfcorrect.experiments.jobs.runner_choice import RunnerChoice
from selfcorrect.experiments.jobs.where import Resources, Where

pytest.importorskip("ray")
pytestmark = pytest.mark.nightly  # starts a cluster, and Ray is not among what the gate installs

NODE = {"num_cpus": 1, "object_store_memory": 80_000_000, "memory": 4_000_000_000}
NODE_JOBS = Path(cluster_jobs.__file__).parent
REMOVED = 20
"""Nodes that are removed in the middle of one loop."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Start a head without cores and two nodes with one core each."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="r") as folder:
        patch.setenv("RAY_TMPDIR", folder)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_raylet_start_wait_time_s", "300")
        patch.setenv("PYTHONPATH", str(NODE_JOBS))
        started = Cluster(initialize_head=True, head_node_args={**NODE, "num_cpus": 0, "include_dashboard": False})
        try:
            for _ in range(2):
                started.add_node(**NODE)
            patch.setenv("RAY_ADDRESS", started.address)
            yield started
        finally:
            started.shutdown()


@pytest.fixture
def run(cluster: Any, tmp_path: Path) -> Callable[..., Any]:
    """Run jobs on the cluster that write into `tmp_path`."""
    return lambda jobs, **options: run_jobs(jobs, Where(1, "ray", options), "test", folder=tmp_path, each_alone=True)


def add_node(cluster: Any) -> None:
    """Add a node with time to start.

    Ray gives up on a node that takes more than 30 s on a busy machine.
    """
    for _ in range(4):
        with suppress(Exception):
            cluster.add_node(**NODE)
            return
    cluster.add_node(**NODE)


@contextmanager
def node_removed(cluster: Any, when: Callable[[], bool]) -> Iterator[None]:
    """Remove a node by force as soon as a condition holds in the body, and add another afterwards."""
    is_over = threading.Event()
    removed = []

    def act() -> None:
        while not is_over.wait(0.05):
            if when():
                removed.append(next(iter(cluster.worker_nodes)))
                cluster.remove_node(removed[0], allow_graceful=False)
                return

    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        if removed:
            add_node(cluster)
    assert removed, "the jobs were done before a node could be removed"


def test_jobs_get_resources_and_credentials(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "secret")
    names = ["a", "b", "c"]
    machines = run([Job(name, cluster_jobs.note, (tmp_path, name), 1) for name in names])
    assert sorted(machines) == names
    assert {path.read_text() for path in tmp_path.iterdir()} == {" secret"}, "no GPU is visible"


def test_unplaceable_job_is_named(run: Callable[..., Any], tmp_path: Path) -> None:
    jobs = [Job("large", cluster_jobs.note, (tmp_path, "a"), 1, (), Resources(8))]
    with pytest.raises(SettingError, match=r"for 8.*1 GB"):
        run(jobs)
    with pytest.raises(SettingError, match=r"2 GPUs"):
        run([Job("a", cluster_jobs.note, (tmp_path, "a"), 1)], gpus="2")
    assert not list(tmp_path.iterdir())


def test_killer_job_is_isolated(run: Callable[..., Any], tmp_path: Path) -> None:
    assert_killer_is_isolated(run, tmp_path)


def test_missing_folder_ends_run(cluster: Any, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(NodeError, match="folder"):
        run_jobs([Job("a", cluster_jobs.fail, (), 1)], Where(1, "ray"), "test", folder=missing, each_alone=True)


def test_silent_address_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"Ray.*127\.0\.0\.1:1"):
        run_jobs([Job("a", cluster_jobs.fail, (), 1)], Where(1, "ray", {"address": "127.0.0.1:1"}), "test")


def test_version_mismatch_is_named(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    theirs = ray.__version__
    monkeypatch.setattr(ray, "__version__", "2.1.0")
    with pytest.raises(SettingError) as raised:
        run([Job("a", cluster_jobs.fail, (), 1)])
    assert theirs in str(raised.value)
    assert "2.1.0" in str(raised.value)
    assert "\n" not in str(raised.value)
    monkeypatch.undo()
    assert not ray.is_initialized()


def test_lost_node_keeps_results(cluster: Any, run: Callable[..., Any], tmp_path: Path) -> None:
    with node_removed(cluster, lambda: len(list(tmp_path.glob("*.txt"))) == 2):
        run([Job(name, cluster_jobs.count, (tmp_path, name, 6, 0.3), 6) for name in ("a", "b", "c")])
    assert [path.read_text().split() for path in tmp_path.iterdir()] == [list("123456")] * 3


def test_corrections_equal_one_process(cluster: Any, tmp_path: Path) -> None:
    clips = write_walks(tmp_path / "clips", 200)
    options = CorrectionOptions(kinematic=True)
    correct_into([clips], tmp_path / "here", options, 1)
    with node_removed(cluster, lambda: len(list((tmp_path / "there").glob("*.bvh"))) > 20):
        results = correct_into([clips], tmp_path / "there", options, None, RunnerChoice(runner="ray"))
    assert len(results) == 200
    there = digest(tmp_path / "there")
    assert there == digest(tmp_path / "here")
    assert sum(name.endswith(".bvh") for name in there) == 200


def test_killed_loop_equals_one_process(cluster: Any, tmp_path: Path) -> None:
    succeed(selfcorrect(f"{LOOP} --generations 2 --workers 1 --out here", tmp_path), tmp_path)
    line = f"{LOOP} --generations 2 --runner ray --out there"
    process = selfcorrect(line, tmp_path)
    wait_until(lambda: any(path.name == "generation-0001" for path in list_generations(tmp_path / "there")), process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    succeed(selfcorrect(line, tmp_path), tmp_path)
    assert digest(tmp_path / "there") == digest(tmp_path / "here")
    machines = json.loads((tmp_path / "there" / "machines.json").read_text())
    assert all(machines[job][0]["processor"] for job in machines if job != "sha256")


def test_removed_nodes_keep_results(cluster: Any, tmp_path: Path) -> None:
    """The only node is removed by force at every commit, REMOVED times in one run."""
    loop = f"{LOOP} --generations {3 * REMOVED // 2}"
    cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
    process = selfcorrect(f"{loop} --runner ray --out there", tmp_path)
    count = 0
    for _ in range(REMOVED):
        wait_until(partial(has_more, tmp_path / "there", count), process)
        (node,) = cluster.worker_nodes
        cluster.remove_node(node, allow_graceful=False)
        count = len(list_generations(tmp_path / "there"))
        add_node(cluster)
    assert process.poll() is None, "the run was over too early"
    add_node(cluster)
    succeed(process, tmp_path)
    succeed(selfcorrect(f"{loop} --workers 1 --out here", tmp_path), tmp_path)
    assert digest(tmp_path / "there") == digest(tmp_path / "here")


def list_generations(folder: Path) -> list[Path]:
    """Return the folders of committed generations; unlike `rglob`, `os.walk` skips folders that vanish meanwhile."""
    return [Path(path) for path, _, _ in os.walk(folder) if Path(path).name.startswith("generation-")]


def has_more(folder: Path, count: int) -> bool:
    """Return whether a folder has more generations than this."""
    return len(list_generations(folder)) > count


def wait_until(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait for a condition while a command runs."""
    until_s = time.monotonic() + LIMIT_S
    while not condition():
        assert process.poll() is None, "the command ended too early"
        assert time.monotonic() < until_s, "nothing happened in time"
        time.sleep(0.05)
