"""Read pickles as trees, without a call of anything that they name.

`Reader` is Python's unpickler, which looks names up in a table and imports none. Each call in the file becomes a `Call`
in the tree; `arrays` decodes calls into arrays, which are windows on bytes of the file. Each step counts against the
memory limit, so that a small file takes neither much time nor memory.

It is the Python version of `pickle.Unpickler`, as joblib uses it: the version in C takes 64 GB of memory for a place
that nine bytes name. A separate process with limits would take longer to start than most files take to read, and
Windows and macOS would not keep its limit of memory.
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
from .arrays import (
    decode_bytes,
    decode_dtype,
    decode_dtype_code,
    decode_leaf,
    decode_scalar,
    decode_shape,
    storage_code,
)
from .values import SPARSE, STORAGES, Call, Content, Name, Refused, Span, Storage, Text, Value, require_type

BYTES_PER_STEP = 256
"""Share of the memory limit that an opcode takes: 2,000,000 of them in 512 MB."""
_MAX_DEPTH = 64
_MAX_INDEX = 2**31
_MAX_KEY_LENGTH = 1000


@contextmanager
def refuse_damage(path: Path) -> Iterator[None]:
    """Raise errors of a damaged or refused pickle as an InputError of a sentence."""
    try:
        yield
    except Refused as error:
        raise InputError(f"{path}: refused, it holds {error}, and only numbers are read from pickle files") from error
    except (InputError, MemoryError):
        raise
    except Exception as error:  # a damaged file makes its readers raise errors of any kind
        raise InputError(
            f"{path}: not a readable pickle file ({shorten_message(error) or 'it ends too early'})"
        ) from error


_NOTHING = {
    "torch": ("device", "dtype", "float32", "float64", "float16", "bfloat16", "int64", "int32", "bool"),
    "builtins": ("dict", "list", "int", "float", "set", "str"),
    "pathlib": ("Path", "PosixPath", "WindowsPath", "PurePosixPath"),
    "pathlib.local": ("Path", "PosixPath", "WindowsPath"),
}
_MEANINGS = {
    **{("numpy.core.multiarray", name): name for name in ("_reconstruct", "scalar")},
    ("numpy.core.numeric", "_frombuffer"): "_frombuffer",
    **{("numpy", name): name for name in ("ndarray", "dtype")},
    **{(f"scipy.sparse.{kind}", f"{kind}_{end}"): kind for kind in SPARSE for end in ("matrix", "array")},
    ("_codecs", "encode"): "encode",
    ("builtins", "bytes"): "bytes",
    ("builtins", "object"): "object",
    ("copyreg", "_reconstructor"): "_reconstructor",
    **{("torch.utils", f"_rebuild_{name}"): name for name in ("tensor_v2", "parameter")},
    **{("torch", f"{kind}Storage"): f"{kind} storage" for kind in STORAGES},
    ("torch.storage", "_load_from_bytes"): "storage",
    ("torch", "Size"): "tuple",
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): "joblib",
    **{("collections", name): "dict" for name in ("OrderedDict", "defaultdict")},
    **{(module, name): "nothing" for module, names in _NOTHING.items() for name in names},
}
"""Names that a pickle may hold, with their meanings. Values that are no numbers are skipped as "nothing"; other names
are refused."""
_OLD_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg"}

_CALLABLE_MEANINGS = (
    "_reconstruct", "_frombuffer", "scalar", "dtype", "encode", "bytes", "tensor_v2", "parameter", "tuple",
    "nothing",
)  # fmt: skip


# --- the reader ------------------------------------------------------------------------------------------------------

_UNPICKLER: Any = pickle._Unpickler  # type: ignore[attr-defined]
_REFUSED_OPCODES = (
    pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.INST, pickle.OBJ, pickle.NEWOBJ_EX, pickle.EMPTY_SET,
    pickle.ADDITEMS, pickle.FROZENSET, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER,
)  # fmt: skip
"""Opcodes that no file of numbers needs; Python takes hours for the hash of sets in sets."""


class _Steps(dict[int, Callable[[Any], None]]):
    """Handlers of opcodes, each of which counts as a step."""

    def __init__(self, file: io.BytesIO, budget: Budget) -> None:
        super().__init__(_HANDLERS)
        self.file = file
        self.take = budget.take
        self.code = 0
        """The latest opcode."""
        self.start = 0
        """Its position."""

    def __getitem__(self, code: int) -> Callable[[Any], None]:
        self.code = code
        self.start = self.file.tell() - 1
        self.take(BYTES_PER_STEP)
        return super().__getitem__(code)

    def __missing__(self, code: int) -> Callable[[Any], None]:
        raise Refused(f"the opcode {bytes([code])!r}")


class Reader(_UNPICKLER):
    """Reader of a pickle at the current place of a file."""

    def __init__(
        self,
        file: io.BytesIO,
        budget: Budget,
        storages: Mapping[str, Content] | None = None,
        *,
        nested: bool = False,
    ) -> None:
        """Prepare to read a pickle.

        Args:
            budget: Limit on the memory of all content of the file.
            storages: Contents of PyTorch's storages by key; None if they follow the pickle.
            nested: Whether the pickle is in an array of another one.
        """
        super().__init__(file, encoding="latin-1")
        self.file = file
        self.budget = budget
        self.contents = storages
        self.nested = nested
        self.dispatch = _Steps(file, budget)
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Name:
        """Return the meaning of a name; nothing is imported."""
        if module == "chumpy" or module.startswith("chumpy."):
            return Name("chumpy")
        public_module = _OLD_MODULES.get(module, module).replace("._", ".")  # NumPy and SciPy hid their modules
        if (public_module, name) not in _MEANINGS:
            raise Refused(f"{module}.{name}"[:200])
        return Name(_MEANINGS[public_module, name])

    def persistent_load(self, pid: Value) -> Storage:
        """Return a storage of PyTorch, the same storage for the same key."""
        _, kind, key, *_ = require_type(pid, tuple)
        if require_type(key, str) not in self.storages:
            content = Content(b"") if self.contents is None else self.contents[key]
            self.storages[key] = Storage(require_type(kind, Name), content, size=len(content.payload))
        return self.storages[key]

    def _name(self) -> None:
        name = require_type(self.stack.pop(), str)
        self.stack.append(self.find_class(require_type(self.stack.pop(), str), name))

    def _skip_frame(self) -> None:
        """Read on in the file: a frame is only a hint of what to read at once."""
        self.read(8)

    def _read_bytes(self) -> None:
        code = self.dispatch.code
        _UNPICKLER.dispatch[pickle.BINBYTES8[0] if code == pickle.BYTEARRAY8[0] else code](self)
        payload = self.stack[-1]
        end = self.file.tell()
        self.stack[-1] = Content(payload, Span(end - len(payload), end))

    def _read_text(self) -> None:
        opcode = bytes([self.dispatch.code])
        _UNPICKLER.dispatch[opcode[0]](self)
        text = Text(self.stack[-1])
        end = self.file.tell()
        if opcode in (pickle.BINSTRING, pickle.SHORT_BINSTRING):
            text.place = Span(end - len(text), end)
        else:
            text.place = Span(self.dispatch.start, end, _encode_string if opcode == pickle.STRING else _encode_unicode)
        self.stack[-1] = text

    def _reduce(self) -> None:
        args = require_type(self.stack.pop(), tuple)
        name = require_type(self.stack.pop(), Name)
        if name.meaning == "_reconstructor" and len(args) == 3 and getattr(args[1], "meaning", "") == "object":
            self.stack.append(Call(require_type(args[0], Name).meaning, ()))
        elif name.meaning == "dict" and len(args) <= 1:  # a default is given as a function
            if args and args[0] is not None:
                require_type(args[0], Name)
            self.stack.append({})
        elif name.meaning == "storage":
            self.stack.append(self._read_storage(*args))
        elif name.meaning in _CALLABLE_MEANINGS:
            self.stack.append(Call(name.meaning, args))
        else:
            raise Refused(f"a call of {name.meaning}")

    def _read_storage(self, value: Value) -> Storage:
        """Return the storage of a tensor that is in a file within this file."""
        content = decode_bytes(value)
        self.budget.take(len(content.payload))
        inner = require_type(read_tree(content.payload, 0, self.budget), Storage)
        assert inner.content.place is not None
        return Storage(inner.kind, content, inner.content.place.start, inner.size)

    def _new_object(self) -> None:
        args = require_type(self.stack.pop(), tuple)
        self.stack.append(Call(require_type(self.stack.pop(), Name).meaning, args))

    def _build(self) -> None:
        state = self.stack.pop()
        call = require_type(self.stack[-1], Call)
        if call.meaning == "joblib":
            state = self._read_joblib_state(require_type(state, dict))
            call.meaning = "_reconstruct"
        call.state = state

    def _read_joblib_state(self, wrapper: dict[str, Value]) -> Value:
        """Return the state of an array that joblib describes, whose bytes follow in the file."""
        if self.nested:
            raise Refused("joblib's arrays in arrays")
        shape = wrapper["shape"]
        dtype = wrapper["dtype"]
        if decode_dtype_code(dtype)[-2:] in ("O8", "O"):
            return require_type(Reader(self.file, self.budget, nested=True).load(), Call).state
        if isinstance(wrapper.get("numpy_array_alignment_bytes"), int):
            self.file.seek(self.file.read(1)[0], io.SEEK_CUR)
        size = math.prod(decode_shape(shape)) * decode_dtype(dtype).itemsize
        return 1, shape, dtype, wrapper.get("order") == "F", read_content(self.file, size)

    def _dict(self) -> None:
        items = self.pop_mark()
        self.stack.append({})
        self._set_pairs(items)

    def _set_item(self) -> None:
        value = self.stack.pop()
        key = self.stack.pop()
        self._set_pairs([key, value])

    def _set_items(self) -> None:
        self._set_pairs(self.pop_mark())

    def _set_pairs(self, items: list[Value]) -> None:
        target = require_type(self.stack[-1], dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            if isinstance(key, Text):
                key = str(key)
            elif isinstance(key, Content):
                key = key.payload
            if isinstance(key, Call) and key.meaning == "scalar":  # programs count people with NumPy's numbers
                key = decode_scalar(key).item()
            if not isinstance(key, str | bytes | float) and not (isinstance(key, int) and abs(key) < _MAX_INDEX):
                raise Refused(f"a dictionary with a key of type {type(key).__name__}")
            if isinstance(key, str | bytes) and len(key) > _MAX_KEY_LENGTH:
                raise Refused(f"a dictionary with a key of {len(key)} characters")
            target[key] = value


def read_content(file: io.BytesIO, size: int) -> Content:
    """Return the next bytes of a file; ValueError if there are fewer."""
    start = file.tell()
    if not 0 <= size <= file.getbuffer().nbytes - start:
        raise ValueError("an array ends before its numbers do")
    return Content(file.read(size), Span(start, start + size))


_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
"""First number of PyTorch's files before zip archives."""


