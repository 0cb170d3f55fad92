"""Pickles as trees of what they describe, read without a call of anything named.

`Reader` is Python's unpickler, which looks names up in a table, and imports none. What the file wants to call becomes a
`Call`, which says so; `arrays` turns those into numbers. Each step counts against the memory limit, so that a small
file takes neither long nor much.

It is the Python version of `pickle.Unpickler`, as joblib uses it: the one in C takes 64 GB of memory for a place that
nine bytes name. A process of its own with limits would take longer to start than most files take to read, and Windows
and macOS would not keep its limit of memory.
"""

import io
import math
import pickle
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...core.errors import InputError, shorten_message
from ..files.limits import Budget
from .arrays import code_of, dtype_of, scalar_of, sides_of
from .trees import BYTES_PER_STEP, NAMES, Call, Name, Refused, Storage, Value, typed

_RECONSTRUCT = NAMES["numpy.core.multiarray", "_reconstruct"]
_LARGEST_INDEX, _LONGEST_KEY = 2**31, 1000
_CALLED = (
    "_reconstruct", "_frombuffer", "scalar", "dtype", "encode", "bytes", "tensor_v2", "parameter", "storage", "tuple",
    "nothing",
)  # fmt: skip


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """What is wrong with a pickle, as an InputError of one sentence."""
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


_UNPICKLER: Any = pickle._Unpickler  # type: ignore[attr-defined]
_WITHOUT = (
    pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.INST, pickle.OBJ, pickle.NEWOBJ_EX, pickle.EMPTY_SET,
    pickle.ADDITEMS, pickle.FROZENSET, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER,
)  # fmt: skip
"""Opcodes that no file of numbers needs; Python takes hours for the hash of sets in sets."""


class _Steps(dict[int, Callable[[Any], None]]):
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

    budget: of the memory of all that is read from the file; beside: contents of storages of PyTorch by their keys, None
    where they follow the pickle.
    """

    def __init__(
        self,
        file: io.BytesIO,
        budget: Budget,
        beside: Mapping[str, bytes] | None = None,
        *,
        nested: bool = False,
    ) -> None:
        super().__init__(file, encoding="latin-1")
        self.file, self.budget, self.beside, self.nested = file, budget, beside, nested
        self.dispatch = _Steps(budget)
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Name:
        """What a name stands for; nothing is imported."""
        if module == "chumpy" or module.startswith("chumpy."):
            return Name(module, name, "chumpy")
        if (module, name) not in NAMES:
            raise Refused(f"{module}.{name}"[:200])
        return NAMES[module, name]

    def persistent_load(self, pid: Value) -> Storage:
        """A storage of PyTorch; the same one where the same key comes again."""
        said = typed(pid, tuple)[:5]
        key = typed(said[2], str)
        if key not in self.storages:
            self.storages[key] = Storage(said, b"" if self.beside is None else self.beside[key])
        return self.storages[key]

    def _reduce(self) -> None:
        args, name = typed(self.stack.pop(), tuple), typed(self.stack.pop(), Name)
        if name.means == "_reconstructor" and len(args) == 3 and getattr(args[1], "means", "") == "object":
            self.stack.append(Call(typed(args[0], Name), (), new=True))
        elif name.means == "dict" and not args:
            self.stack.append(OrderedDict())
        elif name.means == "dict" and args[1:] == () and (args[0] is None or typed(args[0], Name).name in _FACTORIES):
            self.stack.append(defaultdict(None if args[0] is None else _FACTORIES[args[0].name]))
        elif name.means in _CALLED:
            self.stack.append(Call(name, args))
        else:
            raise Refused(f"a call of {name.means}")

    def _new_object(self) -> None:
        args, name = typed(self.stack.pop(), tuple), typed(self.stack.pop(), Name)
        self.stack.append(Call(name, args, new=True))

    def _build(self) -> None:
        state, call = self.stack.pop(), typed(self.stack[-1], Call)
        call.state = self._array_behind(typed(state, dict)) if call.means == "joblib" else state
        if call.means == "joblib":
            call.name, call.args, call.new = _RECONSTRUCT, (NAMES["numpy", "ndarray"], (0,), b"b"), False

    def _array_behind(self, wrapper: dict[str, Value]) -> Value:
        """The state of an array that joblib describes, and whose bytes follow in the file."""
        if self.nested:
            raise Refused("joblib's arrays in arrays")
        shape, dtype = wrapper["shape"], wrapper["dtype"]
        if code_of(dtype)[-2:] in ("O8", "O"):
            return typed(Reader(self.file, self.budget, nested=True).load(), Call).state
        if isinstance(wrapper.get("numpy_array_alignment_bytes"), int):
            self.file.seek(self.file.read(1)[0], io.SEEK_CUR)
        size = math.prod(sides_of(shape)) * dtype_of(dtype).itemsize
        content = self.file.read(size) if size <= self.file.getbuffer().nbytes else b""
        if len(content) != size:
            raise ValueError("an array ends before its numbers do")
        return 1, shape, dtype, wrapper.get("order") == "F", content

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
            if isinstance(key, Call) and key.means == "scalar":  # programs count people with NumPy's numbers
                key = scalar_of(key).item()
            if not isinstance(key, str | bytes | float) and not (isinstance(key, int) and abs(key) < _LARGEST_INDEX):
                raise Refused(f"a dictionary with a key of type {type(key).__name__}")
            if isinstance(key, str | bytes) and len(key) > _LONGEST_KEY:
                raise Refused(f"a dictionary with a key of {len(key)} characters")
            target[key] = value


_FACTORIES: dict[str, Any] = {"dict": dict, "list": list, "int": int, "float": float, "set": set, "str": str}
_HANDLERS: dict[int, Callable[[Any], None]] = {
    **{code: action for code, action in _UNPICKLER.dispatch.items() if bytes([code]) not in _WITHOUT},
    pickle.REDUCE[0]: Reader._reduce,
    pickle.NEWOBJ[0]: Reader._new_object,
    pickle.BUILD[0]: Reader._build,
    pickle.DICT[0]: Reader._dict,
    pickle.SETITEM[0]: Reader._set_item,
    pickle.SETITEMS[0]: Reader._set_items,
    pickle.BYTEARRAY8[0]: _UNPICKLER.dispatch[pickle.BINBYTES8[0]],
}
