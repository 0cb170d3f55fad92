"""Where all workers are started; and the same function on many tasks, results in the tasks' order.

Code of users has separate processes (`correctors.sandbox`).
PyBullet holds Python's lock while it steps, so several simulations at once need several processes. They are spawned
once and wait for further work until the program ends.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import TypeVar

from ..core.errors import SettingError, WorkerError
from .progress import map_sequential
from .supervision import kill_this_process

Item = TypeVar("Item")

_most: ContextVar[int] = ContextVar("threads", default=1)


@contextmanager
def with_threads(most: int) -> Iterator[None]:
    """Inside, `in_threads` takes so many threads at most; one elsewhere."""
    token = _most.set(most)
    try:
        yield
    finally:
        _most.reset(token)


def in_threads(act: Callable[[Sequence[Item]], None], items: Sequence[Item], least: int) -> None:
    """Call a function on parts of some items at once, each of `least` items or more, or on all of them here.

    All parts have ended when it raises what the function raises.
    """
    parts = min(_most.get(), len(items) // least)
    if parts <= 1:
        act(items)
        return
    others = [_pool(parts - 1).submit(act, items[part::parts]) for part in range(1, parts)]
    try:
        act(items[::parts])
    finally:
        wait(others)
    for other in others:
        other.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "selfcorrect")


Task = TypeVar("Task")
Result = TypeVar("Result")

_executors: dict[int, ProcessPoolExecutor] = {}
"""The processes by their number: those for the most workers that were asked for so far."""

WORKER_BYTES = 1_000_000_000
"""What a worker needs: correcting 10,000 frames of 31 joints together takes 0.6 GB."""


def default_workers() -> int:
    """One worker per core that this process may use, as far as the memory that is free allows."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    free = _free_bytes()
    return max(1, cores if free is None else min(cores, free // WORKER_BYTES))


def _free_bytes() -> int | None:
    """Memory that is free on this machine, and in the control group that this process is in; None where unknown."""
    machine = [1024 * int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemAvailable:")]
    limit, used = (_lines(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))
    group = [int(limit[0]) - int(used[0])] if limit and used and limit[0].isdigit() else []
    return min((*machine, *group), default=None)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def map_tasks(function: Callable[[Task], Result], tasks: Iterable[Task], workers: int) -> list[Result]:
    """Call a function of an importable module on every task, in `workers` processes, or here where one is enough.

    A single task may take as many threads of this process.
    Raises SettingError for fewer than one worker, WorkerError when a worker process dies, and
    whatever `function` raises.
    """
    require_workers(workers)
    tasks = list(tasks)
    if workers == 1 or len(tasks) <= 1:
        with with_threads(workers) if workers > 1 else nullcontext():
            return map_sequential(function, tasks)
    workers = min(workers, len(tasks))
    try:
        return _at_once(_executor(workers), function, tasks, workers)
    except BrokenProcessPool as error:
        _drop()
        raise WorkerError(
            "a worker process died while simulating (killed, or out of memory); try again with fewer workers"
        ) from error
    except KeyboardInterrupt:
        while _executors:
            stop_processes(_executors.popitem()[1])
        raise


def _at_once(
    executor: ProcessPoolExecutor, function: Callable[[Task], Result], tasks: Iterable[Task], most: int
) -> list[Result]:
    """Call a function on every task, at most so many at once."""
    futures: list[Future[Result]] = []
    running: set[Future[Result]] = set()
    try:
        for task in tasks:
            if len(running) == most:
                running = wait(running, return_when=FIRST_COMPLETED).not_done
            futures.append(executor.submit(function, task))
            running.add(futures[-1])
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()


def require_workers(workers: int) -> None:
    """Raise SettingError for fewer than one worker."""
    if workers < 1:
        raise SettingError(f"workers must be at least 1, got {workers}")


def _executor(workers: int) -> ProcessPoolExecutor:
    if max(_executors, default=0) < workers:
        _drop()
        _executors[workers] = start_processes(workers)
    return _executors[max(_executors)]


def _ignore_interrupts() -> None:
    """Ctrl-C is for the main process, which then stops its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def start_processes(
    workers: int, initializer: Callable[..., None] = _ignore_interrupts, *arguments: object
) -> ProcessPoolExecutor:
    """`workers` processes, each of which has called `initializer(*arguments)` and imported nothing else.

    By default they leave Ctrl-C to this process. They end as soon as it does, however it ends.
    """
    executor = ProcessPoolExecutor(workers, get_context("spawn"), _start, (initializer, *arguments))
    with _without_main_script():
        for started in [executor.submit(_nothing) for _ in range(workers)]:  # none idle: one process each
            started.result()
    return executor


def _start(initializer: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=_die_with_parent, daemon=True).start()
    initializer(*arguments)


def _die_with_parent() -> None:
    """End this process when its parent is gone, so that a killed run leaves nobody behind who writes or waits."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    kill_this_process()


def _nothing() -> None:
    """What a process does to start."""


@contextmanager
def _without_main_script() -> Iterator[None]:
    """Spawned processes import the main script again, which costs seconds and memory; tasks here need none of it."""
    main = sys.modules["__main__"]
    hidden = {name: vars(main).pop(name) for name in ("__file__", "__spec__") if name in vars(main)}
    try:
        main.__spec__ = None
        yield
    finally:
        vars(main).update(hidden)


def stop_processes(pool: ProcessPoolExecutor) -> None:
    """End the processes at once, whatever they are doing."""
    for process in list((pool._processes or {}).values()):
        process.terminate()
    pool.shutdown(wait=False, cancel_futures=True)


def _drop() -> None:
    while _executors:
        _executors.popitem()[1].shutdown(wait=False, cancel_futures=True)
