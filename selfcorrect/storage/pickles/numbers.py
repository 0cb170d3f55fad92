"""Numbers from pickle files of body models and datasets, without running anything in them."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import InputError
from ..files.arrays import skip_to_objects
from ..files.limits import Budget, open_file, read_bytes
from .arrays import bytes_of, dense_of, holds_objects, objects_of, value_of
from .reader import Reader, refusing
from .trees import Call, Refused, Value, mapped, typed


def read_pickled_numbers(path: Path, *, allow_pickle: bool) -> dict[str, Any]:
    """The dictionary in a pickle file: arrays, sparse matrices made dense, numbers, text, and lists of them.

    allow_pickle: has to be True, the caller's word that a pickle is meant. InputError otherwise, and where the file
    holds anything but numbers.
    """
    if not allow_pickle:
        raise InputError(
            f"{path}: is a pickle file; its numbers are read, and nothing in it run, where pickle is allowed explicitly"
        )
    numbers = read_pickled_words(path)
    if not isinstance(numbers, dict):
        raise InputError(f"{path}: expected a dictionary of arrays, got {type(numbers).__name__}")
    return numbers


def read_pickled_words(path: Path) -> Any:
    """What a pickle file holds: text, numbers, arrays, and lists and dictionaries of them; InputError for others."""
    return _values_in(path, read_bytes(path))


def read_pickled_npy(path: Path) -> Any:
    """What a .npy file of dtype object holds, by the same rules: of a 0-d array its item, of a 1-d one a list.

    That is how `numpy.save` stores a dictionary. InputError where it holds anything but numbers.
    """
    with open_file(path) as file:
        skip_to_objects(path, file)
        return _values_in(path, file.read())


def _values_in(path: Path, content: bytes) -> Any:
    budget = Budget(path, stored=len(content))

    def plain(_: str, value: Value, below: Callable[[Value], Any]) -> Any:
        """The number, text or array that a leaf describes."""
        if value is None or isinstance(value, bool | int | float | str | bytes):
            return value
        if not isinstance(value, Call):
            raise Refused(f"a bare name ({value.means})")
        if holds_objects(value):
            return below(objects_of(value))
        if value.means == "chumpy":  # None of an expression that is still to be computed
            return below(typed(value.state, dict).get("x"))
        if value.means in ("csc", "csr", "coo"):
            return dense_of(value, below, budget.take)
        if value.means in ("encode", "bytes"):
            text = bytes_of(value)
            budget.take(len(text))
            return text
        if (found := value_of(value)) is None:
            raise Refused(f"a bare {value.means}")
        budget.take(found.nbytes)
        return found.copy(order="K") if isinstance(found, np.ndarray) else found

    with refusing(path):
        return mapped(Reader(io.BytesIO(content), budget).load(), plain, budget)
