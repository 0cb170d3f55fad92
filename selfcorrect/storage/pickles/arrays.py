"""Arrays of NumPy, PyTorch and SciPy (sparse) in pickles, decoded with checks of their types and shapes."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..files.limits import Budget
from .values import STORAGES, Call, Content, Refused, Storage, Text, Value, require_type

_MAX_EMPTY_SIDE = 2**24
_MAX_CODE_LENGTH = 20
_MAX_AXES = 32
_NUMBERS_AND_TEXT = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|[SUa][1-9]\d{0,8}|\?|[bBhHiIlLqQefd])")


@dataclass(frozen=True, eq=False, slots=True)
class Array:
    """An array as a window on bytes of a file."""

    content: Content
    dtype: np.dtype
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    """Steps along the axes, bytes."""
    offset: int = 0
    """Position of its first number in the content, bytes."""

    @property
    def nbytes(self) -> int:
        """Size of a copy, bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def view(self, buffer: bytes | bytearray | None = None) -> np.ndarray:
        """Return a view of the content, which is read-only, or of a buffer in its place."""
        buffer = self.content.payload if buffer is None else buffer
        if not math.prod(self.shape):
            return np.zeros(self.shape, self.dtype)
        return np.ndarray(self.shape, self.dtype, buffer, self.offset, self.strides)


def decode_leaf(leaf: Value, budget: Budget) -> Value:
    """Return what a call describes, one level deep: an array, a number, bytes, or what it wraps; else the call."""
    if isinstance(leaf, Content):
        return leaf.payload
    if not isinstance(leaf, Call):
        return leaf
    match leaf.meaning:
        case "_reconstruct" | "_frombuffer":
            return _decode_objects(leaf) if _is_object_array(leaf) else _decode_numpy(leaf, budget)
        case "scalar":
            return decode_scalar(leaf)
        case "encode" | "bytes":
            content = decode_bytes(leaf)
            budget.take(len(content.payload))
            return content.payload
        case "tensor_v2":
            return _decode_tensor(leaf)
        case "parameter" | "tuple":
            return leaf.args[0]
        case "chumpy":  # None for an expression that was not computed
            return require_type(leaf.state, dict).get("x")
    return leaf


def _describe_array(call: Call) -> tuple[Value, Call, bool, Value]:
    """Return shape, type, whether the order is Fortran's, and content of an array of NumPy."""
    if call.meaning == "_frombuffer":
        content, dtype, shape, order = call.args
        return shape, require_type(dtype, Call), order == "F", content
    *_, shape, dtype, fortran, content = require_type(call.state, tuple)[:6]
    return shape, require_type(dtype, Call), bool(fortran), content


def _decode_numpy(call: Call, budget: Budget) -> Array:
    shape, dtype, fortran, value = _describe_array(call)
    content = decode_bytes(value)
    budget.take(len(content.payload))
    return _make_array(content, decode_dtype(dtype), decode_shape(shape), "F" if fortran else "C")


def _is_object_array(call: Call) -> bool:
    return call.meaning == "_reconstruct" and decode_dtype_code(_describe_array(call)[1])[-2:] in ("O8", "O")


def _decode_objects(call: Call) -> Value:
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
    return _make_array(decode_bytes(content), decode_dtype(dtype), ()).view()[()]


def _make_array(content: Content, dtype: np.dtype, shape: tuple[int, ...], order: str = "C") -> Array:
    """Return the array of a type and shape in bytes, which it has to fill."""
    size = len(content.payload)
    if max(shape, default=0) > max(size, _MAX_EMPTY_SIDE) or math.prod(shape) * dtype.itemsize != size:
        raise Refused(f"{size} bytes for an array of shape {shape[:8]} and type {dtype}")
    _check_numbers(content.payload, dtype)
    steps = row_major_strides(shape) if order == "C" else row_major_strides(shape[::-1])[::-1]
    return Array(content, dtype, shape, tuple(step * dtype.itemsize for step in steps))


def _check_numbers(payload: bytes | memoryview, dtype: np.dtype) -> None:
    """Refuse bytes that are no truth values or no text."""
    if dtype.kind == "b" and np.frombuffer(payload, np.uint8).max(initial=0) > 1:
        raise Refused("truth values that are neither true nor false")
    if dtype.kind == "U" and np.frombuffer(payload, dtype.byteorder + "u4").max(initial=0) > 0x10FFFF:
        raise Refused("text of characters that do not exist")


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
        raise Refused("an invalid shape")
    return side


def decode_bytes(value: Value) -> Content:
    """Return bytes, which Python 2 stored as text."""
    if isinstance(value, Call) and value.meaning == "encode" and value.args[1:] == ("latin1",):
        value = require_type(value.args[0], Text)
    if isinstance(value, Call) and value.meaning == "bytes" and not value.args:  # how Python 3 says b"" to Python 2
        return Content(b"")
    return Content(value.encode("latin-1"), value.place) if isinstance(value, Text) else require_type(value, Content)


# --- PyTorch ---------------------------------------------------------------------------------------------------------

TORCH: dict[str, str] = dict(
    zip(STORAGES, ("<f4", "<f8", "<f2", "", "<i8", "<i4", "<i2", "<i1", "<u1", "|b1"), strict=True)
)
"""Type codes of PyTorch's storages, "" for a type that NumPy lacks."""


def storage_code(storage: Storage) -> str:
    """Return the type code of the numbers in a storage."""
    return TORCH[storage.kind.meaning.removesuffix(" storage")]


def _decode_tensor(call: Call) -> Array | Call:
    """Return a tensor as a window on its storage; the call for a type that NumPy lacks."""
    storage = require_type(call.args[0], Storage)
    if not (code := storage_code(storage)):
        return call
    dtype = np.dtype(code)
    offset = _decode_length(call.args[1])
    shape = decode_shape(call.args[2])
    strides = decode_shape(call.args[3])
    if len(shape) != len(strides):
        raise Refused("an invalid shape")
    if storage.size % dtype.itemsize:
        raise Refused(f"{storage.size} bytes for numbers of type {dtype}")
    _check_numbers(memoryview(storage.content.payload)[storage.start : storage.start + storage.size], dtype)
    last = offset + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))
    if math.prod(shape) and last >= storage.size // dtype.itemsize:
        raise Refused(f"an array of shape {shape[:8]} that reaches out of its numbers")
    steps = tuple(stride * dtype.itemsize for stride in strides)
    return Array(storage.content, dtype, shape, steps, storage.start + offset * dtype.itemsize)


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
