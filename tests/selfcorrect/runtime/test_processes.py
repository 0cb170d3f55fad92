"""Worker processes keep order and report errors, also when they die.

Work in threads is tested, too.
"""

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from multiprocessing import connection, forkserver
from multiprocessing.util import get_temp_dir
from pathlib import Path

import pytest

from selfcorrect.core.errors import WorkerError
from selfcorrect.runtime import processes
from selfcorrect.runtime.processes import (
    WORKER_BYTES,
    default_workers,
    limit_threads,
    map_tasks,
    run_in_threads,
    stream_tasks,
)
from selfcorrect.runtime.supervision import forbid_exit


@pytest.mark.parametrize("workers", [1, 2])
def test_results_keep_task_order(workers):
    assert map_tasks(math.factorial, [5, 3, 9, 1], workers) == [120, 6, 362880, 1]


@pytest.mark.parametrize("workers", [1, 2])
def test_task_errors_reach_caller(workers):
    with pytest.raises(ValueError, match="not defined for negative"):
        map_tasks(math.factorial, [3, -1], workers)


def test_dead_worker_raises_once():
    with pytest.raises(RuntimeError, match="a worker process died"):
        map_tasks(os._exit, [1, 1], workers=2)
    assert map_tasks(math.factorial, [4], workers=2) == [24]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the server")
def test_dead_server_raises_once(monkeypatch: pytest.MonkeyPatch) -> None:
    server = forkserver._forkserver
    connect = forkserver.connect_to_new_process

    def kill_after_connecting(handles: Sequence[int]) -> object:
        if sys.version_info >= (3, 14):  # the server answers while a process connects, so it cannot be stopped before
            os.kill(pid, signal.SIGKILL)
            return connect(handles)
        os.kill(pid, signal.SIGSTOP)
        ends = connect(handles)
        os.kill(pid, signal.SIGKILL)
        return ends

    processes._drop_executors()
    server.ensure_running()
    pid = server._forkserver_pid
    monkeypatch.setattr(forkserver, "connect_to_new_process", kill_after_connecting)
    with pytest.raises(WorkerError, match="while starting"):
        map_tasks(abs, [-1, -2], 2)
    monkeypatch.undo()
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # else the next call may meet a server that is just dying
    assert map_tasks(abs, [-1, -2], 2) == [1, 2]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the server")
def test_dead_server_leaves_temporary_folder() -> None:
    processes._drop_executors()
    process = processes.process_context().Process(
        target=processes._start, args=(dict(os.environ), get_temp_dir(), False, time.sleep, 60)
    )
    process.start()
    watched = os.pidfd_open(process.pid)
    server = forkserver._forkserver._forkserver_pid
    os.kill(server, signal.SIGKILL)
    process.join()  # at once, since the server would have told of its end
    del process
    assert connection.wait([watched], 30)
    os.close(watched)
    os.waitid(os.P_PID, server, os.WEXITED | os.WNOWAIT)
    assert Path(get_temp_dir()).is_dir()
    assert map_tasks(abs, [-1, -2], 2) == [1, 2]


def test_long_temporary_folder_works(tmp_path: Path):
    folder = tmp_path / ("long" * 25)
    folder.mkdir()
    code = (
        "import math; from selfcorrect.runtime.processes import map_tasks; print(map_tasks(math.factorial, [3, 4], 2))"
    )
    environment = {**os.environ, "TMPDIR": str(folder)}
    process = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert process.stdout == "[6, 24]\n", process.stderr


def test_workers_import_modules_of_parent(tmp_path: Path):
    (tmp_path / "clone" / "selfcorrect").mkdir(parents=True)
    (tmp_path / "clone" / "selfcorrect" / "__init__.py").write_text("version = 'of another clone'")
    script = tmp_path / "script.py"
    script.write_text(
        "import selfcorrect; from selfcorrect.runtime.processes import start_processes\n"
        "if __name__ == '__main__':\n"
        "    pool = start_processes(1, modules=('selfcorrect',))\n"
        "    seen = pool.submit(eval, '__import__(\"selfcorrect\").__file__').result()\n"
        "    assert seen == selfcorrect.__file__, seen\n"
    )
    subprocess.run([sys.executable, script], cwd=tmp_path / "clone", check=True)


def test_workers_are_counted():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        map_tasks(math.factorial, [1], workers=0)


def hold(folder: Path) -> int:
    """Wait for others; return how many came.

    The processes were here at once. Waiting ends when no other process has come for a while.
    """
    mine = folder / str(time.monotonic_ns())
    mine.touch()
    time.sleep(0.3)
    count = len(list(folder.iterdir()))
    mine.unlink()
    return count


def test_concurrency_is_bounded(tmp_path: Path):
    assert map_tasks(math.factorial, [1, 2, 3], workers=3) == [1, 2, 6]
    assert list(processes._executors) == [3]
    assert max(map_tasks(hold, [tmp_path] * 4, workers=2)) <= 2
    assert list(processes._executors) == [3]


def test_processes_see_current_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SELFCORRECT_LATE", raising=False)
    for late in ("one", "other"):  # the server of the second pool is older than its environment
        monkeypatch.setenv("SELFCORRECT_LATE", late)
        monkeypatch.chdir(tmp_path)
        with processes.start_processes(1) as pool:
            assert pool.submit(os.getenv, "SELFCORRECT_LATE").result() == late
            assert pool.submit(os.getcwd).result() == str(tmp_path)
    monkeypatch.delenv("SELFCORRECT_LATE")
    with processes.start_processes(1) as pool:
        assert pool.submit(os.getenv, "SELFCORRECT_LATE").result() is None


