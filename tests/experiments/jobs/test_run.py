"""Jobs run in order and fail in words, with any number of processes."""

import os
import subprocess
import sys
import time
from pathlib import Path
from queue import Queue

import pytest

import selfcorrect.experiments.jobs.run as jobs_module
from selfcorrect.core.errors import JobsError
from selfcorrect.experiments.jobs.run import Job, run_jobs
from selfcorrect.experiments.jobs.where import Where
from selfcorrect.runtime.processes import run_in_threads


def note(folder: Path, name: str, needs: str | None, progress) -> None:
    """Leave a file if the file before exists."""
    if needs and not (folder / needs).exists():
        raise ValueError(f"{name} ran before {needs}")
    progress("train", 1, 1)
    (folder / name).write_text(name)
    progress("generation", 1, 1)


def note_threads(path: Path, progress) -> None:
    import numpy as np  # noqa: F401
    from threadpoolctl import threadpool_info

    path.write_text(str(max(library["num_threads"] for library in threadpool_info())))


OLDER_SERVER = """
import os, sys
from pathlib import Path
os.environ["OMP_NUM_THREADS"] = "2"
from selfcorrect.runtime.processes import start_processes
with start_processes(1, os.getpid, modules=["numpy"]):
    pass
from selfcorrect.experiments.jobs.run import Job, run_jobs
from selfcorrect.experiments.jobs.where import Where
from test_run import note_threads
run_jobs([Job("threads", note_threads, (Path(sys.argv[1]),), 1)], Where(2, "processes"), "test")
"""


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="libraries take one thread on one core")
def test_workers_take_one_thread(tmp_path: Path):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    words = [sys.executable, "-c", OLDER_SERVER, str(tmp_path / "threads")]
    subprocess.run(words, env=environment, capture_output=True, check=True)
    assert (tmp_path / "threads").read_text() == "1"


def fail(progress) -> None:
    raise ValueError("this one is broken")


def die(progress) -> None:
    os._exit(1)


def test_the_longest_path_starts_first(tmp_path: Path):
    paths = {"alone": [1], "short": [1, 1], "long": [1, 1, 3], "late": [1, 5]}
    jobs = []
    for path, lengths in paths.items():
        names = [f"{path}-{number}" for number in range(len(lengths))]
        for number, generations in enumerate(lengths):
            after = tuple(names[number - 1 : number]) if number else ()
            jobs.append(Job(names[number], note, (tmp_path, names[number], None), generations, after))
    started = []
    run_jobs(jobs, Where(1), "test", observe=lambda event: started.append(event.job))
    first_of_each = [name for name in dict.fromkeys(started) if name.endswith("-0")]
    assert first_of_each == ["late-0", "long-0", "short-0", "alone-0"]
    assert [*dict.fromkeys(started)].index("late-1") < [*dict.fromkeys(started)].index("short-0"), "the longer path"


def test_dead_worker_is_named():
    with pytest.raises(RuntimeError, match="died while doomed ran"):
        run_jobs([Job("doomed", die, (), 1)], Where(1, "processes"), "test")


def test_missing_dependency_raises(tmp_path: Path):
    with pytest.raises(AssertionError, match="waits for no job"):
        run_jobs([Job("a", note, (tmp_path, "a", None), 1, ("ghost",))], Where(), "test")


def test_unknown_runner_raises(tmp_path: Path):
    with pytest.raises(ValueError, match=r"'process',.*'processes'"):
        run_jobs([Job("a", note, (tmp_path, "a", None), 1)], Where(2, "process"), "test")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("runner", ["here", "processes"])
def test_runners_stop_at_first_error(tmp_path: Path, runner: str):
    jobs = [
        Job("a", note, (tmp_path, "a", None), 1),
        Job("broken", fail, (), 1, ("a",)),
        Job("after", note, (tmp_path, "after", None), 1, ("broken",)),
    ]
    with pytest.raises(ValueError, match="this one is broken"):
        run_jobs(jobs, Where(2, runner), "test")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("workers", [1, 2])
def test_job_waits_for_dependencies(tmp_path: Path, workers: int):
    jobs = [
        Job("c", note, (tmp_path, "c", "b"), 1, ("a", "b")),
        Job("a", note, (tmp_path, "a", None), 1),
        Job("b", note, (tmp_path, "b", "a"), 1, ("a",)),
    ]
    run_jobs(jobs, Where(workers), "test")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_cyclic_jobs_raise():
    with pytest.raises(ValueError, match="cycle"):
        run_jobs([Job("a", fail, (), 1, ("b",)), Job("b", fail, (), 1, ("a",))], Where(), "test")


def test_each_alone_continues(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = [
        Job("broken", fail, (), 1),
        Job("after", note, (tmp_path, "after", None), 1, ("broken",)),
        Job("other", note, (tmp_path, "other", None), 1),
    ]
    with pytest.raises(JobsError, match=r"(?s)1 of 3.*broken: ") as raised:
        run_jobs(jobs, Where(), "test", each_alone=True)
    assert list(raised.value.failed) == ["broken"]
    assert "broken failed: this one is broken" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


THREADS = """
import numpy, torch
from threadpoolctl import threadpool_info
from selfcorrect.experiments.jobs.run import run_jobs
from selfcorrect.experiments.jobs.where import Where
print(max(pool["num_threads"] for pool in threadpool_info()))
run_jobs([], Where(), "test")
print(max(pool["num_threads"] for pool in threadpool_info()))
"""


@pytest.mark.slow
def test_own_process_uses_one_thread():
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    process = subprocess.run(
        [sys.executable, "-c", THREADS], env=environment, check=True, capture_output=True, text=True
    )
    assert process.stdout.split() == ["2", "1"]


def count_threads(folder: Path, name: str, progress) -> None:
    parts: list[int] = []
    run_in_threads(parts.append, range(8), 1)
    (folder / name).write_text(str(len(parts)))
    progress("generation", 1, 1)


@pytest.mark.parametrize(("workers", "jobs", "threads"), [(1, 1, 1), (3, 1, 3), (4, 2, 2), (2, 3, 1)])
def test_idle_workers_lend_threads(tmp_path: Path, workers: int, jobs: int, threads: int) -> None:
    run_jobs([Job(f"job-{k}", count_threads, (tmp_path, f"{k}"), 1) for k in range(jobs)], Where(workers), "test")
    assert [path.read_text() for path in sorted(tmp_path.iterdir())] == [str(threads)] * jobs


def test_nothing_prints_after_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Observers may be slower than jobs, as trackers of experiments are."""
    monkeypatch.setattr(jobs_module, "_BACKLOG_S", 0.05)
    events = Queue()
    shown = []

    def show(event: int) -> None:
        time.sleep(0.01)
        shown.append(event)

    with jobs_module._drain(events, show):
        for event in range(100):
            events.put(event)
    count = len(shown)
    assert 0 < count < 100
    time.sleep(0.05)
    assert shown == list(range(count))
