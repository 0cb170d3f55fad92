"""Results that programs save as named arrays: .npz, and nested dictionaries as .pkl, .pt and .npy of objects.

They are read and written back. Nothing in the files is run (see `reader`); PyTorch and joblib are not needed. An array
is named by the keys that lead to it, with dots between them: "people.1.smplx_world.pose". Writing keeps everything but
the numbers that changed. Where two names share an array and one changes, the other keeps the old one.
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
from ..files.arrays import NUMERIC, read_npz, shapes_in, skip_to_objects
from ..files.limits import Budget, check_unpacked, open_file, read_bytes, unpacked_limit_bytes
from ..files.writing import replacing
from .arrays import (
    TORCH,
    array_like,
    bytes_of,
    holds_objects,
    objects_of,
    steps_of,
    storage_code,
    tensor_of,
    value_of,
)
from .reader import Reader, refusing
from .trees import NAMES, Call, Storage, Value, mapped, pickled, typed

_UNPACKING_LZMA = partial(lzma.LZMADecompressor, memlimit=2**28)
_PACKED: dict[bytes, tuple[Callable[[], Any], Callable[[bytes], bytes]]] = {
    b"\x1f\x8b": (partial(zlib.decompressobj, 31), gzip.compress),
    b"\x78": (zlib.decompressobj, zlib.compress),
    b"BZh": (bz2.BZ2Decompressor, bz2.compress),
    b"\xfd7zXZ": (_UNPACKING_LZMA, lzma.compress),
    b"\x5d\x00": (_UNPACKING_LZMA, partial(lzma.compress, format=lzma.FORMAT_ALONE)),
}
"""How joblib compresses, by what such files begin with: what unpacks them, and what packs them again."""

_TIMES = 3
"""How many times what was compressed is in memory while it is read."""

_BEFORE_ZIPS = 0x1950A86A20F9469CFC6C
"""The number with which PyTorch's files before zip archives begin."""

_ARCHIVE = {"archive/data.pkl": b"", "archive/byteorder": b"little", "archive/version": b"3\n"}


class Results(ABC):
    """A file of results."""

    path: Path
    shapes: dict[str, tuple[int, ...]]
    """Of each array of numbers, by its name."""
    numbers: dict[str, float]
    """Single numbers, by their names."""
    others: frozenset[str]
    """Names of what is neither an array of numbers nor a number."""

    @abstractmethod
    def array(self, name: str) -> np.ndarray:
        """The array of that name, a copy, all that are asked for count together; InputError where it is damaged."""

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


def open_results(path: Path) -> Results:
    """A file of results, by its content; InputError where it is none or damaged."""
    content = read_bytes(path)
    if content[:2] == b"PK":
        try:
            entries = _entries(path, content)
        except InputError:
            raise
        except Exception as error:  # a damaged archive makes its reader raise errors of any kind
            raise InputError(f"{path}: the file cannot be read ({shorten_message(error)})") from error
        return _NpzResults(path) if entries is None else _PickledResults(path, entries=entries)
    if content[:6] == b"\x93NUMPY":
        with open_file(path) as file:
            skip_to_objects(path, file)
            return _PickledResults(path, content, file.tell())
    return _PickledResults(path, *_unpacked(path, content))


