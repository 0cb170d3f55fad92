"""Identity of users' code, by which results of other code are recognised.

`identity_of` is for all code that does not belong to this project: correctors, models, rewards, toys, and the formats,
engines, generators and remedies of other packages. An identity covers the source, all user modules that it imports
(`user_modules`), the versions of packages, the numbers and strings that the code holds, and the content of files that
it names by a `Path`.

Digests of whole files would be simpler, but do not suit scripts and notebooks. One script may declare the arms of a
comparison and run it, so that one more seed would make all finished work stale, and a notebook has no file. Of scripts
and notebooks, only what the code uses counts: the functions and values that its bytecode loads. Comments do not count,
because a loop may have run for days.
"""

from __future__ import annotations

import dis
import functools
import inspect
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from numbers import Number
from pathlib import Path
from types import CellType, MethodType, ModuleType
from typing import Any

from ..storage.files.digests import digest_path
from .user_code import SCRIPTS, is_installed, is_written_by_users, locate_home, read_source, strip_comments, unwrap
from .user_modules import describe_package, digest_module, find_modules


@dataclass(frozen=True)
class Identity:
    """Identity of code or data, as text and digests."""

    name: str
    """Module of the code, and its name there."""
    source: str = ""
    """Source of the function or class without comments, or "" if it cannot be read."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Digest, without comments, of the code's module and of all user modules that it imports, by relative path."""
    values: str = ""
    """Numbers and strings in the code and digests of files that it names, or a digest of data."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Version of each package that the code belongs to or imports, by import name; "" if it has no version."""
    holds: str = "arguments or variables"
    """What `values` are called in messages."""

    def is_edited_since(self, before: Identity) -> bool:
        """Return whether the code itself or its values have changed.

        Changes in other files do not count.
        """
        return replace(self, files={}).changed_since(replace(before, files={})) != ""

    def changed_since(self, before: Identity) -> str:
        """Describe what has changed, or return ""."""
        changes = []
        if self.name != before.name:
            changes.append(f"it is {self.name} and was {before.name}")
        if line := _describe_changed_line(strip_comments(before.source), strip_comments(self.source)):
            changes.append(line)
        if files := _list_changed(before.files, self.files):
            changes.append(f"other content in {', '.join(files)}")
        if self.values != before.values:
            changes.append(f"other {self.holds}")
        for package in _list_changed(before.packages, self.packages):
            changes.append(f"{package} {self.packages[package]} instead of {before.packages[package]}")
        return ", ".join(changes)


def _list_changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """List the keys whose values differ.

    New and missing keys follow from a change of source, so they do not count.
    """
    return sorted(key for key, value in before.items() if after.get(key, value) != value)


def _describe_changed_line(before: str, after: str) -> str:
    """Describe the first line of source that differs, or return ""."""
    for old, new in itertools.zip_longest(before.splitlines(), after.splitlines(), fillvalue=""):
        if old != new:
            return f"`{new.strip()}` instead of `{old.strip()}`"
    return ""


def identity_of(code: object) -> Identity:
    """Return the identity of users' code.

    The code may be a function, method, partial, callable object, class, module or an object with values. Comments and
    layout do not count. A user module counts if any import statement names it, even within a function. Of a script or
    notebook, only what the code uses counts. Of the values that the code holds, numbers, strings and the files behind a
    `Path` count, but arrays and weights do not. A package counts by its version, and the code's own package by its
    installed files, too.
    """
    bare = unwrap(code)
    module_name, file = locate_home(bare)
    files: dict[str, str] = {}
    packages: dict[str, str] = {}
    for name, path in find_modules(module_name, file).items():
        top = name.partition(".")[0]
        if path and is_installed(Path(path)):
            packages[top] = describe_package(top, has_files=name == module_name)
        elif path:
            files[Path(os.path.relpath(path, file.parent)).as_posix()] = digest_module(Path(path))
    return Identity(
        name=f"{module_name}:{getattr(bare, '__qualname__', '')}",
        source="" if isinstance(bare, ModuleType) else strip_comments(read_source(bare)),
        files=files,
        values="\n".join(_describe_values(_list_held_values(code), {id(code)})),
        packages=packages,
    )


def _describe_values(values: Iterable[Any], seen: set[int]) -> Iterator[str]:
    """Yield descriptions of values and their contents.

    Descriptions are numbers, strings, digests of files, and sources of users' code.

    Args:
        seen: `id` of each piece of code that has been described.
    """
    for value in values:
        if _is_plain(value):
            yield repr(value)
        elif isinstance(value, Path):
            yield f"{value.name} {digest_path(value)}"
        elif isinstance(value, set | frozenset):
            yield repr(sorted(map(repr, value)))
        elif isinstance(value, tuple | list | Mapping):
            yield from _describe_values(value.items() if isinstance(value, Mapping) else value, seen)
        elif id(value) not in seen and not isinstance(value, ModuleType):
            is_user_code = is_written_by_users(value)
            if is_user_code or (is_dataclass(value) and not isinstance(value, type)):
                seen.add(id(value))
                yield strip_comments(read_source(unwrap(value))) if is_user_code else type(value).__qualname__
                yield from _describe_values(_list_held_values(value), seen)


def _list_held_values(code: Any) -> list[Any]:
    """List the values that a piece of code holds.

    These are a partial's arguments, an object's attributes, and a function's defaults and variables.
    """
    if isinstance(code, functools.partial):
        return [*code.args, *code.keywords.values(), code.func]
    if isinstance(code, MethodType):
        return [code.__self__]
    if inspect.isfunction(code):
        variables = [cell.cell_contents for cell in code.__closure__ or () if cell != CellType()]  # those with values
        defaults = (*(code.__defaults__ or ()), *(code.__kwdefaults__ or {}).values())
        return [*defaults, *variables, *_list_script_globals(code)]
    if inspect.isclass(code) and code.__module__ in SCRIPTS:
        return [*filter(inspect.isfunction, vars(code).values())]
    if inspect.isroutine(code) or inspect.isclass(code) or inspect.ismodule(code):
        return []
    kind = type(code)
    parts = [part.name for part in fields(code) if hasattr(code, part.name)] if is_dataclass(code) else []
    names = dict.fromkeys([*parts, *getattr(code, "__dict__", ())])  # an object may have more than a dataclass's fields
    names = [name for name in names if not isinstance(getattr(kind, name, None), functools.cached_property)]
    return [*(getattr(code, name) for name in names), kind]


def _list_script_globals(function: Any) -> list[Any]:
    """List the globals used by a function of a script or notebook."""
    codes = [function.__code__] if function.__module__ in SCRIPTS else []
    names = set()
    for code in codes:
        codes += filter(inspect.iscode, code.co_consts)
        for instruction in dis.get_instructions(code):
            if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):  # names of attributes are no variables
                names.add(instruction.argval)
    return [function.__globals__[name] for name in sorted(names & function.__globals__.keys())]


def _is_plain(value: Any) -> bool:
    """Return whether a value is a number, string, None, or a container of these."""
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, (*value.keys(), *value.values())))
    return isinstance(value, bool | Number | str | bytes | None)
