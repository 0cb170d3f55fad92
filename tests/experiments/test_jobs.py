"""Jobs run in the right order, in any number of processes, and fail in words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from selfcorrect.experiments.jobs import Job, run_jobs


def note(folder: Path, name: str, needs: str | None, progress) -> None:
    """Leave a file, and refuse to if the file of the job before is not there."""
    if needs and not (folder / needs).exists():
        raise ValueError(f"{name} ran before {needs}")
    progress("train", 1, 1)
    (folder / name).write_text(name)
    progress("generation", 1, 1)


def fail(progress) -> None:
    raise ValueError("this one is broken")


def die(progress) -> None:
    os._exit(1)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_runs_after_the_one_it_waits_for(tmp_path: Path, workers: int):
    jobs = [Job(name, note, (tmp_path, name, needs), 1, needs) for name, needs in (("b", "a"), ("c", "b"), ("a", None))]
    run_jobs(jobs, workers, "test")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_error_of_a_job_comes_out_as_it_is(workers: int):
    with pytest.raises(ValueError, match="this one is broken"):
        run_jobs([Job("broken", fail, (), 1)], workers, "test")


def test_a_worker_that_dies_is_named():
    with pytest.raises(RuntimeError, match="died while doomed ran"):
        run_jobs([Job("doomed", die, (), 1)], 2, "test", runner="processes")


def test_waiting_for_a_job_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="waits for ghost"):
        run_jobs([Job("a", note, (tmp_path, "a", None), 1, "ghost")], 1, "test")


def test_at_least_one_worker_is_needed():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        run_jobs([], 0, "test")


def test_an_unknown_runner_is_named_before_anything_runs(tmp_path: Path):
    with pytest.raises(
        ValueError, match=r"unknown runner 'process', known are here, processes; did you mean 'processes'"
    ):
        run_jobs([Job("a", note, (tmp_path, "a", None), 1)], 2, "test", runner="process")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("runner", ["here", "processes"])
def test_every_runner_stops_at_the_first_error_and_keeps_what_is_finished(tmp_path: Path, runner: str):
    jobs = [
        Job("a", note, (tmp_path, "a", None), 1),
        Job("broken", fail, (), 1, "a"),
        Job("after", note, (tmp_path, "after", None), 1, "broken"),
    ]
    with pytest.raises(ValueError, match="this one is broken"):
        run_jobs(jobs, 2, "test", runner=runner)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


THREADS = """
import numpy, torch
from threadpoolctl import threadpool_info
from selfcorrect.experiments.jobs import run_jobs
print(max(pool["num_threads"] for pool in threadpool_info()))
run_jobs([], 1, "test")
print(max(pool["num_threads"] for pool in threadpool_info()))
"""


def test_this_process_uses_one_thread_too():
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", THREADS], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["2", "1"]
