"""The threads of this process, for work that lets go of Python's lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TypeVar

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
