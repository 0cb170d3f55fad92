"""Worker processes: order, errors, death."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys

import pytest

from selfcorrect.processes import map_tasks


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
import math, os, signal
from selfcorrect.processes import map_tasks
map_tasks(math.factorial, [3, 4], 2)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_end_with_a_killed_program():
    done = subprocess.run([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL  # and not a timeout: nobody holds the other end of its output any more
