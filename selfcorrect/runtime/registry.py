"""Tables of members that are chosen by name and imported when used.

Other packages can add rows through entry points in the group of the member's kind, in pyproject.toml:

    [project.entry-points."selfcorrect.correctors"]
    smooth = "my_package.correctors:smooth"
"""

from __future__ import annotations

import difflib
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields, replace
from functools import lru_cache, reduce
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from operator import attrgetter
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Generic, TypeVar

from ..core.errors import MissingExtraError, SettingError, shorten_message
from ..core.extras import requires_extra
from .identity import Identity, identity_of
from .supervision import call_fenced, fence, forbid_exit

_Options = TypeVar("_Options", bound=Any)


@dataclass(frozen=True)
class Row:
    """A member of a table."""

    name: str
    """Name of the member."""
    reference: str
    """Reference to the member's object, "package.module:attribute", imported when it is used."""
    summary: str
    """Description in one sentence."""
    needs: str = ""
    """Optional extra that the member needs; "" for the extra that installs a missing package."""
    hint: str = ""
    """Advice if that extra cannot be installed, or ""."""

    @property
    def remedy(self) -> str:
        """Advice if the member is installed but its package cannot be imported, or ""."""
        return ""


RowType = TypeVar("RowType", bound=Row)
_Answer = TypeVar("_Answer")


class Registry(Generic[RowType]):
    """Members of a kind by name.

    Rows of this package come first, in order, then those of installed packages, by name.
    """

    def __init__(
        self,
        kind: str,
        rows: Sequence[RowType],
        group: str = "",
        row_type: Callable[[str, str, str], RowType] = Row,
        also: str = "",
    ) -> None:
        """Create a table.

        Args:
            kind: What a member is called in messages, such as "corrector".
            rows: Rows of this package.
            group: Group of the entry points that add rows, or "".
            row_type: Function that makes a row from the name, reference and summary of an entry point.
            also: Description of values that are allowed besides names.
        """
        self.kind = kind
        self.group = group
        self._own = {row.name: row for row in rows}
        self._row_type = row_type
        self._also = [also] if also else []

    def __iter__(self) -> Iterator[RowType]:
        yield from self._own.values()
        yield from self._added_rows().values()

    @property
    def names(self) -> list[str]:
        return [row.name for row in self]

    def row(self, name: str) -> RowType:
        """Return the row with a name.

        Raises:
            SettingError: There is no such row, or several packages add one. The message names the alternatives.
        """
        if name in self._own:
            return self._own[name]
        origins = {point.value: _origin(point) for point in self._points() if point.name == name}
        if len(origins) > 1:
            packages = " and ".join(f"{origin} ({value})" for value, origin in origins.items())
            raise SettingError(f"{self.kind} {name!r} is added by {packages}; uninstall all but one of them")
        row = self._added_rows().get(name)
        if row is None:
            raise SettingError(describe_unknown(self.kind, name, [*self.names, *self._also]))
        return row

    def is_added(self, name: str) -> bool:
        """Return whether another package added a member."""
        return name not in self._own

    def title(self, name: str) -> str:
        """Describe another package's member with name and version, or return ""."""
        if not self.is_added(name):
            return ""
        (origin,) = {_origin(point) for point in self._points() if point.name == name} or {"another package"}
        return f"{self.kind} {name!r} of {origin}"

    @contextmanager
    def fence(self, name: str) -> Iterator[None]:
        """Fence another package's code within a block, see `supervision.fence`."""
        with fence(self.title(name)) if self.is_added(name) else nullcontext():
            yield

    def call(self, name: str, expected: type[_Answer], *arguments: Any) -> _Answer:
        """Call a member's function.

        If another package added the member, the call is fenced and the type of its answer is checked.
        """
        function = self.load(name)
        if not self.is_added(name):
            return function(*arguments)
        return call_fenced(self.title(name), expected, function, *arguments)

    def identify(self, name: str) -> dict[str, Identity]:
        """Return the identity of another package's member, by its name for messages.

        For members of this package, the result is empty.
        """
        return {f"{self.kind} {name!r}": identity_of(self.load(name))} if self.is_added(name) else {}

    def load(self, name: str) -> Any:
        """Import a member's object.

        Raises:
            MissingExtraError: The member's extra is not installed.
            SettingError: The name is unknown, another package's row refers to nothing, or the package of a row with a
                remedy cannot be imported.
        """
        row = self.row(name)
        try:
            with forbid_exit(), requires_extra(f"{self.kind} {name!r}", row.needs, row.hint):
                return import_object(row.reference)
        except MissingExtraError as error:
            if row.remedy:
                raise self._broken(row, error.__cause__ or error) from error
            raise
        except Exception as error:
            raise self._broken(row, error) from error

    def load_added(self, expected: type[_Answer]) -> dict[str, _Answer]:
        """Import the members of other packages by name.

        A member that cannot be used is left out with a warning.
        """
        members = {}
        for name, row in self._added_rows().items():
            try:
                member = self.load(name)
            except SettingError as error:
                warnings.warn(str(error), stacklevel=3)
                continue
            if isinstance(member, expected):
                members[name] = member
            else:
                place = f"{self.kind} {name!r} at {row.reference} is left out"
                warnings.warn(f"{place}: expected a {expected.__name__}, got {member!r}", stacklevel=3)
        return members

    def describe_rows(self) -> str:
        """Return one line of help per member."""
        return "\n".join(f"{row.name}: {row.summary}" for row in self)

    def _broken(self, row: RowType, error: BaseException) -> BaseException:
        """Return the error of a broken row.

        In this package it is a bug, in another package a SettingError.
        """
        reason = f"{type(error).__name__}: {shorten_message(error)}"
        if row.name in self._own:
            if not row.remedy:
                return error
            return SettingError(
                f"the {self.kind} {row.name} is installed but cannot be imported ({reason}): {row.remedy}"
            )
        return SettingError(f"{self.kind} {row.name!r} at {row.reference} cannot be imported ({reason}); {row.summary}")

    def _added_rows(self) -> dict[str, RowType]:
        """Return the rows of installed packages."""
        rows: dict[str, RowType] = {}
        for point in self._points():
            if point.name in self._own or point.name in rows:
                message = f"{self.kind} {point.name!r} of {_origin(point)} is left out: the name is taken"
                warnings.warn(message, stacklevel=3)
                continue
            rows[point.name] = self._row_type(point.name, point.value, f"Added by {_origin(point)}.")
        return rows

    def _points(self) -> tuple[EntryPoint, ...]:
        points = _read_entry_points(tuple(sys.path)).select(group=self.group) if self.group else ()
        return tuple(sorted(points, key=attrgetter("name", "value")))


