"""What pickles describe, as trees: the names that they may hold, and how trees become pickles again."""

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
"""So much of the memory limit an opcode may cost: 2,000,000 of them in 512 MB."""

DEEPEST = 64


class Refused(ValueError):
    """The file holds something that is not read; the message goes on from "refused, it holds"."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name in a pickle, and what it means here."""

    module: str
    name: str
    means: str


@dataclass(eq=False, slots=True)
class Call:
    """What a name, called with arguments, would have made."""

    name: Name
    args: tuple[Value, ...]
    new: bool = False
    """Whether the opcode for new objects made it, and not that for calls."""
    state: Value = None

    @property
    def means(self) -> str:
        """What the name stands for."""
        return self.name.means


@dataclass(eq=False, slots=True)
class Storage:
    """Numbers of a PyTorch file, which lie beside its pickle."""

    said: tuple[Value, ...]
    """("storage", type, key, device, count)."""
    content: bytes = b""
    numbers: np.ndarray | None = None
    """The content as an array, once a tensor of it was asked for."""


_PLAIN = ("dict", "list", "int", "float", "set", "str")
_NOTHING = {
    "torch": ("device", "dtype", "float32", "float64", "float16", "bfloat16", "int64", "int32", "bool"),
    "builtins": _PLAIN, "__builtin__": _PLAIN,
    "pathlib": ("Path", "PosixPath", "WindowsPath", "PurePosixPath"),
    "pathlib._local": ("Path", "PosixPath", "WindowsPath"),
}  # fmt: skip
STORAGES = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
_CORES, _SPARSE = ("core", "_core"), ("csc", "csr", "coo")
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
"""What a name in a pickle may be, and what it means here; old files name NumPy's and SciPy's old modules. What is no
number is skipped as "nothing"; whatever is not named here is refused."""


def typed(value: Value, kind: Any) -> Value:
    """A value of the file, which has to be of that type."""
    if not isinstance(value, kind):
        name = getattr(kind, "__name__", "an object").lower()
        raise ValueError(f"expected {name}, got {type(value).__name__.lower()}")
    return value


Act: TypeAlias = Callable[[str, Value, Callable[[Value], Value]], Value]
"""What is put in the place of a leaf: called with its name, the leaf, and what goes through a part of it."""


def mapped(tree: Value, act: Act, budget: Budget, deepest: int = DEEPEST, name: str = "") -> Value:
    """The tree with other leaves. Their names are the keys that lead to them, with dots between them.

    A part that the file uses in many places counts in each, so that a small file cannot become a large value.
    """
    budget.take(BYTES_PER_STEP + len(name))
    if deepest < 0:
        raise Refused("too much that is nested")

    def below(key: object, item: Value) -> Value:
        word = key.decode("latin-1") if isinstance(key, bytes) else str(key)
        return mapped(item, act, budget, deepest - 1, f"{name}.{word}" if name else word)

    if isinstance(tree, dict):
        items = {key: below(key, item) for key, item in tree.items()}
        if type(tree) is dict:
            return items
        changed = copy(tree)
        changed.update(items)
        return changed
    if isinstance(tree, list | tuple):
        return type(tree)(below(index, item) for index, item in enumerate(tree))
    return act(name, tree, lambda part: mapped(part, act, budget, deepest - 1, name))


_PICKLER: Any = pickle._Pickler  # type: ignore[attr-defined]


class _Writer(_PICKLER):
    """Writes trees as `Reader` reads them."""

    def __init__(self, file: io.BytesIO, protocol: int) -> None:
        super().__init__(file, protocol)
        self.storages: dict[Storage, str] = {}
        self.dispatch = {**_PICKLER.dispatch, Name: _Writer._name, Call: _Writer._call}

    def persistent_id(self, obj: Value) -> tuple[Value, ...] | None:
        """What a storage of PyTorch is known by."""
        if not isinstance(obj, Storage):
            return None
        key = self.storages.setdefault(obj, str(len(self.storages)))
        return (*obj.said[:2], key, *obj.said[3:])

    def _name(self, name: Name) -> None:
        self.write(pickle.GLOBAL + f"{name.module}\n{name.name}\n".encode())
        self.memoize(name)

    def _call(self, call: Call) -> None:
        self.save(call.name)
        self.save(call.args)
        self.write(pickle.NEWOBJ if call.new else pickle.REDUCE)
        self.memoize(call)
        if call.state is not None:
            self.save(call.state)
            self.write(pickle.BUILD)


def pickled(tree: Value, protocol: int) -> tuple[bytes, dict[str, bytes]]:
    """The pickle of a tree, and by their keys the storages that it names."""
    file = io.BytesIO()
    writer = _Writer(file, protocol)
    writer.dump(tree)
    return file.getvalue(), {key: storage.content for storage, key in writer.storages.items()}
