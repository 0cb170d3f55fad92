"""Read numbers from pickle files of body models and datasets, without running code in them."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import InputError
from ..files.arrays import skip_to_objects
from ..files.limits import Budget, open_file, read_bytes
from .arrays import decode_bytes, decode_objects, decode_sparse, decode_value, is_object_array
from .reader import Reader, refuse_damage
from .trees import Call, Refused, Value, map_leaves, require_type


def read_pickled_numbers(path: Path, *, allow_pickle: bool) -> dict[str, Any]:
    """Read the dictionary in a pickle file: arrays, dense copies of sparse matrices, numbers, text, and lists of them.

    Args:
        allow_pickle: Consent of the caller, which has to be True.

    Raises:
        InputError: There is no consent, or the file holds anything else than numbers.
    """
    if not allow_pickle:
        raise InputError(
            f"{path}: is a pickle file; its numbers are read, and nothing in it run, if pickle is allowed explicitly"
        )
    numbers = read_pickled_words(path)
    if not isinstance(numbers, dict):
        raise InputError(f"{path}: expected a dictionary of arrays, got {type(numbers).__name__}")
    return numbers


def read_pickled_words(path: Path) -> Any:
    """Read text, numbers, arrays, lists and dictionaries from a pickle file; InputError for other content."""
    return _values_in(path, read_bytes(path))


def read_pickled_npy(path: Path) -> Any:
    """Read a .npy file of dtype object by the same rules: the item of a 0-d array, the list of a 1-d array.

    `numpy.save` stores a dictionary in this way. InputError if it holds anything else than numbers.
    """
    with open_file(path) as file:
        skip_to_objects(path, file)
        return _values_in(path, file.read())


def _values_in(path: Path, content: bytes) -> Any:
    budget = Budget(path, stored=len(content))

    def plain(_: str, value: Value, below: Callable[[Value], Any]) -> Any:
        """Return the number, text or array that a leaf describes."""
        if value is None or isinstance(value, bool | int | float | str | bytes):
            return value
        if not isinstance(value, Call):
            raise Refused(f"a bare name ({value.meaning})")
        if is_object_array(value):
            return below(decode_objects(value))
        if value.meaning == "chumpy":  # None for an expression that was not computed
            return below(require_type(value.state, dict).get("x"))
        if value.meaning in ("csc", "csr", "coo"):
            return decode_sparse(value, below, budget.take)
        if value.meaning in ("encode", "bytes"):
            text = decode_bytes(value)
            budget.take(len(text))
            return text
        decoded = decode_value(value)
        if decoded is None:
            raise Refused(f"a bare {value.meaning}")
        budget.take(decoded.nbytes)
        return decoded.copy(order="K") if isinstance(decoded, np.ndarray) else decoded

    with refuse_damage(path):
        return map_leaves(Reader(io.BytesIO(content), budget).load(), plain, budget)
