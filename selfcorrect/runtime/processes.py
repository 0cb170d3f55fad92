"""A pool of worker processes.

PyBullet holds Python's lock during steps, so simultaneous simulations need several processes. Workers start once and
wait for further work until the program ends. Users' code has processes of its own (`correctors.sandbox`).
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache
from multiprocessing import connection, get_context, parent_process
from multiprocessing.context import BaseContext
from multiprocessing.util import get_temp_dir
from pathlib import Path
from typing import TypeVar

from ..core.checks import check_count
from ..core.errors import WorkerError
from .console_warnings import format_for_console
from .progress import part_of_work, split_work

_Item = TypeVar("_Item")

_thread_limit: ContextVar[int] = ContextVar("threads", default=1)


@contextmanager
def limit_threads(most: int) -> Iterator[None]:
    """Let a block use up to `most` cores, as threads or processes.

    Outside such blocks, work uses a single core.
    """
    token = _thread_limit.set(most)
    try:
        yield
    finally:
        _thread_limit.reset(token)


def get_core_limit() -> int:
    """Return the number of cores that this block may use, see `limit_threads`."""
    return _thread_limit.get()


def run_in_threads(act: Callable[[Sequence[_Item]], None], items: Sequence[_Item], least: int) -> None:
    """Call a function on parts of the items, in threads.

    If it raises an error, the error is passed on after all parts have ended.

    Args:
        act: Function of a part of the items.
        items: The items.
        least: Minimum number of items in a part.
    """
    parts = min(_thread_limit.get(), len(items) // least)
    if parts <= 1:
        act(items)
        return
    futures = [_pool(parts - 1).submit(act, items[part::parts]) for part in range(1, parts)]
    try:
        act(items[::parts])
    finally:
        wait(futures)
    for future in futures:
        future.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "selfcorrect")


_Task = TypeVar("_Task")
_Result = TypeVar("_Result")

_executors: dict[int, ProcessPoolExecutor] = {}
"""The pool by its number of workers, at most one."""
atexit.register(_executors.clear)  # while the modules that a pool uses still exist

WORKER_BYTES = 1_000_000_000
"""Memory per worker, in bytes. Correcting 10,000 frames of 31 joints at once takes 0.6 GB."""


def default_workers() -> int:
    """Return one worker per core, or fewer if free memory is short."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    free = _free_bytes()
    return max(1, cores if free is None else min(cores, free // WORKER_BYTES))


def _free_bytes() -> int | None:
    """Return the free memory of machine and control group, or None if unknown."""
    machine = [1024 * int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemAvailable:")]
    limit = _lines("/sys/fs/cgroup/memory.max")
    used = _lines("/sys/fs/cgroup/memory.current")
    group = [int(limit[0]) - int(used[0])] if limit and used and limit[0].isdigit() else []
    return min((*machine, *group), default=None)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def map_tasks(function: Callable[[_Task], _Result], tasks: Iterable[_Task], workers: int) -> list[_Result]:
    """Call a function on every task in worker processes.

    If there is only one task or worker, it runs in this process. A single task may then use as many threads.

    Returns:
        The results in the order of the tasks.

    Raises:
        SettingError: There is less than one worker.
        WorkerError: A worker process died.
    """
    return list(stream_tasks(function, tasks, workers))


def stream_tasks(function: Callable[[_Task], _Result], tasks: Iterable[_Task], workers: int) -> Iterator[_Result]:
    """Yield the results of `map_tasks` in order, each as soon as all earlier ones are done."""
    check_count("workers", workers, 1)
    tasks = list(tasks)
    if workers == 1 or len(tasks) <= 1:
        for task, shares in zip(tasks, split_work([1] * len(tasks)), strict=True):
            with limit_threads(workers) if workers > 1 else nullcontext(), part_of_work(*shares):
                result = function(task)
            yield result
        return
    workers = min(workers, len(tasks))
    try:
        yield from _run_concurrently(_executor(workers), function, tasks, workers)
    except BrokenExecutor as error:
        _drop_executors()
        raise WorkerError(
            "a worker process died while simulating (killed, or out of memory); try again with fewer workers"
        ) from error
    except KeyboardInterrupt:
        while _executors:
            stop_processes(_executors.popitem()[1])
        raise


def _run_concurrently(
    executor: ProcessPoolExecutor, function: Callable[[_Task], _Result], tasks: Iterable[_Task], most: int
) -> Iterator[_Result]:
    """Call a function on tasks and yield the results in order.

    At most `most` tasks run at a time.
    """
    futures: deque[Future[_Result]] = deque()
    running: set[Future[_Result]] = set()
    try:
        for task in tasks:
            while len(running) == most:
                running = wait(running, return_when=FIRST_COMPLETED).not_done
            futures.append(executor.submit(function, task))
            running.add(futures[-1])
            while futures and futures[0].done():
                yield futures.popleft().result()
        while futures:
            yield futures.popleft().result()
    finally:
        for future in futures:
            future.cancel()


def _executor(workers: int) -> ProcessPoolExecutor:
    if max(_executors, default=0) < workers:
        _drop_executors()
        _executors[workers] = start_processes(workers)
    return _executors[max(_executors)]


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the main process, which stops all workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


_LONGEST_SOCKET_NAME = 107
"""Maximum length of a socket's path on Linux, in bytes."""


def process_context() -> BaseContext:
    """Return the context that starts processes.

    On Linux, a server imports modules once and forks all processes; it has no threads and has computed nothing.
    Elsewhere, and if the path of the temporary folder is too long for the server's socket, each process starts afresh.
    """
    socket = Path(get_temp_dir()) / "listener-12345678"
    if sys.platform == "linux" and len(os.fsencode(socket)) <= _LONGEST_SOCKET_NAME:
        return get_context("forkserver")
    return get_context("spawn")


def start_processes(
    workers: int, initializer: Callable[..., None] = _ignore_interrupts, *arguments: object, modules: Sequence[str] = ()
) -> ProcessPoolExecutor:
    """Start `workers` processes that have called `initializer(*arguments)`.

    By default, workers leave Ctrl-C to this process. They end as soon as this process does, for whatever reason, and
    print warnings as it does on a console.

    Args:
        modules: Modules that the server imports before forking processes.

    Raises:
        WorkerError: A process, or the server that starts them, died meanwhile.
    """
    is_console = warnings.formatwarning is format_for_console
    context = process_context()
    if context.get_start_method() == "forkserver":
        context.set_forkserver_preload(list(modules))
    initial = (dict(os.environ), get_temp_dir(), is_console, initializer, *arguments)
    executor = ProcessPoolExecutor(workers, context, _start, initial)
    try:
        with _without_main_script(), _with_own_modules():
            for started in [executor.submit(os.getpid) for _ in range(workers)]:  # none idle: a process each
                started.result()
    except (EOFError, ConnectionError, BrokenExecutor) as error:
        stop_processes(executor)
        raise WorkerError(
            "worker processes died while starting (killed, or out of memory); try again, with fewer workers"
        ) from error
    return executor


def _start(
    environment: dict[str, str],
    temporary_folder: str,
    is_console: bool,
    initializer: Callable[..., None],
    *arguments: object,
) -> None:
    os.environ.clear()  # the server's is older
    os.environ.update(environment)
    if is_console:
        warnings.formatwarning = format_for_console
    threading.Thread(target=_die_with_parent, args=(temporary_folder,), daemon=True).start()
    initializer(*arguments)


_LONGEST_END_S = 5.0
"""Maximum time between the closing of a dying process's files and its end."""


def _die_with_parent(temporary_folder: str) -> None:
    """End this process when its parent has ended or has given it up.

    A killed run then leaves neither processes nor a temporary folder.
    """
    parent = parent_process()
    assert parent is not None
    watched = _open_process(parent.pid)
    parent.join()
    # It also ends when the server has died, since the parent then takes its workers for dead. Others use the folder.
    if watched is None or connection.wait([watched], _LONGEST_END_S):
        shutil.rmtree(temporary_folder, ignore_errors=True)  # with the server's socket
    os._exit(1)


def _open_process(pid: int | None) -> int | None:
    """Return a descriptor that becomes readable when a process ends; None if it has ended or none can be had."""
    if sys.platform != "linux" or pid is None:
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


@contextmanager
def _without_main_script() -> Iterator[None]:
    """Keep spawned processes from importing the main script.

    The import would cost seconds and memory.
    """
    main = sys.modules["__main__"]
    hidden = {name: vars(main).pop(name) for name in ("__file__", "__spec__") if name in vars(main)}
    try:
        main.__spec__ = None
        yield
    finally:
        vars(main).update(hidden)


@contextmanager
def _with_own_modules() -> Iterator[None]:
    """Let started processes import what this one imports.

    The server would otherwise look for modules in the current folder first, which may be a clone of another version.
    """
    names = ("PYTHONPATH", "PYTHONSAFEPATH")
    given = {name: os.environ[name] for name in names if name in os.environ}
    os.environ["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
        os.environ.update(given)


def stop_processes(pool: ProcessPoolExecutor) -> None:
    """Kill the processes of a pool at once."""
    for process in list((pool._processes or {}).values()):
        process.terminate()
    pool.shutdown(wait=False, cancel_futures=True)


def _drop_executors() -> None:
    while _executors:
        _executors.popitem()[1].shutdown(wait=False, cancel_futures=True)
