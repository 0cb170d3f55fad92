"""Arrays of NumPy, PyTorch and SciPy (sparse) in pickles.

Types and shapes are checked. Arrays are views of the file's bytes, so changing an array changes the file's content.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..files.limits import Budget
from .values import Call, Refused, Storage, Text, Value, require_type

_MAX_EMPTY_SIDE = 2**24
_MAX_CODE_LENGTH = 20
_MAX_AXES = 32

STORAGES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "", "LongStorage": "<i8",
    "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "<i1", "ByteStorage": "<u1", "BoolStorage": "|b1",
}  # fmt: skip
"""NumPy types of PyTorch's storages, "" if NumPy has no such type."""


def decode_leaf(leaf: Value, budget: Budget) -> Value:
    """Decode a call in a pickle, one level deep.

    Calls that describe an array, a number, bytes or a wrapped value are decoded. All others are returned.
    """
    if isinstance(leaf, memoryview):
        budget.take(len(leaf))
        return bytes(leaf)
    if not isinstance(leaf, Call):
        return leaf
    match leaf.meaning:
        case "_reconstruct":
            *_, shape, dtype, is_fortran, content = require_type(leaf.state, tuple)[:6]
            if isinstance(content, list):
                return _decode_objects(shape, dtype, content)
            return _make_array(content, dtype, shape, budget, "F" if is_fortran else "C")
        case "_frombuffer":
            content, dtype, shape, order = leaf.args
            return _make_array(content, dtype, shape, budget, "F" if order == "F" else "C")
        case "scalar":
            return decode_scalar(leaf, budget)
        case "encode" | "bytes":
            return decode_leaf(decode_bytes(leaf), budget)
        case "tensor_v2":
            return _decode_tensor(leaf)
        case "parameter" | "tuple":
            return leaf.args[0]
        case "chumpy":  # None for an expression that was not computed
            return require_type(leaf.state, dict).get("x")
    return leaf


def _decode_objects(shape: Value, dtype: Value, items: list[Value]) -> Value:
    """Decode an array of objects.

    A 0-d array gives its item, a 1-d array a list.
    """
    if decode_dtype(dtype, objects=True).kind != "O":
        raise Refused("a list for an array of numbers")
    if shape == () and len(items) == 1:
        return items[0]
    if shape != (len(items),):
        raise Refused("an array of objects with several axes")
    return items


def decode_scalar(call: Call, budget: Budget) -> Any:
    """Return a NumPy number or text."""
    dtype, content = call.args
    return _make_array(content, dtype, (), budget)[()]


def _make_array(value: Value, dtype: Value, shape: Value, budget: Budget, order: Any = "C") -> np.ndarray:
    """Make an array from bytes that match its type and shape."""
    content = decode_bytes(value)
    budget.take(len(content))
    numbers = np.frombuffer(content, decode_dtype(dtype))
    sides = decode_shape(shape)
    if max(sides, default=0) > max(len(content), _MAX_EMPTY_SIDE) or math.prod(sides) != len(numbers):
        raise Refused(f"{len(content)} bytes for an array of shape {sides[:8]} and type {numbers.dtype}")
    _check_numbers(numbers)
    return numbers.reshape(sides, order=order)


def _check_numbers(numbers: np.ndarray) -> None:
    """Raise Refused for bytes that are not valid booleans or text."""
    if numbers.dtype.kind == "b" and numbers.view(np.uint8).max(initial=0) > 1:
        raise Refused("truth values that are neither true nor false")
    if numbers.dtype.kind == "U" and numbers.view(numbers.dtype.byteorder + "u4").max(initial=0) > 0x10FFFF:
        raise Refused("text with invalid characters")


def decode_dtype(dtype: Value, *, objects: bool = False) -> np.dtype:
    """Decode the dtype of numbers or text, or of objects."""
    call = require_type(dtype, Call)
    code = require_type(call.args[0], str)
    if call.meaning != "dtype" or len(code) > _MAX_CODE_LENGTH:
        raise Refused(f"an array of type {code[:_MAX_CODE_LENGTH]!r}")
    decoded = np.dtype(str(code))
    order = "|" if call.state is None else require_type(call.state, tuple)[1]
    if decoded.kind not in ("biufSUO" if objects else "biufSU"):
        raise Refused(f"an array of type {code!r}")
    return decoded.newbyteorder(order) if order in ("<", ">") else decoded


def decode_shape(shape: Value) -> tuple[int, ...]:
    """Decode a shape."""
    if len(require_type(shape, tuple)) > _MAX_AXES:
        raise Refused(f"an array of {len(shape)} axes")
    return tuple(map(_decode_length, shape))


def _decode_length(side: Value) -> int:
    """Decode one side of a shape.

    In SciPy's shapes it may be a NumPy number.
    """
    if isinstance(side, Call) and side.meaning == "scalar":
        side = int.from_bytes(decode_bytes(side.args[1]), "little")
    if not isinstance(side, int) or isinstance(side, bool) or not 0 <= side < 2**40:
        raise Refused("an invalid shape")
    return side


def decode_bytes(value: Value) -> memoryview:
    """Decode bytes that may be stored as text.

    Python 2 stored bytes as text, and Python 3 stores them for Python 2 as encoded text.
    """
    if isinstance(value, Call) and value.meaning == "encode" and value.args[1:] == ("latin1",):
        value = value.args[0]
    if isinstance(value, Call) and value.meaning == "bytes" and not value.args:  # how Python 3 says b"" to Python 2
        return memoryview(b"")
    return value.as_bytes() if isinstance(value, Text) else require_type(value, memoryview)


def _decode_tensor(call: Call) -> np.ndarray | Call:
    """Decode a tensor as a view of its storage.

    If NumPy has no such type, the call is returned.
    """
    storage = require_type(call.args[0], Storage)
    if not (code := STORAGES[storage.kind]):
        return call
    numbers = np.frombuffer(storage.content, code)
    _check_numbers(numbers)
    start = _decode_length(call.args[1])
    shape = decode_shape(call.args[2])
    strides = [numbers.itemsize * stride for stride in decode_shape(call.args[3])]
    try:
        return np.ndarray(shape, numbers.dtype, numbers[start:], 0, strides)
    except (TypeError, ValueError) as error:
        raise Refused(f"an array of shape {shape[:8]} that reaches out of its numbers") from error


def decode_sparse(call: Call, part_of: Callable[[Value], Any], take: Callable[[int], None]) -> np.ndarray:
    """Decode a sparse matrix, stored by columns, into a dense array.

    Body models store such matrices. Indices are checked.

    Args:
        take: Function called with the number of bytes of the dense array.
    """
    from scipy import sparse

    state = require_type(call.state, dict)
    shape = decode_shape(state.get("_shape", state.get("shape")))
    indices = [np.asarray(part_of(state[name])) for name in ("indices", "indptr")]
    values = np.asarray(part_of(state["data"]))
    if len(shape) != 2 or values.dtype.kind not in "biuf" or any(index.dtype.kind not in "iu" for index in indices):
        raise Refused("a sparse matrix whose parts do not fit together")
    take(math.prod(shape) * values.dtype.itemsize)
    matrix = sparse.csc_array((values, *indices), shape)
    matrix.check_format(full_check=True)
    return matrix.toarray()
