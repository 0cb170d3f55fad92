"""The identity of user code, so that a run notices when it is resumed with other code."""

from __future__ import annotations

import ast
import difflib
import functools
import hashlib
import importlib.machinery
import inspect
import os
import pickle
import sys
import textwrap
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MethodType
from typing import Any, Self

import numpy as np

_PACKAGES = ("site-packages", "dist-packages")
_SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/", *(
    f"{os.path.realpath(prefix)}{os.sep}{name}{os.sep}"
    for prefix in dict.fromkeys((sys.prefix, sys.base_prefix, "/usr")) for name in ("lib", "lib64", "share")
))  # fmt: skip
_OURS = tuple(
    f"{Path(__file__).resolve().parents[2] / name}{os.sep}"
    for name in ("selfcorrect", "simulators", "datasets", "experiments")
)
"""Folders of this project, where it is not installed among other packages."""
_SCRIPTS = ("__main__", "__mp_main__")
"""Names of the script that is run, or of a notebook's cells."""
_SHOWN = 60
"""Characters of a line of source in a message."""


@dataclass(frozen=True)
class Identity:
    """Identity of a function or a callable object, as text and digests."""

    name: str
    """Its module and its name there."""
    source: str
    """The source of the function or class without comments, "" where there is none to read."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Digests of its module and of the user's modules that it imports, by their places beside that, without comments;
    and of the data files that it opened, by their paths."""
    values: str = ""
    """A digest of arguments, attributes, weights and variables that it holds, "" where it holds none."""
    package: str = ""
    """Name and version of the installed package that it belongs to, "" for none."""
    holds: str = "arguments, weights or variables"
    """Description of what `values` is a digest of."""

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values, for `from_json`."""
        return {**vars(self), "files": dict(self.files)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The identity whose `to_json` this is."""
        return cls(**values)

    def with_data_files(self, opened: Iterable[str]) -> Self:
        """Return the identity with digests of the data files among those that the code opened."""
        data_files = {path: _digest_file(path) for path in sorted(opened) if _is_data(path)}
        return replace(self, files={**self.files, **data_files})

    def is_edited_since(self, before: Identity) -> bool:
        """Return whether the code itself or what it holds has changed, not only files around it."""
        return replace(self, files={}).changed_since(replace(before, files={})) != ""

    def changed_since(self, before: Identity) -> str:
        """Return what has changed, in words; "" if nothing has."""
        changes = []
        if self.name != before.name:
            changes.append(f"it is {self.name} and was {before.name}")
        if line := _describe_changed_line(_normalize(before.source), _normalize(self.source)):
            changes.append(line)
        files = sorted(name for name, digest in before.files.items() if self._current_digest(name, digest) != digest)
        if files:
            changes.append(f"other content in {', '.join(files)}")
        if self.values != before.values:
            changes.append(f"other {self.holds}")
        if self.package != before.package:
            changes.append(f"{self.package or 'no package'} instead of {before.package or 'no package'}")
        return ", ".join(changes)

    def _current_digest(self, name: str, before: str) -> str:
        """Return the digest of a file now, the one from before if the file is gone or is no longer imported."""
        if name in self.files:
            return self.files[name]
        return _digest_file(name) if os.path.isabs(name) and os.path.isfile(name) else before


