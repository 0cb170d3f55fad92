"""Tables of what can be chosen by name: one row per member, imported when it is used. Other packages add rows.

A package adds a member through an entry point in the group of its kind, in its own pyproject.toml:

    [project.entry-points."selfcorrect.correctors"]
    smooth = "my_package.correctors:smooth"
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from selfcorrect.errors import MissingExtraError, SettingError
from selfcorrect.supervision import nothing_ends_here

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


@dataclass(frozen=True)
class Row:
    """A member of a table."""

    name: str
    """What it is called."""
    reference: str
    """Where its object is, "package.module:attribute", imported when it is used."""
    summary: str
    """What it is, one sentence."""
    needs: str = ""
    """The optional extra to install for it, "" for none."""


RowType = TypeVar("RowType", bound=Row)


class Registry(Generic[RowType]):
    """The members of a kind by name: the rows it is given, in their order, then those of installed packages by name.

    kind: what a member is called in messages, such as "corrector"; group: of the entry points that add rows, "" for
    none; row_type: makes a row of an entry point's (name, reference, summary); also: what may be given beside a name.
    """

    def __init__(
        self,
        kind: str,
        rows: Sequence[RowType],
        group: str = "",
        row_type: Callable[[str, str, str], RowType] = Row,
        also: str = "",
    ) -> None:
        self.kind = kind
        self.group = group
        self._own = {row.name: row for row in rows}
        self._row_type = row_type
        self._also = [also] if also else []

    def __iter__(self) -> Iterator[RowType]:
        yield from self._own.values()
        yield from self._added().values()

    @property
    def names(self) -> list[str]:
        return [row.name for row in self]

    def row(self, name: str) -> RowType:
        """The row of that name; SettingError lists the known names and suggests the nearest."""
        row = self._own.get(name) or self._added().get(name)
        if row is None:
            raise SettingError(unknown(self.kind, name, [*self.names, *self._also]))
        return row

    def load(self, name: str) -> Any:
        """The object of that name, imported now.

        Raises MissingExtraError where its extra is not installed, SettingError for an unknown name and where a row of
        another package leads to nothing.
        """
        row = self.row(name)
        try:
            with nothing_ends_here():
                return import_object(row.reference)
        except ImportError as error:
            if row.needs:
                raise MissingExtraError(f"{self.kind} {name!r}", row.needs, error) from error
            raise self._broken(row, error) from error
        except Exception as error:
            raise self._broken(row, error) from error

    def described(self) -> str:
        """Name and sentence of each member, a line each, for help."""
        return "\n".join(f"{row.name}: {row.summary}" for row in self)

    def _broken(self, row: RowType, error: Exception) -> Exception:
        """A row of this package that cannot be imported is a bug, one of another package its user's to mend."""
        if row.name in self._own:
            return error
        reason = f"{type(error).__name__}: {error}"
        return SettingError(f"{self.kind} {row.name!r} at {row.reference} cannot be imported ({reason}); {row.summary}")

    def _added(self) -> dict[str, RowType]:
        """Rows of installed packages. Looked up anew each time, as packages come and go while a notebook runs."""
        from importlib.metadata import entry_points  # slow to import, and seldom needed

        rows: dict[str, RowType] = {}
        for point in sorted(entry_points(group=self.group), key=_by_name) if self.group else ():
            if point.name in self._own or point.name in rows:
                taken = f"{self.kind} {point.name!r} of {_origin(point)} is left out: the name is taken"
                warnings.warn(taken, stacklevel=3)
                continue
            rows[point.name] = self._row_type(point.name, point.value, f"Added by {_origin(point)}.")
        return rows


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a name that is not in a table, with the nearest that is."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r}, known are {', '.join(known)}{hint}"


def import_object(reference: str) -> Any:
    """The object at "package.module:attribute", or the module at "package.module"."""
    module, _, attribute = reference.partition(":")
    return reduce(getattr, attribute.split(".") if attribute else [], import_module(module))


def _by_name(point: EntryPoint) -> tuple[str, str]:
    return point.name, point.value


def _origin(point: EntryPoint) -> str:
    """The package that declares an entry point, with its version."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "another package"
