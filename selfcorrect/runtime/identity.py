"""Identity of user code.

It shows a run or a command that a result comes from other code.

`identity_of` is for all code that this project does not bring: correctors, models, rewards, toys, and the formats,
engines, generators and remedies of other packages. The identity covers the content of the code and of all modules of
the user that the code imports, versions of packages, the numbers and texts that the code holds, and the content of the
files that the code names by a `Path`.

An identity takes about 30 ms, once in a command. Digests of whole files would take as long. They would repeat finished
work after a changed comment or another cell of a notebook, and would miss the variables that a script's code uses.
"""

from __future__ import annotations

import ast
import dis
import functools
import importlib.machinery
import inspect
import itertools
import os
import sys
import sysconfig
import textwrap
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from numbers import Number
from pathlib import Path
from types import CellType, MethodType, ModuleType
from typing import Any

from ..storage.files.digests import compute_digest, compute_file_digest
from ..storage.files.limits import read_bytes
from ..storage.files.locks import LOCK

_SCRIPTS = ("__main__", "__mp_main__")
"""Names of the script that is run, or of a notebook's cells."""


@dataclass(frozen=True)
class Identity:
    """Identity of code or data, as text and digests."""

    name: str
    """Module of the code, and the name there."""
    source: str = ""
    """The source of the function or class without comments, "" if there is none to read."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Relative path → digest of a module without comments. These are the module and the user's modules that the code
    imports."""
    values: str = ""
    """Numbers and texts in the code. Digests of the files that it names are here, too; or a digest of data."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Package → version, "" without one. The code belongs to these packages or imports them; names are those of
    imports."""
    holds: str = "arguments or variables"
    """Description of `values`."""

    def is_edited_since(self, before: Identity) -> bool:
        """Return whether code or its values have changed.

        Changes of other files alone do not count.
        """
        return replace(self, files={}).changed_since(replace(before, files={})) != ""

    def changed_since(self, before: Identity) -> str:
        """Describe what has changed, "" if nothing has."""
        changes = []
        if self.name != before.name:
            changes.append(f"it is {self.name} and was {before.name}")
        if line := _describe_changed_line(_normalize(before.source), _normalize(self.source)):
            changes.append(line)
        if files := _list_changed(before.files, self.files):
            changes.append(f"other content in {', '.join(files)}")
        if self.values != before.values:
            changes.append(f"other {self.holds}")
        for package in _list_changed(before.packages, self.packages):
            changes.append(f"{package} {self.packages[package]} instead of {before.packages[package]}")
        return ", ".join(changes)


def _list_changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return the keys of both with different values; keys that came or went follow from changes of source."""
    return sorted(key for key, value in before.items() if after.get(key, value) != value)


def _describe_changed_line(before: str, after: str) -> str:
    """Return the first source line that differs, "" for equal sources."""
    for old, new in itertools.zip_longest(before.splitlines(), after.splitlines(), fillvalue=""):
        if old != new:
            return f"`{new.strip()}` instead of `{old.strip()}`"
    return ""


def identity_of(code: object) -> Identity:
    """Return the identity of user code.

    The code is a function, method, partial, callable object, class, module or object of values. Comments and layout of
    source do not count. Modules of the user count if any import statement names them. Of a script or notebook only what
    the code uses counts, so that other lines may change. Of the values that the code holds, numbers, texts and the
    files behind a `Path` count; arrays and weights do not. A package counts by version, the package of the code also by
    the files that were installed with the package.
    """
    bare = _unwrap(code)
    module_name, file = _locate_home(bare)
    files: dict[str, str] = {}
    packages: dict[str, str] = {}
    for name, path in find_modules(module_name, file).items():
        top = name.partition(".")[0]
        if path and _is_installed(Path(path)):
            packages[top] = _describe_package(top, has_files=name == module_name)
        elif path:
            files[Path(os.path.relpath(path, file.parent)).as_posix()] = _digest_module(Path(path))
    return Identity(
        name=f"{module_name}:{getattr(bare, '__qualname__', '')}",
        source="" if isinstance(bare, ModuleType) else _normalize(_read_source(bare)),
        files=files,
        values="\n".join(_describe_values(_list_held_values(code), {id(code)})),
        packages=packages,
    )


def _is_installed(path: Path) -> bool:
    """Return whether a path belongs to an installed package or to Python."""
    is_packaged = any(name in path.parts for name in ("site-packages", "dist-packages"))
    return is_packaged or path.is_relative_to(sysconfig.get_path("stdlib"))


def is_of_users(code: object) -> bool:
    """Return whether code is not of this project.

    The code is a function, the class of an object, or one of the object's `parts`.
    """
    module_name, _ = _locate_home(_unwrap(code))
    return not _is_ours(module_name) or any(map(is_of_users, getattr(code, "parts", ())))


def _is_ours(module_name: str) -> bool:
    return module_name.partition(".")[0] == "selfcorrect"


def _locate_home(bare: object) -> tuple[str, Path]:
    """Return name and file of the defining module; the path is empty for a module without a file."""
    module_name = bare.__name__ if isinstance(bare, ModuleType) else str(getattr(bare, "__module__", ""))
    return module_name, Path(getattr(sys.modules.get(module_name), "__file__", None) or "")


_UNREADABLE = (OSError, TypeError, SyntaxError, tokenize.TokenError)
"""Errors of reading source that is missing. The file may have changed meanwhile, too."""


def locate_code(code: object) -> str:
    """Return file and line of a function or callable object's class, "" if unknown."""
    bare = _unwrap(code)
    try:
        return f"{Path(inspect.getsourcefile(bare) or '').name}, line {inspect.getsourcelines(bare)[1]}"
    except _UNREADABLE:
        return ""


