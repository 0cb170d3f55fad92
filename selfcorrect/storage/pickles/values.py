"""Pickled values as trees.

They are what the file holds, and calls that are not made.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

Value: TypeAlias = Any
"""None, bool, int, float, `Text`, memoryview (bytes of the file), list, tuple, dict, `Name`, `Call` or `Storage`."""


class Refused(ValueError):
    """Error of content that is refused.

    The message continues "refused, as the file holds".
    """


def require_type(value: Value, kind: Any) -> Value:
    """Return a value of the expected type.

    Raises ValueError for another type.
    """
    if not isinstance(value, kind):
        raise ValueError(f"expected {kind.__name__.lower()}, got {type(value).__name__.lower()}")
    return value


class Text(str):
    """A text and its place in the file.

    Python 2 and old pickles use texts for bytes.
    """

    __slots__ = ("buffer", "end", "start")
    buffer: bytearray | None
    """The bytes, open to changes; None if nobody asked."""
    start: int
    """Position of the opcode in the file."""
    end: int

    def as_bytes(self) -> memoryview:
        """Return the bytes, the same bytes at each call."""
        if self.buffer is None:
            self.buffer = bytearray(self.encode("latin-1"))
        return memoryview(self.buffer)


@dataclass(frozen=True, slots=True)
class Name:
    """A name in a pickle, by the meaning here."""

    meaning: str


@dataclass(eq=False, slots=True)
class Call:
    """A call in a pickle, never made."""

    meaning: str
    args: tuple[Value, ...]
    state: Value = None


@dataclass(eq=False, slots=True)
class Storage:
    """Numbers of a PyTorch file, stored beside the pickle."""

    kind: str
    """Class of PyTorch, such as "FloatStorage"."""
    content: memoryview
