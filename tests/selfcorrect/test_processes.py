"""Worker processes: order, errors, death."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from selfcorrect.processes import map_tasks
from selfcorrect.supervision import nothing_ends_here


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_tasks_order(workers):
    assert map_tasks(math.factorial, [5, 3, 9, 1], workers) == [120, 6, 362880, 1]


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_of_a_task_reach_the_caller(workers):
    with pytest.raises(ValueError, match="not defined for negative"):
        map_tasks(math.factorial, [3, -1], workers)


def test_a_dead_worker_gives_one_clear_error_and_the_next_call_works():
    with pytest.raises(RuntimeError, match="a worker process died"):
        map_tasks(os._exit, [1, 1], workers=2)
    assert map_tasks(math.factorial, [4], workers=2) == [24]


def test_workers_are_counted():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        map_tasks(math.factorial, [1], workers=0)


KILLED = """
import os, signal, sys, threading
from selfcorrect.processes import map_tasks
from test_processes import wait_in_foreign_code
threading.Timer(2, os.kill, (os.getpid(), signal.SIGKILL)).start()
map_tasks(wait_in_foreign_code, range(2), 2)
"""


def wait_in_foreign_code(task: int) -> None:
    """As an endless corrector does, whose calls of os._exit end nothing."""
    with nothing_ends_here():
        time.sleep(1000)


def test_workers_end_with_a_killed_program():
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-c", KILLED]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, timeout=100, check=False)
    assert done.returncode == -signal.SIGKILL  # and not a timeout: nobody holds the other end of its output any more
