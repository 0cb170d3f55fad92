"""Caches of slow functions, by object or by content.

A motion reaches such functions as several objects: as read, on its floor, as one of a comparison.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import TypeVar
from weakref import WeakKeyDictionary

import numpy as np

_MOST_ROWS = 100_000
"""Maximum number of array rows whose results are kept. It suffices for a folder whose files are corrected together,
with several arrays per file."""

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
    """Cache a function of an array's content and a number.

    The array is (T, ...) in double precision. The function gets it read-only. Callers must not change the result.
    """
    results: OrderedDict[tuple[bytes, tuple[int, ...], float], _Result] = OrderedDict()
    lock = Lock()

    @wraps(function)
    def recall(array: np.ndarray, number: float) -> _Result:
        content = array.astype(float, copy=False).tobytes()
        key = content, array.shape, number
        with lock:
            if key in results:
                results.move_to_end(key)
                return results[key]
        result = function(np.frombuffer(content).reshape(array.shape), number)
        with lock:
            results[key] = result
            while len(results) > 1 and sum(shape[0] for _, shape, _ in results) > _MOST_ROWS:
                results.popitem(last=False)
        return result

    return recall
