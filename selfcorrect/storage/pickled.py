"""Numbers from pickle files, without running anything in them.

Body models and some datasets are distributed as pickles only. Python's own unpickler imports and calls what a file
names, and a list of allowed names has proved to be no fence: NumPy's own constructors crash on forged arguments. So
the file's opcodes are interpreted here. Nothing is imported and nothing is called: names are compared with a table,
and what they stand for (NumPy's arrays and scalars, SciPy's sparse matrices, the numbers in chumpy's arrays) is built
from bytes whose type and shape were checked. All else is refused. Python documents the opcodes in `pickletools`.
"""

from __future__ import annotations

import codecs
import io
import math
import pickletools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from selfcorrect.errors import InputError
from selfcorrect.storage.limits import check_unpacked, open_file, read_bytes, unpacked_limit_bytes

_BYTES_PER_STEP = 256
"""So much of the memory limit an opcode may cost: 2,000,000 of them in 512 MB."""

_DEEPEST = 64
_LARGEST_INDEX = 2**31
_WIDEST_EMPTY = 4096
_NUMBERS_AND_TEXT = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|[SUa][1-9]\d{0,8}|\?|[bBhHiIlLqQefd])")

_NAMES = {
    **{(f"numpy.{core}.multiarray", name): name for core in ("core", "_core") for name in ("_reconstruct", "scalar")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): "_frombuffer" for core in ("core", "_core")},
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    **{
        (f"scipy.sparse.{prefix}{layout}", f"{layout}_{kind}"): layout
        for layout in ("csc", "csr", "coo")
        for prefix in ("", "_")
        for kind in ("matrix", "array")
    },
    ("_codecs", "encode"): "encode",
    ("copy_reg", "_reconstructor"): "_reconstructor",
    ("copyreg", "_reconstructor"): "_reconstructor",
    ("__builtin__", "object"): "object",
    ("builtins", "object"): "object",
    ("__builtin__", "bytes"): "bytes",
}
"""What a name in a pickle may be, and what it means here. Old files name NumPy's and SciPy's old modules."""


class _Refused(ValueError):
    """The file holds something that is not read; the message goes on from "refused, it holds"."""


@dataclass(frozen=True)
class _Name:
    """A name in the file: what it means, from `_NAMES` or "chumpy"."""

    means: str


@dataclass(eq=False)
class _Thing:
    """An object while it is being read: its kind, and its state where it has one yet."""

    kind: str
    state: Any = None


Value: TypeAlias = Any
"""None, bool, int, float, str, bytes, list, tuple, dict, `_Name` or `_Thing`."""


def read_pickled_numbers(path: Path, *, allow_pickle: bool) -> dict[str, Any]:
    """The dictionary in a pickle file: arrays, sparse matrices made dense, numbers, text, and lists of them.

    allow_pickle: has to be True, the caller's word that a pickle is meant. InputError otherwise, and where the file
    holds anything but numbers.
    """
    if not allow_pickle:
        raise InputError(
            f"{path}: is a pickle file; its numbers are read, and nothing in it run, where pickle is allowed explicitly"
        )
    numbers = _numbers_in(path, read_bytes(path))
    if not isinstance(numbers, dict):
        raise InputError(f"{path}: expected a dictionary of arrays, got {type(numbers).__name__}")
    return numbers


def read_pickled_npy(path: Path) -> Any:
    """What a .npy file of dtype object holds, by the same rules: of a 0-d array its item, of a 1-d one a list.

    That is how `numpy.save` stores a dictionary. ValueError where it holds anything but numbers.
    """
    with open_file(path) as file:
        try:
            version = np.lib.format.read_magic(file)
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            dtype = header(file)[2]
        except Exception as error:  # NumPy raises errors of any kind at a damaged header
            raise InputError(f"{path}: not a NumPy file ({error})") from error
        if not dtype.hasobject:
            raise InputError(f"{path}: expected pickled objects, got plain numbers ({dtype})")
        return _numbers_in(path, file.read())


