"""Arrays from what a pickle describes: NumPy's, PyTorch's and SciPy's sparse ones, their types and shapes checked."""

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from .trees import STORAGES, Call, Refused, Storage, Value, typed

_WIDEST_EMPTY, _LONGEST_CODE, _MOST_AXES = 2**24, 20, 32
_NUMBERS_AND_TEXT = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|[SUa][1-9]\d{0,8}|\?|[bBhHiIlLqQefd])")


def value_of(call: Call) -> np.ndarray | np.generic | None:
    """The array (read-only, without a copy where the file has its bytes) or number of NumPy; None for others."""
    match call.means:
        case "_reconstruct" | "_frombuffer":
            shape, dtype, fortran, content = _described(call)
            return _array(dtype_of(dtype), shape, bytes_of(content), "F" if fortran else "C")
        case "scalar":
            return scalar_of(call)
    return None


def _described(call: Call) -> tuple[Value, Call, bool, Value]:
    """Shape, type, whether its columns lie one behind another, and content of an array of NumPy."""
    if call.means == "_frombuffer":
        content, dtype, shape, order = call.args
        return shape, typed(dtype, Call), order == "F", content
    *_, shape, dtype, fortran, content = typed(call.state, tuple)[:6]
    return shape, typed(dtype, Call), bool(fortran), content


def holds_objects(call: Call) -> bool:
    """Whether it is an array of objects."""
    return call.means == "_reconstruct" and code_of(_described(call)[1])[-2:] in ("O8", "O")


def objects_of(call: Call) -> Value:
    """What an array of objects holds: of a 0-d one its item, of a 1-d one a list."""
    shape, _, _, items = _described(call)
    items = typed(items, list)
    if shape == () and len(items) == 1:
        return items[0]
    if shape != (len(items),):
        raise Refused("an array of objects with several axes")
    return items


def scalar_of(call: Call) -> Any:
    """A number or text of NumPy."""
    dtype, content = call.args
    return _array(dtype_of(dtype), (), bytes_of(content))[()]


def _array(dtype: np.dtype, shape: Value, content: bytes, order: Any = "C") -> np.ndarray:
    """The array (read-only) of that type and shape in some bytes, which it has to fill."""
    sides = sides_of(shape)
    if max(sides, default=0) > max(len(content), _WIDEST_EMPTY) or math.prod(sides) * dtype.itemsize != len(content):
        raise Refused(f"{len(content)} bytes for an array of shape {sides[:8]} and type {dtype}")
    array = np.frombuffer(content, dtype) if content else np.zeros(0, dtype)
    if dtype.kind == "b" and array.view(np.uint8).max(initial=0) > 1:
        raise Refused("truth values that are neither true nor false")
    if dtype.kind == "U" and array.view(dtype.byteorder + "u4").max(initial=0) > 0x10FFFF:
        raise Refused("text of characters that do not exist")
    return array.reshape(sides, order=order)


def dtype_of(dtype: Value) -> np.dtype:
    """The type of numbers or text that the file names."""
    code = code_of(dtype)
    if not _NUMBERS_AND_TEXT.fullmatch(code):
        raise Refused(f"an array of type {code!r}")
    return np.dtype(code.replace("a", "S"))


def code_of(dtype: Value) -> str:
    """The type code of a dtype in the file, with its byte order, e.g. "<f8"."""
    if typed(dtype, Call).means != "dtype":
        raise Refused("an array without a type")
    code, order = typed(dtype.args[0], str), typed(dtype.state, tuple)[1] if dtype.state is not None else "|"
    if len(code) > _LONGEST_CODE:
        raise Refused(f"an array of type {code[:_LONGEST_CODE]!r}")
    return f"{order}{code}" if order in ("<", ">") else code


def sides_of(shape: Value) -> tuple[int, ...]:
    """The sides of a shape."""
    if len(typed(shape, tuple)) > _MOST_AXES:
        raise Refused(f"an array of {len(shape)} axes")
    return tuple(map(_whole, shape))


