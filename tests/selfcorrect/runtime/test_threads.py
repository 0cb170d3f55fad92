"""Parts of work in threads of this process."""

from __future__ import annotations

import threading

import pytest

from selfcorrect.runtime import threads
from selfcorrect.runtime.processes import map_tasks
from selfcorrect.runtime.threads import in_threads, most_threads


@pytest.fixture
def three_cores(monkeypatch):
    monkeypatch.setattr(threads, "usable_cores", lambda: 3)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    threads._pool.cache_clear()
    yield
    threads._pool.cache_clear()


@pytest.mark.parametrize("count", [1, 3, 4, 10])
def test_each_item_is_given_once(three_cores, count):
    given = []
    in_threads(given.extend, range(count), 2)
    assert sorted(given) == list(range(count))


def test_parts_run_at_once_where_they_are_large_enough(three_cores):
    together = threading.Barrier(3, timeout=60)
    in_threads(lambda _: together.wait(), range(6), 2)
    callers = []
    in_threads(lambda _: callers.append(threading.current_thread()), range(3), 2)
    assert callers == [threading.current_thread()]


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_what_a_part_raises_comes_when_the_others_have_ended(three_cores, bad):
    ended = []

    def act(items):
        if bad in items:
            raise ValueError(f"item {bad}")
        ended.extend(items)

    with pytest.raises(ValueError, match=f"item {bad}"):
        in_threads(act, range(3), 1)
    assert sorted(ended) == [item for item in range(3) if item != bad]


@pytest.mark.parametrize(("told", "most"), [("1", 1), ("2", 2), ("8", 3), ("0", 3), ("2,1", 3), ("", 3)])
def test_the_environment_bounds_their_number(three_cores, monkeypatch, told, most):
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert most_threads() == most


def test_worker_processes_have_one_thread_each(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert map_tasks(_most_threads, [0, 1], 2) == [1, 1]


def _most_threads(_: int) -> int:
    return most_threads()
