"""Numbers from pickle files, without running what else is in them.

Body models and some datasets are distributed as pickles only. Unpickling runs whatever code the file names; here only
NumPy arrays, SciPy's sparse matrices and chumpy's arrays (without chumpy) are built, and anything else is refused.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import scipy.sparse

from selfcorrect.errors import InputError


class _ChumpyArray:
    """What is kept of a chumpy array: its numbers, None of an expression that is still to be computed."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.numbers = state.get("x")


class _NumbersOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        top = module.partition(".")[0]
        if top == "numpy" and name in ("ndarray", "dtype", "_reconstruct", "scalar", "_frombuffer"):
            # NumPy moved its core; old files name the old place.
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        if module.startswith("scipy.sparse") and name.endswith(("_matrix", "_array")):
            return getattr(scipy.sparse, name)
        if top == "chumpy":
            return _ChumpyArray
        if (module, name) in {("_codecs", "encode"), ("copy_reg", "_reconstructor"), ("copyreg", "_reconstructor")}:
            return super().find_class("copyreg" if module == "copy_reg" else module, name)
        if (module, name) in {("__builtin__", "object"), ("builtins", "object")}:
            return object
        raise InputError(f"it holds {module}.{name}, and only numbers are read from pickle files")


def read_pickled_numbers(path: Path, *, allow_pickle: bool) -> dict[str, Any]:
    """The dictionary in a pickle file: arrays, sparse matrices made dense, numbers, text, and lists of them.

    allow_pickle: has to be True, the caller's word that the file's source is trusted. ValueError otherwise, and where
    the file holds anything but numbers.
    """
    if not allow_pickle:
        raise InputError(
            f"{path}: is a pickle file, which can run code when read; allow pickle explicitly if you trust its source"
        )
    try:
        with path.open("rb") as file:
            numbers = _NumbersOnly(file, encoding="latin1").load()
    except ValueError as error:
        raise InputError(f"{path}: refused, {error}") from error
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, TypeError) as error:
        raise InputError(f"{path}: not a readable pickle file ({error})") from error
    if not isinstance(numbers, dict):
        raise InputError(f"{path}: expected a dictionary of arrays, got {type(numbers).__name__}")
    return {name: _plain(value) for name, value in numbers.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, _ChumpyArray):
        return value.numbers
    return value.toarray() if scipy.sparse.issparse(value) else value