def read_tree(content: bytes, start: int, budget: Budget, storages: Mapping[str, Content] | None = None) -> Value:
    """Return the tree of a pickle.

    PyTorch's files before zip archives are several pickles, then the storages.

    Args:
        storages: Contents of the storages of PyTorch's archive by key.
    """
    file = io.BytesIO(content)
    file.seek(start)
    tree = Reader(file, budget, storages).load()
    if tree != _LEGACY_MAGIC:
        return tree
    for _ in range(2):
        Reader(file, budget).load()
    reader = Reader(file, budget)
    tree = reader.load()
    for key in require_type(Reader(file, budget).load(), list):
        storage = reader.storages[require_type(key, str)]
        storage.size = struct.unpack("<q", file.read(8))[0] * np.dtype(storage_code(storage) or "<f2").itemsize
        storage.content = read_content(file, storage.size)
    return tree


LeafFunction: TypeAlias = Callable[[str, Value], Value]
"""Function that replaces a leaf, of its name and the leaf."""


def map_leaves(tree: Value, act: LeafFunction, budget: Budget, deepest: int = _MAX_DEPTH, name: str = "") -> Value:
    """Return a tree with other leaves; their names are the keys that lead to them, joined by dots.

    A part that the file uses in many places counts in each, so that a small file cannot become a large value.

    Args:
        act: Function that replaces a leaf.
        budget: Limit on memory, against which each step counts.
        deepest: Levels of nesting that are left.
    """
    budget.take(BYTES_PER_STEP + len(name))
    if deepest < 0:
        raise Refused("too much that is nested")

    def map_item(key: object, item: Value) -> Value:
        word = key.decode("latin-1") if isinstance(key, bytes) else str(key)
        return map_leaves(item, act, budget, deepest - 1, f"{name}.{word}" if name else word)

    if isinstance(tree, dict):
        return {key: map_item(key, item) for key, item in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(map_item(index, item) for index, item in enumerate(tree))
    leaf = decode_leaf(tree, budget)
    if isinstance(leaf, dict | list | tuple) or (isinstance(leaf, Call) and leaf is not tree):
        return map_leaves(leaf, act, budget, deepest - 1, name)
    return act(name, leaf)


def _encode_string(content: bytes) -> bytes:
    """Encode a text of Python 2."""
    return pickle.BINSTRING + struct.pack("<i", len(content)) + content


def _encode_unicode(content: bytes) -> bytes:
    """Encode bytes as Python 3 does for Python 2, as a text of Latin-1."""
    text = content.decode("latin-1").encode()
    return pickle.BINUNICODE + struct.pack("<I", len(text)) + text


_BYTES = (pickle.SHORT_BINBYTES, pickle.BINBYTES, pickle.BINBYTES8, pickle.BYTEARRAY8)
_TEXTS = (
    pickle.STRING, pickle.BINSTRING, pickle.SHORT_BINSTRING, pickle.UNICODE, pickle.BINUNICODE,
    pickle.SHORT_BINUNICODE, pickle.BINUNICODE8,
)  # fmt: skip
_HANDLERS: dict[int, Callable[[Any], None]] = {
    **{code: action for code, action in _UNPICKLER.dispatch.items() if bytes([code]) not in _REFUSED_OPCODES},
    **{opcode[0]: Reader._read_bytes for opcode in _BYTES},
    **{opcode[0]: Reader._read_text for opcode in _TEXTS},
    pickle.FRAME[0]: Reader._skip_frame,
    pickle.STACK_GLOBAL[0]: Reader._name,
    pickle.REDUCE[0]: Reader._reduce,
    pickle.NEWOBJ[0]: Reader._new_object,
    pickle.BUILD[0]: Reader._build,
    pickle.DICT[0]: Reader._dict,
    pickle.SETITEM[0]: Reader._set_item,
    pickle.SETITEMS[0]: Reader._set_items,
}
