"""Results saved as named arrays.

Results are .npz files, or nested dictionaries in .pkl, .pt and .npy files of objects. Files are read and written back
without running code in them (see `reader`); PyTorch and joblib are not needed. An array's name consists of the keys on
its path, joined by dots, such as "people.1.smplx_world.pose". Writing keeps every byte except changed numbers. An array
with two names changes under both.
"""

import gzip
import io
import math
import pickle
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from ...core.errors import InputError, shorten_message
from ..files.arrays import NUMERIC, read_npz, read_shapes, skip_to_objects, write_npz
from ..files.limits import Budget, check_unpacked, open_file, read_bytes, unpack
from ..files.writing import replacing
from .reader import MAX_KEY_LENGTH, map_leaves, read_tree, refuse_damage
from .values import Text, Value

_COMPRESSIONS: dict[bytes, Callable[[bytes], bytes]] = {b"\x1f\x8b": gzip.compress, b"\x78": zlib.compress}
"""Functions that compress as joblib does, by a file's first bytes."""

_COPIES_IN_MEMORY = 3
"""Number of copies of compressed content in memory while reading."""


class Results(ABC):
    """A file of results."""

    path: Path
    shapes: dict[str, tuple[int, ...]]
    """Shape of each numeric array by name."""
    numbers: dict[str, float]
    """Single numbers by name."""
    others: frozenset[str]
    """Names of other values."""
    notes: tuple[str, ...] = ()
    """Notes on how the file was read."""

    @abstractmethod
    def array(self, name: str) -> np.ndarray:
        """Return a copy of an array, which counts against the memory limit.

        Raises:
            InputError: The array is damaged.
        """

    def check_frames(self, names: Iterable[str], frames: int) -> None:
        """Check that arrays have this number of frames, if they exist.

        Raises:
            InputError: An array has another number.
        """
        for name in names:
            if self.shapes.get(name, (frames,))[:1] != (frames,):
                raise InputError(f"{self.path}: expected {frames} frames of {name}, got shape {self.shapes[name]}")

    @abstractmethod
    def write(self, target: Path, changed: Mapping[str, np.ndarray], frames: int) -> None:
        """Write the file with changed arrays.

        Args:
            target: Path of the new file.
            changed: New arrays by name.
            frames: Number of frames of the old arrays. If new arrays have another number, other arrays per frame are
                left out, if the format allows it.
        """


class HeldResults(Results):
    """Results with arrays in memory."""

    _arrays: dict[str, np.ndarray]
    _budget: Budget

    def array(self, name: str) -> np.ndarray:
        array = self._arrays[name]
        self._budget.take(array.nbytes)
        return array.copy()

    def check_shape(self, name: str, array: np.ndarray, target: Path) -> None:
        """Raise InputError if an array has another shape than in the file."""
        if array.shape != self.shapes[name]:
            raise InputError(
                f"{target}: {name} of {self.path.name} has shape {self.shapes[name]}, "
                f"and {array.shape} does not fit there"
            )


def open_results(path: Path) -> Results:
    """Open a results file by its content.

    Raises:
        InputError: The file is damaged or of another kind.
    """
    content = read_bytes(path)
    if content[:2] == b"PK":
        try:
            entries = _read_archive(path, content)
        except InputError:
            raise
        except Exception as error:  # a damaged archive makes its reader raise errors of any kind
            raise InputError(f"{path}: the file cannot be read ({shorten_message(error)})") from error
        if entries is not None:
            return _PickledResults(path, entries=entries)
        return _open_pickled_member(path, content) or _NpzResults(path)
    if content[:6] == b"\x93NUMPY":
        with open_file(path) as file:
            skip_to_objects(path, file)
            return _PickledResults(path, content, file.tell())
    for start, pack in _COMPRESSIONS.items():
        if content.startswith(start):
            return _PickledResults(path, unpack(path, content, _COPIES_IN_MEMORY), pack=pack)
    return _PickledResults(path, content)


def _read_archive(path: Path, content: bytes) -> dict[str, bytes] | None:
    """Read the entries of PyTorch's archive, the pickle first.

    Returns None for an archive without a pickle, such as NumPy's.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        infos = archive.infolist()
        if any(info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in infos):
            raise InputError(f"{path}: compressed in a way that neither NumPy nor PyTorch uses")
        infos.sort(key=lambda info: not info.filename.endswith("/data.pkl"))
        if not infos or not infos[0].filename.endswith("/data.pkl"):
            return None
        check_unpacked(path, _COPIES_IN_MEMORY * sum(info.file_size for info in infos), stored=len(content))
        return {info.filename: archive.read(info) for info in infos}


def _open_pickled_member(path: Path, content: bytes) -> Results | None:
    """Open a .npz file with a single array of objects, as ROMP writes it.

    Returns None for other files.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        infos = archive.infolist()
        if len(infos) != 1:
            return None
        check_unpacked(path, _COPIES_IN_MEMORY * infos[0].file_size, stored=len(content))
        try:
            member = archive.read(infos[0])
            file = io.BytesIO(member)
            skip_to_objects(path, file)
        except (InputError, OSError, zipfile.BadZipFile, zlib.error):  # its reader explains what is wrong
            return None

    def pack(changed: bytes) -> bytes:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
            new.writestr(infos[0].filename, changed)
        return packed.getvalue()

    return _PickledResults(path, member, file.tell(), pack)


