"""Results of slow functions, remembered by an object, or by the content of an array.

One motion reaches such functions as several objects: as read, on its floor, as one of a comparison.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

import numpy as np

_SHORT = 2000
_SHORT_ARRAYS = 256
"""Number of results that are kept for arrays of up to `_SHORT` rows: those of a folder that is corrected together.
Each file has several."""
_LONG_ARRAYS = 2

_Object = TypeVar("_Object")
_Result = TypeVar("_Result")


def remember_by_object(function: Callable[[_Object], _Result]) -> Callable[[_Object], _Result]:
    """Let a function of an object that does not change return its result again, as long as the object lives.

    The result must not refer to the object, which would live forever.
    """
    results: WeakKeyDictionary[_Object, _Result] = WeakKeyDictionary()

    @wraps(function)
    def recall(key: _Object) -> _Result:
        if (result := results.get(key)) is None:
            result = results[key] = function(key)
        return result

    return recall


def remember_by_content(
    function: Callable[[np.ndarray, float], _Result],
) -> Callable[[np.ndarray, float], _Result]:
    """Let a function of an array (T, ...) of double precision and a number return its latest results again.

    The function must not change the array, which is read-only, and callers must not change the result.
    """

    def compute(content: bytes, shape: tuple[int, ...], number: float) -> _Result:
        return function(np.frombuffer(content).reshape(shape), number)

    compute_short = lru_cache(maxsize=_SHORT_ARRAYS)(compute)
    compute_long = lru_cache(maxsize=_LONG_ARRAYS)(compute)

    @wraps(function)
    def recall(array: np.ndarray, number: float) -> _Result:
        remembering = compute_short if len(array) <= _SHORT else compute_long
        return remembering(array.astype(float, copy=False).tobytes(), array.shape, number)

    return recall
