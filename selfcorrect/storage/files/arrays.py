"""NumPy files of users, read and written safely.

Code in files is never run, and sizes are checked before memory is allocated.
"""

import math
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ...core.errors import InputError, shorten_message
from .limits import check_unpacked, open_file
from .writing import replacing

NUMERIC = "biufc"
"""Kinds of NumPy types that are numbers."""

_PICKLED = (
    "is stored as pickled Python objects, which can run code when read and are refused; "
    "save it again as plain numbers or text, e.g. with numpy.savez"
)
_MAGIC = b"\x93NUMPY"
_MAX_EMPTY_SIDE = 4096


def read_npy(path: Path) -> np.ndarray:
    """Read the array in a .npy file.

    Raises:
        InputError: The file is damaged, not an array, or pickled.
    """
    with open_file(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        start = file.read(len(_MAGIC))
        if start[:2] == b"PK":
            raise InputError(f"{path}: expected a single array, got an archive of several arrays")
        if start[:2] != _MAGIC[:2]:
            raise InputError(f"{path}: not a NumPy file")
        file.seek(0)
        return _read_array(f"{path}: the file", file, size)


def write_npy(path: Path, array: np.ndarray) -> None:
    """Write an array as a .npy file.

    Objects are pickled. If writing fails, the old file is kept.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=array.dtype.hasobject)


def write_npz(path: Path, arrays: Mapping[str, np.ndarray], *, objects_of: Path | None = None) -> None:
    """Write named arrays as a .npz file.

    If writing fails, the old file is kept.

    Args:
        objects_of: A .npz file whose arrays of objects are copied byte by byte, without being read.
    """
    with replacing(path) as temporary:
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        if objects_of is None:
            return
        with open_file(objects_of) as old, zipfile.ZipFile(old) as archive, zipfile.ZipFile(temporary, "a") as new:
            for entry in archive.infolist():
                if (
                    entry.filename.removesuffix(".npy") not in arrays
                    and _read_member_header(archive, entry)[1].hasobject
                ):
                    check_unpacked(objects_of, entry.file_size, stored=entry.compress_size)
                    new.writestr(zipfile.ZipInfo(entry.filename), archive.read(entry))  # without the time of day


def _read_member_header(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read the shape and type of a .npz member.

    A damaged member counts as a single number.
    """
    try:
        with archive.open(entry) as file:
            return _read_header(file)  # type: ignore[arg-type]
    except Exception:  # a damaged archive makes its reader raise errors of any kind
        return (), np.dtype(float)


def skip_to_objects(path: Path, file: BinaryIO) -> None:
    """Seek to the pickle in a .npy file.

    Raises:
        InputError: The file is damaged or holds plain numbers.
    """
    try:
        dtype = _read_header(file)[1]
    except Exception as error:  # NumPy raises errors of any kind at a damaged header
        raise InputError(f"{path}: not a NumPy file ({shorten_message(error)})") from error
    if not dtype.hasobject:
        raise InputError(f"{path}: expected pickled objects, got plain numbers ({dtype})")


def read_npz(path: Path, names: Iterable[str] | None = None, *, skip_pickled: bool = False) -> dict[str, np.ndarray]:
    """Read arrays of a .npz file by name.

    Args:
        names: Names of arrays, which may be missing; None for all.
        skip_pickled: Leave out pickled arrays.

    Raises:
        InputError: The file is damaged, the arrays would take more memory than the limit, or one is pickled.
    """
    with open_file(path) as file:
        start = file.read(len(_MAGIC))
        if start[:2] == _MAGIC[:2]:
            raise InputError(f"{path}: expected an archive of arrays (.npz), got a single array")
        if start[:2] != b"PK":
            raise InputError(f"{path}: not a NumPy file")
        try:
            with zipfile.ZipFile(file) as archive:
                return _read_members(path, archive, None if names is None else set(names), skip_pickled)
        except InputError:
            raise
        except Exception as error:  # a damaged archive makes its reader raise errors of any kind
            raise InputError(f"{path}: the damaged file cannot be read ({shorten_message(error)})") from error


def read_shapes(path: Path) -> dict[str, tuple[int, ...] | None]:
    """Read the shapes of arrays in a .npz file, by name.

    The shape is () for damaged arrays, and None for text and objects.
    """
    shapes = {}
    with open_file(path) as file, zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            shape, dtype = _read_member_header(archive, entry)
            shapes[entry.filename.removesuffix(".npy")] = shape if dtype.kind in NUMERIC else None
    return shapes


def _read_members(
    path: Path, archive: zipfile.ZipFile, names: set[str] | None, skip_pickled: bool
) -> dict[str, np.ndarray]:
    members = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
    selected = {name: entry for name, entry in members.items() if names is None or name in names}
    _check_sizes(path, selected)
    arrays = {}
    for name, entry in selected.items():
        try:
            with archive.open(entry) as file:
                arrays[name] = _read_array(f'{path}: "{name}"', file, entry.file_size)  # type: ignore[arg-type]
        except _Pickled:
            if not skip_pickled:
                raise
        except InputError:
            raise
        except Exception as error:
            raise InputError(f'{path}: "{name}" cannot be read ({shorten_message(error)})') from error
    return arrays


def _check_sizes(path: Path, selected: dict[str, zipfile.ZipInfo]) -> None:
    """Refuse large arrays and unknown compressions.

    Compressions that NumPy does not use may need more memory.
    """
    for name, entry in selected.items():
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(f'{path}: "{name}" is compressed in a way that NumPy does not use')
    stored = sum(entry.compress_size for entry in selected.values())
    check_unpacked(path, sum(entry.file_size for entry in selected.values()), stored=min(stored, path.stat().st_size))


class _Pickled(InputError):
    """Error for an array that needs pickle."""


def _read_array(what: str, file: BinaryIO, size: int) -> np.ndarray:
    """Read a .npy array from an open file of `size` bytes, without pickle."""
    try:
        shape, dtype = _read_header(file)
    except OSError:
        raise
    except Exception as error:  # NumPy raises errors of any kind, from any depth, at a damaged header
        raise InputError(f"{what} cannot be read ({shorten_message(error)})") from error
    if dtype.hasobject:
        raise _Pickled(f"{what} {_PICKLED}")
    declared = math.prod(shape) * dtype.itemsize
    if declared > size or math.prod(shape) > max(size, 1) or max(shape, default=0) > max(size, _MAX_EMPTY_SIDE):
        raise InputError(
            f"{what} cannot be read (the declared shape {shape} of {dtype} does not fit the size of the data)"
        )
    file.seek(0)
    try:
        return np.lib.format.read_array(file, allow_pickle=False)
    except OSError:
        raise
    except Exception as error:
        raise InputError(f"{what} cannot be read ({shorten_message(error)})") from error


def _read_header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version == (3, 0):  # as 2.0 except for names of fields, which no motion has
        raise ValueError("arrays of named fields are not read")
    shape, _, dtype = readers[version](file)
    return shape, dtype
