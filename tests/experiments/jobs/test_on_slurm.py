"""A real Slurm of two nodes, both on this machine, leaves what one process leaves."""

import os
import pickle
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import cluster_jobs
import pytest
from cluster_runs import LIMIT_S, LOOP, assert_killer_is_isolated, digest, selfcorrect, succeed
from helpers import write_walks

from selfcorrect.commands.correct.batch import correct_into
from selfcorrect.commands.correct.options import CorrectionOptions
from selfcorrect.core.errors import JobsError, LostJobError, NodeError, SettingError
from selfcorrect.experiments.jobs.run import Job, run_jobs
from selfcorrect.experiments.jobs.runner_choice import RunnerChoice
from selfcorrect.experiments.jobs.where import Resources, Where
from selfcorrect.storage.files.digests import write_with_digest
from selfcorrect.storage.files.locks import read_identity

pytest.importorskip("submitit")
pytestmark = [
    pytest.mark.nightly,  # downloads and starts Slurm
    pytest.mark.skipif(shutil.which("apt-get") is None, reason="Slurm comes from Debian's packages"),
]
NODE_JOBS = Path(cluster_jobs.__file__).parent
RUNNING = """
import sys
from pathlib import Path
import cluster_jobs
from selfcorrect.experiments.jobs.run import Job, run_jobs
from selfcorrect.experiments.jobs.where import Where
folder = Path(sys.argv[1])
jobs = [Job(name, cluster_jobs.count, (folder, name, 20, 0.5), 20) for name in ("a", "b")]
run_jobs(jobs, Where(1, "slurm"), "test", folder=folder, each_alone=True)
"""
"""A command that counts to 20 in two jobs of ten seconds."""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("slurm")
    started = subprocess.run(
        [NODE_JOBS / "tiny_slurm.sh", folder, "27817"], capture_output=True, text=True, timeout=300
    )
    if started.returncode:
        pytest.skip(f"Slurm did not start: {started.stderr[-300:]}")
    shown = subprocess.run(["bash", "-c", f". {folder}/env.sh; env"], capture_output=True, text=True, check=True)
    environment = dict(line.split("=", 1) for line in shown.stdout.splitlines() if "=" in line)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("LD_LIBRARY_PATH", "SLURM_CONF", "PATH"):
            patch.setenv(name, environment[name])
        patch.setenv("PYTHONPATH", str(NODE_JOBS))
        yield
    for path in (folder / "run").glob("*.pid"):
        with suppress(OSError, ValueError):
            os.kill(int(path.read_text()), signal.SIGTERM)


@pytest.fixture
def run(slurm: None, tmp_path: Path) -> Callable[..., Any]:
    """Run jobs in Slurm that write into `tmp_path`."""
    return lambda jobs, **options: run_jobs(jobs, Where(1, "slurm", options), "test", folder=tmp_path, each_alone=True)


