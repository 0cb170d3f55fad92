"""Arrays from what a pickle describes: NumPy's, PyTorch's and SciPy's sparse ones, their types and shapes checked."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from .things import Made, Name, Refused, Storage, Value, typed

TORCH = {"Float": "<f4", "Double": "<f8", "Half": "<f2", "Long": "<i8", "Int": "<i4", "Short": "<i2", "Char": "<i1",
          "Byte": "<u1", "Bool": "|b1"}  # fmt: skip
"""Types of numbers of PyTorch's storages that NumPy has, too."""

_WIDEST_EMPTY = 4096
_NUMBERS_AND_TEXT = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|[SUa][1-9]\d{0,8}|\?|[bBhHiIlLqQefd])")


def is_array(value: Value) -> bool:
    """Whether it is an array of NumPy, of numbers, text or objects."""
    return isinstance(value, Made) and value.means in ("_reconstruct", "_frombuffer")


def holds_objects(made: Made) -> bool:
    """Whether an array is one of objects."""
    return code_of(_described(made)[1])[-2:] in ("O8", "O")


def objects_of(made: Made) -> Value:
    """What an array of objects holds: of a 0-d one its item, of a 1-d one a list."""
    shape, _, _, items = _described(made)
    items = typed(items, list)
    if shape == () and len(items) == 1:
        return items[0]
    if shape != (len(items),):
        raise Refused("an array of objects with several axes")
    return items


def array_of(made: Made) -> np.ndarray:
    """The array (read-only, without a copy where the file has its bytes) of numbers or text."""
    shape, dtype, fortran, content = _described(made)
    return _array(dtype_of(dtype), shape, bytes_of(content), "F" if fortran else "C")


def like(made: Made, array: np.ndarray) -> Made:
    """An array of the same name and type with other numbers."""
    _, dtype, _, _ = _described(made)
    content = array.astype(dtype_of(dtype)).tobytes()
    if made.means == "_frombuffer":
        return Made(made.name, (content, dtype, array.shape, "C"))
    return Made(made.name, made.args, made.new, (1, array.shape, dtype, False, content))


def _described(made: Made) -> tuple[Value, Made, bool, Value]:
    """Shape, type, whether its columns lie one behind another, and content."""
    if made.means == "_frombuffer":
        content, dtype, shape, order = made.args
        return shape, typed(dtype, Made), order == "F", content
    *_, shape, dtype, fortran, content = typed(made.state, tuple)
    return shape, typed(dtype, Made), bool(fortran), content


def scalar_of(made: Made) -> Any:
    """A number or text of NumPy."""
    dtype, content = made.args
    return _array(dtype_of(dtype), (), bytes_of(content))[()]


def _array(dtype: np.dtype, shape: Value, content: bytes, order: Any = "C") -> np.ndarray:
    """The array (read-only) of that type and shape in some bytes, which it has to fill."""
    sides = tuple(whole(side) for side in typed(shape, tuple)[:33])
    if (
        len(sides) > 32
        or max(sides, default=0) > max(len(content), _WIDEST_EMPTY)
        or math.prod(sides) * dtype.itemsize != len(content)
    ):
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
        raise Refused(f"an array of type {code[:20]!r}")
    return np.dtype(code.replace("a", "S"))


def code_of(dtype: Value) -> str:
    """The type code of a dtype in the file, with its byte order, e.g. "<f8"."""
    if typed(dtype, Made).means != "dtype":
        raise Refused("an array without a type")
    code, order = typed(dtype.args[0], str), typed(dtype.state, tuple)[1] if dtype.state is not None else "|"
    return f"{order}{code}" if order in ("<", ">") else code


def whole(side: Value) -> int:
    """A side of a shape."""
    if isinstance(side, Made) and side.means == "scalar":  # lengths of sparse matrices may be NumPy's
        side = scalar_of(side).item()
    if not isinstance(side, int) or isinstance(side, bool) or not 0 <= side < 2**62:
        raise Refused("a shape that is none")
    return side


def bytes_of(content: Value) -> bytes:
    """Bytes, which Python 2 stored as text."""
    if isinstance(content, Made) and content.means == "encode" and content.args[1:] == ("latin1",):
        content = typed(content.args[0], str)
    if isinstance(content, Made) and content.means == "bytes" and not content.args:  # how Python 3 says b"" to Python 2
        return b""
    return content.encode("latin-1") if isinstance(content, str) else typed(content, bytes)


# --- PyTorch ---------------------------------------------------------------------------------------------------------


def storage_dtype(storage: Storage) -> np.dtype | None:
    """The type of number of a storage, None for one that NumPy has not."""
    code = TORCH.get(typed(storage.said[1], Name).means.removesuffix(" storage"))
    return None if code is None else np.dtype(code)


def storage_itemsize(storage: Storage) -> int:
    """Bytes of a number in a storage."""
    dtype = storage_dtype(storage)
    return dtype.itemsize if dtype is not None else {"BFloat16 storage": 2}[storage.said[1].means]


def tensor_of(made: Made, storage: Storage, content: bytes) -> np.ndarray | None:
    """The tensor (read-only, without a copy) in the content of its storage, None for a type that NumPy has not."""
    dtype = storage_dtype(storage)
    if dtype is None:
        return None
    _, offset, shape, strides = made.args[:4]
    sides = (*typed(shape, tuple)[:33], *typed(strides, tuple)[:33], offset)
    if not all(isinstance(side, int) and not isinstance(side, bool) and 0 <= side < 2**40 for side in sides):
        raise Refused("a shape that is none")
    if len(shape) != len(strides) or len(shape) > 32:
        raise Refused("a shape that is none")
    numbers = np.frombuffer(content, dtype, count=len(content) // dtype.itemsize)
    last = offset + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))
    if math.prod(shape) and last >= len(numbers):
        raise Refused(f"an array of shape {shape[:8]} that reaches out of its numbers")
    steps = tuple(stride * dtype.itemsize for stride in strides)
    return np.lib.stride_tricks.as_strided(numbers[offset:], shape, steps, writeable=False)


# --- SciPy -----------------------------------------------------------------------------------------------------------


def dense_of(made: Made, part_of: Callable[[Value], Any], take: Callable[[int], None]) -> np.ndarray:
    """A sparse matrix as an array, after its indices were checked.

    part_of: makes arrays of its parts; take: called with the bytes that the matrix will have.
    """
    from scipy import sparse

    state = typed(made.state, dict)
    shape = tuple(whole(side) for side in typed(state.get("_shape", state.get("shape")), tuple))
    if made.means == "coo":
        places = [part_of(one) for one in (state["coords"] if "coords" in state else (state["row"], state["col"]))]
    else:
        places = [part_of(state[name]) for name in ("indices", "indptr")]
    values, places = np.asarray(part_of(state["data"])), [np.asarray(one) for one in places]
    if len(shape) != 2 or values.dtype.kind not in "biuf" or any(one.dtype.kind not in "iu" for one in places):
        raise Refused("a sparse matrix whose parts do not fit together")
    take(math.prod(shape) * values.dtype.itemsize)
    if made.means == "coo":
        return sparse.coo_array((values, tuple(places)), shape).toarray()
    matrix = {"csc": sparse.csc_array, "csr": sparse.csr_array}[made.means]((values, *places), shape)
    matrix.check_format(full_check=True)
    return matrix.toarray()