def _entries(path: Path, content: bytes) -> dict[str, bytes] | None:
    """What is in PyTorch's archive, its pickle first; None for an archive without a pickle, as NumPy's."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        infos = archive.infolist()
        if any(info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in infos):
            raise InputError(f"{path}: compressed in a way that neither NumPy nor PyTorch uses")
        infos.sort(key=lambda info: not info.filename.endswith("/data.pkl"))
        if not infos or not infos[0].filename.endswith("/data.pkl"):
            return None
        check_unpacked(path, _TIMES * sum(info.file_size for info in infos), stored=len(content))
        return {info.filename: archive.read(info) for info in infos}


def _unpacked(path: Path, content: bytes) -> tuple[bytes, int, Callable[[bytes], bytes]]:
    """The content of a file that joblib compressed, bounded, where it begins, and how it is compressed again."""
    found = next((how for start, how in _PACKED.items() if content.startswith(start)), None)
    if found is None:
        return content, 0, bytes
    unpacking, pack = found
    most = max(unpacked_limit_bytes(), 8 * len(content)) // _TIMES
    try:
        whole = unpacking().decompress(content, most + 1)
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        raise InputError(f"{path}: not a readable pickle file ({shorten_message(error)})") from error
    check_unpacked(path, _TIMES * len(whole), stored=len(content))
    return whole, 0, pack


class _NpzResults(Results):
    """The arrays of a .npz file."""

    def __init__(self, path: Path) -> None:
        self.path, self.shapes = path, shapes_in(path)
        self._budget = Budget(path, stored=path.stat().st_size)
        arrays = read_npz(path, [name for name, shape in self.shapes.items() if shape == ()], skip_pickled=True)
        self.numbers = {name: float(one) for name, one in arrays.items() if one.size == 1 and one.dtype.kind in "fiu"}
        with zipfile.ZipFile(path) as archive:
            self.others = frozenset(name.removesuffix(".npy") for name in archive.namelist()) - self.shapes.keys()

    def array(self, name: str) -> np.ndarray:
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


class _PickledResults(Results):
    """The arrays of a pickle: of one alone, within a .npy file, or in the zip archive that PyTorch makes.

    content: the file, unpacked; start: where the pickle begins in it; pack: what makes the file of what is written;
    entries: those of PyTorch's archive, instead of the content, the pickle first.
    """

    def __init__(
        self,
        path: Path,
        content: bytes = b"",
        start: int = 0,
        pack: Callable[[bytes], bytes] = bytes,
        entries: Mapping[str, bytes] | None = None,
    ) -> None:
        self.path, self._head, self._entries, self._pack = path, content[:start], entries, pack
        self.numbers: dict[str, float] = {}
        self._arrays: dict[str, np.ndarray] = {}
        self._budget = Budget(path, stored=path.stat().st_size)
        others: set[str] = set()
        with refusing(path):
            if entries is None:
                self._budget.take(len(content))
                self._tree, self._protocol, old = _tree_in(content, start, self._budget)
                self._entries = _ARCHIVE if old else None
            else:
                self._budget.take(sum(map(len, entries.values())))
                folder = next(iter(entries)).removesuffix("data.pkl") + "data/"
                beside = {name.removeprefix(folder): entry for name, entry in entries.items() if folder in name}
                pickle = next(iter(entries.values()))
                self._tree, self._protocol, _ = _tree_in(pickle, 0, self._budget, beside)
            mapped(self._tree, partial(self._noted, others), self._budget)
        self.shapes = {name: array.shape for name, array in self._arrays.items()}
        self.others = frozenset(others)

    def array(self, name: str) -> np.ndarray:
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
        self._budget = Budget(self.path, stored=self._budget.stored)

        def exchanged(name: str, value: Value, below: Callable[[Value], Value]) -> Value:
            if name not in changed or not isinstance(value, Call) or holds_objects(value) or value.means == "parameter":
                return _with_inner(value, below)
            new = np.ascontiguousarray(changed[name], self._arrays[name].dtype)
            return self._tensor_like(value, new) if value.means == "tensor_v2" else array_like(value, new)

        with refusing(self.path):
            content, storages = pickled(mapped(self._tree, exchanged, self._budget), self._protocol)
        content = self._head + content if self._entries is None else _zipped(self._entries, content, storages)
        with replacing(target) as temporary:
            temporary.write_bytes(self._pack(content))

    def _noted(self, others: set[str], name: str, value: Value, below: Callable[[Value], Value]) -> Value:
        """Take note of an array or a number, or of the name of what is none."""
        found = value
        if isinstance(value, Call) and not holds_objects(value):
            found = tensor_of(value, self._storage(value)) if value.means == "tensor_v2" else value_of(value)
        if isinstance(found, np.ndarray | np.generic) and value.means != "tensor_v2":
            self._budget.take(found.nbytes)
        if isinstance(found, np.ndarray) and found.dtype.kind in NUMERIC:
            self._arrays[name] = found
        elif isinstance(found, int | float | np.number) and not isinstance(found, bool):
            self.numbers[name] = float(found) if not isinstance(found, int) or abs(found) < 2**1000 else math.inf
        else:
            others.add(name)
        return _with_inner(value, below)

    def _storage(self, tensor: Call) -> Storage:
        """The storage of a tensor, which may be in a file within this one."""
        storage = tensor.args[0]
        if isinstance(storage, Call) and storage.means == "storage":
            content = bytes_of(storage.args[0])
            self._budget.take(len(content))
            storage, _, _ = _tree_in(content, 0, self._budget)
        return typed(storage, Storage)

    def _tensor_like(self, tensor: Call, array: np.ndarray) -> Call:
        """A tensor of the same name and type with other numbers."""
        _, kind, _, device, _ = self._storage(tensor).said
        storage: Value = Storage(("storage", kind, "0", device, array.size), array.tobytes())
        if isinstance(tensor.args[0], Call):
            storage = Call(tensor.args[0].name, (_before_zips(storage),))
        return Call(tensor.name, (storage, 0, array.shape, steps_of(array.shape), *tensor.args[4:]))


def _with_inner(value: Value, below: Callable[[Value], Value]) -> Value:
    """A leaf in which another value is, an array of objects or a parameter of PyTorch, with that gone through."""
    if not isinstance(value, Call):
        return value
    if value.means in ("parameter", "tuple"):
        return Call(value.name, (below(value.args[0]), *value.args[1:]), value.new, value.state)
    if not holds_objects(value):
        return value
    items = objects_of(value)
    content = below(items) if items is value.state[-1] else [below(items)]
    return Call(value.name, value.args, value.new, (*value.state[:-1], content))


def _tree_in(
    content: bytes, start: int, budget: Budget, beside: Mapping[str, bytes] | None = None
) -> tuple[Value, int, bool]:
    """What a pickle describes, its protocol (2 or later), and whether it is a file of PyTorch from before zip archives.

    Such are pickles behind one another, then the storages.
    """
    file = io.BytesIO(content)
    file.seek(start)
    reader = Reader(file, budget, beside)
    tree = reader.load()
    if tree != _BEFORE_ZIPS:
        return tree, max(reader.proto, 2), False
    for _ in range(2):
        Reader(file, budget).load()
    reader = Reader(file, budget)
    tree = reader.load()
    for key in typed(Reader(file, budget).load(), list):
        storage = reader.storages[typed(key, str)]
        size = struct.unpack("<q", file.read(8))[0] * np.dtype(storage_code(storage) or "<f2").itemsize
        if not 0 <= size <= len(content) - file.tell():
            raise ValueError("a storage ends before its numbers do")
        storage.content = file.read(size)
    return tree, 2, True


def _before_zips(storage: Storage) -> bytes:
    """A file of one storage, as PyTorch puts it within pickles."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    named = Storage((*storage.said, None))
    parts = [pickled(one, 2)[0] for one in (_BEFORE_ZIPS, 1001, system, named, [storage.said[2]])]
    return b"".join(parts) + struct.pack("<q", storage.said[-1]) + storage.content