def name_of(code: object) -> str:
    """Return the name of a corrector.

    This is its `name`, or the name of its function or class, also behind a partial.
    """
    while isinstance(code, functools.partial):
        code = code.func
    named = getattr(code, "name", None) or getattr(code, "__name__", None)
    return str(named or type(code).__name__)


def _unwrap(code: Any) -> Any:
    """Return the function, class or module behind partials, methods, decorators and objects."""
    while isinstance(code, functools.partial):
        code = code.func
    if isinstance(code, MethodType):
        code = code.__func__
    code = inspect.unwrap(code)
    return code if inspect.isroutine(code) or isinstance(code, type | ModuleType) else type(code)


def _read_source(bare: Any) -> str:
    try:
        return inspect.getsource(bare)
    except _UNREADABLE:
        return ""


@functools.lru_cache(maxsize=512)
def _normalize(source: str) -> str:
    """Return source without comments and layout.

    Source that is not a whole statement, such as a lambda's line, is unchanged.
    """
    try:
        return ast.unparse(ast.parse(textwrap.dedent(source)))
    except (SyntaxError, ValueError, RecursionError):
        return source


def find_modules(home: str, file: Path) -> dict[str, str]:
    """Find the files that code depends on.

    These are the files of its module, of the user's modules that the module imports, and of the packages that all these
    import.

    Args:
        home: Name of the module.

    Returns:
        File of each module by name, "" for a module without one; scripts and modules of Python and of this project have
        none.
    """
    files = {home: "" if home in _SCRIPTS or _is_ours(home) or not file.name else str(file)}
    queue = [home]
    for name in queue:
        path = files[name]
        if not path.endswith(".py") or _is_installed(Path(path)):
            continue
        package = name if path.endswith("__init__.py") else name.rpartition(".")[0]
        for imported in _find_imports(_read_file(Path(path)), package):
            if imported not in files:
                spec = _find_spec(imported)
                files[imported] = (spec.origin if spec else None) or ""
                queue.append(imported)
    return files


def _read_file(path: Path) -> str:
    return read_bytes(path).decode(errors="replace")


def _digest_module(path: Path) -> str:
    """Return a digest of source, normalised first, or of compiled code."""
    is_source = path.suffix == ".py"
    return compute_digest(_normalize(_read_file(path)).encode()) if is_source else compute_file_digest(path)


@functools.lru_cache(maxsize=512)
def _find_imports(source: str, package: str) -> tuple[str, ...]:
    """Return the modules that source imports, with the packages around them.

    `from a import b` also gives a.b.
    """
    try:
        nodes = [*ast.walk(ast.parse(source))]
    except (SyntaxError, ValueError, RecursionError):
        return ()
    imported = []
    for node in nodes:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            start = ".".join(filter(None, (above, node.module)))
            names = [start, *(f"{start}.{name}" for name in names)]
        for name in names:
            parts = name.split(".")
            imported.extend(".".join(parts[:end]) for end in range(1, len(parts) + 1))
    return tuple(dict.fromkeys(imported))


def _find_spec(module: str) -> importlib.machinery.ModuleSpec | None:
    """Find a user module without importing it; None for an unknown module."""
    if _is_ours(module) or module.partition(".")[0] in sys.stdlib_module_names:
        return None
    if spec := getattr(sys.modules.get(module), "__spec__", None):
        return spec
    package, _, _ = module.rpartition(".")
    if not package:
        return importlib.machinery.PathFinder.find_spec(module)
    parent = _find_spec(package)
    folders = parent.submodule_search_locations if parent else None
    return importlib.machinery.PathFinder.find_spec(module, folders) if folders else None


