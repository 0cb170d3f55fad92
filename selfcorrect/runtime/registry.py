"""Tables of what can be chosen by name: one row per member, imported when it is used. Other packages add rows.

A package adds a member through an entry point in the group of its kind, in its own pyproject.toml:

    [project.entry-points."selfcorrect.correctors"]
    smooth = "my_package.correctors:smooth"
"""

from __future__ import annotations

import difflib
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..core.errors import MissingExtraError, SettingError
from ..core.extras import requires_extra
from .supervision import forbid_exit

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
    hint: str = ""
    """What to do where that extra cannot be installed, "" for nothing."""


RowType = TypeVar("RowType", bound=Row)


class Registry(Generic[RowType]):
    """The members of a kind by name: the rows it is given, in their order, then those of installed packages by name.

    kind: what messages call a member, such as "corrector". group: of the entry points that add rows, "" for none.
    row_type: makes a row of an entry point's (name, reference, summary). also: what may be given beside a name.
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
        """The row of that name.

        SettingError lists the known names and suggests the nearest. Where several packages add members of that name, it
        names the packages instead of choosing.
        """
        if name in self._own:
            return self._own[name]
        origins = {point.value: _origin(point) for point in self._points() if point.name == name}
        if len(origins) > 1:
            given = " and ".join(f"{origin} ({value})" for value, origin in origins.items())
            raise SettingError(f"{self.kind} {name!r} is added by {given}; uninstall all but one of them")
        row = self._added().get(name)
        if row is None:
            raise SettingError(unknown(self.kind, name, [*self.names, *self._also]))
        return row

    def is_added(self, name: str) -> bool:
        """Whether another package added the member of that name."""
        return name not in self._own

    def load(self, name: str) -> Any:
        """The object of that name, imported now.

        Raises MissingExtraError where its extra is not installed, SettingError for an unknown name and where a row of
        another package leads to nothing.
        """
        row = self.row(name)
        try:
            with forbid_exit(), requires_extra(f"{self.kind} {name!r}", row.needs, row.hint):
                return import_object(row.reference)
        except MissingExtraError:
            raise
        except ImportError as error:
            if row.needs:
                raise MissingExtraError(f"{self.kind} {name!r}", row.needs, error, row.hint) from error
            raise self._broken(row, error) from error
        except Exception as error:
            raise self._broken(row, error) from error

    def described(self) -> str:
        """Name and sentence of each member, a line each, for help."""
        return "\n".join(f"{row.name}: {row.summary}" for row in self)

    def _broken(self, row: RowType, error: Exception) -> Exception:
        """A row of this package that cannot be imported is a bug; one of another package its user can fix."""
        if row.name in self._own:
            return error
        reason = f"{type(error).__name__}: {error}"
        return SettingError(f"{self.kind} {row.name!r} at {row.reference} cannot be imported ({reason}); {row.summary}")

    def _added(self) -> dict[str, RowType]:
        """Rows of installed packages."""
        rows: dict[str, RowType] = {}
        for point in self._points():
            if point.name in self._own or point.name in rows:
                taken = f"{self.kind} {point.name!r} of {_origin(point)} is left out: the name is taken"
                warnings.warn(taken, stacklevel=3)
                continue
            rows[point.name] = self._row_type(point.name, point.value, f"Added by {_origin(point)}.")
        return rows

    def _points(self) -> tuple[EntryPoint, ...]:
        return _entry_points(self.group, tuple(map(_changed_at, sys.path))) if self.group else ()


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


def import_callable(reference: str, kind: str = "corrector") -> Callable[..., Any]:
    """The callable at "package.module:function"; modules in the current folder are found too. kind: for messages.

    Raises ValueError with one sentence when the reference is malformed or leads to nothing that can be called.
    """
    module_name, _, attribute = reference.partition(":")
    if not (module_name and attribute):
        raise SettingError(f"a {kind} is given as package.module:function, got {reference!r}")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        with forbid_exit():
            module = import_module(module_name)
    except Exception as error:
        raise SettingError(f"cannot import the module {module_name!r} of {kind} {reference!r}: {error}") from error
    if not hasattr(module, attribute):
        raise SettingError(f"module {module_name!r} has no {attribute!r}, asked for as {kind} {reference!r}")
    corrector = getattr(module, attribute)
    made = corrector.__call__ if inspect.isclass(corrector) and "__call__" in dir(corrector) else None
    if not callable(corrector) or (inspect.isclass(corrector) and not inspect.isfunction(made)):
        raise SettingError(f"{kind} {reference!r} must be a function or a callable object, got {corrector!r}")
    return corrector


@lru_cache(maxsize=32)
def _entry_points(group: str, path: tuple[tuple[str, int], ...]) -> tuple[EntryPoint, ...]:
    """Those of installed packages. path: where these are and when that changed: they come and go in a notebook."""
    from importlib.metadata import entry_points  # slow to import, and seldom needed

    return tuple(sorted(entry_points(group=group), key=_by_name))


def _changed_at(folder: str) -> tuple[str, int]:
    """A folder of `sys.path` and when a package was last added to it or removed from it."""
    try:
        return folder, os.stat(folder or ".").st_mtime_ns
    except OSError:
        return folder, 0


def _by_name(point: EntryPoint) -> tuple[str, str]:
    return point.name, point.value


def _origin(point: EntryPoint) -> str:
    """The package that declares an entry point, with its version."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "another package"
