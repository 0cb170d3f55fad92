"""The threads of this process, for work that lets go of Python's lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from multiprocessing import parent_process
from typing import TypeVar

from selfcorrect.runtime.processes import usable_cores

Item = TypeVar("Item")


def in_threads(act: Callable[[Sequence[Item]], None], items: Sequence[Item], least: int) -> None:
    """Call a function on parts of some items at once, each of `least` items or more, or on all of them here.

    The others have ended when it raises what the function raises.
    """
    parts = min(most_threads(), len(items) // least)
    if parts <= 1:
        act(items)
        return
    others = [_pool().submit(act, items[part::parts]) for part in range(1, parts)]
    try:
        act(items[::parts])
    finally:
        wait(others)
    for other in others:
        other.result()


def most_threads() -> int:
    """What OMP_NUM_THREADS says, but no more than cores; without it one in a worker process, else one per core."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdigit() and int(told):
        return min(int(told), usable_cores())
    return 1 if parent_process() is not None else usable_cores()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(usable_cores(), "selfcorrect")
