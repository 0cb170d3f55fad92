"""What a pickle describes while it is being read or written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ...core.errors import InputError, short

Value: TypeAlias = Any
"""None, bool, int, float, str, bytes, list, tuple, dict, `Name`, `Made`, `Items` or `Storage`."""


class Refused(ValueError):
    """The file holds something that is not read; the message goes on from "refused, it holds"."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name in a pickle, and what it means here."""

    module: str
    name: str
    means: str


@dataclass(eq=False, slots=True)
class Made:
    """What a name, called with arguments, would have made."""

    name: Name
    args: tuple[Value, ...]
    new: bool = False
    """Whether the opcode for new objects made it, and not that for calls."""
    state: Value = None

    @property
    def means(self) -> str:
        """What the name stands for."""
        return self.name.means


@dataclass(eq=False, slots=True)
class Items(dict[Any, Any]):
    """A dictionary of another type than Python's own."""

    name: Name
    args: tuple[Value, ...]
    state: Value = None

    def changed(self, items: Mapping[Any, Value]) -> Items:
        """One with other items."""
        copy = Items(self.name, self.args, self.state)
        copy.update(items)
        return copy


@dataclass(eq=False, slots=True)
class Storage:
    """Numbers of a PyTorch file, which lie beside its pickle: ("storage", type, key, device, count, …)."""

    said: tuple[Value, ...]


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """What is wrong with a pickle, as an InputError of one sentence."""
    try:
        yield
    except Refused as error:
        raise InputError(f"{path}: refused, it holds {error}, and only numbers are read from pickle files") from error
    except (InputError, MemoryError):
        raise
    except Exception as error:  # a damaged file makes its readers raise errors of any kind
        raise InputError(f"{path}: not a readable pickle file ({short(error) or 'it ends too early'})") from error


def typed(value: Value, kind: Any) -> Value:
    """A value of the file, which has to be of that type."""
    if not isinstance(value, kind):
        name = getattr(kind, "__name__", "an object").lower()
        raise ValueError(f"expected {name}, got {type(value).__name__.lower()}")
    return value