def _zipped(entries: Mapping[str, bytes], content: bytes, storages: Mapping[str, bytes]) -> bytes:
    """PyTorch's archive with that pickle and those storages among its entries, of which the first is the pickle."""
    pickle = next(iter(entries))
    folder = f"{pickle.removesuffix('data.pkl')}data/"
    kept = {name: entry for name, entry in entries.items() if not name.startswith(folder)}
    kept |= {pickle: content, **{f"{folder}{key}": one for key, one in storages.items()}}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, entry in kept.items():
            archive.writestr(zipfile.ZipInfo(name), entry)
    return file.getvalue()


def torch_archive(content: Mapping[str, Any]) -> bytes:
    """A file as PyTorch saves it: nested dictionaries of arrays, which become tensors, of numbers and of text."""
    kinds = {np.dtype(code): NAMES["torch", f"{kind}Storage"] for kind, code in TORCH.items() if code}

    def tree(value: Any) -> Value:
        if isinstance(value, Mapping):
            return {key: tree(item) for key, item in value.items()}
        if not isinstance(value, np.ndarray):
            return value
        storage = Storage(("storage", kinds[value.dtype], "", "cpu", value.size), value.tobytes())
        args = (storage, 0, value.shape, steps_of(value.shape), False, OrderedDict())
        return Call(NAMES["torch._utils", "_rebuild_tensor_v2"], args)

    return _zipped(_ARCHIVE, *pickled(tree(content), 2))