def _numbers_in(path: Path, content: bytes) -> Any:
    try:
        return _Plain(path, len(content)).of(_Machine(content).run())
    except _Refused as error:
        raise InputError(f"{path}: refused, it holds {error}, and only numbers are read from pickle files") from error
    except InputError:
        raise
    except (ValueError, EOFError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(f"{path}: not a readable pickle file ({error})") from error


# --- the opcodes -----------------------------------------------------------------------------------------------------

_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = frozenset(
    ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
     "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
     "BINBYTES8", "BYTEARRAY8")
)  # fmt: skip
_EMPTY: dict[str, Callable[[], Value]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _Machine:
    """The stack machine of the pickle format, without the power to import or to call."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.stack: list[Value] = []
        self.marks: list[int] = []
        self.memo: dict[int, Value] = {}

    def run(self) -> Value:
        """The value that the file describes."""
        most = _most_parts()
        for step, (name, argument) in enumerate(_opcodes(self.content)):
            if step > most:
                raise _Refused(f"more than {most} parts")
            if name == "STOP":
                return self.stack.pop()
            self.do(name, argument)
        raise ValueError("it has no end")

    def do(self, name: str, argument: Value) -> None:
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _LITERALS:
            self.stack.append(bytes(argument) if isinstance(argument, bytearray) else argument)
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            self.stack.append(tuple(self.take(_TUPLES[name])))
        elif name in ("PROTO", "FRAME"):
            pass
        elif (action := getattr(self, f"do_{name.lower()}", None)) is not None:
            action(argument)
        else:
            raise _Refused(f"the opcode {name}")

    def take(self, count: int) -> list[Value]:
        """The topmost values, which leave the stack; a mark stays where it is."""
        if count > len(self.stack) - (self.marks[-1] if self.marks else 0):
            raise ValueError("its stack runs empty")
        values = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return values

    def take_to_mark(self) -> list[Value]:
        mark = self.marks.pop()
        values = self.stack[mark:]
        del self.stack[mark:]
        return values

    def do_mark(self, _: Value) -> None:
        self.marks.append(len(self.stack))

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
        _typed(self.stack[-1], list).extend(values)

    def _set_items(self, values: list[Value]) -> None:
        target = _typed(self.stack[-1], dict)
        for key, value in zip(values[::2], values[1::2], strict=True):
            if not isinstance(key, str | bytes) and not (isinstance(key, int) and abs(key) < _LARGEST_INDEX):
                raise _Refused(f"a dictionary with a key of type {type(key).__name__}")
            target[key] = value

    def do_put(self, index: int) -> None:
        if not 0 <= index < 2 * _LARGEST_INDEX:
            raise ValueError("a place in its memo is out of range")
        self.memo[index] = self.stack[-1]

    do_binput = do_long_binput = do_put

    def do_memoize(self, _: Value) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def do_get(self, index: int) -> None:
        self.stack.append(self.memo[index])

    do_binget = do_long_binget = do_get

    def do_global(self, argument: str) -> None:
        self.stack.append(_name(*argument.split(" ", 1)))

    def do_stack_global(self, _: Value) -> None:
        self.stack.append(_name(*self.take(2)))

    def do_reduce(self, _: Value) -> None:
        function, arguments = self.take(2)
        self.stack.append(_made(_typed(function, _Name).means, _typed(arguments, tuple)))

    def do_newobj(self, _: Value) -> None:
        kind, _arguments = self.take(2)
        self.stack.append(_made("_reconstructor", (kind, _Name("object"), None)))

    def do_build(self, _: Value) -> None:
        (state,) = self.take(1)
        thing = _typed(self.stack[-1], _Thing)
        thing.state = (thing.state, state) if thing.kind == "dtype" else state


def _most_parts() -> int:
    return unpacked_limit_bytes() // _BYTES_PER_STEP


def _opcodes(content: bytes) -> Iterator[tuple[str, Value]]:
    """Names of opcodes and their arguments, Python 2's text read as Latin-1."""
    file = io.BytesIO(content)
    while code := file.read(1):
        opcode = _OPCODES.get(code.decode("latin-1"))
        if opcode is None:
            raise ValueError(f"unknown opcode {code!r} at byte {file.tell() - 1}")
        if opcode.name == "STRING":  # pickletools takes ASCII alone
            text: Any = pickletools.read_stringnl(file, decode=False)
            yield "STRING", codecs.escape_decode(text)[0].decode("latin-1")  # type: ignore[attr-defined]
        else:
            yield opcode.name, None if opcode.arg is None else opcode.arg.reader(file)


def _name(module: str, name: str) -> _Name:
    if _typed(module, str).partition(".")[0] == "chumpy":
        return _Name("chumpy")
    if (module, _typed(name, str)) not in _NAMES:
        raise _Refused(f"{module}.{name}"[:200])
    return _Name(_NAMES[module, name])


def _made(function: str, arguments: tuple[Value, ...]) -> Value:
    """What a call in the file stands for."""
    match function, arguments:
        case "_reconstruct", (_Name("ndarray"), _, _):
            return _Thing("array")
        case "_frombuffer", (content, dtype, shape, order):
            return _Thing("array", (shape, dtype, order == "F", content))
        case "scalar", (dtype, content):
            return _Thing("scalar", (dtype, content))
        case "dtype", (str(code), *_):
            return _Thing("dtype", code)
        case "encode", (str(text), "latin1"):
            return text.encode("latin-1")
        case "bytes", ():  # how Python 3 says b"" to Python 2
            return b""
        case "_reconstructor", (_Name(kind), _Name("object"), None) if kind in ("chumpy", "csc", "csr", "coo"):
            return _Thing(kind)
    raise _Refused(f"a call of {function} with other arguments than usual")


def _typed(value: Value, kind: type) -> Value:
    if not isinstance(value, kind):
        raise ValueError(f"expected {kind.__name__.strip('_').lower()}, got {type(value).__name__.strip('_').lower()}")
    return value


# --- the values ------------------------------------------------------------------------------------------------------


class _Plain:
    """Turns what a file describes into arrays, numbers, text, and lists and dictionaries of them.

    A part that the file uses in many places is counted in each, so that a small file cannot become a large value.
    """

    def __init__(self, path: Path, file_size: int) -> None:
        self.path, self.size, self.file_size = path, 0, file_size
        self.parts, self.most_parts = 0, _most_parts()
        self.made: dict[int, Any] = {}

    def of(self, value: Value, depth: int = 0) -> Any:
        if depth > _DEEPEST:
            raise _Refused(f"lists more than {_DEEPEST} deep")
        self.parts += 1
        if self.parts > self.most_parts:
            raise _Refused(f"more than {self.most_parts} parts")
        if value is None or isinstance(value, bool | int | float | str | bytes):
            return value
        if isinstance(value, list | tuple):
            return [self.of(item, depth + 1) for item in value]
        if isinstance(value, dict):
            return {key: self.of(item, depth + 1) for key, item in value.items()}
        if isinstance(value, _Thing):
            if id(value) not in self.made:
                self.made[id(value)] = self.of_thing(value, depth)
            return self.made[id(value)]
        raise _Refused(f"a bare name ({value.means})" if isinstance(value, _Name) else type(value).__name__)

    def count(self, size: int) -> None:
        """Take note of an array of so many bytes; a file whose arrays are no larger than itself may have any size."""
        self.size += size
        check_unpacked(self.path, self.size, stored=self.file_size)

    def of_thing(self, thing: _Thing, depth: int) -> Any:
        match thing.kind:
            case "array":
                return self.array(thing, depth)
            case "scalar":
                dtype, content = thing.state
                return _array(dtype_of(dtype), (), _bytes(content))[()]
            case "chumpy":  # None of an expression that is still to be computed
                return self.of(_typed(thing.state, dict).get("x"), depth + 1)
            case "csc" | "csr" | "coo":
                return self.dense(thing.kind, _typed(thing.state, dict), depth)
        raise _Refused(f"a bare {thing.kind}")

    def array(self, thing: _Thing, depth: int) -> Any:
        *_, shape, dtype, fortran, content = _typed(thing.state, tuple)
        if isinstance(dtype, _Thing) and code_of(dtype)[-2:] in ("O8", "O"):
            return self.objects(shape, content, depth)
        dtype, content = dtype_of(dtype), _bytes(content)
        self.count(len(content))
        return _array(dtype, shape, content, "F" if fortran else "C").copy(order="K")

    def objects(self, shape: Value, items: Value, depth: int) -> Any:
        items = [self.of(item, depth + 1) for item in _typed(items, list)]
        if shape == () and len(items) == 1:
            return items[0]
        if shape != (len(items),):
            raise _Refused("an array of objects with several axes")
        return items

    def dense(self, layout: str, state: dict[str, Value], depth: int) -> np.ndarray:
        """A sparse matrix as an array, after its indices were checked."""
        parts = {name: self.of(state[name], depth + 1) for name in ("data", "indices", "indptr") if name in state}
        shape = tuple(_whole(side) for side in state.get("_shape", state.get("shape", ())))
        if len(shape) != 2:
            raise _Refused("a sparse matrix without a shape")
        rows, columns = _coordinates(layout, shape, parts) if layout != "coo" else self.coordinates(state, depth)
        values = np.asarray(parts["data"])
        if not (rows.shape == columns.shape == values.shape == (len(values),) and values.dtype.kind in "biuf"):
            raise _Refused("a sparse matrix whose parts do not fit together")
        for axis, places in enumerate((rows, columns)):
            if places.dtype.kind not in "iu" or (len(places) and not 0 <= places.min() <= places.max() < shape[axis]):
                raise _Refused("a sparse matrix with indices out of range")
        self.count(math.prod(shape) * values.dtype.itemsize)
        dense = np.zeros(shape, values.dtype)
        np.add.at(dense, (rows, columns), values)
        return dense

    def coordinates(self, state: dict[str, Value], depth: int) -> tuple[np.ndarray, np.ndarray]:
        both = state["coords"] if "coords" in state else (state["row"], state["col"])
        rows, columns = (np.asarray(self.of(places, depth + 1)) for places in both)
        return rows, columns


def _coordinates(layout: str, shape: tuple[int, ...], parts: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the values of a compressed sparse matrix."""
    indices, starts = np.asarray(parts["indices"]), np.asarray(parts["indptr"])
    lines = shape[1] if layout == "csc" else shape[0]
    if starts.shape != (lines + 1,) or starts.dtype.kind not in "iu" or starts[0] or starts[-1] != len(indices):
        raise _Refused("a sparse matrix with pointers out of range")
    counts = np.diff(starts.astype(np.int64))
    if (counts < 0).any():
        raise _Refused("a sparse matrix with pointers out of order")
    outer = np.repeat(np.arange(lines), counts)
    return (indices, outer) if layout == "csc" else (outer, indices)


def code_of(dtype: Value) -> str:
    """The type code of a dtype in the file, with its byte order, e.g. "<f8"."""
    state = _typed(dtype, _Thing).state
    if dtype.kind != "dtype":
        raise _Refused("an array without a type")
    code, order = (state[0], _typed(state[1], tuple)[1]) if isinstance(state, tuple) else (state, "|")
    return f"{order}{code}" if order in ("<", ">") else code


def dtype_of(dtype: Value) -> np.dtype:
    """The type of numbers or text that the file names."""
    code = _typed(code_of(dtype), str)
    if not _NUMBERS_AND_TEXT.fullmatch(code):
        raise _Refused(f"an array of type {code[:20]!r}")
    return np.dtype(code.replace("a", "S"))


def _array(dtype: np.dtype, shape: Value, content: bytes, order: Any = "C") -> np.ndarray:
    """The array (read-only) of that type and shape in some bytes, which it has to fill."""
    sides = tuple(_whole(side) for side in _typed(shape, tuple))
    if (
        len(sides) > 32
        or max(sides, default=0) > max(len(content), _WIDEST_EMPTY)
        or math.prod(sides) * dtype.itemsize != len(content)
    ):
        raise _Refused(f"{len(content)} bytes for an array of shape {sides[:32]} and type {dtype}")
    array = np.frombuffer(content, dtype) if content else np.zeros(0, dtype)
    if dtype.kind == "b" and content and max(content) > 1:
        raise _Refused("truth values that are neither true nor false")
    if dtype.kind == "U" and content and np.frombuffer(content, dtype.byteorder + "u4").max() > 0x10FFFF:
        raise _Refused("text of characters that do not exist")
    return array.reshape(sides, order=order)


def _whole(side: Value) -> int:
    if isinstance(side, _Thing) and side.kind == "scalar":  # lengths of sparse matrices may be NumPy's
        dtype, content = side.state
        side = _array(dtype_of(dtype), (), _bytes(content))[()].item()
    if not isinstance(side, int) or isinstance(side, bool) or not 0 <= side < 2**62:
        raise _Refused("a shape that is none")
    return side


def _bytes(content: Value) -> bytes:
    """Bytes, which Python 2 stored as text."""
    return content.encode("latin-1") if isinstance(content, str) else _typed(content, bytes)