def _describe_changed_line(before: str, after: str) -> str:
    """Return the first line of source that differs, of a long line the part around the difference."""
    if before == after:
        return ""
    removed = ""
    added = ""
    for line in difflib.ndiff(before.splitlines(), after.splitlines()):
        if line.startswith("- ") and not removed:
            removed = line[2:].strip()
        elif line.startswith("+ ") and not added:
            added = line[2:].strip()
    start = 0
    if max(len(removed), len(added)) > _SHOWN:
        pairs = enumerate(zip(removed, added, strict=False))
        difference = next((place for place, (old, new) in pairs if old != new), 0)
        start = max(difference - _SHOWN // 2, 0)
    end = start + _SHOWN
    return f"`{added[start:end]}` instead of `{removed[start:end]}`"


def identity_of(code: Callable[..., Any], opened: Iterable[str] = ()) -> Identity:
    """Return the identity of a function, method, partial or callable object.

    Comments and layout of source do not count. Of modules, those of the user count that an import statement names,
    wherever it stands. Of a script or notebook only what the code uses counts, so that the rest may change.

    Args:
        code: The code.
        opened: Files that it opened, as `record_opened_files` lists them.
    """
    bare = _unwrap(code)
    module_name = str(getattr(bare, "__module__", ""))
    module = sys.modules.get(module_name)
    file = Path(getattr(module, "__file__", None) or "")
    is_packaged = any(name in file.parts for name in _PACKAGES)
    files: dict[str, str] = {}
    if module is not None and not is_packaged:
        files = _digest_modules(module.__name__, file)
    identity = Identity(
        name=f"{module_name}:{getattr(bare, '__qualname__', '')}",
        source=_normalize(_read_source(bare)),
        files=files,
        values=_digest_held_values(code),
        package=_describe_package(module_name) if is_packaged else "",
    )
    return identity.with_data_files(opened)


class OpenedFiles(set[str]):
    """Files that this process opened to read, and has not written since the set was made or cleared."""

    def __init__(self) -> None:
        super().__init__()
        self.written: set[str] = set()

    def clear(self) -> None:
        super().clear()
        self.written.clear()


def record_opened_files() -> OpenedFiles:
    """Return a set that from now on receives the files which this process opens to read and has not written."""
    opened = OpenedFiles()

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open":
            return
        with suppress(Exception):  # which would become an exception of the code that opens the file
            path = os.path.abspath(os.fsdecode(arguments[0]))
            is_writing = arguments[2] & (os.O_WRONLY | os.O_RDWR)
            (opened.written if is_writing else opened).add(path)
            opened.difference_update(opened.written)

    sys.addaudithook(audit)
    return opened


def _digest_file(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_data(path: str) -> bool:
    """Return whether a file exists, belongs to the user, and is no module.

    Caches in hidden folders do not count, nor do the entry points that installers keep beside a package.
    """
    real = os.path.realpath(path)
    parts = Path(real).parts
    is_hidden = any(part.startswith(".") or part.endswith((".dist-info", ".egg-info")) for part in parts)
    is_module = real.endswith((".py", ".pyc", ".so", ".pyd", ".dll"))
    return os.path.isfile(real) and not (is_hidden or is_module or _is_installed(real))


def _is_installed(real: str) -> bool:
    """Return whether a file is part of Python, the system, this project or a package."""
    return any(name in Path(real).parts for name in _PACKAGES) or real.startswith((*_SYSTEM, *_OURS))


def is_of_users(code: object) -> bool:
    """Return whether a function or the class of an object belongs to none of this project's modules."""
    return str(getattr(_unwrap(code), "__module__", "")).partition(".")[0] != "selfcorrect"


_UNREADABLE = (OSError, TypeError, SyntaxError, tokenize.TokenError)
"""Errors of reading source if there is none, or if the file has changed meanwhile."""


def place_of(code: object) -> str:
    """Return file and line where a function or a class of callable objects is defined, "" if that is unknown."""
    bare = _unwrap(code)
    try:
        return f"{Path(inspect.getsourcefile(bare) or '').name}, line {inspect.getsourcelines(bare)[1]}"
    except _UNREADABLE:
        return ""


def name_of(code: object) -> str:
    """Return the `name` of a corrector, else that of its function or class; a partial has the name of its function."""
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


_PARSED = "parsed:"
"""Prefix of digests of parsed source."""


def _digest_modules(home: str, file: Path) -> dict[str, str]:
    """Return digests of a module and of the user's modules that it imports, by their paths relative to its folder."""
    digests: dict[str, str] = {}
    queue = [(home, str(file))]
    seen = {home}
    for name, path in queue:
        if name in _SCRIPTS or not path.endswith(".py") or _is_installed(os.path.realpath(path)):
            continue
        source = Path(path).read_text(encoding="utf-8", errors="replace")
        digest = hashlib.sha256(_normalize(source).encode()).hexdigest()
        relative = Path(os.path.relpath(path, file.parent)).as_posix()
        digests[relative] = f"{_PARSED}{digest}"
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
    """Return the file of a module ("" if it has none) and the folders of its submodules, without importing it."""
    package, _, _ = module.rpartition(".")
    if module in sys.modules:
        loaded = sys.modules[module]
        return getattr(loaded, "__file__", None) or "", list(getattr(loaded, "__path__", ()))
    if module.partition(".")[0] in (*sys.stdlib_module_names, "selfcorrect"):
        return "", []
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


# --- what code holds -------------------------------------------------------------------------------------------------


def _digest_held_values(code: Any) -> str:
    digest = hashlib.sha256()
    parts = [*_list_held_values(code)]
    seen = {id(code)}
    for part in parts:
        _update_digest(digest, part, 0, seen)
    return digest.hexdigest() if parts else ""


def _list_held_values(code: Any) -> Iterator[Any]:
    """Yield arguments of partials, attributes of objects, defaults and variables of functions."""
    while isinstance(code, functools.partial):
        yield code.args, code.keywords
        code = code.func
    if isinstance(code, MethodType):
        yield from _list_held_values(code.__self__)
    elif hasattr(code, "state_dict") and not inspect.isclass(code):
        yield dict(code.state_dict())
    elif inspect.isfunction(code):
        yield from filter(None, (code.__defaults__, code.__kwdefaults__))
        yield from (cell.cell_contents for cell in code.__closure__ or () if _has_value(cell))
        yield from _list_script_globals(code)
    elif inspect.isclass(code):
        for member in vars(code).values():
            if inspect.isfunction(member) and member.__module__ in _SCRIPTS:
                yield member
    elif not inspect.isroutine(code) and getattr(code, "__dict__", None):
        cached = {name for name in vars(code) if isinstance(getattr(type(code), name, None), functools.cached_property)}
        yield {name: value for name, value in vars(code).items() if name not in cached}
    if not inspect.isroutine(code) and type(code).__module__ in _SCRIPTS:
        yield type(code)


def _list_script_globals(function: Any) -> Iterator[Any]:
    """Yield the global variables of a script that one of its functions uses, except modules."""
    if function.__module__ not in _SCRIPTS:
        return
    codes = [function.__code__]
    for code in codes:
        codes += [constant for constant in code.co_consts if inspect.iscode(constant)]
    names = sorted({name for code in codes for name in code.co_names} & function.__globals__.keys())
    yield from (function.__globals__[name] for name in names if not inspect.ismodule(function.__globals__[name]))


def _has_value(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


_DEEPEST = 20
_UNORDERED = "_use_default_values"
"""The settings of a scheduler of diffusers that were not given, in an order that differs from process to process."""


def _update_digest(digest: Any, value: Any, depth: int, seen: set[int]) -> None:
    """Add a value to a digest: numbers, text, arrays and tensors by content, code by source, others as pickles.

    seen: ids of code and objects that are added already.
    """
    digest.update(f"|{type(value).__qualname__}".encode())
    if depth > _DEEPEST:
        return
    if isinstance(value, Mapping):
        for key in value:
            if key == _UNORDERED:
                continue
            _update_digest(digest, key, depth + 1, seen)
            _update_digest(digest, value[key], depth + 1, seen)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value if isinstance(value, list | tuple) else sorted(value, key=repr):
            _update_digest(digest, item, depth + 1, seen)
    elif (array := _to_array(value)) is not None:
        digest.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    elif callable(value) or hasattr(value, "__dict__"):
        bare = _unwrap(value)
        source = _normalize(_read_source(bare)) if is_of_users(bare) else f"{bare.__module__}:{bare.__qualname__}"
        digest.update(source.encode())
        if id(value) in seen:
            return
        for part in _list_held_values(value):
            seen.add(id(value))
            _update_digest(digest, part, depth + 1, seen)
    else:
        with suppress(Exception):  # files, locks, generators: nothing that could be compared
            digest.update(pickle.dumps(value))


def _to_array(value: Any) -> np.ndarray | None:
    if isinstance(value, bool | int | float | complex | str | bytes | np.generic | np.ndarray):
        array = np.asarray(value)
        return array if array.dtype != object else None
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return None
