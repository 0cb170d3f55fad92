"""Arrays of NumPy, PyTorch and SciPy (sparse) in pickles, decoded with checks of their types and shapes."""

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from .trees import STORAGES, Call, Refused, Storage, Value, require_type

_MAX_EMPTY_SIDE = 2**24
_MAX_CODE_LENGTH = 20
_MAX_AXES = 32
_NUMBERS_AND_TEXT = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|[SUa][1-9]\d{0,8}|\?|[bBhHiIlLqQefd])")


def decode_value(call: Call) -> np.ndarray | np.generic | None:
    """Return an array (read-only, a view of the file's bytes if possible) or number of NumPy; None for other calls."""
    match call.meaning:
        case "_reconstruct" | "_frombuffer":
            shape, dtype, fortran, content = _describe_array(call)
            return _decode_array(decode_dtype(dtype), shape, decode_bytes(content), "F" if fortran else "C")
        case "scalar":
            return decode_scalar(call)
    return None


def _describe_array(call: Call) -> tuple[Value, Call, bool, Value]:
    """Return shape, type, whether the order is Fortran's, and content of an array of NumPy."""
    if call.meaning == "_frombuffer":
        content, dtype, shape, order = call.args
        return shape, require_type(dtype, Call), order == "F", content
    *_, shape, dtype, fortran, content = require_type(call.state, tuple)[:6]
    return shape, require_type(dtype, Call), bool(fortran), content


def is_object_array(call: Call) -> bool:
    """Return whether a call describes an array of objects."""
    return call.meaning == "_reconstruct" and decode_dtype_code(_describe_array(call)[1])[-2:] in ("O8", "O")


def decode_objects(call: Call) -> Value:
    """Return the content of an array of objects: the item of a 0-d array, the list of a 1-d array."""
    shape, _, _, items = _describe_array(call)
    items = require_type(items, list)
    if shape == () and len(items) == 1:
        return items[0]
    if shape != (len(items),):
        raise Refused("an array of objects with several axes")
    return items


def decode_scalar(call: Call) -> Any:
    """Return a number or text of NumPy."""
    dtype, content = call.args
    return _decode_array(decode_dtype(dtype), (), decode_bytes(content))[()]


def _decode_array(dtype: np.dtype, shape: Value, content: bytes, order: Any = "C") -> np.ndarray:
    """Return the array (read-only) of a type and shape in bytes, which it has to fill."""
    sides = decode_shape(shape)
    if max(sides, default=0) > max(len(content), _MAX_EMPTY_SIDE) or math.prod(sides) * dtype.itemsize != len(content):
        raise Refused(f"{len(content)} bytes for an array of shape {sides[:8]} and type {dtype}")
    array = np.frombuffer(content, dtype) if content else np.zeros(0, dtype)
    if dtype.kind == "b" and array.view(np.uint8).max(initial=0) > 1:
        raise Refused("truth values that are neither true nor false")
    if dtype.kind == "U" and array.view(dtype.byteorder + "u4").max(initial=0) > 0x10FFFF:
        raise Refused("text of characters that do not exist")
    return array.reshape(sides, order=order)


def decode_dtype(dtype: Value) -> np.dtype:
    """Return the type of numbers or text that the file names."""
    code = decode_dtype_code(dtype)
    if not _NUMBERS_AND_TEXT.fullmatch(code):
        raise Refused(f"an array of type {code!r}")
    return np.dtype(code.replace("a", "S"))


def decode_dtype_code(dtype: Value) -> str:
    """Return the type code of a dtype in the file, with its byte order, e.g. "<f8"."""
    if require_type(dtype, Call).meaning != "dtype":
        raise Refused("an array without a type")
    code = require_type(dtype.args[0], str)
    order = require_type(dtype.state, tuple)[1] if dtype.state is not None else "|"
    if len(code) > _MAX_CODE_LENGTH:
        raise Refused(f"an array of type {code[:_MAX_CODE_LENGTH]!r}")
    return f"{order}{code}" if order in ("<", ">") else code


