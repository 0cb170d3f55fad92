"""The stack machine of the pickle format, without the power to import or to call.

Body models, some datasets and results of many programs are distributed as pickles only. Python's own unpickler imports
and calls what a file names, and a list of allowed names has proved to be no fence: NumPy's own constructors crash on
forged arguments. So this module interprets the file's opcodes, which Python documents in `pickletools`. It imports
nothing and calls nothing: it compares names with a table and refuses those that are not there. It builds what they
stand for from bytes whose type and shape it checks: NumPy's arrays and scalars, SciPy's sparse matrices, PyTorch's
tensors.
"""

from __future__ import annotations

import codecs
import io
import math
import pickletools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from selfcorrect.storage.files.limits import LIMIT_VARIABLE, unpacked_limit_bytes
from selfcorrect.storage.pickles.names import NUMBERS, RESULTS
from selfcorrect.storage.pickles.things import (
    Located,
    Name,
    Refused,
    Thing,
    Value,
    array_of,
    bytes_of,
    code_of,
    dtype_of,
    typed,
    whole,
)

_BYTES_PER_STEP = 256
"""So much of the memory limit an opcode may cost: 2,000,000 of them in 512 MB."""

_FRAME_BYTES = 9
_OBJECTS = ("chumpy", "csc", "csr", "coo", "joblib", "nothing")
_LARGEST_INDEX = 2**31
_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = frozenset(
    ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
     "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
     "BINBYTES8", "BYTEARRAY8")
)  # fmt: skip
_EMPTY: dict[str, Callable[[], Value]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class Machine:
    """Goes through the opcodes of a pickle, and keeps what they describe.

    names: what names in the file may be, `NUMBERS` or `RESULTS`; start: where in the content it begins.
    """

    def __init__(self, content: bytes, names: Mapping[tuple[str, str], str] = NUMBERS, start: int = 0) -> None:
        self.file, self.names = io.BytesIO(content), names
        self.file.seek(start)
        self.frames: list[int] = []
        self.stack: list[Value] = []
        self.marks: list[int] = []
        self.began = self.file.tell()
        """Where the opcode begins that is being done."""
        self.opened = 0
        """Where the last tuple begins that a mark opened."""
        self._places: list[int] = []
        self.memo: dict[int, Value] = {}

    def run(self) -> Value:
        """The value that the file describes."""
        most = most_parts()
        for step, (name, argument) in enumerate(opcodes_in(self.file)):
            if step > most:
                raise Refused(f"more than {most} parts (where that is meant, raise {LIMIT_VARIABLE})")
            if name == "STOP":
                return self.stack.pop()
            self.do(name, argument)
            self.began = self.file.tell()
        raise ValueError("it has no end")

    def do(self, name: str, argument: Value) -> None:
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _LITERALS:
            self.stack.append(self.located(argument) if isinstance(argument, bytes | bytearray) else argument)
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            self.stack.append(tuple(self.take(_TUPLES[name])))
        elif name == "FRAME":
            self.frames.append(self.file.tell() - _FRAME_BYTES)
        elif name == "PROTO":
            pass
        elif (action := getattr(self, f"do_{name.lower()}", None)) is not None:
            action(argument)
        else:
            raise Refused(f"the opcode {name}")

    def located(self, content: bytes | bytearray) -> Located:
        """Bytes that end where the file is being read."""
        found = Located(content)
        found.start = self.file.tell() - len(content)
        return found

    def take(self, count: int) -> list[Value]:
        """The topmost values, which leave the stack; a mark stays where it is."""
        if count > len(self.stack) - (self.marks[-1] if self.marks else 0):
            raise ValueError("its stack runs empty")
        values = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return values

    def take_to_mark(self) -> list[Value]:
        mark = self.marks.pop()
        self.opened = self._places.pop()
        values = self.stack[mark:]
        del self.stack[mark:]
        return values

    def do_mark(self, _: Value) -> None:
        self.marks.append(len(self.stack))
        self._places.append(self.began)

    def do_pop(self, _: Value) -> None:
        self.take(1)

    def do_pop_mark(self, _: Value) -> None:
        self.take_to_mark()

    def do_dup(self, _: Value) -> None:
        self.stack.append(self.stack[-1])

    def do_list(self, _: Value) -> None:
        self.stack.append(self.take_to_mark())

    def do_tuple(self, _: Value) -> None:
        self.stack.append(tuple(self.take_to_mark()))

    def do_dict(self, _: Value) -> None:
        values = self.take_to_mark()
        self.stack.append({})
        self._set_items(values)

    def do_append(self, _: Value) -> None:
        self._extend(self.take(1))

    def do_appends(self, _: Value) -> None:
        self._extend(self.take_to_mark())

    def do_setitem(self, _: Value) -> None:
        self._set_items(self.take(2))

    def do_setitems(self, _: Value) -> None:
        self._set_items(self.take_to_mark())

    def _extend(self, values: list[Value]) -> None:
        typed(self.stack[-1], list).extend(values)

    def _set_items(self, values: list[Value]) -> None:
        target = typed(self.stack[-1], dict)
        for key, value in zip(values[::2], values[1::2], strict=True):
            if isinstance(key, Thing) and key.kind == "scalar":  # programs count people with NumPy's numbers
                key = array_of(dtype_of(key.state[0]), (), bytes_of(key.state[1]))[()].item()
            words = str | bytes | float if self.names is RESULTS else str | bytes
            if not isinstance(key, words) and not (isinstance(key, int) and abs(key) < _LARGEST_INDEX):
                raise Refused(f"a dictionary with a key of type {type(key).__name__}")
            target[key] = value

    def do_put(self, index: int) -> None:
        if not 0 <= index < 2 * _LARGEST_INDEX:
            raise ValueError("a place in its memo is out of range")
        self.memo[index] = self.stack[-1]

    do_binput = do_long_binput = do_put

    def do_memoize(self, _: Value) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def do_get(self, index: int) -> None:
        value = self.memo[index]
        repeated = self.names is RESULTS and isinstance(value, Thing) and value.kind in ("array", "tensor")
        self.stack.append(Thing("again", value, self.began, self.file.tell()) if repeated else value)

    do_binget = do_long_binget = do_get

    def do_global(self, argument: str) -> None:
        self.stack.append(_name(self.names, *argument.split(" ", 1)))

    def do_stack_global(self, _: Value) -> None:
        self.stack.append(_name(self.names, *self.take(2)))

    def do_reduce(self, _: Value) -> None:
        function, arguments = self.take(2)
        self._push(_made(typed(function, Name).means, typed(arguments, tuple)))

    def do_newobj(self, _: Value) -> None:
        kind, _arguments = self.take(2)
        self._push(_made("_reconstructor", (kind, Name("object"), None)))

    def _push(self, value: Value) -> None:
        if isinstance(value, Thing | Located):
            value.end = self.file.tell()
        self.stack.append(value)

    def do_binpersid(self, _: Value) -> None:
        if self.names is not RESULTS:
            raise Refused("the opcode BINPERSID")
        (name,) = self.take(1)
        self.stack.append(Thing("storage", typed(name, tuple), self.opened, self.file.tell()))

    def do_build(self, _: Value) -> None:
        (state,) = self.take(1)
        thing = typed(self.stack[-1], Thing)
        thing.state = (thing.state, state) if thing.kind == "dtype" else state
        thing.end = self.file.tell()
        if thing.kind == "joblib":
            self.stack[-1] = self._array_behind(typed(state, dict))

    def _array_behind(self, wrapper: dict[str, Value]) -> Thing:
        """The array whose bytes joblib puts behind its description."""
        shape, dtype = typed(wrapper["shape"], tuple), wrapper["dtype"]
        if code_of(dtype)[-2:] in ("O8", "O"):
            nested = Machine(self.file.getvalue(), self.names, self.file.tell())
            value = nested.run()
            self.file.seek(nested.file.tell())
            return typed(value, Thing)
        if isinstance(wrapper.get("numpy_array_alignment_bytes"), int):
            self.file.seek(self.file.read(1)[0], io.SEEK_CUR)
        size = math.prod(whole(side) for side in shape) * dtype_of(dtype).itemsize
        content = self.file.read(max(size, 0)) if size <= len(self.file.getbuffer()) else b""
        if len(content) != size:
            raise ValueError("an array ends before its numbers do")
        return Thing("array", (shape, dtype, wrapper.get("order") == "F", self.located(content)))


def most_parts() -> int:
    """How many opcodes and values a file may have."""
    return unpacked_limit_bytes() // _BYTES_PER_STEP


def opcodes_in(file: io.BytesIO) -> Iterator[tuple[str, Value]]:
    """Names of opcodes and their arguments, Python 2's text read as Latin-1."""
    while code := file.read(1):
        opcode = _OPCODES.get(code.decode("latin-1"))
        if opcode is None:
            raise ValueError(f"unknown opcode {code!r} at byte {file.tell() - 1}")
        if opcode.name == "STRING":  # pickletools takes ASCII alone
            text: Any = pickletools.read_stringnl(file, decode=False)
            yield "STRING", codecs.escape_decode(text)[0].decode("latin-1")  # type: ignore[attr-defined]
        else:
            yield opcode.name, None if opcode.arg is None else opcode.arg.reader(file)


def _name(names: Mapping[tuple[str, str], str], module: str, name: str) -> Name:
    if typed(module, str).partition(".")[0] == "chumpy":
        return Name("chumpy")
    if (module, typed(name, str)) not in names:
        raise Refused(f"{module}.{name}"[:200])
    return Name(names[module, name])


def _made(function: str, arguments: tuple[Value, ...]) -> Value:
    """What a call in the file stands for."""
    match function, arguments:
        case "_reconstruct", (Name("ndarray"), _, _):
            return Thing("array")
        case "_frombuffer", (content, dtype, shape, order):
            return Thing("array", (shape, dtype, order == "F", content))
        case "scalar", (dtype, content):
            return Thing("scalar", (dtype, content))
        case "dtype", (str(code), *_):
            return Thing("dtype", code)
        case "encode", (str(text), "latin1"):
            return Located(text.encode("latin-1"))
        case "bytes", ():  # how Python 3 says b"" to Python 2
            return b""
        case "_reconstructor", (Name(kind), Name("object"), None) if kind in _OBJECTS:
            return Thing(kind)
        case "tensor", (Thing("storage"), int(_), tuple(_), tuple(_), *_):
            return Thing("tensor", arguments[:4])
        case "parameter", (Thing("tensor") as tensor, *_):
            return tensor
        case "storage", (bytes(content),):
            return Thing("storage", content)
        case "dict", ():
            return {}
        case "dict", (Name(_) | None,):
            return {}
        case "tuple", (list(sides) | tuple(sides),):
            return tuple(sides)
        case "nothing", _:
            return Thing("nothing")
    raise Refused(f"a call of {function} with other arguments than usual")
