"""Pickles as trees of what they describe, read and written by Python's own classes without a call of anything named.

`Reader` is Python's unpickler, which looks names up in a table here, and imports none. What the file wants to call
becomes a `Made`, which says so; `arrays` turns those into numbers. Each step counts against the memory limit, so that a
small file takes neither long nor much. `Writer` turns a tree into a pickle again.

Both are the Python versions of `pickle.Unpickler` and `pickle.Pickler`, as joblib uses them: those in C take 64 GB of
memory for a place that nine bytes name, and import what they write.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from ..files.limits import Budget
from .arrays import code_of, dtype_of, scalar_of, whole
from .names import NDARRAY, RECONSTRUCT, RESULTS
from .things import Items, Made, Name, Refused, Storage, Value, typed

BYTES_PER_STEP = 256
"""So much of the memory limit an opcode may cost: 2,000,000 of them in 512 MB."""

_LARGEST_INDEX, _LONGEST_KEY = 2**31, 1000
_CODES = dict[int, Callable[[Any], None]]
_UNPICKLER: Any = pickle._Unpickler  # type: ignore[attr-defined]
_PICKLER: Any = pickle._Pickler  # type: ignore[attr-defined]
_WITHOUT = (
    pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.INST, pickle.OBJ, pickle.NEWOBJ_EX, pickle.EMPTY_SET,
    pickle.ADDITEMS, pickle.FROZENSET, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER,
)  # fmt: skip
"""Opcodes that no file of numbers needs; Python takes hours for the hash of sets in sets."""


class _Steps(_CODES):
    """What is done at an opcode; each counts."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(_HANDLERS)
        self.take = budget.take

    def __getitem__(self, code: int) -> Callable[[Any], None]:
        self.take(BYTES_PER_STEP)
        return super().__getitem__(code)

    def __missing__(self, code: int) -> Callable[[Any], None]:
        raise Refused(f"the opcode {bytes([code])!r}")


