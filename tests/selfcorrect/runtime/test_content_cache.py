"""Equal arrays are computed once, others anew.

Results of an object live as long as it does.
"""

import gc
import weakref

import numpy as np
import pytest

from selfcorrect.runtime import content_cache
from selfcorrect.runtime.content_cache import remember_by_content, remember_by_object


def test_equal_content_is_computed_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(content_cache, "_MOST_ROWS", 30)
    computed = []

    @remember_by_content
    def add(values: np.ndarray, number: float) -> np.ndarray:
        computed.append(values.shape)
        return values.sum(axis=0) + number

    short = np.arange(6.0).reshape(3, 2)
    for values in (short, short.copy(), np.asfortranarray(short), short.astype(np.float32)):
        np.testing.assert_array_equal(add(values, 1.0), short.sum(axis=0) + 1.0)
    assert computed == [(3, 2)]
    for values, number in ((short + 1e-12, 1.0), (short, 2.0), (short.reshape(2, 3), 1.0)):
        np.testing.assert_array_equal(add(values, number), values.sum(axis=0) + number)
    assert len(computed) == 4
    long = np.zeros((20, 2))
    for values in (long, long.copy(), long + 1, long):
        add(values, 0.0)
    assert len(computed) == 7
    with pytest.raises(ValueError, match="read-only"):
        remember_by_content(lambda values, number: values.fill(number))(short, 0.0)


class _Thing:
    """An object that equals no other.

    It can be referred to weakly.
    """


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
