"""Groups of bounded size."""

from collections.abc import Callable, Iterable, Iterator
from math import inf
from typing import TypeVar

T = TypeVar("T")


def group_by_size(items: Iterable[T], size: Callable[[T], int], most_size: int, most: float = inf) -> Iterator[list[T]]:
    """Divide a sequence into groups of bounded size.

    An item that is too large forms a group of its own.

    Yields:
        The groups, in the order of the items.
    """
    group = list[T]()
    total = 0
    for item in items:
        if group and (len(group) >= most or total + size(item) > most_size):
            yield group
            group = []
            total = 0
        group.append(item)
        total += size(item)
    if group:
        yield group
