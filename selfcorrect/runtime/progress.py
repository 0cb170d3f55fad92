"""Progress of long work, reported to whoever watches."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import accumulate, pairwise

Progress = Callable[[str, int, int], None]
"""Called with a phase ("train", "sample", "correct", "evaluate", …), the steps done and the steps in total."""

Watcher = Callable[[float], None]
"""Called with the share of the work that is done."""

_tell: ContextVar[Watcher] = ContextVar("tell", default=lambda share: None)


def report_progress(share: float) -> None:
    """Report the finished share, in [0, 1]."""
    _tell.get()(share)


@contextmanager
def watch_progress(tell: Watcher) -> Iterator[None]:
    """Call `tell` with the progress within a block.

    Shares only increase, even if work is repeated.
    """
    furthest = 0.0

    def tell_progress(share: float) -> None:
        nonlocal furthest
        if share > furthest:
            furthest = share
            tell(share)

    with _watcher(tell_progress):
        yield


@contextmanager
def part_of_work(first: float, last: float) -> Iterator[None]:
    """Report a block's progress as a part of the whole."""
    outer = _tell.get()
    with _watcher(lambda share: outer(first + share * (last - first))):
        yield
    outer(last)


def split_work(sizes: Sequence[int]) -> list[tuple[float, float]]:
    """Return the first and last share of each part, given their sizes."""
    edges = list(accumulate(sizes, initial=0))
    total = max(edges[-1], 1)
    return [(first / total, last / total) for first, last in pairwise(edges)]


@contextmanager
def _watcher(tell: Watcher) -> Iterator[None]:
    token = _tell.set(tell)
    try:
        yield
    finally:
        _tell.reset(token)


def silent(phase: str, done: int, total: int) -> None:
    """Ignore progress."""