class _NpzResults(Results):
    """Arrays of a .npz file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        shapes = read_shapes(path)
        if (longest := max(map(len, shapes), default=0)) > MAX_KEY_LENGTH:
            raise InputError(f"{path}: holds a name of {longest} characters, expected at most {MAX_KEY_LENGTH}")
        self.shapes = {name: shape for name, shape in shapes.items() if shape is not None}
        self.others = frozenset(shapes) - self.shapes.keys()
        self._budget = Budget(path, stored=path.stat().st_size)
        arrays = read_npz(path, [name for name, shape in self.shapes.items() if shape == ()], skip_pickled=True)
        numbers = {name: array for name, array in arrays.items() if array.size == 1 and array.dtype.kind in "fiu"}
        self.numbers = {name: float(array) for name, array in numbers.items()}

    def array(self, name: str) -> np.ndarray:
        array = read_npz(self.path, (name,))[name]
        self._budget.take(array.nbytes)
        return array

    def write(self, target: Path, changed: Mapping[str, np.ndarray], frames: int) -> None:
        """Write the file with changed arrays.

        Arrays of objects, which only code could read, are copied unchanged.
        """
        self._budget = Budget(self.path, stored=self._budget.stored)
        old = read_npz(self.path, skip_pickled=True)
        objects_of: Path | None = self.path
        if any(array.shape[:1] != old[name].shape[:1] for name, array in changed.items()):
            old = {name: array for name, array in old.items() if array.ndim == 0 or len(array) != frames}
            objects_of = None  # they may be per frame
        write_npz(target, {**old, **changed}, objects_of=objects_of)


class _PickledResults(HeldResults):
    """Arrays of a pickle.

    The pickle is a file, or part of a .npy file or of PyTorch's zip archive.
    """

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
            entries: Entries of PyTorch's archive, the pickle first, in place of the content.
        """
        self.path = path
        self._entries = entries or {"": content}
        self._start = start
        self._pack = pack
        self.numbers: dict[str, float] = {}
        others: set[str] = set()
        with refuse_damage(path):
            self._arrays, _ = self._find_arrays(self._entries, others)
        self.shapes = {name: array.shape for name, array in self._arrays.items()}
        self.others = frozenset(others)

    def _find_arrays(
        self, entries: Mapping[str, bytes | bytearray], others: set[str]
    ) -> tuple[dict[str, np.ndarray], list[Text]]:
        """Find the arrays in the entries, as views.

        The texts of the pickle are returned as well. The names of other values are added to `others`.
        """
        self._budget = Budget(self.path, stored=self.path.stat().st_size)
        self._budget.take(sum(map(len, entries.values())))
        first = next(iter(entries))
        storages = None
        if first:
            folder = f"{first.removesuffix('data.pkl')}data/"
            storages = {name.removeprefix(folder): memoryview(entry) for name, entry in entries.items()}
        tree, texts = read_tree(entries[first], self._start, self._budget, storages)
        arrays: dict[str, np.ndarray] = {}
        map_leaves(tree, partial(self._note_leaf, arrays, others), self._budget)
        return arrays, texts

    def _note_leaf(self, arrays: dict[str, np.ndarray], others: set[str], name: str, leaf: Value) -> None:
        """Record a leaf: an array, a number, or the name of another value."""
        if isinstance(leaf, np.ndarray) and leaf.dtype.kind in NUMERIC:
            arrays[name] = leaf
        elif isinstance(leaf, int | float | np.number) and not isinstance(leaf, bool):
            self.numbers[name] = float(leaf) if not isinstance(leaf, int) or abs(leaf) < 2**1000 else math.inf
        else:
            others.add(name)

    def write(self, target: Path, changed: Mapping[str, np.ndarray], frames: int) -> None:
        """Write the file with changed arrays of the same shapes, by name.

        Raises:
            InputError: A shape differs, or two names share numbers that should differ.
        """
        del frames
        entries = {name: bytearray(entry) for name, entry in self._entries.items()}
        arrays, texts = self._find_arrays(entries, set())
        for name, array in changed.items():
            self.check_shape(name, array, target)
            arrays[name][...] = array
        for name, array in changed.items():
            written = arrays[name]
            if not np.array_equal(written, array.astype(written.dtype), equal_nan=written.dtype.kind in "fc"):
                raise InputError(f"{target}: {name} of {self.path.name} shares its numbers with another array")
        first = next(iter(entries))
        content = _replace_texts(entries.pop(first), texts)
        if first:
            content = _pack_torch_archive({first: content, **entries})
        with replacing(target) as temporary:
            temporary.write_bytes(self._pack(content))


def _replace_texts(content: bytearray, texts: Iterable[Text]) -> bytes:
    """Replace changed texts in a pickle, using the opcode for any text."""
    pieces = []
    end = 0
    for text in texts:
        if text.buffer is not None and text.buffer != text.encode("latin-1"):
            encoded = text.buffer.decode("latin-1").encode()
            pieces += [content[end : text.start], pickle.BINUNICODE, struct.pack("<I", len(encoded)), encoded]
            end = text.end
    return b"".join([*pieces, content[end:]])


def _pack_torch_archive(entries: Mapping[str, bytes | bytearray]) -> bytes:
    """Pack entries, the pickle first, into an archive of PyTorch."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, entry in entries.items():
            archive.writestr(zipfile.ZipInfo(name), bytes(entry))
    return file.getvalue()
