"""Pickled values as trees: what the file contains, and calls that are never made."""

from dataclasses import dataclass
from typing import Any, TypeAlias

Value: TypeAlias = Any
"""None, bool, int, float, `Text`, memoryview (bytes of the file), list, tuple, dict, `Name`, `Call` or `Storage`."""


class Refused(ValueError):
    """Error for refused content.

    The message continues the words "refused, as the file holds".
    """


def require_type(value: Value, kind: Any) -> Value:
    """Return a value of the expected type.

    Raises:
        ValueError: The value has another type.
    """
    if not isinstance(value, kind):
        raise ValueError(f"expected {kind.__name__.lower()}, got {type(value).__name__.lower()}")
    return value


class Text(str):
    """A text and its position in the file.

    Python 2 and old pickles use texts for bytes.
    """

    __slots__ = ("buffer", "end", "start")
    buffer: bytearray | None
    """Its bytes, which can be changed, or None if they were never requested."""
    start: int
    """Position of the opcode in the file."""
    end: int

    def as_bytes(self) -> memoryview:
        """Return its bytes, the same object every time."""
        if self.buffer is None:
            self.buffer = bytearray(self.encode("latin-1"))
        return memoryview(self.buffer)


@dataclass(frozen=True, slots=True)
class Name:
    """A name in a pickle, given by its meaning here."""

    meaning: str


@dataclass(eq=False, slots=True)
class Call:
    """A call in a pickle, which is never made."""

    meaning: str
    args: tuple[Value, ...]
    state: Value = None


@dataclass(eq=False, slots=True)
class Storage:
    """Numbers of a PyTorch file, stored beside the pickle."""

    kind: str
    """PyTorch class, such as "FloatStorage"."""
    content: memoryview
