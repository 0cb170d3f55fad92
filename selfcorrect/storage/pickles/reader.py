"""Pickles read as trees, without calling anything.

`Reader` is Python's unpickler, except that it looks names up in a table and imports nothing. Each call in the file
becomes a `Call` in the tree, and `arrays` decodes calls into arrays, which are views of the file's bytes. Each step
counts against the memory limit, so that a small file takes neither much time nor much memory.

The base is the Python implementation of `pickle.Unpickler`, as in joblib. Before Python 3.14, the C implementation
allocates 64 GB for a memo index of nine bytes, and in all versions a key of nested pairs takes hours. An allow-list of
constructors to call, as PyTorch has, would not tell where in the file an array is, which is needed to write it back.
"""

import io
import math
import pickle
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ...core.errors import InputError, shorten_message
from ..files.limits import Budget
from .arrays import STORAGES, decode_bytes, decode_dtype, decode_leaf, decode_scalar, decode_shape
from .values import Call, Name, Refused, Storage, Text, Value, require_type

BYTES_PER_STEP = 256
"""Share of the memory limit that an opcode takes, in bytes: 512 MB allow 2,000,000 opcodes."""
_MAX_DEPTH = 64
_MAX_INDEX = 2**31
MAX_KEY_LENGTH = 1000


@contextmanager
def refuse_damage(path: Path) -> Iterator[None]:
    """Turn errors from damaged or refused pickles into InputError."""
    try:
        yield
    except Refused as error:
        raise InputError(
            f"{path}: refused, as the file holds {error}; only numbers are read from pickle files"
        ) from error
    except (InputError, MemoryError):
        raise
    except Exception as error:  # a damaged file makes its readers raise errors of any kind
        raise InputError(
            f"{path}: not a readable pickle file ({shorten_message(error) or 'the file ends too early'})"
        ) from error


_SKIPPED_NAMES = {
    "torch": ("device", "dtype", "float32", "float64", "float16", "bfloat16", "int64", "int32", "bool"),
    "builtins": ("dict", "list", "int", "float", "set", "str"),
    "pathlib": ("Path", "PosixPath", "WindowsPath", "PurePosixPath"),
    "pathlib.local": ("Path", "PosixPath", "WindowsPath"),
}
_MEANINGS = {
    **{("numpy.core.multiarray", name): name for name in ("_reconstruct", "scalar")},
    ("numpy.core.numeric", "_frombuffer"): "_frombuffer",
    **{("numpy", name): name for name in ("ndarray", "dtype")},
    **{("scipy.sparse.csc", f"csc_{end}"): "sparse" for end in ("matrix", "array")},
    ("_codecs", "encode"): "encode",
    **{("builtins", name): name for name in ("bytes", "object")},
    ("copyreg", "_reconstructor"): "_reconstructor",
    **{("torch.utils", f"_rebuild_{name}"): name for name in ("tensor_v2", "parameter")},
    **{("torch", kind): kind for kind in STORAGES},
    ("torch.storage", "_load_from_bytes"): "storage",
    ("torch", "Size"): "tuple",
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): "joblib",
    **{("collections", name): "dict" for name in ("OrderedDict", "defaultdict")},
    **{(module, name): "nothing" for module, names in _SKIPPED_NAMES.items() for name in names},
}
"""Names that a pickle may contain, with their meanings. Values with the meaning "nothing" are not numbers and are
skipped; all other names are refused."""
_OLD_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_UNPICKLER: Any = pickle._Unpickler  # type: ignore[attr-defined]


