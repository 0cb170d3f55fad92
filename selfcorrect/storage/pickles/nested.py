"""Results that programs save as nested dictionaries: .pkl, .pt and .npy of objects, read and written back.

Nothing in the files is run (see `tree`); PyTorch and joblib are not needed. An array is named by the keys that lead to
it, with dots between them: "people.1.smplx_world.pose". Writing keeps everything but the numbers that changed. Where
two names share an array and one changes, the other keeps the old one.
"""

from __future__ import annotations

import io
import itertools
import math
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import InputError
from ..files.arrays import NUMERIC
from ..files.limits import Budget
from ..files.writing import replacing
from .arrays import (
    TORCH,
    array_of,
    bytes_of,
    holds_objects,
    is_array,
    like,
    objects_of,
    scalar_of,
    storage_itemsize,
    tensor_of,
)
from .names import RESULTS
from .results import Results
from .things import Items, Made, Storage, Value, refusing, typed
from .tree import Reader, mapped, pickled

_DEEPEST = 32
_LEGACY = 0x1950A86A20F9469CFC6C
"""The number with which PyTorch's files before zip archives begin."""

_ARCHIVE = {"archive/data.pkl": b"", "archive/byteorder": b"little", "archive/version": b"3\n"}


class PickledResults(Results):
    """The arrays of a pickle: of one alone, within a .npy file, or in the zip archive that PyTorch makes.

    content: the file, unpacked; start: where the pickle begins in it; entries: those of an archive beside the pickle;
    pack: what makes the file of what is written.
    """

    def __init__(
        self,
        path: Path,
        content: bytes,
        start: int = 0,
        entries: Mapping[str, bytes] | None = None,
        pickle: str = "",
        pack: Callable[[bytes], bytes] = bytes,
    ) -> None:
        self.path, self._head, self._entries, self._pickle, self._pack = path, content[:start], entries, pickle, pack
        self.numbers: dict[str, float] = {}
        self._arrays: dict[str, np.ndarray] = {}
        self._budget = Budget(path, stored=path.stat().st_size)
        self._budget.take(sum(map(len, (entries or {"": content}).values())))
        with refusing(path):
            self._tree, self._protocol, self._storages = _tree_in(content, start, self._budget)
            if entries is not None:
                folder = f"{pickle.removesuffix('data.pkl')}data/"
                self._storages = {name.removeprefix(folder): entry for name, entry in entries.items() if folder in name}
            elif self._storages:
                self._entries, self._pickle = dict(_ARCHIVE), "archive/data.pkl"
            mapped(self._tree, self._noted, self._budget, _DEEPEST)
        self.shapes = {name: array.shape for name, array in self._arrays.items()}

    def array(self, name: str) -> np.ndarray:
        """The array of that name, a copy; all that are asked for count together."""
        array = self._arrays[name]
        self._budget.take(array.nbytes)
        return array.copy()

    def write(self, target: Path, changed: Mapping[str, np.ndarray], frames: int = 0) -> None:
        """Write a file like this one with other numbers, of the same shapes, under some names."""
        del frames
        for name, array in changed.items():
            if array.shape != (old := self.shapes[name]):
                raise InputError(
                    f"{target}: {name} of {self.path.name} has shape {old}, and {array.shape} does not fit there"
                )
        storages, self._budget = dict(self._storages), Budget(self.path, stored=self._budget.stored)

        def exchanged(name: str, made: Value, below: Callable[[Value], Value]) -> Value:
            if name not in changed or not (is_array(made) or (isinstance(made, Made) and made.means == "tensor")):
                return _with_inner(made, below)
            new = np.ascontiguousarray(changed[name], self._arrays[name].dtype)
            return like(made, new) if is_array(made) else self._tensor(made, new, storages)

        with refusing(self.path):
            tree = mapped(self._tree, exchanged, self._budget, _DEEPEST)
            content, used = pickled(tree, self._protocol)
        content = self._head + content
        if self._entries is not None:
            storages = {storage.said[2]: storages[storage.said[2]] for storage in used}
            content = _zipped(self._entries, self._pickle, content, storages)
        with replacing(target) as temporary:
            temporary.write_bytes(self._pack(content))

    def _noted(self, name: str, value: Value, below: Callable[[Value], Value]) -> Value:
        """Take note of an array or a number."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            self.numbers[name] = float(value) if abs(value) < 1e300 else math.inf
        if not isinstance(value, Made):
            return value
        array = None
        if is_array(value) and not holds_objects(value):
            array = array_of(value)
            self._budget.take(array.nbytes)
        elif value.means == "scalar":
            one = scalar_of(value)
            if isinstance(one, np.number) and not isinstance(one, np.complexfloating):
                self.numbers[name] = float(one)
        elif value.means == "tensor":
            array = tensor_of(value, *self._storage(value.args[0]))
        if array is not None and array.dtype.kind in NUMERIC:
            self._arrays[name] = array
        return _with_inner(value, below)

    def _storage(self, storage: Value) -> tuple[Storage, bytes]:
        """A storage and its content, which may be a file within this one."""
        if isinstance(storage, Made) and storage.means == "storage":
            content = bytes_of(storage.args[0])
            self._budget.take(len(content))
            storage, _, inner = _tree_in(content, 0, self._budget)
            return typed(storage, Storage), inner[storage.said[2]]
        storage = typed(storage, Storage)
        return storage, self._storages[storage.said[2]]

    def _tensor(self, made: Made, array: np.ndarray, storages: dict[str, bytes]) -> Made:
        """A tensor of the same name and type with other numbers, which are added to the storages."""
        old, _ = self._storage(made.args[0])
        key = next(key for key in map(str, itertools.count()) if key not in storages)
        new = Storage((*old.said[:2], key, old.said[3], array.size))
        rest = (0, array.shape, _strides(array.shape), *made.args[4:])
        if isinstance(made.args[0], Storage):
            storages[key] = array.tobytes()
            return Made(made.name, (new, *rest))
        return Made(made.name, (Made(made.args[0].name, (_before_zips(new, array),)), *rest))


def _with_inner(value: Value, below: Callable[[Value], Value]) -> Value:
    """A leaf in which another value is, an array of objects or a parameter of PyTorch, with that gone through."""
    if not isinstance(value, Made):
        return value
    if value.means in ("parameter", "tuple"):
        return Made(value.name, (below(value.args[0]), *value.args[1:]), value.new, value.state)
    if not is_array(value) or not holds_objects(value):
        return value
    items = objects_of(value)
    content = below(items) if items is value.state[-1] else [below(items)]
    return Made(value.name, value.args, value.new, (*value.state[:-1], content))


def _tree_in(content: bytes, start: int, budget: Budget) -> tuple[Value, int, dict[str, bytes]]:
    """What a pickle describes, its protocol (2 or later), and storages by their keys where the file has them behind it.

    Such are PyTorch's files from before zip archives: pickles behind one another, then the storages.
    """
    file = io.BytesIO(content)
    file.seek(start)
    reader = Reader(file, RESULTS, budget)
    tree = reader.load()
    if tree != _LEGACY:
        return tree, max(reader.proto, 2), {}
    for _ in range(2):
        Reader(file, RESULTS, budget).load()
    reader = Reader(file, RESULTS, budget)
    tree, storages = reader.load(), {}
    sizes = {typed(storage.said[2], str): storage_itemsize(storage) for storage in reader.storages}
    for key in typed(Reader(file, RESULTS, budget).load(), list):
        (count,) = struct.unpack("<q", file.read(8))
        size = count * sizes[typed(key, str)]
        if not 0 <= size <= len(content) - file.tell():
            raise ValueError("a storage ends before its numbers do")
        storages[key] = file.read(size)
    return tree, 2, storages


def _before_zips(storage: Storage, array: np.ndarray) -> bytes:
    """A file of one storage, as PyTorch puts it within pickles."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    named = Storage((*storage.said, None))
    parts = [pickled(one, 2)[0] for one in (_LEGACY, 1001, system, named, [storage.said[2]])]
    return b"".join(parts) + struct.pack("<q", array.size) + array.tobytes()


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Those of an array that fills its storage row by row, in numbers."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def _zipped(entries: Mapping[str, bytes], pickle: str, content: bytes, storages: Mapping[str, bytes]) -> bytes:
    """PyTorch's archive with that pickle and those storages among its entries."""
    folder = f"{pickle.removesuffix('data.pkl')}data/"
    kept = {name: entry for name, entry in entries.items() if not name.startswith(folder)}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, entry in {
            **kept,
            pickle: content,
            **{f"{folder}{key}": one for key, one in storages.items()},
        }.items():
            archive.writestr(zipfile.ZipInfo(name), entry)
    return file.getvalue()


def torch_archive(content: Mapping[str, Any]) -> bytes:
    """A file as PyTorch saves it: nested dictionaries of arrays, which become tensors, of numbers and of text."""
    storages: dict[str, bytes] = {}
    kinds = {np.dtype(code): RESULTS["torch", f"{kind}Storage"] for kind, code in TORCH.items()}

    def tree(value: Any) -> Value:
        if isinstance(value, Mapping):
            return {key: tree(item) for key, item in value.items()}
        if not isinstance(value, np.ndarray):
            return value
        key = str(len(storages))
        storages[key] = value.tobytes()
        storage = Storage(("storage", kinds[value.dtype], key, "cpu", value.size))
        hooks = Items(RESULTS["collections", "OrderedDict"], ())
        args = (storage, 0, value.shape, _strides(value.shape), False, hooks)
        return Made(RESULTS["torch._utils", "_rebuild_tensor_v2"], args)

    pickle, _ = pickled(tree(content), 2)
    return _zipped(_ARCHIVE, "archive/data.pkl", pickle, storages)
