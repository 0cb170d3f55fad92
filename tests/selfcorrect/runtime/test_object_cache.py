"""A result is computed once for each object, and lives as long as it does."""

import gc
import weakref

import numpy as np

from selfcorrect.runtime.object_cache import remember_by_content, remember_by_object


class _Thing:
    """An object that equals no other and allows weak references."""


def test_results_are_cached_weakly():
    computed = []

    @remember_by_object
    def make(thing: _Thing) -> _Thing:
        computed.append(id(thing))
        return _Thing()

    first = _Thing()
    second = _Thing()
    assert make(first) is make(first)
    assert make(second) is not make(first)
    assert computed == [id(first), id(second)]
    result = weakref.ref(make(first))
    del first
    gc.collect()
    assert result() is None


class _Total:
    """A sum that allows weak references."""

    def __init__(self, value: float) -> None:
        self.value = value


def test_equal_arrays_share_a_result():
    calls = []

    @remember_by_content
    def total(values: np.ndarray, factor: float) -> _Total:
        calls.append(factor)
        return _Total(factor * float(values.sum()))

    values = np.arange(6.0).reshape(2, 3)
    kept = total(values, 2.0)
    assert total(values.copy(), 2.0) is kept
    assert total(values, 3.0).value == 1.5 * kept.value
    assert total(values.reshape(3, 2), 2.0) is not kept  # the same bytes in another shape
    assert calls == [2.0, 3.0, 2.0]
    del kept
    gc.collect()
    assert total(values, 2.0).value == 30.0
    assert len(calls) == 4
