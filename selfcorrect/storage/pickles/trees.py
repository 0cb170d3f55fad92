"""Trees of the content of pickles: the names that they may hold, and a writer."""

import io
import pickle
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..files.limits import Budget

Value: TypeAlias = Any
"""None, bool, int, float, str, bytes, list, tuple, dict, `Name`, `Call` or `Storage`."""

BYTES_PER_STEP = 256
"""Share of the memory limit that an opcode takes: 2,000,000 of them in 512 MB."""

MAX_DEPTH = 64


class Refused(ValueError):
    """Error of content that is not read; the message continues "refused, it holds"."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name in a pickle, and its meaning here."""

    module: str
    name: str
    meaning: str


@dataclass(eq=False, slots=True)
class Call:
    """A call in a pickle, which is not made."""

    name: Name
    args: tuple[Value, ...]
    is_new_object: bool = False
    """True for the opcode of new objects instead of the opcode of calls."""
    state: Value = None

    @property
    def meaning(self) -> str:
        """Meaning of the name."""
        return self.name.meaning


@dataclass(eq=False, slots=True)
class Storage:
    """Numbers of a PyTorch file, which are stored beside its pickle."""

    description: tuple[Value, ...]
    """("storage", type, key, device, count)."""
    content: bytes = b""
    numbers: np.ndarray | None = None
    """Content as an array, once a tensor of it was decoded."""


_PLAIN = ("dict", "list", "int", "float", "set", "str")
_NOTHING = {
    "torch": ("device", "dtype", "float32", "float64", "float16", "bfloat16", "int64", "int32", "bool"),
    "builtins": _PLAIN, "__builtin__": _PLAIN,
    "pathlib": ("Path", "PosixPath", "WindowsPath", "PurePosixPath"),
    "pathlib._local": ("Path", "PosixPath", "WindowsPath"),
}  # fmt: skip
STORAGES = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
_CORES = ("core", "_core")
_SPARSE = ("csc", "csr", "coo")
_MEANINGS = {
    **{(f"numpy.{core}.multiarray", name): name for core in _CORES for name in ("_reconstruct", "scalar")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): "_frombuffer" for core in _CORES},
    **{("numpy", name): name for name in ("ndarray", "dtype")},
    **{(f"scipy.sparse.{at}{kind}", f"{kind}_{end}"): kind for kind in _SPARSE for at in ("", "_")
       for end in ("matrix", "array")},
    ("_codecs", "encode"): "encode",
    ("__builtin__", "bytes"): "bytes",
    **{(module, "_reconstructor"): "_reconstructor" for module in ("copy_reg", "copyreg")},
    **{(module, "object"): "object" for module in ("__builtin__", "builtins")},
    **{("torch._utils", f"_rebuild_{name}"): name for name in ("tensor_v2", "parameter")},
    **{("torch", f"{kind}Storage"): f"{kind} storage" for kind in STORAGES},
    ("torch.storage", "_load_from_bytes"): "storage",
    ("torch", "Size"): "tuple",
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): "joblib",
    **{("collections", name): "dict" for name in ("OrderedDict", "defaultdict")},
    **{(module, name): "nothing" for module, names in _NOTHING.items() for name in names},
}  # fmt: skip
NAMES = {(module, name): Name(module, name, means) for (module, name), means in _MEANINGS.items()}
"""Names that a pickle may hold, with their meanings; old files name old modules of NumPy and SciPy. Values that are no
numbers are skipped as "nothing"; other names are refused."""


def require_type(value: Value, kind: Any) -> Value:
    """Return a value of the file; ValueError if it is not of a type."""
    if not isinstance(value, kind):
        name = getattr(kind, "__name__", "an object").lower()
        raise ValueError(f"expected {name}, got {type(value).__name__.lower()}")
    return value


LeafFunction: TypeAlias = Callable[[str, Value, Callable[[Value], Value]], Value]
"""Function that replaces a leaf; it gets its name, the leaf, and a function that maps a part of it."""


def map_leaves(tree: Value, act: LeafFunction, budget: Budget, deepest: int = MAX_DEPTH, name: str = "") -> Value:
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
        items = {key: map_item(key, item) for key, item in tree.items()}
        if type(tree) is dict:
            return items
        changed = copy(tree)
        changed.update(items)
        return changed
    if isinstance(tree, list | tuple):
        return type(tree)(map_item(index, item) for index, item in enumerate(tree))
    return act(name, tree, lambda part: map_leaves(part, act, budget, deepest - 1, name))


_PICKLER: Any = pickle._Pickler  # type: ignore[attr-defined]


class _Writer(_PICKLER):
    """Writer of trees of `Reader`."""

    def __init__(self, file: io.BytesIO, protocol: int) -> None:
        super().__init__(file, protocol)
        self.storages: dict[Storage, str] = {}
        self.dispatch = {**_PICKLER.dispatch, Name: _Writer._name, Call: _Writer._call}

    def persistent_id(self, obj: Value) -> tuple[Value, ...] | None:
        """Return the description of a storage of PyTorch."""
        if not isinstance(obj, Storage):
            return None
        key = self.storages.setdefault(obj, str(len(self.storages)))
        return (*obj.description[:2], key, *obj.description[3:])

    def _name(self, name: Name) -> None:
        self.write(pickle.GLOBAL + f"{name.module}\n{name.name}\n".encode())
        self.memoize(name)

    def _call(self, call: Call) -> None:
        self.save(call.name)
        self.save(call.args)
        self.write(pickle.NEWOBJ if call.is_new_object else pickle.REDUCE)
        self.memoize(call)
        if call.state is not None:
            self.save(call.state)
            self.write(pickle.BUILD)


def write_pickle(tree: Value, protocol: int) -> tuple[bytes, dict[str, bytes]]:
    """Return the pickle of a tree, and its storages by key."""
    file = io.BytesIO()
    writer = _Writer(file, protocol)
    writer.dump(tree)
    return file.getvalue(), {key: storage.content for storage, key in writer.storages.items()}