def _whole(side: Value) -> int:
    """A side of a shape."""
    if isinstance(side, Call) and side.means == "scalar":  # lengths of sparse matrices may be NumPy's
        side = scalar_of(side).item()
    if not isinstance(side, int) or isinstance(side, bool) or not 0 <= side < 2**40:
        raise Refused("a shape that is none")
    return side


def bytes_of(content: Value) -> bytes:
    """Bytes, which Python 2 stored as text."""
    if isinstance(content, Call) and content.means == "encode" and content.args[1:] == ("latin1",):
        content = typed(content.args[0], str)
    if isinstance(content, Call) and content.means == "bytes" and not content.args:  # how Python 3 says b"" to Python 2
        return b""
    return content.encode("latin-1") if isinstance(content, str) else typed(content, bytes)


def array_like(call: Call, array: np.ndarray) -> Call:
    """An array of NumPy of the same name and type with other numbers."""
    _, dtype, _, _ = _described(call)
    if call.means == "_frombuffer":
        return Call(call.name, (array.tobytes(), dtype, array.shape, "C"))
    return Call(call.name, call.args, call.new, (1, array.shape, dtype, False, array.tobytes()))


# --- PyTorch ---------------------------------------------------------------------------------------------------------

TORCH = dict(zip(STORAGES, ("<f4", "<f8", "<f2", "", "<i8", "<i4", "<i2", "<i1", "<u1", "|b1"), strict=True))
"""Types of numbers of PyTorch's storages, "" for one that NumPy lacks."""


def storage_code(storage: Storage) -> str:
    """The type code of the numbers in a storage."""
    return TORCH[typed(storage.said[1].means, str).removesuffix(" storage")]


def tensor_of(call: Call, storage: Storage) -> np.ndarray | None:
    """The tensor (read-only, without a copy) in the content of its storage, None for a type that NumPy has not."""
    if not (code := storage_code(storage)):
        return None
    dtype, (_, offset, shape, strides) = np.dtype(code), call.args[:4]
    shape, strides, (offset,) = sides_of(shape), sides_of(strides), sides_of((offset,))
    if len(shape) != len(strides):
        raise Refused("a shape that is none")
    if storage.numbers is None:
        storage.numbers = _array(dtype, (len(storage.content) // dtype.itemsize,), storage.content)
    numbers = storage.numbers
    last = offset + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))
    if math.prod(shape) and last >= len(numbers):
        raise Refused(f"an array of shape {shape[:8]} that reaches out of its numbers")
    steps = [stride * dtype.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(numbers[offset:], shape, steps, writeable=False)


def steps_of(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Those of an array that fills its storage row by row, in numbers."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


# --- SciPy -----------------------------------------------------------------------------------------------------------


def dense_of(call: Call, part_of: Callable[[Value], Any], take: Callable[[int], None]) -> np.ndarray:
    """A sparse matrix as an array, after its indices were checked.

    part_of: makes arrays of its parts; take: called with the bytes that the matrix will have.
    """
    from scipy import sparse

    state = typed(call.state, dict)
    shape = sides_of(state.get("_shape", state.get("shape")))
    if call.means == "coo":
        places = [part_of(one) for one in (state["coords"] if "coords" in state else (state["row"], state["col"]))]
    else:
        places = [part_of(state[name]) for name in ("indices", "indptr")]
    values, places = np.asarray(part_of(state["data"])), [np.asarray(one) for one in places]
    if len(shape) != 2 or values.dtype.kind not in "biuf" or any(one.dtype.kind not in "iu" for one in places):
        raise Refused("a sparse matrix whose parts do not fit together")
    take(math.prod(shape) * values.dtype.itemsize)
    if call.means == "coo":
        return sparse.coo_array((values, tuple(places)), shape).toarray()
    matrix = {"csc": sparse.csc_array, "csr": sparse.csr_array}[call.means]((values, *places), shape)
    matrix.check_format(full_check=True)
    return matrix.toarray()