@functools.cache
def _describe_package(name: str, *, has_files: bool = False) -> str:
    """Return an installed package's version by import name, "" without a version.

    Args:
        has_files: Add a digest of the files that were installed with that version.
    """
    from importlib.metadata import PackageNotFoundError, distribution, packages_distributions  # slow to import

    try:
        installed = distribution(name)
    except PackageNotFoundError:
        names = packages_distributions().get(name)
        if not names:
            return ""
        installed = distribution(names[0])
    if not has_files:
        return installed.version
    lines = (installed.read_text("RECORD") or "").splitlines()
    hashes = sorted(line for line in lines if ",sha256=" in line and ".dist-info/" not in line)
    return f"{installed.version} (files {compute_digest(chr(10).join(hashes).encode())[:8]})"


def _describe_values(values: Iterable[Any], seen: set[int]) -> Iterator[str]:
    """Yield descriptions of values and their contents: numbers, texts, digests of files, and sources of user code.

    Args:
        seen: Identities (`id`) of the code that was described already.
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
            is_user_code = _is_written_by_users(value)
            if is_user_code or (is_dataclass(value) and not isinstance(value, type)):
                seen.add(id(value))
                yield _normalize(_read_source(_unwrap(value))) if is_user_code else type(value).__qualname__
                yield from _describe_values(_list_held_values(value), seen)


def digest_path(path: Path) -> str:
    """Return a digest of a file or folder, "" without either.

    The content of a file counts, and names and contents in a folder. Folders that this project writes into do not
    count, because a run may lie beside the data.
    """
    if not path.is_dir():
        return compute_file_digest(path)
    outputs = {lock.parent for lock in path.rglob(LOCK)}
    files = sorted(file for file in path.rglob("*") if file.is_file() and outputs.isdisjoint(file.parents))
    lines = [f"{file.relative_to(path).as_posix()} {compute_file_digest(file)}" for file in files]
    return compute_digest("\n".join(lines).encode()) if lines else ""


def _list_held_values(code: Any) -> list[Any]:
    """Return the values in partials' arguments, objects' attributes, and functions' defaults and variables."""
    if isinstance(code, functools.partial):
        return [*code.args, *code.keywords.values(), code.func]
    if isinstance(code, MethodType):
        return [code.__self__]
    if inspect.isfunction(code):
        variables = [cell.cell_contents for cell in code.__closure__ or () if cell != CellType()]  # those with values
        defaults = (*(code.__defaults__ or ()), *(code.__kwdefaults__ or {}).values())
        return [*defaults, *variables, *_list_script_globals(code)]
    if inspect.isclass(code) and code.__module__ in _SCRIPTS:
        return [*filter(inspect.isfunction, vars(code).values())]
    if inspect.isroutine(code) or inspect.isclass(code) or inspect.ismodule(code):
        return []
    kind = type(code)
    parts = [part.name for part in fields(code) if hasattr(code, part.name)] if is_dataclass(code) else []
    names = dict.fromkeys([*parts, *getattr(code, "__dict__", ())])  # an object may have more than a dataclass's fields
    names = [name for name in names if not isinstance(getattr(kind, name, None), functools.cached_property)]
    return [*(getattr(code, name) for name in names), kind]


def _list_script_globals(function: Any) -> list[Any]:
    """Return the script's globals that a function uses."""
    codes = [function.__code__] if function.__module__ in _SCRIPTS else []
    names = set()
    for code in codes:
        codes += filter(inspect.iscode, code.co_consts)
        for instruction in dis.get_instructions(code):
            if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):  # names of attributes are no variables
                names.add(instruction.argval)
    return [function.__globals__[name] for name in sorted(names & function.__globals__.keys())]


def _is_written_by_users(value: object) -> bool:
    """Return whether a value is user code, or an object of a class in a user's script or module."""
    module_name, file = _locate_home(_unwrap(value))
    is_users_file = file.suffix == ".py" and not _is_ours(module_name) and not _is_installed(file)
    return module_name in _SCRIPTS or is_users_file


def _is_plain(value: Any) -> bool:
    """Return whether a value is a number, text, None, or a tuple, list or dictionary of such values."""
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, (*value.keys(), *value.values())))
    return isinstance(value, bool | Number | str | bytes | None)
