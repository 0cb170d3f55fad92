"""Results that programs save as named arrays: .npz, and nested dictionaries as .pkl, .pt and .npy of objects.

They are read and written back. Nothing in the files is run (see `reader`); PyTorch and joblib are not needed. The name
of an array is the keys that lead to it, joined by dots: "people.1.smplx_world.pose". Writing keeps everything except
the numbers that changed. If two names share an array and the array changes under a name, the other name keeps the old
array.
"""

import bz2
import gzip
import io
import lzma
import math
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import InputError, shorten_message
from ..files.arrays import NUMERIC, read_npz, read_shapes, skip_to_objects, write_npz
from ..files.limits import Budget, check_unpacked, open_file, read_bytes, unpack
from ..files.writing import replacing
from .arrays import (
    TORCH,
    decode_bytes,
    decode_objects,
    decode_tensor,
    decode_value,
    encode_array,
    is_object_array,
    row_major_strides,
    storage_code,
)
from .reader import Reader, refuse_damage
from .trees import NAMES, Call, Storage, Value, map_leaves, require_type, write_pickle

_UNPACKING_LZMA = partial(lzma.LZMADecompressor, memlimit=2**28)
_COMPRESSIONS: dict[bytes, tuple[Callable[[], Any], Callable[[bytes], bytes]]] = {
    b"\x1f\x8b": (partial(zlib.decompressobj, 31), gzip.compress),
    b"\x78": (zlib.decompressobj, zlib.compress),
    b"BZh": (bz2.BZ2Decompressor, bz2.compress),
    b"\xfd7zXZ": (_UNPACKING_LZMA, lzma.compress),
    b"\x5d\x00": (_UNPACKING_LZMA, partial(lzma.compress, format=lzma.FORMAT_ALONE)),
}
"""Compressions of joblib by the first bytes of a file: a function for a decompressor, and a function for a
compressor."""

_COPIES_IN_MEMORY = 3
"""Number of copies of compressed content in memory while it is read."""

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
"""First number of PyTorch's files before zip archives."""

_ARCHIVE = {"archive/data.pkl": b"", "archive/byteorder": b"little", "archive/version": b"3\n"}


class Results(ABC):
    """A file of results."""

    path: Path
    shapes: dict[str, tuple[int, ...]]
    """Shape of each array of numbers, by name."""
    numbers: dict[str, float]
    """Single numbers by name."""
    others: frozenset[str]
    """Names of other values."""

    @abstractmethod
    def array(self, name: str) -> np.ndarray:
        """Return a copy of an array, which counts against the memory limit; InputError if it is damaged."""

    def check_frames(self, names: Iterable[str], frames: int) -> None:
        """Raise InputError if one of some arrays exists and has another number of frames."""
        for name in names:
            if self.shapes.get(name, (frames,))[:1] != (frames,):
                raise InputError(f"{self.path}: expected {frames} frames of {name}, got shape {self.shapes[name]}")

    @abstractmethod
    def write(self, target: Path, changed: Mapping[str, np.ndarray], frames: int = 0) -> None:
        """Write a file like this file with other arrays under some names.

        Args:
            target: Path of the new file.
            changed: New arrays by name.
            frames: Number of frames of the old arrays. If the new ones have another one, other arrays per frame are
                left out, if the format allows it.
        """


def open_results(path: Path) -> Results:
    """Open a file of results, of a format found from its content; InputError for other or damaged files."""
    content = read_bytes(path)
    if content[:2] == b"PK":
        try:
            entries = _read_archive(path, content)
        except InputError:
            raise
        except Exception as error:  # a damaged archive makes its reader raise errors of any kind
            raise InputError(f"{path}: the file cannot be read ({shorten_message(error)})") from error
        return _NpzResults(path) if entries is None else _PickledResults(path, entries=entries)
    if content[:6] == b"\x93NUMPY":
        with open_file(path) as file:
            skip_to_objects(path, file)
            return _PickledResults(path, content, file.tell())
    return _PickledResults(path, *_decompress(path, content))