def load_members(package: str, kind: type[_Answer]) -> tuple[_Answer, ...]:
    """Import all members of a kind from the files and folders of a package, in the order of their names.

    A new file or folder is a new member, and a deleted one leaves no trace.

    Args:
        package: Import name of the package that holds the files and folders.
        kind: Type of the members, which are values in a file or in a folder's `__init__.py`.
    """
    names = sorted(module.name for module in iter_modules(import_module(package).__path__))
    modules = [import_module(f"{package}.{name}") for name in names]
    return tuple(value for module in modules for value in vars(module).values() if isinstance(value, kind))


def describe_unknown(kind: str, name: str, names: Iterable[str]) -> str:
    """Describe an unknown name, with the names that exist."""
    names = list(names)
    similar = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {similar[0]!r}?" if similar else ""
    return f"unknown {kind} {name!r}, expected {'one of ' if len(names) > 1 else ''}{', '.join(names)}{hint}"


def replace_options(options: _Options, changes: Mapping[str, object]) -> _Options:
    """Return options with changed values by name.

    Raises:
        SettingError: A name is unknown.
    """
    names = [option.name for option in fields(options)]
    for name in changes:
        if name not in names:
            raise SettingError(describe_unknown("option", name, names))
    return replace(options, **changes)


def import_object(reference: str) -> Any:
    """Import "package.module:attribute" or "package.module"."""
    module, _, attribute = reference.partition(":")
    return reduce(getattr, attribute.split(".") if attribute else [], import_module(module))


def import_callable(reference: str, kind: str = "corrector", *, may_be_class: bool = False) -> Callable[..., Any]:
    """Import a callable by its reference.

    The reference is "package.module:function", possibly in the current folder, or "FILE.py:function".

    Raises:
        SettingError: The reference is malformed, or refers to nothing that can be called.
    """
    module_name, _, attribute = reference.rpartition(":")
    if not (module_name and attribute):
        raise SettingError(f"expected a {kind} as package.module:function or FILE.py:function, got {reference!r}")
    folder = os.getcwd()
    file = Path(module_name).resolve() if module_name.endswith(".py") else None
    if file is not None:
        if not file.is_file():
            raise SettingError(f"{module_name}: no such file, for {kind} {reference!r}")
        folder, module_name = str(file.parent), file.stem
    if folder not in sys.path:
        sys.path.append(folder)
    try:
        with forbid_exit():
            module = import_module(module_name)
    except Exception as error:
        raise SettingError(f"cannot import the module {module_name!r} of {kind} {reference!r}: {error}") from error
    if file is not None and Path(module.__file__ or "").resolve() != file:
        raise SettingError(f"{file} cannot be imported: {module_name!r} is another module here; rename the file")
    if not hasattr(module, attribute):
        raise SettingError(f"module {module_name!r} has no {attribute!r}, for {kind} {reference!r}")
    corrector = getattr(module, attribute)
    call = corrector.__call__ if inspect.isclass(corrector) and "__call__" in dir(corrector) else None
    if not callable(corrector) or (inspect.isclass(corrector) and not may_be_class and not inspect.isfunction(call)):
        raise SettingError(f"{kind} {reference!r} must be a function or a callable object, got {corrector!r}")
    return corrector


@lru_cache(maxsize=4)
def _read_entry_points(path: tuple[str, ...]) -> Any:
    """Read the entry points of all installed packages, which lie on `path`."""
    return entry_points()


def _origin(point: EntryPoint) -> str:
    """Return name and version of an entry point's package."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "another package"
