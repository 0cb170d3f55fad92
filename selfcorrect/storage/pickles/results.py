"""Files of named arrays, which can be written back with other numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from ...core.errors import InputError
from ..files.arrays import read_npz, shapes_in
from ..files.limits import Budget
from ..files.writing import replacing


class Results(ABC):
    """A file of results."""

    path: Path
    shapes: dict[str, tuple[int, ...]]
    """Of each array of numbers, by its name."""
    numbers: dict[str, float]
    """Single numbers, by their names."""

    @abstractmethod
    def array(self, name: str) -> np.ndarray:
        """The array of that name; InputError where it cannot be read."""

    def check_frames(self, names: Iterable[str], frames: int) -> None:
        """InputError where one of these arrays is there and has not so many frames."""
        for name in names:
            if self.shapes.get(name, (frames,))[:1] != (frames,):
                raise InputError(f"{self.path}: expected {frames} frames of {name}, got shape {self.shapes[name]}")

    @abstractmethod
    def write(self, target: Path, changed: Mapping[str, np.ndarray], frames: int = 0) -> None:
        """Write a file like this one with other arrays under some names.

        frames: how many the old arrays have. Where the new ones have another number, the others per frame are left
        out, if the file can be written without them.
        """


class NpzResults(Results):
    """The arrays of a .npz file."""

    def __init__(self, path: Path) -> None:
        self.path, self.shapes = path, shapes_in(path)
        self._budget = Budget(path, stored=path.stat().st_size)
        single = [name for name, shape in self.shapes.items() if shape == ()]
        arrays = read_npz(path, single, skip_pickled=True)
        self.numbers = {name: float(one) for name, one in arrays.items() if one.size == 1 and one.dtype.kind in "fiu"}

    def array(self, name: str) -> np.ndarray:
        """The array of that name; all that are asked for count together."""
        array = read_npz(self.path, (name,))[name]
        self._budget.take(array.nbytes)
        return array

    def write(self, target: Path, changed: Mapping[str, np.ndarray], frames: int = 0) -> None:
        """Write a file like this one; arrays of objects are left out, as nothing reads them without running code."""
        self._budget = Budget(self.path, stored=self._budget.stored)
        old = read_npz(self.path, skip_pickled=True)
        if any(len(array) != len(old[name]) for name, array in changed.items()):
            old = {name: array for name, array in old.items() if array.ndim == 0 or len(array) != frames}
        with replacing(target) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **{**old, **changed})
