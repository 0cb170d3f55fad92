"""NumPy files of others, read without running anything in them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.errors import InputError

_PICKLED = (
    "is stored as pickled Python objects, which can run code when read and are refused; "
    "save it again as plain numbers or text, e.g. with numpy.savez"
)


def read_npy(path: Path) -> np.ndarray:
    """The array in a .npy file; ValueError where it is damaged, not an array, or pickled."""
    array = _load(path)
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path}: expected one array, got an archive of several")
    return array


def read_npz(path: Path, names: Iterable[str] | None = None, *, skip_pickled: bool = False) -> dict[str, np.ndarray]:
    """Arrays of a .npz file by name: those of `names` that are there, or all.

    ValueError where the file is damaged or an array that is asked for is pickled, unless such are to be skipped.
    """
    archive = _load(path)
    if isinstance(archive, np.ndarray):
        raise InputError(f"{path}: expected an archive of arrays (.npz), got a single array")
    arrays = {}
    with archive:
        for name in archive.files if names is None else [name for name in names if name in archive.files]:
            try:
                arrays[name] = archive[name]
            except Exception as error:
                if not (skip_pickled and "pickle" in str(error)):
                    raise InputError(_sentence(f'{path}: "{name}"', error)) from error
    return arrays


def _load(path: Path) -> Any:
    """NumPy's own reading, without pickle. Damaged files make it raise errors of any kind, from any depth."""
    try:
        return np.load(path, allow_pickle=False)
    except OSError:
        raise
    except Exception as error:
        with path.open("rb") as file:
            known = file.read(2) in (b"\x93N", b"PK")  # NumPy takes any other file for a pickle
        if not known:
            raise InputError(f"{path}: not a NumPy file") from error
        raise InputError(_sentence(f"{path}: the file", error)) from error


def _sentence(what: str, error: Exception) -> str:
    return f"{what} {_PICKLED}" if "pickle" in str(error) else f"{what} cannot be read ({error})"
