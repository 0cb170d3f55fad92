"""The identity of user code, so that a run notices when it is resumed with other code."""

from __future__ import annotations

import ast
import difflib
import functools
import hashlib
import importlib.machinery
import inspect
import os
import sys
import sysconfig
import textwrap
import tokenize
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MethodType
from typing import Any

from ..storage.files.limits import read_bytes

_SCRIPTS = ("__main__", "__mp_main__")
"""Names of the script that is run, or of a notebook's cells."""


@dataclass(frozen=True)
class Identity:
    """Identity of a function, a callable object or data, as text and digests."""

    name: str
    """Its module and its name there."""
    source: str
    """The source of the function or class without comments, "" where there is none to read."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Digests of its module and of the user's modules that it imports, without comments, by their relative paths."""
    values: str = ""
    """The numbers and texts that it holds, or a digest of data; "" for none."""
    package: str = ""
    """Name and version of the installed package that it belongs to, "" for none."""
    holds: str = "arguments or variables"
    """Description of `values`."""

    def is_edited_since(self, before: Identity) -> bool:
        """Return whether the code itself or its values have changed, not only files around it."""
        return replace(self, files={}).changed_since(replace(before, files={})) != ""

    def changed_since(self, before: Identity) -> str:
        """Return what has changed, in words; "" if nothing has."""
        changes = []
        if self.name != before.name:
            changes.append(f"it is {self.name} and was {before.name}")
        if line := _describe_changed_line(_normalize(before.source), _normalize(self.source)):
            changes.append(line)
        files = sorted(name for name, digest in before.files.items() if self.files.get(name, digest) != digest)
        if files:
            changes.append(f"other content in {', '.join(files)}")
        if self.values != before.values:
            changes.append(f"other {self.holds}")
        if self.package != before.package:
            changes.append(f"{self.package or 'no package'} instead of {before.package or 'no package'}")
        return ", ".join(changes)


def _describe_changed_line(before: str, after: str) -> str:
    """Return the first line of source that differs, "" for equal sources."""
    lines = {"-": "", "+": ""}
    for line in difflib.ndiff(before.splitlines(), after.splitlines()):
        sign = line[0]
        if lines.get(sign) == "":
            lines[sign] = line[2:].strip()
    return "" if before == after else f"`{lines['+']}` instead of `{lines['-']}`"


def identity_of(code: Callable[..., Any]) -> Identity:
    """Return the identity of a function, method, partial or callable object.

    Comments and layout of source do not count. Modules of the user count if any import statement names them. Of a
    script or notebook only what the code uses counts, so that other lines may change. Of the values that the code
    holds, numbers and texts count; arrays, weights and data files do not.
    """
    bare = _unwrap(code)
    module_name, file = _locate_home(bare)
    is_installed = _is_installed(file)
    files: dict[str, str] = {}
    if file.suffix == ".py" and not is_installed and module_name not in _SCRIPTS:
        files = _digest_modules(module_name, file)
    return Identity(
        name=f"{module_name}:{getattr(bare, '__qualname__', '')}",
        source=_normalize(_read_source(bare)),
        files=files,
        values="\n".join(_describe_held_values(code, {id(code)})),
        package=_describe_package(module_name) if is_installed else "",
    )


def _is_installed(path: Path) -> bool:
    """Return whether a file or folder belongs to an installed package or to Python."""
    is_packaged = any(name in path.parts for name in ("site-packages", "dist-packages"))
    return is_packaged or path.is_relative_to(sysconfig.get_path("stdlib"))


def is_of_users(code: object) -> bool:
    """Return whether a function or the class of an object belongs to none of this project's modules."""
    return _locate_home(_unwrap(code))[0].partition(".")[0] != "selfcorrect"


def _locate_home(bare: object) -> tuple[str, Path]:
    """Return name and file of the module of a function or class; an empty path for a module without a file."""
    module_name = str(getattr(bare, "__module__", ""))
    return module_name, Path(getattr(sys.modules.get(module_name), "__file__", None) or "")


_UNREADABLE = (OSError, TypeError, SyntaxError, tokenize.TokenError)
"""Errors of reading source if there is none, or if the file has changed meanwhile."""


def locate_code(code: object) -> str:
    """Return file and line where a function or a class of callable objects is defined, "" if that is unknown."""
    bare = _unwrap(code)
    try:
        return f"{Path(inspect.getsourcefile(bare) or '').name}, line {inspect.getsourcelines(bare)[1]}"
    except _UNREADABLE:
        return ""


def name_of(code: object) -> str:
    """Return the `name` of a corrector, else the name of its function or class, also behind a partial."""
    while isinstance(code, functools.partial):
        code = code.func
    named = getattr(code, "name", None) or getattr(code, "__name__", None)
    return str(named or type(code).__name__)


def _unwrap(code: Any) -> Any:
    """Return the function or class behind partials, methods, decorators and objects."""
    while isinstance(code, functools.partial):
        code = code.func
    if isinstance(code, MethodType):
        code = code.__func__
    code = inspect.unwrap(code)
    return code if inspect.isroutine(code) or inspect.isclass(code) else type(code)


