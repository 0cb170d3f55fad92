"""Where all worker processes are started; and the same function on many tasks, results in the tasks' order.

PyBullet holds Python's lock while it steps, so several simulations at once need several processes. They are spawned
once per number of workers and wait for further work until the program ends.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import TypeVar

from selfcorrect.errors import SettingError, WorkerError

Task = TypeVar("Task")
Result = TypeVar("Result")

_executors: dict[int, ProcessPoolExecutor] = {}


def map_tasks(function: Callable[[Task], Result], tasks: Iterable[Task], workers: int) -> list[Result]:
    """Call a function of an importable module on every task, in `workers` processes, or in this one if `workers` is 1.

    Raises SettingError for fewer than one worker, WorkerError when a worker process dies, and
    whatever `function` raises.
    """
    require_workers(workers)
    if workers == 1:
        return [function(task) for task in tasks]
    try:
        return list(_executor(workers).map(function, tasks))
    except BrokenProcessPool as error:
        _drop(workers)
        raise WorkerError(
            "a worker process died while simulating (killed, or out of memory); try again with fewer workers"
        ) from error
    except KeyboardInterrupt:
        _drop(workers)
        raise


def require_workers(workers: int) -> None:
    """Raise SettingError for fewer than one worker."""
    if workers < 1:
        raise SettingError(f"workers must be at least 1, got {workers}")


def _executor(workers: int) -> ProcessPoolExecutor:
    if workers not in _executors:
        _executors[workers] = start_processes(workers)
    return _executors[workers]


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
    os.kill(os.getpid(), signal.SIGKILL)  # not os._exit, which is taken away while other people's code runs


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


def _drop(workers: int) -> None:
    _executors.pop(workers).shutdown(wait=False, cancel_futures=True)
