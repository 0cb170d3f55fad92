"""A .npy file with one array, as results without names."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from selfcorrect.storage.files.arrays import write_npy
from selfcorrect.storage.pickles.results import Results


class OnlyArray(Results):
    """The array of a .npy file, whose name is ""."""

    def __init__(self, path: Path, array: np.ndarray) -> None:
        self.path = path
        self.shapes = {"": array.shape}
        self.numbers = {}
        self.others = frozenset()
        self._array = array

    def array(self, name: str) -> np.ndarray:
        return self._array.copy()

    def write(self, target: Path, changed: Mapping[str, np.ndarray], frames: int) -> None:
        write_npy(target, changed[""].astype(self._array.dtype))