def list_jobs(state: str) -> list[str]:
    """The ids of the jobs in a state."""
    command = ["squeue", "--me", "--noheader", "--array", f"--states={state}", "--format=%i"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def wait_until(condition: Callable[[], object], limit_s: float = 120) -> None:
    until_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < until_s, "nothing happened in time"
        time.sleep(0.1)


def lines_of(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def start_counting(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", RUNNING, folder], stderr=subprocess.PIPE, text=True)


def test_jobs_leave_no_records(run: Callable[..., Any], tmp_path: Path) -> None:
    names = ["a", "b", "c"]
    assert sorted(run([Job(name, cluster_jobs.note, (tmp_path, name), 1) for name in names])) == names
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_impossible_jobs_are_named(run: Callable[..., Any], tmp_path: Path) -> None:
    one = Job("one", cluster_jobs.note, (tmp_path, "one"), 1)
    with pytest.raises(NodeError, match="asks for 8 cores, 1 GB"):
        run([Job("large", cluster_jobs.note, (tmp_path, "large"), 1, (), Resources(8))])
    with pytest.raises(NodeError, match="1 core, 1 GPU, 1 GB"):
        run([one], gpus="1")
    with pytest.raises(NodeError, match="partition"):
        run([one], partition="nosuch")
    with pytest.raises(SettingError, match=r"minutes.*positive"):
        run([one], minutes="soon")


def test_killer_job_is_isolated(run: Callable[..., Any], tmp_path: Path) -> None:
    assert_killer_is_isolated(run, tmp_path)


def test_orphaned_jobs_are_adopted(slurm: None, tmp_path: Path) -> None:
    killed = start_counting(tmp_path)
    wait_until(lambda: lines_of(tmp_path / "a.txt") and lines_of(tmp_path / "b.txt"))
    before = set(list_jobs("RUNNING"))
    killed.kill()
    killed.communicate()
    again = start_counting(tmp_path)
    time.sleep(3)
    assert set(list_jobs("RUNNING,PENDING")) <= before, "none is submitted again"
    _, errors = again.communicate(timeout=200)
    assert again.returncode == 0, errors
    assert [len(lines_of(tmp_path / f"{name}.txt")) for name in ("a", "b")] == [20, 20]


class _Code:
    """A value whose pickle runs code when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_contents_of_folder_are_not_trusted(run: Callable[..., Any], tmp_path: Path) -> None:
    """Pickles that lie in the folder are not loaded, and jobs of others are not cancelled."""
    words = ["sbatch", "--parsable", "--output=/dev/null", "--wrap=sleep 300"]
    foreign = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    records = tmp_path / ".slurm"
    commands = ("0" * 32, "1" * 32)
    for command in commands:
        (records / command).mkdir(parents=True)
        for name in (f"{foreign}_0_result.pkl", f"{foreign}_result.pkl", f"{command}.json"):
            (records / command / name).write_bytes(pickle.dumps(("success", _Code(tmp_path / "ran"))))
    entry = {"id": foreign, "digest": "", "token": commands[0]}
    entries = {"a": {**entry, "command": commands[0]}, "other": {**entry, "command": commands[1]}}
    write_with_digest(records / "jobs.json", {"jobs": entries})
    wait_until(lambda: foreign in list_jobs("RUNNING,PENDING"))
    assert [*run([Job("a", cluster_jobs.note, (tmp_path, "a"), 1)])] == ["a"]
    assert (tmp_path / "a").exists()
    assert not (tmp_path / "ran").exists()
    assert foreign in list_jobs("RUNNING,PENDING")
    subprocess.run(["scancel", foreign], check=True)


def test_requeued_job_resumes(slurm: None, tmp_path: Path) -> None:
    process = start_counting(tmp_path)
    wait_until(lambda: len(lines_of(tmp_path / "a.txt")) > 3)
    running = list_jobs("RUNNING")
    subprocess.run(["scontrol", "requeue", running[0]], check=True)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert [lines_of(tmp_path / f"{name}.txt") for name in ("a", "b")] == [[f"{n}" for n in range(1, 21)]] * 2


def test_failed_start_is_named(run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH")
    with pytest.raises(JobsError) as raised:
        run([Job("homeless", cluster_jobs.note, (tmp_path, "a"), 1)])
    error = raised.value.failed["homeless"]
    assert type(error) is LostJobError
    assert "No module named 'cluster_jobs'" in str(error)
    assert not (tmp_path / "a").exists()


def test_corrections_equal_one_process(slurm: None, tmp_path: Path) -> None:
    clips = write_walks(tmp_path / "clips", 200)
    options = CorrectionOptions(kinematic=True)
    correct_into([clips], tmp_path / "here", options, 1)
    correct_into([clips], tmp_path / "there", options, None, RunnerChoice(runner="slurm"))
    there = digest(tmp_path / "there")
    assert there == digest(tmp_path / "here")
    assert sum(name.endswith(".bvh") for name in there) == 200


def test_loop_equals_one_process(slurm: None, tmp_path: Path) -> None:
    succeed(selfcorrect(f"{LOOP} --generations 1 --workers 1 --out here", tmp_path), tmp_path)
    succeed(selfcorrect(f"{LOOP} --generations 1 --runner slurm --out there", tmp_path), tmp_path)
    assert digest(tmp_path / "there") == digest(tmp_path / "here")


def test_second_command_is_told(slurm: None, tmp_path: Path) -> None:
    """Each runs on a node of its own."""

    def submit(node: str) -> subprocess.Popen[str]:
        line = f"{sys.executable} -m selfcorrect.commands.cli {LOOP} --generations 1 --workers 1 --out shared"
        words = ["sbatch", "--wait", f"--nodelist={node}", f"--output={node}.log", f"--wrap={line}"]
        return subprocess.Popen(words, cwd=tmp_path, text=True)

    first = submit("n1")
    wait_until(lambda: read_identity(tmp_path / "shared"))
    second = submit("n2")
    assert second.wait(LIMIT_S) == 2
    assert re.search(rf"in use by process \d+ on {platform.node()}", (tmp_path / "n2.log").read_text())
    assert first.wait(LIMIT_S) == 0
