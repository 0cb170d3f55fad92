"""Sandboxed code cannot end, hang or change this process, and ends with it."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selfcorrect.core.errors import CorrectorError, InputError, SampleError
from selfcorrect.loop.correctors.sandbox import SubprocessSandbox
from selfcorrect.runtime import global_generators
from selfcorrect.runtime.stopwatch import processor_time_s
from selfcorrect.runtime.supervision import EndedError

MODULE = """
import ctypes, os, random, signal, subprocess, sys, time
from posix import _exit as leave

import numpy as np

from selfcorrect.core.errors import SampleError
from selfcorrect.runtime.supervision import report_place

def double(memory, number): return 2 * number
def count(memory): memory["count"] = memory.get("count", 0) + 1; return memory["count"]
def draw(memory): return random.random(), np.random.rand()
def leaves(memory): leave(0)
def leaves_politely(memory): sys.exit(3)
def crashes(memory): ctypes.string_at(0)
def kills_itself(memory): os.kill(os.getpid(), signal.SIGKILL)
def interrupts(memory): raise KeyboardInterrupt
def divides(memory): return 1 / 0
def names_a_sample(memory): raise SampleError(3, "too tall")
def cannot_travel(memory): return (value for value in ())
def closes_everything(memory): os.closerange(3, 1000)

class Strange(Exception):
    def __reduce__(self): raise TypeError("no")

def strange(memory): raise Strange("odd")

def forks(memory):
    os.fork()
    return os.getpid()

def leaves_a_copy(memory):
    if os.fork(): leave(7)
    time.sleep(1000)

def swallows(memory, seconds=1000):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try: time.sleep(0.01)
        except BaseException: pass

def works_on_many(memory):
    for place in (15, 16, 17):
        report_place(f"motion {place}")
        time.sleep(0.6)

def spins(memory):
    while time.process_time() < 1.0: pass

def starts_another(memory):
    return os.getpid(), subprocess.Popen(["sleep", "1000"]).pid
"""


@pytest.fixture(scope="module")
def other_process(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("own")
    (folder / "other_code.py").write_text(MODULE)
    sys.path.insert(0, str(folder))
    import other_code  # type: ignore[import-not-found]

    yield other_code
    sys.path.remove(str(folder))


def is_alive(process: int) -> bool:
    """Return whether a process runs.

    One that nobody has buried yet does not.
    """
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(*processes: int) -> None:
    deadline = time.monotonic() + 600
    while any(map(is_alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_alive, processes))


def test_calls_share_memory(other_process) -> None:
    process = SubprocessSandbox("mine")
    assert process.call(other_process.double, 21) == 42
    assert [process.call(other_process.count) for _ in range(3)] == [1, 2, 3]
    for function, kind, message in (
        (other_process.divides, CorrectorError, r"ZeroDivisionError: division by zero \(other_code.py, line \d+\)"),
        (other_process.names_a_sample, SampleError, "too tall"),
        (other_process.strange, CorrectorError, "Strange: odd"),
        (other_process.cannot_travel, InputError, "its return value cannot be pickled: TypeError"),
        (other_process.leaves_politely, InputError, r"it tried to end the program \(exit code 3\)"),
        (other_process.interrupts, InputError, "it raised KeyboardInterrupt"),
    ):
        with pytest.raises(kind, match=message) as caught:
            process.call(function)
        assert caught.value.__notes__[0].startswith("Traceback")
        assert getattr(caught.value, "sample", 3) == 3
    assert process.call(other_process.count) == 4


def test_processor_time_counts(other_process) -> None:
    process = SubprocessSandbox("mine")
    before_s = processor_time_s()
    process.call(other_process.spins)
    assert processor_time_s() - before_s > 0.25  # of 1 s, the rest of which is imports


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("leaves", r"it ended its process \(exit code 0\)"),
        ("leaves_a_copy", r"it ended its process \(exit code 7\)"),
        ("crashes", "its process was killed by SIGSEGV"),
        ("kills_itself", "its process was killed by SIGKILL, perhaps for lack of memory"),
        ("closes_everything", "it (closed the connection of its process|ended its process)"),
    ],
)
def test_ended_process_raises(other_process, function: str, message: str) -> None:
    process = SubprocessSandbox("mine")
    with pytest.raises(EndedError, match=message):
        process.call(getattr(other_process, function))
    with pytest.raises(EndedError):
        process.call(other_process.double, 1)


def test_time_limit_per_place(other_process) -> None:
    process = SubprocessSandbox("mine", limit_s=1.5)
    process.call(other_process.works_on_many)
    with pytest.raises(EndedError, match=r"longer than 1\.5"):
        process.call(other_process.swallows)


def test_returning_copy_answers_once(other_process) -> None:
    process = SubprocessSandbox("mine")
    assert process.call(other_process.forks) == process._process.pid
    assert process.call(other_process.double, 2) == 4


def test_end_kills_children(other_process) -> None:
    process = SubprocessSandbox("mine")
    leader, child = process.call(other_process.starts_another)
    assert is_alive(leader)
    assert is_alive(child)
    del process
    wait_until_gone(leader, child)


def test_ends_with_killed_parent(other_process, tmp_path: Path) -> None:
    program = (
        "import other_code, sys, time; from selfcorrect.loop.correctors.sandbox import SubprocessSandbox; "
        "process = SubprocessSandbox('mine');"
        "print(*process.call(other_code.starts_another), flush=True); process.call(other_code.swallows)"
    )
    folder = str(Path(other_process.__file__).parent)
    parent = subprocess.Popen(
        [sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": folder}, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    processes = [int(word) for word in parent.stdout.readline().split()]
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    wait_until_gone(*processes)


def test_long_call_is_reported(
    other_process, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("selfcorrect.loop.correctors.sandbox.WARN_AFTER_S", 0.1)
    SubprocessSandbox("mine").call(other_process.works_on_many)
    assert capsys.readouterr().err.count("corrector 'mine' has been working on motion 17 for ") == 1


def test_random_draws_agree(other_process) -> None:
    state = global_generators.get_state()
    try:
        global_generators.seed(11)
        there = SubprocessSandbox("mine").call(other_process.draw)
        assert there == (random.random(), np.random.rand())  # noqa: NPY002
    finally:
        global_generators.set_state(state)
