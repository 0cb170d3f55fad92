"""Values for other people's code, which cannot be changed in place."""

import copy
from dataclasses import is_dataclass
from typing import Any, TypeVar

import numpy as np

_Value = TypeVar("_Value")


def make_read_only(value: _Value) -> _Value:
    """Return a value whose arrays cannot be written.

    Arrays become read-only views, which take no memory. Dataclasses, lists, tuples and dictionaries are copied with
    what is cached in them, so the value itself stays as it is.
    """
    return _convert(value)


def _convert(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        view = value.view()
        view.flags.writeable = False
        return view
    if isinstance(value, list | set):
        return type(value)(map(_convert, value))
    if type(value) is tuple:
        return tuple(map(_convert, value))
    if isinstance(value, dict):
        return {key: _convert(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type) and hasattr(value, "__dict__"):
        converted = copy.copy(value)
        for name, item in vars(value).items():
            object.__setattr__(converted, name, _convert(item))
        return converted
    return value
