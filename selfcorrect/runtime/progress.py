"""Progress of long work, reported from inside it to a watcher that it does not know."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import accumulate, pairwise
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

Progress = Callable[[str, int, int], None]
"""Called with a phase ("train", "sample", "correct", "evaluate", …), steps done, steps in all."""

Watcher = Callable[[float], None]
"""Called with the share of the work that is done."""

_tell: ContextVar[Watcher] = ContextVar("tell", default=lambda share: None)


def report_progress(share: float) -> None:
    """Say how much of the work is done, in [0, 1]."""
    _tell.get()(share)


@contextmanager
def watch_progress(tell: Watcher) -> Iterator[None]:
    """Inside, `tell` is called with larger and larger shares, also where work is begun again."""
    furthest = 0.0

    def onward(share: float) -> None:
        nonlocal furthest
        if share > furthest:
            furthest = share
            tell(share)

    with _told_to(onward):
        yield


@contextmanager
def part_of_work(first: float, last: float) -> Iterator[None]:
    """What is done inside is the work from one share of the whole to another, and all of it when that is left."""
    outer = _tell.get()
    with _told_to(lambda share: outer(first + share * (last - first))):
        yield
    outer(last)


def in_turn(work: Callable[[Item], Result], items: Sequence[Item], sizes: Sequence[int] | None = None) -> list[Result]:
    """Work on one item after the other, each of which is a part of the work as large as its size; by default alike."""
    edges = list(accumulate(sizes if sizes is not None else [1] * len(items), initial=0))
    results = list[Result]()
    for item, (first, last) in zip(items, pairwise(edges), strict=True):
        with part_of_work(first / max(edges[-1], 1), last / max(edges[-1], 1)):
            results.append(work(item))
    return results


@contextmanager
def _told_to(tell: Watcher) -> Iterator[None]:
    token = _tell.set(tell)
    try:
        yield
    finally:
        _tell.reset(token)


def silent(phase: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
