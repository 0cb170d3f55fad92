"""Numbers from pickle files of body models and datasets, without running anything in them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.storage.files.arrays import skip_to_objects
from selfcorrect.storage.files.limits import check_unpacked, open_file, read_bytes
from selfcorrect.storage.pickles.machine import Machine, most_parts
from selfcorrect.storage.pickles.things import (
    Name,
    Refused,
    Thing,
    Value,
    array_of,
    bytes_of,
    code_of,
    dtype_of,
    refusing,
    typed,
    whole,
)

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

    That is how `numpy.save` stores a dictionary. ValueError where it holds anything but numbers.
    """
    with open_file(path) as file:
        skip_to_objects(path, file)
        return _numbers_in(path, file.read())


def _numbers_in(path: Path, content: bytes) -> Any:
    with refusing(path):
        return _Plain(path, len(content)).of(Machine(content).run())


class _Plain:
    """Turns what a file describes into arrays, numbers, text, and lists and dictionaries of them.

    A part that the file uses in many places is counted in each, so that a small file cannot become a large value.
    """

    def __init__(self, path: Path, file_size: int) -> None:
        self.path, self.size, self.file_size = path, 0, file_size
        self.parts, self.most_parts = 0, most_parts()
        self.made: dict[int, Any] = {}

    def of(self, value: Value, depth: int = 0) -> Any:
        if depth > _DEEPEST:
            raise Refused(f"lists more than {_DEEPEST} deep")
        self.parts += 1
        if self.parts > self.most_parts:
            raise Refused(f"more than {self.most_parts} parts")
        if value is None or isinstance(value, bool | int | float | str | bytes):
            return value
        if isinstance(value, list | tuple):
            return [self.of(item, depth + 1) for item in value]
        if isinstance(value, dict):
            return {key: self.of(item, depth + 1) for key, item in value.items()}
        if isinstance(value, Thing):
            if id(value) not in self.made:
                self.made[id(value)] = self.of_thing(value, depth)
            return self.made[id(value)]
        raise Refused(f"a bare name ({value.means})" if isinstance(value, Name) else type(value).__name__)

    def count(self, size: int) -> None:
        """Take note of an array of so many bytes; a file whose arrays are no larger than itself may have any size."""
        self.size += size
        check_unpacked(self.path, self.size, stored=self.file_size)

    def of_thing(self, thing: Thing, depth: int) -> Any:
        match thing.kind:
            case "array":
                return self.array(thing, depth)
            case "scalar":
                dtype, content = thing.state
                return array_of(dtype_of(dtype), (), bytes_of(content))[()]
            case "chumpy":  # None of an expression that is still to be computed
                return self.of(typed(thing.state, dict).get("x"), depth + 1)
            case "csc" | "csr" | "coo":
                return self.dense(thing.kind, typed(thing.state, dict), depth)
        raise Refused(f"a bare {thing.kind}")

    def array(self, thing: Thing, depth: int) -> Any:
        *_, shape, dtype, fortran, content = typed(thing.state, tuple)
        if isinstance(dtype, Thing) and code_of(dtype)[-2:] in ("O8", "O"):
            return self.objects(shape, content, depth)
        dtype, content = dtype_of(dtype), bytes_of(content)
        self.count(len(content))
        return array_of(dtype, shape, content, "F" if fortran else "C").copy(order="K")

    def objects(self, shape: Value, items: Value, depth: int) -> Any:
        items = [self.of(item, depth + 1) for item in typed(items, list)]
        if shape == () and len(items) == 1:
            return items[0]
        if shape != (len(items),):
            raise Refused("an array of objects with several axes")
        return items

    def dense(self, layout: str, state: dict[str, Value], depth: int) -> np.ndarray:
        """A sparse matrix as an array, after its indices were checked."""
        parts = {name: self.of(state[name], depth + 1) for name in ("data", "indices", "indptr") if name in state}
        shape = tuple(whole(side) for side in state.get("_shape", state.get("shape", ())))
        if len(shape) != 2:
            raise Refused("a sparse matrix without a shape")
        rows, columns = _coordinates(layout, shape, parts) if layout != "coo" else self.coordinates(state, depth)
        values = np.asarray(parts["data"])
        if not (rows.shape == columns.shape == values.shape == (len(values),) and values.dtype.kind in "biuf"):
            raise Refused("a sparse matrix whose parts do not fit together")
        for axis, places in enumerate((rows, columns)):
            if places.dtype.kind not in "iu" or (len(places) and not 0 <= places.min() <= places.max() < shape[axis]):
                raise Refused("a sparse matrix with indices out of range")
        self.count(math.prod(shape) * values.dtype.itemsize)
        dense = np.zeros(shape, values.dtype)
        np.add.at(dense, (rows, columns), values)
        return dense

    def coordinates(self, state: dict[str, Value], depth: int) -> tuple[np.ndarray, np.ndarray]:
        both = state["coords"] if "coords" in state else (state["row"], state["col"])
        rows, columns = (np.asarray(self.of(places, depth + 1)) for places in both)
        return rows, columns


def _coordinates(layout: str, shape: tuple[int, ...], parts: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the values of a compressed sparse matrix."""
    indices, starts = np.asarray(parts["indices"]), np.asarray(parts["indptr"])
    lines = shape[1] if layout == "csc" else shape[0]
    if starts.shape != (lines + 1,) or starts.dtype.kind not in "iu" or starts[0] or starts[-1] != len(indices):
        raise Refused("a sparse matrix with pointers out of range")
    counts = np.diff(starts.astype(np.int64))
    if (counts < 0).any():
        raise Refused("a sparse matrix with pointers out of order")
    outer = np.repeat(np.arange(lines), counts)
    return (indices, outer) if layout == "csc" else (outer, indices)