def _read_source(bare: Any) -> str:
    try:
        return inspect.getsource(bare)
    except _UNREADABLE:
        return ""


def _normalize(source: str) -> str:
    """Return source without comments and layout, unchanged if it is no whole statement, such as a lambda's line."""
    try:
        return ast.unparse(ast.parse(textwrap.dedent(source)))
    except (SyntaxError, ValueError, RecursionError):
        return source


def _digest_modules(home: str, file: Path) -> dict[str, str]:
    """Return digests of a module and of the user's modules that it imports, by their paths relative to its folder."""
    digests: dict[str, str] = {}
    queue = [(home, str(file))]
    seen = {home}
    for name, path in queue:
        if not path.endswith(".py") or _is_installed(Path(path)):
            continue
        source = read_bytes(Path(path)).decode(errors="replace")
        relative = Path(os.path.relpath(path, file.parent)).as_posix()
        digests[relative] = hashlib.sha256(_normalize(source).encode()).hexdigest()
        package = name if path.endswith("__init__.py") else name.rpartition(".")[0]
        for imported in _find_imports(source, package):
            if imported not in seen:
                seen.add(imported)
                queue.append((imported, _locate_module(imported)[0]))
    return digests


def _find_imports(source: str, package: str) -> Iterator[str]:
    """Yield the modules that source imports and the packages around them; of `from a import b` also a.b."""
    try:
        nodes = [*ast.walk(ast.parse(source))]
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in nodes:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            start = ".".join(filter(None, (above, node.module)))
            names = [start, *(f"{start}.{name}" for name in names)]
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _locate_module(module: str) -> tuple[str, list[str]]:
    """Return the file of a user's module ("" if it has none) and its submodules' folders, without importing it."""
    package, _, _ = module.rpartition(".")
    if module.partition(".")[0] in (*sys.stdlib_module_names, "selfcorrect"):
        return "", []
    if module in sys.modules:
        loaded = sys.modules[module]
        return getattr(loaded, "__file__", None) or "", list(getattr(loaded, "__path__", ()))
    folders = _locate_module(package)[1] if package else None
    spec = None if folders == [] else importlib.machinery.PathFinder.find_spec(module, folders)
    return (spec.origin or "", list(spec.submodule_search_locations or ())) if spec else ("", [])


def _describe_package(module: str) -> str:
    from importlib.metadata import PackageNotFoundError, packages_distributions, version  # slow to import

    names = packages_distributions().get(module.partition(".")[0], [])
    try:
        return ", ".join(f"{name} {version(name)}" for name in names)
    except PackageNotFoundError:
        return ""


def _describe_held_values(code: Any, seen: set[int]) -> Iterator[str]:
    """Yield the numbers and texts that code holds, and the source of the user's code that it calls through values.

    Args:
        code: A function, method, partial, callable object or class.
        seen: Identities (`id`) of the code that was described already.
    """
    for value in _list_held_values(code):
        if _is_plain(value):
            yield repr(value)
        elif _is_written_by_users(value) and id(value) not in seen:
            seen.add(id(value))
            yield _normalize(_read_source(_unwrap(value)))
            yield from _describe_held_values(value, seen)


def _list_held_values(code: Any) -> list[Any]:
    """Return arguments of partials, attributes of objects, defaults and variables of functions."""
    if isinstance(code, functools.partial):
        return [*code.args, *code.keywords.values(), code.func]
    if isinstance(code, MethodType):
        return [code.__self__]
    if inspect.isfunction(code):
        variables = []
        for cell in code.__closure__ or ():
            with suppress(ValueError):  # a variable without a value
                variables.append(cell.cell_contents)
        defaults = (*(code.__defaults__ or ()), *(code.__kwdefaults__ or {}).values())
        return [*defaults, *variables, *_list_script_globals(code)]
    if inspect.isroutine(code):
        return []
    if inspect.isclass(code):
        return [*filter(inspect.isfunction, vars(code).values())] if code.__module__ in _SCRIPTS else []
    kind = type(code)
    members = getattr(code, "__dict__", {})
    names = [name for name in members if not isinstance(getattr(kind, name, None), functools.cached_property)]
    return [*(members[name] for name in names), kind]


def _list_script_globals(function: Any) -> list[Any]:
    """Return the global variables of a script that one of its functions uses."""
    codes = [function.__code__] if function.__module__ in _SCRIPTS else []
    for code in codes:
        codes += [constant for constant in code.co_consts if inspect.iscode(constant)]
    names = {name for code in codes for name in code.co_names}
    return [function.__globals__[name] for name in sorted(names & function.__globals__.keys())]


def _is_written_by_users(value: object) -> bool:
    """Return whether a value is code of a user's script or module, or an object of such a class."""
    module_name, file = _locate_home(_unwrap(value))
    return module_name in _SCRIPTS or (file.suffix == ".py" and is_of_users(value) and not _is_installed(file))


def _is_plain(value: Any) -> bool:
    """Return whether a value is a number, text, None, or a tuple, list or dictionary of plain values."""
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, (*value.keys(), *value.values())))
    return isinstance(value, bool | int | float | complex | str | bytes | None)
