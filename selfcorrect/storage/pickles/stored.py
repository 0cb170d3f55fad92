"""Where arrays lie in a file of results: in storages, of which each array names numbers by offset and strides."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from selfcorrect.storage.pickles.things import Located, Refused, Thing

DEEPEST = 32


LEGACY = 0x1950A86A20F9469CFC6C
"""The number with which PyTorch's files before zip archives begin."""

TORCH = {"Float": "<f4", "Double": "<f8", "Half": "<f2", "Long": "<i8", "Int": "<i4", "Short": "<i2", "Char": "<i1",
          "Byte": "<u1", "Bool": "|b1"}  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """Bytes of one storage: the entry of the file in which they lie, and where."""

    entry: str
    start: int
    size: int
    written: Located | None = None
    """The bytes themselves where they are written as text, so that other numbers take another length."""


@dataclass(frozen=True)
class Leaf:
    """An array: how its numbers lie in a storage."""

    stored: Stored
    dtype: np.dtype
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    """In numbers."""
    offset: int
    place: tuple[int, int] = (0, 0)
    """From where to where the pickle says "the same again", or names the storage."""
    again: str = ""
    """What an earlier name has: this "array", other numbers of its "storage", or "" for neither."""


def number_sizes(value: Any) -> dict[str, int]:
    """Bytes of a number in each storage that a value names, by its key."""
    sizes: dict[str, int] = {}
    for thing in _storages(value, 0):
        _, kind, key, *_ = thing.state
        if (dtype := dtype_of_storage(kind)) is not None:
            sizes[key] = dtype.itemsize
        elif getattr(kind, "means", "") == "BFloat16 storage":
            sizes[key] = 2
    return sizes


def _storages(value: Any, depth: int) -> Iterator[Thing]:
    if depth > DEEPEST:
        raise Refused("too much that is nested")
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _storages(item, depth + 1)
    elif isinstance(value, Thing) and value.kind == "storage" and isinstance(value.state, tuple):
        yield value
    elif isinstance(value, Thing):
        yield from _storages(value.state, depth + 1)


def dtype_of_storage(kind: Any) -> np.dtype | None:
    """The type of number of PyTorch's storages of a kind, None for one that NumPy has not."""
    code = TORCH.get(str(getattr(kind, "means", "")).removesuffix(" storage"))
    return None if code is None else np.dtype(code)


def list_of_storages(value: Any) -> list[Any]:
    """The keys of all storages, as files from before zip archives list them."""
    if not isinstance(value, list):
        raise ValueError("expected a list of storages")
    return value


def array_leaf(entry: str, shape: Any, dtype: np.dtype, fortran: bool, content: Any) -> Leaf:
    """A NumPy array whose bytes are the content."""
    if isinstance(content, str):
        content = Located(content.encode("latin-1"))
    if not isinstance(content, Located) or not isinstance(shape, tuple):
        raise Refused("an array without numbers")
    written = content if content.start < 0 else None
    strides = packed_strides(shape[::-1])[::-1] if fortran else packed_strides(shape)
    return Leaf(Stored(entry, content.start, len(content), written), dtype, shape, strides, 0)


def packed_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Those of an array that fills its storage row by row, in numbers."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def check(leaf: Leaf) -> None:
    """Refuse an array that reaches out of its storage, or that repeats numbers."""
    sides = (*leaf.shape, *leaf.strides, leaf.offset)
    if not all(isinstance(side, int) and not isinstance(side, bool) and 0 <= side < 2**40 for side in sides):
        raise Refused("a shape that is none")
    if len(leaf.shape) != len(leaf.strides) or len(leaf.shape) > 32:
        raise Refused("a shape that is none")
    last = leaf.offset + sum((side - 1) * stride for side, stride in zip(leaf.shape, leaf.strides, strict=True))
    if math.prod(leaf.shape) and last >= leaf.stored.size // max(leaf.dtype.itemsize, 1):
        raise Refused(f"an array of shape {leaf.shape[:8]} that reaches out of its numbers")


def view(leaf: Leaf, content: bytes | bytearray | memoryview) -> np.ndarray:
    """The array in the content of its storage; it changes with it."""
    numbers = np.frombuffer(content, leaf.dtype, count=len(content) // leaf.dtype.itemsize)
    strides = tuple(stride * leaf.dtype.itemsize for stride in leaf.strides)
    return np.lib.stride_tricks.as_strided(
        numbers[leaf.offset :], leaf.shape, strides, writeable=numbers.flags.writeable
    )
