"""A result is computed once for each object, and lives as long as it does."""

import gc
import weakref

from selfcorrect.runtime.object_cache import remember_by_object


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
