"""Numbers from pickles of body models and datasets, read without running code."""

from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import InputError
from ..files.arrays import skip_to_objects
from ..files.limits import Budget, open_file, read_bytes
from .arrays import decode_sparse
from .reader import map_leaves, read_tree, refuse_damage
from .values import Call, Name, Refused, Storage, Value


def read_pickled_numbers(path: Path, *, allow_pickle: bool) -> dict[str, Any]:
    """Read a pickled dictionary of numbers.

    Values are arrays, dense copies of sparse matrices, numbers, text, and lists of these.

    Args:
        allow_pickle: The caller's consent, which must be True.

    Raises:
        InputError: There is no consent, or the file contains anything but numbers.
    """
    if not allow_pickle:
        raise InputError(
            f"{path}: is a pickle file; allow pickle explicitly to read its numbers, without running its code"
        )
    numbers = read_pickled_words(path)
    if not isinstance(numbers, dict):
        raise InputError(f"{path}: expected a dictionary of arrays, got {type(numbers).__name__}")
    return numbers


def read_pickled_words(path: Path) -> Any:
    """Read text, numbers, arrays, lists and dictionaries from a pickle.

    Raises:
        InputError: The file contains anything else.
    """
    return _read_values(path, read_bytes(path))


def read_pickled_npy(path: Path) -> Any:
    """Read a .npy file of objects, by the rules of `read_pickled_words`.

    A 0-d array gives its item, which is how `numpy.save` stores a dictionary. A 1-d array gives a list.

    Raises:
        InputError: The file contains anything else.
    """
    with open_file(path) as file:
        skip_to_objects(path, file)
        return _read_values(path, file.read())


def _read_values(path: Path, content: bytes) -> Any:
    budget = Budget(path, stored=len(content))

    def copy_leaf(_: str, leaf: Value) -> Any:
        """Copy a leaf's number, text or array."""
        if isinstance(leaf, np.ndarray):
            budget.take(leaf.nbytes)
            return leaf.copy(order="K")
        if isinstance(leaf, str):
            return str(leaf)
        if isinstance(leaf, Call) and leaf.meaning == "sparse":
            return decode_sparse(leaf, lambda part: map_leaves(part, copy_leaf, budget), budget.take)
        if isinstance(leaf, Name | Call | Storage):
            raise Refused(f"a bare {getattr(leaf, 'meaning', 'storage')}")
        return leaf

    with refuse_damage(path):
        return map_leaves(read_tree(content, 0, budget)[0], copy_leaf, budget)