class Reader(_UNPICKLER):
    """Reader of a pickle's bytes."""

    def __init__(
        self,
        content: bytes | bytearray | memoryview,
        start: int,
        budget: Budget,
        storages: Mapping[str, memoryview] | None = None,
        *,
        nested: bool = False,
    ) -> None:
        """Prepare to read a pickle.

        Args:
            content: Bytes of the file.
            start: Position of the pickle in bytes.
            budget: Memory limit for all content of the file.
            storages: Contents of PyTorch's storages by key; None if they follow the pickle.
            nested: Whether the pickle is in an array of another pickle.
        """
        self.file = io.BytesIO(content)
        super().__init__(self.file, encoding="latin-1")
        self.file.seek(start)
        self.content = content
        self.budget = budget
        self.contents = storages
        self.nested = nested
        self.opcode = b""
        self.start = start
        """Position of the opcode."""
        self.texts: list[Text] = []
        self.storages: dict[str, Storage] = {}

    def load(self) -> Value:
        """Return the pickle's tree, leaving the file at its end."""
        self.read = self.file.read
        self.readline = self.file.readline
        self.metastack = []
        self.stack = []
        self.append = self.stack.append
        while True:
            self.start = self.file.tell()
            self.opcode = self.read(1)
            self.budget.take(BYTES_PER_STEP)
            if self.opcode == pickle.STOP:
                return self.stack.pop()
            if self.opcode not in _HANDLERS:
                raise Refused(f"the opcode {self.opcode!r}") if self.opcode else EOFError
            _HANDLERS[self.opcode](self)

    def find_class(self, module: str, name: str) -> Name:
        """Return the meaning of a name without importing anything."""
        if module == "chumpy" or module.startswith("chumpy."):
            return Name("chumpy")
        public_module = _OLD_MODULES.get(module, module).replace("._", ".")  # NumPy and SciPy hid their modules
        if (public_module, name) not in _MEANINGS:
            raise Refused(f"{module}.{name}"[:200])
        return Name(_MEANINGS[public_module, name])

    def persistent_load(self, pid: Value) -> Storage:
        """Return PyTorch's storage with a key, the same object every time."""
        _, kind, key, *_ = require_type(pid, tuple)
        if require_type(key, str) not in self.storages:
            content = memoryview(b"") if self.contents is None else self.contents[key]
            self.storages[key] = Storage(require_type(kind, Name).meaning, content)
        return self.storages[key]

    def take_bytes(self, size: int) -> memoryview:
        """Take a view of the next bytes.

        Raises:
            ValueError: There are fewer bytes.
        """
        start = self.file.tell()
        if not 0 <= size <= len(self.content) - start:
            raise ValueError("the file ends before the numbers do")
        self.file.seek(size, io.SEEK_CUR)
        return memoryview(self.content)[start : start + size]

    def _read_bytes(self) -> None:
        form = _SIZES[self.opcode]
        (size,) = struct.unpack(form, self.read(struct.calcsize(form)))
        self.append(self.take_bytes(size))

    def _read_text(self) -> None:
        _UNPICKLER.dispatch[self.opcode[0]](self)
        text = Text(self.stack[-1])
        text.buffer = None
        text.start = self.start
        text.end = self.file.tell()
        self.stack[-1] = text
        self.texts.append(text)

    def _read_name(self) -> None:
        name = require_type(self.stack.pop(), str)
        self.append(self.find_class(require_type(self.stack.pop(), str), name))

    def _call(self) -> None:
        args = require_type(self.stack.pop(), tuple)
        meaning = require_type(self.stack.pop(), Name).meaning
        if meaning == "_reconstructor" and len(args) == 3 and args[1] == Name("object"):
            self.append(Call(require_type(args[0], Name).meaning, ()))
        elif meaning == "dict":
            if any(default is not None and not isinstance(default, Name) for default in args):
                raise Refused("a dictionary with a default that is not a type")
            self.append({})
        elif meaning == "storage":
            content = decode_bytes(args[0])
            self.budget.take(len(content))
            self.append(require_type(read_tree(content, 0, self.budget)[0], Storage))
        else:
            self.append(Call(meaning, args))

    def _build(self) -> None:
        state = self.stack.pop()
        call = require_type(self.stack[-1], Call)
        if call.meaning == "joblib":
            state = self._read_joblib_state(require_type(state, dict))
            call.meaning = "_reconstruct"
        call.state = state

    def _read_joblib_state(self, wrapper: dict[str, Value]) -> Value:
        """Read an array that joblib describes, whose bytes come next in the file."""
        if self.nested:
            raise Refused("joblib's arrays in arrays")
        shape = wrapper["shape"]
        dtype = decode_dtype(wrapper["dtype"], objects=True)
        if dtype.kind == "O":
            inner = Reader(self.content, self.file.tell(), self.budget, nested=True)
            array = require_type(inner.load(), Call)
            self.file.seek(inner.file.tell())
            return array.state
        if isinstance(wrapper.get("numpy_array_alignment_bytes"), int):
            self.take_bytes(self.read(1)[0])
        numbers = self.take_bytes(math.prod(decode_shape(shape)) * dtype.itemsize)
        return 1, shape, wrapper["dtype"], wrapper.get("order") == "F", numbers

    def _make_dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._set_pairs(items)

    def _set_item(self) -> None:
        pair = self.stack[-2:]
        del self.stack[-2:]
        self._set_pairs(pair)

    def _set_items(self) -> None:
        self._set_pairs(self.pop_mark())

    def _set_pairs(self, items: list[Value]) -> None:
        target = require_type(self.stack[-1], dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            if isinstance(key, Text):
                key = str(key)
            elif isinstance(key, Call) and key.meaning == "scalar":  # programs count people with NumPy's numbers
                key = decode_scalar(key, self.budget).item()
            if not isinstance(key, str | float) and not (isinstance(key, int) and abs(key) < _MAX_INDEX):
                raise Refused(f"a dictionary with a key of type {type(key).__name__}")
            if isinstance(key, str) and len(key) > MAX_KEY_LENGTH:
                raise Refused(f"a dictionary with a key of {len(key)} characters")
            target[key] = value


_SIZES = {pickle.SHORT_BINBYTES: "<B", pickle.BINBYTES: "<I", pickle.BINBYTES8: "<Q", pickle.BYTEARRAY8: "<Q"}
"""Formats of the size after each opcode for bytes."""
_TEXTS = (
    pickle.STRING, pickle.BINSTRING, pickle.SHORT_BINSTRING, pickle.UNICODE, pickle.BINUNICODE,
    pickle.SHORT_BINUNICODE, pickle.BINUNICODE8,
)  # fmt: skip
_UNNEEDED = (
    pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.INST, pickle.OBJ, pickle.NEWOBJ_EX, pickle.EMPTY_SET,
    pickle.ADDITEMS, pickle.FROZENSET, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER,
)  # fmt: skip
"""Opcodes that no file of numbers needs. Python takes hours to hash nested sets."""
_HANDLERS: dict[bytes, Callable[[Any], object]] = {
    **{bytes([code]): act for code, act in _UNPICKLER.dispatch.items() if bytes([code]) not in _UNNEEDED},
    **dict.fromkeys(_SIZES, Reader._read_bytes),
    **dict.fromkeys(_TEXTS, Reader._read_text),
    pickle.FRAME: lambda reader: reader.read(8),  # only a hint for buffering
    pickle.STACK_GLOBAL: Reader._read_name,
    pickle.REDUCE: Reader._call,
    pickle.NEWOBJ: Reader._call,
    pickle.BUILD: Reader._build,
    pickle.DICT: Reader._make_dict,
    pickle.SETITEM: Reader._set_item,
    pickle.SETITEMS: Reader._set_items,
}

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
"""First number of PyTorch files from before zip archives."""


def read_tree(
    content: bytes | bytearray | memoryview,
    start: int,
    budget: Budget,
    storages: Mapping[str, memoryview] | None = None,
) -> tuple[Value, list[Text]]:
    """Read a pickle's tree and its texts.

    Texts are in the order of the file. PyTorch files from before zip archives are several pickles, followed by the
    storages.

    Args:
        storages: Contents of the storages in PyTorch's archive, by key.
    """
    reader = Reader(content, start, budget, storages)
    try:
        tree = reader.load()
    except Exception as error:
        begins_right = bytes(content[start : start + 1]) == pickle.PROTO  # from protocol 2 on
        ends_right = bytes(content[-20:]).rstrip().endswith(pickle.STOP)
        if content and not begins_right and not ends_right:
            raise ValueError("it neither begins nor ends as a pickle") from error
        raise
    if tree != _LEGACY_MAGIC:
        return tree, reader.texts
    trees = []
    readers = [reader]
    for _ in range(4):
        readers.append(Reader(content, readers[-1].file.tell(), budget))
        trees.append(readers[-1].load())
    _, _, tree, keys = trees
    after = readers[-1]
    for key in require_type(keys, list):
        storage = readers[3].storages[require_type(key, str)]
        (count,) = struct.unpack("<q", after.file.read(8))
        storage.content = after.take_bytes(count * np.dtype(STORAGES[storage.kind] or "<f2").itemsize)
    return tree, readers[3].texts


LeafFunction: TypeAlias = Callable[[str, Value], Value]
"""Function of a leaf's name and the leaf that returns its replacement."""


_REPEATED = 16
"""Weight of a step into a list or dictionary that was visited before. Programs share arrays, hardly ever other lists,
and a file of shared lists costs more time than memory."""


def map_leaves(
    tree: Value,
    act: LeafFunction,
    budget: Budget,
    deepest: int = _MAX_DEPTH,
    name: str = "",
    visited: set[int] | None = None,
) -> Value:
    """Replace the leaves of a tree.

    A leaf's name consists of the keys on its path, joined by dots. A part that the file uses several times counts each
    time, so that a small file cannot become a large value.

    Args:
        act: Function that replaces a leaf.
        budget: Memory limit. Each step counts.
        deepest: Remaining levels of nesting.
        visited: Identities of the lists and dictionaries that were visited before.
    """
    visited = set() if visited is None else visited
    is_repeated = id(tree) in visited
    if isinstance(tree, dict | list | tuple) and tree:
        visited.add(id(tree))
    budget.take((BYTES_PER_STEP + len(name)) * (_REPEATED if is_repeated else 1))
    if deepest < 0:
        raise Refused("too many nested values")

    def map_item(key: object, item: Value) -> Value:
        return map_leaves(item, act, budget, deepest - 1, f"{name}.{key}" if name else str(key), visited)

    if isinstance(tree, dict):
        return {key: map_item(key, item) for key, item in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(map_item(index, item) for index, item in enumerate(tree))
    leaf = decode_leaf(tree, budget)
    if isinstance(leaf, dict | list | tuple) or (isinstance(leaf, Call) and leaf is not tree):
        return map_leaves(leaf, act, budget, deepest - 1, name, visited)
    return act(name, leaf)