class Reader(_UNPICKLER):
    """Reads one pickle from where the file is.

    names: what names in the file may be, `NUMBERS` or `RESULTS`; budget: of the memory of all that is read from it.
    """

    def __init__(
        self, file: io.BytesIO, names: Mapping[tuple[str, str], Name], budget: Budget, *, nested: bool = False
    ) -> None:
        super().__init__(file, encoding="latin-1")
        self.file, self.names, self.budget, self.nested = file, names, budget, nested
        self.dispatch = _Steps(budget)
        self.storages: list[Storage] = []

    def find_class(self, module: str, name: str) -> Name:
        """What a name stands for; nothing is imported."""
        if module.partition(".")[0] == "chumpy":
            return Name(module, name, "chumpy")
        if (module, name) not in self.names:
            raise Refused(f"{module}.{name}"[:200])
        return self.names[module, name]

    def persistent_load(self, pid: Value) -> Storage:
        """A storage of PyTorch."""
        if self.names is not RESULTS:
            raise Refused("what lies in another file")
        self.storages.append(Storage(typed(pid, tuple)[:5]))
        return self.storages[-1]

    def _reduce(self) -> None:
        args, name = typed(self.stack.pop(), tuple), typed(self.stack.pop(), Name)
        if name.means == "_reconstructor" and len(args) == 3 and getattr(args[1], "means", "") == "object":
            self.stack.append(Made(typed(args[0], Name), (), new=True))
        elif name.means == "dict" and args[1:] == () and isinstance(next(iter(args), None), Name | None):
            self.stack.append(Items(name, args))
        elif name.means in _CALLED:
            self.stack.append(Made(name, args))
        else:
            raise Refused(f"a call of {name.means}")

    def _new_object(self) -> None:
        args, name = typed(self.stack.pop(), tuple), typed(self.stack.pop(), Name)
        self.stack.append(Made(name, args, new=True))

    def _build(self) -> None:
        state, made = self.stack.pop(), typed(self.stack[-1], Made | Items)
        made.state = state
        if made.name.means == "joblib":
            self._array_behind(made, typed(state, dict))

    def _array_behind(self, made: Made, wrapper: dict[str, Value]) -> None:
        """Turn joblib's description of an array into the array whose bytes follow in the file."""
        if self.nested:
            raise Refused("joblib's arrays in arrays")
        shape, dtype = typed(wrapper["shape"], tuple), wrapper["dtype"]
        made.name, made.args, made.new = RECONSTRUCT, (NDARRAY, (0,), b"b"), False
        if code_of(dtype)[-2:] in ("O8", "O"):
            made.state = typed(Reader(self.file, self.names, self.budget, nested=True).load(), Made).state
            return
        if isinstance(wrapper.get("numpy_array_alignment_bytes"), int):
            self.file.seek(self.file.read(1)[0], io.SEEK_CUR)
        size = math.prod(whole(side) for side in shape) * dtype_of(dtype).itemsize
        content = self.file.read(size) if size <= self.file.getbuffer().nbytes else b""
        if len(content) != size:
            raise ValueError("an array ends before its numbers do")
        made.state = (1, shape, dtype, wrapper.get("order") == "F", content)

    def _dict(self) -> None:
        items = self.pop_mark()
        self.stack.append({})
        self._set(items)

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def _set_items(self) -> None:
        self._set(self.pop_mark())

    def _set(self, items: list[Value]) -> None:
        target = typed(self.stack[-1], dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            if isinstance(key, Made) and key.means == "scalar":  # programs count people with NumPy's numbers
                key = scalar_of(key).item()
            words = str | bytes | float if self.names is RESULTS else str | bytes
            if not isinstance(key, words) and not (isinstance(key, int) and abs(key) < _LARGEST_INDEX):
                raise Refused(f"a dictionary with a key of type {type(key).__name__}")
            if isinstance(key, str | bytes) and len(key) > _LONGEST_KEY:
                raise Refused(f"a dictionary with a key of {len(key)} characters")
            target[key] = value


_CALLED = (
    "_reconstruct", "_frombuffer", "scalar", "dtype", "encode", "bytes", "tensor", "parameter", "storage", "tuple",
    "nothing",
)  # fmt: skip
_HANDLERS: _CODES = {
    **{code: action for code, action in _UNPICKLER.dispatch.items() if bytes([code]) not in _WITHOUT},
    pickle.REDUCE[0]: Reader._reduce,
    pickle.NEWOBJ[0]: Reader._new_object,
    pickle.BUILD[0]: Reader._build,
    pickle.DICT[0]: Reader._dict,
    pickle.SETITEM[0]: Reader._set_item,
    pickle.SETITEMS[0]: Reader._set_items,
    pickle.BYTEARRAY8[0]: _UNPICKLER.dispatch[pickle.BINBYTES8[0]],
}


class Writer(_PICKLER):
    """Writes trees as `Reader` reads them."""

    def __init__(self, file: io.BytesIO, protocol: int) -> None:
        super().__init__(file, protocol)
        self.storages: list[Storage] = []
        self.dispatch = {**_PICKLER.dispatch, Name: Writer._name, Made: Writer._made, Items: Writer._items}

    def persistent_id(self, obj: Value) -> tuple[Value, ...] | None:
        """What a storage of PyTorch is known by."""
        if not isinstance(obj, Storage):
            return None
        self.storages.append(obj)
        return obj.said

    def _name(self, name: Name) -> None:
        self.write(pickle.GLOBAL + f"{name.module}\n{name.name}\n".encode())
        self.memoize(name)

    def _made(self, made: Made) -> None:
        self._call(made, pickle.NEWOBJ if made.new else pickle.REDUCE)

    def _items(self, items: Items) -> None:
        self._call(items, pickle.REDUCE)
        for key, value in items.items():
            self.save(key)
            self.save(value)
            self.write(pickle.SETITEM)

    def _call(self, made: Made | Items, code: bytes) -> None:
        self.save(made.name)
        self.save(made.args)
        self.write(code)
        self.memoize(made)
        if made.state is not None:
            self.save(made.state)
            self.write(pickle.BUILD)


Act: TypeAlias = Callable[[str, Value, Callable[[Value], Value]], Value]
"""What is put in the place of a leaf: called with its name, the leaf, and what goes through a part of it."""


def mapped(tree: Value, act: Act, budget: Budget, deepest: int, name: str = "") -> Value:
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
        return tree.changed(items) if isinstance(tree, Items) else items
    if isinstance(tree, list | tuple):
        return type(tree)(below(index, item) for index, item in enumerate(tree))
    return act(name, tree, lambda part: mapped(part, act, budget, deepest - 1, name))


def pickled(tree: Value, protocol: int) -> tuple[bytes, list[Storage]]:
    """The pickle of a tree, and the storages that it names."""
    file = io.BytesIO()
    writer = Writer(file, protocol)
    writer.dump(tree)
    return file.getvalue(), writer.storages
