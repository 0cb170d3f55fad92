"""Cache slow functions of objects that never change."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

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
