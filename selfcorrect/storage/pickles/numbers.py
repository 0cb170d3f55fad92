"""Numbers from pickle files of body models and datasets, without running anything in them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from selfcorrect.core.errors import InputError
from selfcorrect.storage.files.arrays import skip_to_objects
from selfcorrect.storage.files.limits import Budget, open_file, read_bytes
from selfcorrect.storage.pickles.arrays import (
    array_of,
    bytes_of,
    dense_of,
    holds_objects,
    is_array,
    objects_of,
    scalar_of,
)
from selfcorrect.storage.pickles.names import NUMBERS
from selfcorrect.storage.pickles.things import Made, Name, Refused, Value, refusing, typed
from selfcorrect.storage.pickles.tree import BYTES_PER_STEP, Reader

_DEEPEST = 64


def read_pickled_numbers(path: Path, *, allow_pickle: bool) -> dict[str, Any]:
    """The dictionary in a pickle file: arrays, sparse matrices made dense, numbers, text, and lists of them.

    allow_pickle: has to be True, the caller's word that a pickle is meant. InputError otherwise, and where the file
    holds anything but numbers.
    """
    if not allow_pickle:
        raise InputError(
            f"{path}: is a pickle file; its numbers are read, and nothing in it run, where pickle is allowed explicitly"
        )
    numbers = _numbers_in(path, read_bytes(path))
    if not isinstance(numbers, dict):
        raise InputError(f"{path}: expected a dictionary of arrays, got {type(numbers).__name__}")
    return numbers


def read_pickled_words(path: Path) -> Any:
    """What a pickle file of words holds: text, numbers, and lists and dictionaries of them; InputError for others."""
    return _numbers_in(path, read_bytes(path))


def read_pickled_npy(path: Path) -> Any:
    """What a .npy file of dtype object holds, by the same rules: of a 0-d array its item, of a 1-d one a list.

    That is how `numpy.save` stores a dictionary. InputError where it holds anything but numbers.
    """
    with open_file(path) as file:
        skip_to_objects(path, file)
        return _numbers_in(path, file.read())


def _numbers_in(path: Path, content: bytes) -> Any:
    budget = Budget(path, stored=len(content))
    with refusing(path):
        return _Plain(budget).of(Reader(io.BytesIO(content), NUMBERS, budget).load())


class _Plain:
    """Turns what a file describes into arrays, numbers, text, and lists and dictionaries of them.

    A part that the file uses in many places is counted in each, so that a small file cannot become a large value.
    """

    def __init__(self, budget: Budget) -> None:
        self.take, self.made = budget.take, dict[int, Any]()

    def of(self, value: Value, depth: int = 0) -> Any:
        if depth > _DEEPEST:
            raise Refused(f"lists more than {_DEEPEST} deep")
        self.take(BYTES_PER_STEP)
        if value is None or isinstance(value, bool | int | float | str | bytes):
            return value
        if isinstance(value, list | tuple):
            return [self.of(item, depth + 1) for item in value]
        if isinstance(value, dict):
            return {key: self.of(item, depth + 1) for key, item in value.items()}
        if isinstance(value, Made):
            if id(value) not in self.made:
                self.made[id(value)] = self.of_made(value, depth)
            return self.made[id(value)]
        raise Refused(f"a bare name ({value.means})" if isinstance(value, Name) else type(value).__name__)

    def of_made(self, made: Made, depth: int) -> Any:
        if is_array(made):
            return self.array(made, depth)
        match made.means:
            case "scalar":
                return scalar_of(made)
            case "encode" | "bytes":
                content = bytes_of(made)
                self.take(len(content))
                return content
            case "chumpy":  # None of an expression that is still to be computed
                return self.of(typed(made.state, dict).get("x"), depth + 1)
            case "csc" | "csr" | "coo":
                return dense_of(made, lambda part: self.of(part, depth + 1), self.take)
        raise Refused(f"a bare {made.means}")

    def array(self, made: Made, depth: int) -> Any:
        if holds_objects(made):
            return self.of(objects_of(made), depth + 1)
        array = array_of(made)
        self.take(array.nbytes)
        return array.copy(order="K")
