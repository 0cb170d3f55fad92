"""Parts of work in threads of this process."""

from __future__ import annotations

import threading

import pytest

from selfcorrect.runtime.processes import in_threads, map_tasks, with_threads


@pytest.mark.parametrize("count", [1, 3, 4, 10])
def test_each_item_is_given_once(count):
    given = []
    with with_threads(3):
        in_threads(given.extend, range(count), 2)
    assert sorted(given) == list(range(count))


def test_parts_run_at_once_where_they_are_large_enough_and_it_is_allowed():
    together = threading.Barrier(3, timeout=60)
    with with_threads(3):
        in_threads(lambda _: together.wait(), range(6), 2)
        assert _callers(items=3, least=2) == [threading.current_thread()]
    assert _callers(items=9, least=1) == [threading.current_thread()]


def _callers(items: int, least: int) -> list[threading.Thread]:
    callers = []
    in_threads(lambda _: callers.append(threading.current_thread()), range(items), least)
    return callers


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_what_a_part_raises_comes_when_the_others_have_ended(bad):
    ended = []

    def act(items):
        if bad in items:
            raise ValueError(f"item {bad}")
        ended.extend(items)

    with with_threads(3), pytest.raises(ValueError, match=f"item {bad}"):
        in_threads(act, range(3), 1)
    assert sorted(ended) == [item for item in range(3) if item != bad]


def test_a_task_alone_has_the_threads_of_all_workers_and_tasks_in_processes_have_one():
    assert map_tasks(_parts, [6], 3) == [3]
    assert map_tasks(_parts, [6, 6], 2) == [1, 1]
    with with_threads(2):
        assert map_tasks(_parts, [6, 6], 1) == [2, 2]


def _parts(items: int) -> int:
    parts = []
    in_threads(parts.append, range(items), 1)
    return len(parts)
