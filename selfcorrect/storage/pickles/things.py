"""What a pickle describes while it is being read, and checks of types, shapes and numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from selfcorrect.core.errors import InputError

_WIDEST_EMPTY = 4096
_NUMBERS_AND_TEXT = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|[SUa][1-9]\d{0,8}|\?|[bBhHiIlLqQefd])")


class Refused(ValueError):
    """The file holds something that is not read; the message goes on from "refused, it holds"."""


@dataclass(frozen=True)
class Name:
    """A name in the file: what it means, from `NUMBERS` or "chumpy"."""

    means: str


@dataclass(eq=False)
class Thing:
    """An object while it is being read: its kind, and its state where it has one yet."""

    kind: str
    state: Any = None
    begin: int = 0
    end: int = 0
    """Where the opcode that made it begins and ends; of a storage, all that names it."""


class Located(bytes):
    """Bytes of the file; where they begin there, −1 where they are written as text, and where their opcode ends."""

    start: int = -1
    end: int = 0


Value: TypeAlias = Any
"""None, bool, int, float, str, bytes, list, tuple, dict, `Name` or `Thing`."""


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """What is wrong with a pickle, as an InputError of one sentence."""
    try:
        yield
    except Refused as error:
        raise InputError(f"{path}: refused, it holds {error}, and only numbers are read from pickle files") from error
    except InputError:
        raise
    except (ValueError, EOFError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(f"{path}: not a readable pickle file ({error})") from error


def typed(value: Value, kind: type) -> Value:
    """A value of the file, which has to be of that type."""
    if not isinstance(value, kind):
        raise ValueError(f"expected {kind.__name__.strip('_').lower()}, got {type(value).__name__.strip('_').lower()}")
    return value


def code_of(dtype: Value) -> str:
    """The type code of a dtype in the file, with its byte order, e.g. "<f8"."""
    state = typed(dtype, Thing).state
    if dtype.kind != "dtype":
        raise Refused("an array without a type")
    code, order = (state[0], typed(state[1], tuple)[1]) if isinstance(state, tuple) else (state, "|")
    return f"{order}{code}" if order in ("<", ">") else code


def dtype_of(dtype: Value) -> np.dtype:
    """The type of numbers or text that the file names."""
    code = typed(code_of(dtype), str)
    if not _NUMBERS_AND_TEXT.fullmatch(code):
        raise Refused(f"an array of type {code[:20]!r}")
    return np.dtype(code.replace("a", "S"))


def array_of(dtype: np.dtype, shape: Value, content: bytes, order: Any = "C") -> np.ndarray:
    """The array (read-only) of that type and shape in some bytes, which it has to fill."""
    sides = tuple(whole(side) for side in typed(shape, tuple))
    if (
        len(sides) > 32
        or max(sides, default=0) > max(len(content), _WIDEST_EMPTY)
        or math.prod(sides) * dtype.itemsize != len(content)
    ):
        raise Refused(f"{len(content)} bytes for an array of shape {sides[:32]} and type {dtype}")
    array = np.frombuffer(content, dtype) if content else np.zeros(0, dtype)
    if dtype.kind == "b" and content and max(content) > 1:
        raise Refused("truth values that are neither true nor false")
    if dtype.kind == "U" and content and np.frombuffer(content, dtype.byteorder + "u4").max() > 0x10FFFF:
        raise Refused("text of characters that do not exist")
    return array.reshape(sides, order=order)


def whole(side: Value) -> int:
    """A side of a shape."""
    if isinstance(side, Thing) and side.kind == "scalar":  # lengths of sparse matrices may be NumPy's
        dtype, content = side.state
        side = array_of(dtype_of(dtype), (), bytes_of(content))[()].item()
    if not isinstance(side, int) or isinstance(side, bool) or not 0 <= side < 2**62:
        raise Refused("a shape that is none")
    return side


def bytes_of(content: Value) -> bytes:
    """Bytes, which Python 2 stored as text."""
    return content.encode("latin-1") if isinstance(content, str) else typed(content, bytes)
