"""Values of pickles as trees, and the places of bytes and texts in the file."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

Value: TypeAlias = Any
"""None, bool, int, float, `Text`, `Content`, list, tuple, dict, `Name`, `Call` or `Storage`."""

STORAGES = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
"""Kinds of PyTorch's storages."""
SPARSE = ("csc", "csr", "coo")
"""Kinds of SciPy's sparse matrices."""


class Refused(ValueError):
    """Error of content that is not read; the message continues "refused, it holds"."""


def require_type(value: Value, kind: Any) -> Value:
    """Return a value of the file; ValueError if it is not of a type."""
    if not isinstance(value, kind):
        name = getattr(kind, "__name__", "an object").lower()
        raise ValueError(f"expected {name}, got {type(value).__name__.lower()}")
    return value


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of a file that other bytes may replace."""

    start: int
    end: int
    encode: Callable[[bytes], bytes] = bytes
    """Function that encodes new bytes as the file needs them there."""
    entry: str = ""
    """Name of an entry of an archive, "" for a file that is no archive."""


class Text(str):
    """A text, and its place in the file."""

    __slots__ = ("place",)
    place: Span


@dataclass(eq=False, slots=True)
class Content:
    """Bytes, and their place in the file; None for bytes that the file does not hold as they are."""

    payload: bytes
    place: Span | None = None


@dataclass(frozen=True, slots=True)
class Name:
    """A name in a pickle, by its meaning here."""

    meaning: str


@dataclass(eq=False, slots=True)
class Call:
    """A call in a pickle, which is not made."""

    meaning: str
    args: tuple[Value, ...]
    state: Value = None


@dataclass(eq=False, slots=True)
class Storage:
    """Numbers of a PyTorch file, which are stored beside its pickle."""

    kind: Name
    content: Content
    start: int = 0
    """Position of the numbers in the content."""
    size: int = 0
    """Bytes of the numbers."""