def decode_shape(shape: Value) -> tuple[int, ...]:
    """Return the sides of a shape."""
    if len(require_type(shape, tuple)) > _MAX_AXES:
        raise Refused(f"an array of {len(shape)} axes")
    return tuple(map(_decode_length, shape))


def _decode_length(side: Value) -> int:
    """Return a side of a shape."""
    if isinstance(side, Call) and side.meaning == "scalar":  # lengths of sparse matrices may be NumPy's
        side = decode_scalar(side).item()
    if not isinstance(side, int) or isinstance(side, bool) or not 0 <= side < 2**40:
        raise Refused("a shape that is none")
    return side


def decode_bytes(content: Value) -> bytes:
    """Return bytes, which Python 2 stored as text."""
    if isinstance(content, Call) and content.meaning == "encode" and content.args[1:] == ("latin1",):
        content = require_type(content.args[0], str)
    if (
        isinstance(content, Call) and content.meaning == "bytes" and not content.args
    ):  # how Python 3 says b"" to Python 2
        return b""
    return content.encode("latin-1") if isinstance(content, str) else require_type(content, bytes)


def encode_array(call: Call, array: np.ndarray) -> Call:
    """Return the call of an array of the same name and type with other numbers."""
    dtype = _describe_array(call)[1]
    if call.meaning == "_frombuffer":
        return Call(call.name, (array.tobytes(), dtype, array.shape, "C"))
    return Call(call.name, call.args, call.is_new_object, (1, array.shape, dtype, False, array.tobytes()))


# --- PyTorch ---------------------------------------------------------------------------------------------------------

TORCH = dict(zip(STORAGES, ("<f4", "<f8", "<f2", "", "<i8", "<i4", "<i2", "<i1", "<u1", "|b1"), strict=True))
"""Type codes of PyTorch's storages, "" for a type that NumPy lacks."""


def storage_code(storage: Storage) -> str:
    """Return the type code of the numbers in a storage."""
    return TORCH[require_type(storage.description[1].meaning, str).removesuffix(" storage")]


def decode_tensor(call: Call, storage: Storage) -> np.ndarray | None:
    """Return a tensor as a read-only view of its storage, None for a type that NumPy lacks."""
    if not (code := storage_code(storage)):
        return None
    dtype = np.dtype(code)
    offset = _decode_length(call.args[1])
    shape = decode_shape(call.args[2])
    strides = decode_shape(call.args[3])
    if len(shape) != len(strides):
        raise Refused("a shape that is none")
    if storage.numbers is None:
        storage.numbers = _decode_array(dtype, (len(storage.content) // dtype.itemsize,), storage.content)
    numbers = storage.numbers
    last = offset + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))
    if math.prod(shape) and last >= len(numbers):
        raise Refused(f"an array of shape {shape[:8]} that reaches out of its numbers")
    steps = [stride * dtype.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(numbers[offset:], shape, steps, writeable=False)


def row_major_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides, in numbers, of an array that fills its storage row by row."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


# --- SciPy -----------------------------------------------------------------------------------------------------------


def decode_sparse(call: Call, part_of: Callable[[Value], Any], take: Callable[[int], None]) -> np.ndarray:
    """Return a sparse matrix as a dense array, after a check of its indices.

    Args:
        take: Function that is called with the bytes of the dense array.
    """
    from scipy import sparse

    state = require_type(call.state, dict)
    shape = decode_shape(state.get("_shape", state.get("shape")))
    if call.meaning == "coo":
        parts = state["coords"] if "coords" in state else (state["row"], state["col"])
    else:
        parts = (state["indices"], state["indptr"])
    indices = [np.asarray(part_of(part)) for part in parts]
    values = np.asarray(part_of(state["data"]))
    if len(shape) != 2 or values.dtype.kind not in "biuf" or any(index.dtype.kind not in "iu" for index in indices):
        raise Refused("a sparse matrix whose parts do not fit together")
    take(math.prod(shape) * values.dtype.itemsize)
    if call.meaning == "coo":
        return sparse.coo_array((values, tuple(indices)), shape).toarray()
    matrix = {"csc": sparse.csc_array, "csr": sparse.csr_array}[call.meaning]((values, *indices), shape)
    matrix.check_format(full_check=True)
    return matrix.toarray()