def _read_archive(path: Path, content: bytes) -> dict[str, bytes] | None:
    """Return the entries of PyTorch's archive, its pickle first; None for an archive without a pickle, as NumPy's."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        infos = archive.infolist()
        if any(info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in infos):
            raise InputError(f"{path}: compressed in a way that neither NumPy nor PyTorch uses")
        infos.sort(key=lambda info: not info.filename.endswith("/data.pkl"))
        if not infos or not infos[0].filename.endswith("/data.pkl"):
            return None
        check_unpacked(path, _COPIES_IN_MEMORY * sum(info.file_size for info in infos), stored=len(content))
        return {info.filename: archive.read(info) for info in infos}


def _decompress(path: Path, content: bytes) -> tuple[bytes, int, Callable[[bytes], bytes]]:
    """Decompress a file of joblib, within bounds; also returns the start of its pickle, and a function to compress."""
    compression = next((pair for start, pair in _COMPRESSIONS.items() if content.startswith(start)), None)
    if compression is None:
        return content, 0, bytes
    make_decompressor, pack = compression
    return unpack(path, content, make_decompressor(), _COPIES_IN_MEMORY), 0, pack


class _NpzResults(Results):
    """Arrays of a .npz file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shapes = read_shapes(path)
        self._budget = Budget(path, stored=path.stat().st_size)
        arrays = read_npz(path, [name for name, shape in self.shapes.items() if shape == ()], skip_pickled=True)
        numbers = {name: array for name, array in arrays.items() if array.size == 1 and array.dtype.kind in "fiu"}
        self.numbers = {name: float(array) for name, array in numbers.items()}
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            self.others = frozenset(name.removesuffix(".npy") for name in archive.namelist()) - self.shapes.keys()

    def array(self, name: str) -> np.ndarray:
        array = read_npz(self.path, (name,))[name]
        self._budget.take(array.nbytes)
        return array

    def write(self, target: Path, changed: Mapping[str, np.ndarray], frames: int = 0) -> None:
        """Write a file like this file; arrays of objects, which only running code could read, are copied as they
        are.
        """
        self._budget = Budget(self.path, stored=self._budget.stored)
        old = read_npz(self.path, skip_pickled=True)
        if any(len(array) != len(old[name]) for name, array in changed.items()):
            old = {name: array for name, array in old.items() if array.ndim == 0 or len(array) != frames}
        write_npz(target, {**old, **changed}, objects_of=self.path)


class _PickledResults(Results):
    """Arrays of a pickle: of a pickle file, in a .npy file, or in PyTorch's zip archive."""

    def __init__(
        self,
        path: Path,
        content: bytes = b"",
        start: int = 0,
        pack: Callable[[bytes], bytes] = bytes,
        entries: Mapping[str, bytes] | None = None,
    ) -> None:
        """Read the pickle.

        Args:
            pack: Function that compresses the content again.
            entries: Entries of PyTorch's archive, the pickle first, instead of the content.
        """
        self.path = path
        self._head = content[:start]
        self._entries = entries
        self._pack = pack
        self.numbers: dict[str, float] = {}
        self._arrays: dict[str, np.ndarray] = {}
        self._budget = Budget(path, stored=path.stat().st_size)
        others: set[str] = set()
        with refuse_damage(path):
            if entries is None:
                self._budget.take(len(content))
                self._tree, self._protocol, old = _read_tree(content, start, self._budget)
                self._entries = _ARCHIVE if old else None
            else:
                self._budget.take(sum(map(len, entries.values())))
                folder = next(iter(entries)).removesuffix("data.pkl") + "data/"
                beside = {name.removeprefix(folder): entry for name, entry in entries.items() if folder in name}
                pickle = next(iter(entries.values()))
                self._tree, self._protocol, _ = _read_tree(pickle, 0, self._budget, beside)
            map_leaves(self._tree, partial(self._note_leaf, others), self._budget)
        self.shapes = {name: array.shape for name, array in self._arrays.items()}
        self.others = frozenset(others)

    def array(self, name: str) -> np.ndarray:
        array = self._arrays[name]
        self._budget.take(array.nbytes)
        return array.copy()

    def write(self, target: Path, changed: Mapping[str, np.ndarray], frames: int = 0) -> None:
        """Write a file like this file with other numbers, of the same shapes, under some names."""
        del frames
        for name, array in changed.items():
            if array.shape != (old := self.shapes[name]):
                raise InputError(
                    f"{target}: {name} of {self.path.name} has shape {old}, and {array.shape} does not fit there"
                )
        self._budget = Budget(self.path, stored=self._budget.stored)

        def exchange(name: str, value: Value, below: Callable[[Value], Value]) -> Value:
            if (
                name not in changed
                or not isinstance(value, Call)
                or is_object_array(value)
                or value.meaning == "parameter"
            ):
                return _map_inner(value, below)
            new = np.ascontiguousarray(changed[name], self._arrays[name].dtype)
            return self._tensor_like(value, new) if value.meaning == "tensor_v2" else encode_array(value, new)

        with refuse_damage(self.path):
            content, storages = write_pickle(map_leaves(self._tree, exchange, self._budget), self._protocol)
        content = self._head + content if self._entries is None else _write_archive(self._entries, content, storages)
        with replacing(target) as temporary:
            temporary.write_bytes(self._pack(content))

    def _note_leaf(self, others: set[str], name: str, value: Value, below: Callable[[Value], Value]) -> Value:
        """Record an array or a number, or the name of another value."""
        leaf = value
        if isinstance(value, Call) and not is_object_array(value):
            leaf = decode_tensor(value, self._storage(value)) if value.meaning == "tensor_v2" else decode_value(value)
        if isinstance(leaf, np.ndarray | np.generic) and value.meaning != "tensor_v2":
            self._budget.take(leaf.nbytes)
        if isinstance(leaf, np.ndarray) and leaf.dtype.kind in NUMERIC:
            self._arrays[name] = leaf
        elif isinstance(leaf, int | float | np.number) and not isinstance(leaf, bool):
            self.numbers[name] = float(leaf) if not isinstance(leaf, int) or abs(leaf) < 2**1000 else math.inf
        else:
            others.add(name)
        return _map_inner(value, below)

    def _storage(self, tensor: Call) -> Storage:
        """Return the storage of a tensor, which may be in a file within this file."""
        storage = tensor.args[0]
        if isinstance(storage, Call) and storage.meaning == "storage":
            content = decode_bytes(storage.args[0])
            self._budget.take(len(content))
            storage = _read_tree(content, 0, self._budget)[0]
        return require_type(storage, Storage)

    def _tensor_like(self, tensor: Call, array: np.ndarray) -> Call:
        """Return a tensor of the same name and type with other numbers."""
        _, kind, _, device, _ = self._storage(tensor).description
        storage: Value = Storage(("storage", kind, "0", device, array.size), array.tobytes())
        if isinstance(tensor.args[0], Call):
            storage = Call(tensor.args[0].name, (_write_legacy_storage(storage),))
        return Call(tensor.name, (storage, 0, array.shape, row_major_strides(array.shape), *tensor.args[4:]))