@pytest.mark.parametrize(("cores", "gigabytes", "workers"), [(8, 64, 8), (8, 3.5, 3), (8, 0.2, 1), (1, 64, 1)])
def test_workers_fit_cores_and_memory(cores: int, gigabytes: float, workers: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setattr(processes, "_free_bytes", lambda: int(gigabytes * WORKER_BYTES))
    assert default_workers() == workers


def test_free_memory_respects_group(monkeypatch: pytest.MonkeyPatch):
    files = {"/proc/meminfo": ["MemTotal: 9000000 kB", "MemAvailable:  8000000 kB"]}
    monkeypatch.setattr(processes, "_lines", lambda path: files.get(path, []))
    assert processes._free_bytes() == 8_192_000_000
    files |= {"/sys/fs/cgroup/memory.max": ["5000"], "/sys/fs/cgroup/memory.current": ["1000"]}
    assert processes._free_bytes() == 4000
    files["/sys/fs/cgroup/memory.max"] = ["max"]
    assert processes._free_bytes() == 8_192_000_000
    files.clear()
    assert processes._free_bytes() is None


def wait_in_foreign_code(begun: Path) -> None:
    """As an endless corrector does."""
    with forbid_exit():
        begun.touch()
        time.sleep(1000)


def test_interrupt_ends_workers(monkeypatch: pytest.MonkeyPatch):
    map_tasks(math.factorial, [1, 2], workers=2)
    pool = next(iter(processes._executors.values()))
    started = list(pool._processes.values())

    def interrupt(*item, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(processes, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        map_tasks(time.sleep, [60, 60, 60], workers=2)
    for process in started:  # whose pool may be waiting for them too, and then is_alive() is wrong for a moment
        assert connection.wait([process.sentinel], timeout=60)


@pytest.mark.parametrize("count", [1, 3, 4, 10])
def test_each_item_is_given_once(count):
    items = []
    with limit_threads(3):
        run_in_threads(items.extend, range(count), 2)
    assert sorted(items) == list(range(count))


def test_large_parts_run_together():
    together = threading.Barrier(3, timeout=60)
    with limit_threads(3):
        run_in_threads(lambda _: together.wait(), range(6), 2)
        assert _callers(items=3, least=2) == [threading.current_thread()]
    assert _callers(items=9, least=1) == [threading.current_thread()]


def _callers(items: int, least: int) -> list[threading.Thread]:
    callers = []
    run_in_threads(lambda _: callers.append(threading.current_thread()), range(items), least)
    return callers


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_part_errors_wait_for_others(bad):
    ended = []

    def act(items):
        if bad in items:
            raise ValueError(f"item {bad}")
        ended.extend(items)

    with limit_threads(3), pytest.raises(ValueError, match=f"item {bad}"):
        run_in_threads(act, range(3), 1)
    assert sorted(ended) == [item for item in range(3) if item != bad]


def test_threads_are_shared():
    assert map_tasks(_parts, [6], 3) == [3]
    assert map_tasks(_parts, [6, 6], 2) == [1, 1]
    with limit_threads(2):
        assert map_tasks(_parts, [6, 6], 1) == [2, 2]


def _parts(items: int) -> int:
    parts = []
    run_in_threads(parts.append, range(items), 1)
    return len(parts)


@pytest.mark.parametrize("is_console", [True, False])
def test_worker_warnings_are_hidden(is_console: bool) -> None:
    program = (
        "import warnings, numpy\n"
        "from selfcorrect.runtime.console_warnings import format_for_console\n"
        "from selfcorrect.runtime.processes import map_tasks\n"
        f"if {is_console}: warnings.formatwarning = format_for_console\n"
        "map_tasks(numpy.log, [numpy.zeros(2)] * 4, 2)\n"
    )
    ended = subprocess.run([sys.executable, "-W", "default", "-c", program], capture_output=True, text=True, check=True)
    assert ("divide by zero" in ended.stderr) is not is_console


KILLED = """
import os, signal, sys, threading, time
from pathlib import Path
from selfcorrect.runtime.processes import map_tasks, start_processes
from test_processes import run_nested, wait_in_foreign_code

folder = Path(sys.argv[1])
files = [folder / "a", folder / "b"]

def die_once_all_wait():
    while len(list(folder.iterdir())) < int(sys.argv[2]):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)

threading.Thread(target=die_once_all_wait, daemon=True).start()
"""


def run_nested(begun: Path) -> None:
    """Run jobs that correct on two cores."""
    map_tasks(wait_in_foreign_code, [begun.with_suffix(".1"), begun.with_suffix(".2")], 2)


@pytest.mark.parametrize(
    ("work", "waiting"),
    [
        ("map_tasks(wait_in_foreign_code, files, 2)", 2),
        pytest.param("list(start_processes(2).map(run_nested, files))", 4, marks=pytest.mark.slow),
    ],
)
def test_workers_end_with_program(work: str, waiting: int, tmp_path: Path):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-c", KILLED + work, str(tmp_path), str(waiting)]
    process = subprocess.run(command, env=environment, stdout=subprocess.PIPE, timeout=200, check=False)
    assert process.returncode == -signal.SIGKILL  # and not a timeout: nobody holds the other end of its output any more


def test_results_stream_in_order():
    results = stream_tasks(math.factorial, range(5), workers=2)
    assert next(results) == 1
    assert list(results) == [1, 2, 6, 24]
