"""Cache slow functions of objects that never change."""

from collections.abc import Callable
from functools import wraps
from hashlib import blake2b
from typing import TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

import numpy as np

_Object = TypeVar("_Object")
_Result = TypeVar("_Result")


def remember_by_object(function: Callable[[_Object], _Result]) -> Callable[[_Object], _Result]:
    """Cache the results of a function of an object.

    The object must not change. Results are kept as long as the object, so a result must not refer to the object, or
    both would be kept forever.
    """
    results: WeakKeyDictionary[_Object, _Result] = WeakKeyDictionary()

    @wraps(function)
    def recall(key: _Object) -> _Result:
        if key not in results:
            results[key] = function(key)
        return results[key]

    return recall


def remember_by_content(function: Callable[[np.ndarray, float], _Result]) -> Callable[[np.ndarray, float], _Result]:
    """Cache the results of a function of an array and a number.

    Equal arguments give the same object for as long as somebody holds it.
    """
    results: WeakValueDictionary[tuple[bytes, float], _Result] = WeakValueDictionary()

    @wraps(function)
    def recall(values: np.ndarray, number: float) -> _Result:
        content = blake2b(np.ascontiguousarray(values).data, digest_size=16)
        content.update(repr(values.shape).encode())
        key = (content.digest(), number)
        result = results.get(key)
        if result is None:
            result = results[key] = function(values, number)
        return result

    return recall
