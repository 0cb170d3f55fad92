"""Read pickles as trees, without a call of anything that they name.

`Reader` is Python's unpickler, which looks names up in a table and imports none. Each call in the file becomes a `Call`
in the tree; `arrays` decodes those into numbers. Each step counts against the memory limit, so that a small file takes
neither much time nor memory.

It is the Python version of `pickle.Unpickler`, as joblib uses it: the version in C takes 64 GB of memory for a place
that nine bytes name. A separate process with limits would take longer to start than most files take to read, and
Windows and macOS would not keep its limit of memory.
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
from .arrays import decode_dtype, decode_dtype_code, decode_scalar, decode_shape
from .trees import BYTES_PER_STEP, NAMES, Call, Name, Refused, Storage, Value, require_type

_RECONSTRUCT = NAMES["numpy.core.multiarray", "_reconstruct"]
_MAX_INDEX, _MAX_KEY_LENGTH = 2**31, 1000
_CALLABLE_MEANINGS = (
    "_reconstruct", "_frombuffer", "scalar", "dtype", "encode", "bytes", "tensor_v2", "parameter", "storage", "tuple",
    "nothing",
)  # fmt: skip


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


_UNPICKLER: Any = pickle._Unpickler  # type: ignore[attr-defined]
_REFUSED_OPCODES = (
    pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.INST, pickle.OBJ, pickle.NEWOBJ_EX, pickle.EMPTY_SET,
    pickle.ADDITEMS, pickle.FROZENSET, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER,
)  # fmt: skip
"""Opcodes that no file of numbers needs; Python takes hours for the hash of sets in sets."""


class _Steps(dict[int, Callable[[Any], None]]):
    """Handlers of opcodes, each of which counts as a step."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(_HANDLERS)
        self.take = budget.take

    def __getitem__(self, code: int) -> Callable[[Any], None]:
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
        beside: Mapping[str, bytes] | None = None,
        *,
        nested: bool = False,
    ) -> None:
        """Prepare to read a pickle.

        Args:
            budget: Limit on the memory of all content of the file.
            beside: Contents of PyTorch's storages by key; None if they follow the pickle.
            nested: Whether the pickle is in an array of another one.
        """
        super().__init__(file, encoding="latin-1")
        self.file = file
        self.budget = budget
        self.beside = beside
        self.nested = nested
        self.dispatch = _Steps(budget)
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Name:
        """Return the meaning of a name; nothing is imported."""
        if module == "chumpy" or module.startswith("chumpy."):
            return Name(module, name, "chumpy")
        if (module, name) not in NAMES:
            raise Refused(f"{module}.{name}"[:200])
        return NAMES[module, name]

    def persistent_load(self, pid: Value) -> Storage:
        """Return a storage of PyTorch, the same storage for the same key."""
        description = require_type(pid, tuple)[:5]
        key = require_type(description[2], str)
        if key not in self.storages:
            self.storages[key] = Storage(description, b"" if self.beside is None else self.beside[key])
        return self.storages[key]

    def _reduce(self) -> None:
        args = require_type(self.stack.pop(), tuple)
        name = require_type(self.stack.pop(), Name)
        if name.meaning == "_reconstructor" and len(args) == 3 and getattr(args[1], "meaning", "") == "object":
            self.stack.append(Call(require_type(args[0], Name), (), is_new_object=True))
        elif name.meaning == "dict" and not args:
            self.stack.append(OrderedDict())
        elif (
            name.meaning == "dict"
            and args[1:] == ()
            and (args[0] is None or require_type(args[0], Name).name in _FACTORIES)
        ):
            self.stack.append(defaultdict(None if args[0] is None else _FACTORIES[args[0].name]))
        elif name.meaning in _CALLABLE_MEANINGS:
            self.stack.append(Call(name, args))
        else:
            raise Refused(f"a call of {name.meaning}")

    def _new_object(self) -> None:
        args = require_type(self.stack.pop(), tuple)
        name = require_type(self.stack.pop(), Name)
        self.stack.append(Call(name, args, is_new_object=True))

    def _build(self) -> None:
        state = self.stack.pop()
        call = require_type(self.stack[-1], Call)
        call.state = self._array_behind(require_type(state, dict)) if call.meaning == "joblib" else state
        if call.meaning == "joblib":
            call.name = _RECONSTRUCT
            call.args = (NAMES["numpy", "ndarray"], (0,), b"b")
            call.is_new_object = False

    def _array_behind(self, wrapper: dict[str, Value]) -> Value:
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
        content = self.file.read(size) if size <= self.file.getbuffer().nbytes else b""
        if len(content) != size:
            raise ValueError("an array ends before its numbers do")
        return 1, shape, dtype, wrapper.get("order") == "F", content

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
            if isinstance(key, Call) and key.meaning == "scalar":  # programs count people with NumPy's numbers
                key = decode_scalar(key).item()
            if not isinstance(key, str | bytes | float) and not (isinstance(key, int) and abs(key) < _MAX_INDEX):
                raise Refused(f"a dictionary with a key of type {type(key).__name__}")
            if isinstance(key, str | bytes) and len(key) > _MAX_KEY_LENGTH:
                raise Refused(f"a dictionary with a key of {len(key)} characters")
            target[key] = value


_FACTORIES: dict[str, Any] = {"dict": dict, "list": list, "int": int, "float": float, "set": set, "str": str}
_HANDLERS: dict[int, Callable[[Any], None]] = {
    **{code: action for code, action in _UNPICKLER.dispatch.items() if bytes([code]) not in _REFUSED_OPCODES},
    pickle.REDUCE[0]: Reader._reduce,
    pickle.NEWOBJ[0]: Reader._new_object,
    pickle.BUILD[0]: Reader._build,
    pickle.DICT[0]: Reader._dict,
    pickle.SETITEM[0]: Reader._set_item,
    pickle.SETITEMS[0]: Reader._set_items,
    pickle.BYTEARRAY8[0]: _UNPICKLER.dispatch[pickle.BINBYTES8[0]],
}