def _map_inner(value: Value, below: Callable[[Value], Value]) -> Value:
    """Return a leaf with its inner value mapped, as arrays of objects and parameters of PyTorch have an inner value."""
    if not isinstance(value, Call):
        return value
    if value.meaning in ("parameter", "tuple"):
        return Call(value.name, (below(value.args[0]), *value.args[1:]), value.is_new_object, value.state)
    if not is_object_array(value):
        return value
    items = decode_objects(value)
    content = below(items) if items is value.state[-1] else [below(items)]
    return Call(value.name, value.args, value.is_new_object, (*value.state[:-1], content))


def _read_tree(
    content: bytes, start: int, budget: Budget, beside: Mapping[str, bytes] | None = None
) -> tuple[Value, int, bool]:
    """Return the tree of a pickle, its protocol (2 or later), and whether it is of PyTorch before zip archives.

    Such files are several pickles, then the storages.
    """
    file = io.BytesIO(content)
    file.seek(start)
    reader = Reader(file, budget, beside)
    tree = reader.load()
    if tree != _LEGACY_MAGIC:
        return tree, max(reader.proto, 2), False
    for _ in range(2):
        Reader(file, budget).load()
    reader = Reader(file, budget)
    tree = reader.load()
    for key in require_type(Reader(file, budget).load(), list):
        storage = reader.storages[require_type(key, str)]
        size = struct.unpack("<q", file.read(8))[0] * np.dtype(storage_code(storage) or "<f2").itemsize
        if not 0 <= size <= len(content) - file.tell():
            raise ValueError("a storage ends before its numbers do")
        storage.content = file.read(size)
    return tree, 2, True


def _write_legacy_storage(storage: Storage) -> bytes:
    """Return a file of a storage, as PyTorch puts it within pickles."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    named = Storage((*storage.description, None))
    values = (_LEGACY_MAGIC, 1001, system, named, [storage.description[2]])
    parts = [write_pickle(value, 2)[0] for value in values]
    return b"".join(parts) + struct.pack("<q", storage.description[-1]) + storage.content


def _write_archive(entries: Mapping[str, bytes], content: bytes, storages: Mapping[str, bytes]) -> bytes:
    """Return PyTorch's archive with another pickle and other storages; the pickle is its first entry."""
    pickle = next(iter(entries))
    folder = f"{pickle.removesuffix('data.pkl')}data/"
    new_entries = {name: entry for name, entry in entries.items() if not name.startswith(folder)}
    new_entries[pickle] = content
    new_entries |= {f"{folder}{key}": storage for key, storage in storages.items()}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, entry in new_entries.items():
            archive.writestr(zipfile.ZipInfo(name), entry)
    return file.getvalue()


def torch_archive(content: Mapping[str, Any]) -> bytes:
    """Return a file as PyTorch saves it, of nested dictionaries of arrays (as tensors), numbers and text."""
    kinds = {np.dtype(code): NAMES["torch", f"{kind}Storage"] for kind, code in TORCH.items() if code}

    def tree(value: Any) -> Value:
        if isinstance(value, Mapping):
            return {key: tree(item) for key, item in value.items()}
        if not isinstance(value, np.ndarray):
            return value
        storage = Storage(("storage", kinds[value.dtype], "", "cpu", value.size), value.tobytes())
        args = (storage, 0, value.shape, row_major_strides(value.shape), False, OrderedDict())
        return Call(NAMES["torch._utils", "_rebuild_tensor_v2"], args)

    return _write_archive(_ARCHIVE, *write_pickle(tree(content), 2))
