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
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
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
    """What a function or a callable object is, as text and digests."""

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
    """What `values` is a digest of, in words."""

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values, for `from_json`."""
        return {**vars(self), "files": dict(self.files)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The identity whose `to_json` this is."""
        return cls(**values)

    def changed_since(self, before: Identity) -> str:
        """What is not as it was, in words; "" where nothing is."""
        files = sorted(name for name, digest in before.files.items() if self._digest_now(name, digest) != digest)
        changes = [
            f"it is {self.name} and was {before.name}" if self.name != before.name else "",
            _changed_line(_code_of(before.source), _code_of(self.source)),
            f"other content in {', '.join(files)}" if files else "",
            f"other {self.holds}" if self.values != before.values else "",
            f"{self.package or 'no package'} instead of {before.package or 'no package'}"
            if self.package != before.package
            else "",
        ]
        return ", ".join(filter(None, changes))

    def _digest_now(self, name: str, before: str) -> str:
        """Return the digest of a file now, the one from before if the file is gone or is no longer imported."""
        if name in self.files:
            return self.files[name]
        return _digest_of(name) if os.path.isabs(name) and os.path.isfile(name) else before


def _changed_line(before: str, now: str) -> str:
    """The first line of source that differs, of a long one what is around the difference."""
    if before == now:
        return ""
    lines = [line for line in difflib.ndiff(before.splitlines(), now.splitlines()) if line[:2] in ("- ", "+ ")]
    gone = next((line[2:].strip() for line in lines if line[0] == "-"), "")
    new = next((line[2:].strip() for line in lines if line[0] == "+"), "")
    apart = next((place for place, (one, other) in enumerate(zip(gone, new, strict=False)) if one != other), 0)
    first = 0 if max(len(gone), len(new)) <= _SHOWN else max(apart - _SHOWN // 2, 0)
    return f"`{new[first : first + _SHOWN]}` instead of `{gone[first : first + _SHOWN]}`"


def identity_of(code: Callable[..., Any], opened: Iterable[str] = ()) -> Identity:
    """What a function, method, partial or callable object is: source, modules, what it holds, package.

    opened: files that it opened, as `note_opened` lists them. Comments and layout of source do not count. Modules count
    that are the user's and that an import statement names, wherever it stands. Of a script that is run, or a notebook,
    only what the code uses counts, so that the rest of it may change.
    """
    bare = _bare(code)
    home = sys.modules.get(getattr(bare, "__module__", None) or "")
    file = Path(getattr(home, "__file__", None) or "")
    inside = any(name in file.parts for name in _PACKAGES)
    data = {path: _digest_of(path) for path in sorted(opened) if _is_data(path)}
    return Identity(
        f"{getattr(bare, '__module__', '')}:{getattr(bare, '__qualname__', '')}",
        _code_of(_source(bare)),
        data if inside or home is None else _modules(home.__name__, file) | data,
        _held_by(code),
        _package(str(getattr(bare, "__module__", ""))) if inside else "",
    )


def note_opened() -> set[str]:
    """The files that this process opens from now on to read, and has not written; there is no end to that."""
    opened, written = set[str](), set[str]()

    def note(event: str, said: tuple[Any, ...]) -> None:
        if event != "open":
            return
        with suppress(Exception):  # which would become one of the code that opens the file
            path, changes = os.path.abspath(os.fsdecode(said[0])), said[2] & (os.O_WRONLY | os.O_RDWR)
            (written if changes else opened).add(path)
            opened.difference_update(written)

    sys.addaudithook(note)
    return opened


def _digest_of(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_data(path: str) -> bool:
    """Whether a file is there, is the user's, and is no module; caches lie in hidden folders, and what installers keep
    of a package, which Python reads when entry points are looked up, beside it.
    """
    real = os.path.realpath(path)
    hidden = any(part.startswith(".") or part.endswith((".dist-info", ".egg-info")) for part in Path(real).parts)
    module = real.endswith((".py", ".pyc", ".so", ".pyd", ".dll"))
    return os.path.isfile(real) and not (hidden or module or _is_installed(real))


def _is_installed(real: str) -> bool:
    """Whether a file is part of Python, the system, this project or a package."""
    return any(name in Path(real).parts for name in _PACKAGES) or real.startswith((*_SYSTEM, *_OURS))


def is_of_users(code: object) -> bool:
    """Whether a function or the class of an object belongs to none of this project's modules."""
    return str(getattr(_bare(code), "__module__", "")).partition(".")[0] != "selfcorrect"


_UNREADABLE = (OSError, TypeError, SyntaxError, tokenize.TokenError)
"""What asking for source raises where there is none, or where the file holds something else by now."""


def place_of(code: object) -> str:
    """File and line where a function or a class of callable objects is defined, "" where that is unknown."""
    bare = _bare(code)
    try:
        return f"{Path(inspect.getsourcefile(bare) or '').name}, line {inspect.getsourcelines(bare)[1]}"
    except _UNREADABLE:
        return ""


def name_of(code: object) -> str:
    """The `name` of a corrector, else that of its function or class; a partial is called as its function."""
    while isinstance(code, functools.partial):
        code = code.func
    named = getattr(code, "name", None) or getattr(code, "__name__", None)
    return str(named or type(code).__name__)


def _bare(code: Any) -> Any:
    """The function or class behind partials, methods, decorators and objects."""
    while isinstance(code, functools.partial):
        code = code.func
    if isinstance(code, MethodType):
        code = code.__func__
    code = inspect.unwrap(code)
    return code if inspect.isroutine(code) or inspect.isclass(code) else type(code)


def _source(bare: Any) -> str:
    try:
        return inspect.getsource(bare)
    except _UNREADABLE:
        return ""


def _code_of(source: str) -> str:
    """Source without comments and layout of its own; as it is where it is no whole statement, as a lambda's line."""
    try:
        return ast.unparse(ast.parse(textwrap.dedent(source)))
    except (SyntaxError, ValueError, RecursionError):
        return source


_PARSED = "parsed:"
"""Prefix of digests of parsed source."""


def _modules(home: str, file: Path) -> dict[str, str]:
    """Digests of the user's modules that a module imports, and of itself, by their places beside its file."""
    found, left = dict[str, str](), [(home, str(file))]
    seen = {home}
    for name, path in left:
        if name in _SCRIPTS or not path.endswith(".py") or _is_installed(os.path.realpath(path)):
            continue
        source = Path(path).read_text(encoding="utf-8", errors="replace")
        digest = hashlib.sha256(_code_of(source).encode()).hexdigest()
        found[Path(os.path.relpath(path, file.parent)).as_posix()] = f"{_PARSED}{digest}"
        for other in _imported(source, name if path.endswith("__init__.py") else name.rpartition(".")[0]):
            if other not in seen:
                seen.add(other)
                left.append((other, _places_of(other)[0]))
    return found


def _imported(source: str, package: str) -> Iterator[str]:
    """Names of what source imports, and of the packages around it; of `from a import b` also a.b, in case it is one."""
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


def _places_of(module: str) -> tuple[str, list[str]]:
    """The file of a module, "" where it has none, and the folders of modules in it; nothing is imported."""
    package, _, _ = module.rpartition(".")
    if module in sys.modules:
        loaded = sys.modules[module]
        return getattr(loaded, "__file__", None) or "", list(getattr(loaded, "__path__", ()))
    if module.partition(".")[0] in (*sys.stdlib_module_names, "selfcorrect"):
        return "", []
    folders = _places_of(package)[1] if package else None
    spec = None if folders == [] else importlib.machinery.PathFinder.find_spec(module, folders)
    return (spec.origin or "", list(spec.submodule_search_locations or ())) if spec else ("", [])


def _package(module: str) -> str:
    from importlib.metadata import packages_distributions  # reads all that is installed

    names = packages_distributions().get(module.partition(".")[0], [])
    try:
        return ", ".join(f"{name} {version(name)}" for name in names)
    except PackageNotFoundError:
        return ""


# --- what code holds -------------------------------------------------------------------------------------------------


def _held_by(code: Any) -> str:
    digest = hashlib.sha256()
    parts = [*_held(code)]
    seen = {id(code)}
    for part in parts:
        _add(digest, part, 0, seen)
    return digest.hexdigest() if parts else ""


def _held(code: Any) -> Iterator[Any]:
    """Arguments of partials, attributes of objects, defaults and variables of functions."""
    while isinstance(code, functools.partial):
        yield code.args, code.keywords
        code = code.func
    if isinstance(code, MethodType):
        yield from _held(code.__self__)
    elif hasattr(code, "state_dict") and not inspect.isclass(code):
        yield dict(code.state_dict())
    elif inspect.isfunction(code):
        yield from filter(None, (code.__defaults__, code.__kwdefaults__))
        yield from (cell.cell_contents for cell in code.__closure__ or () if _is_filled(cell))
        yield from _used_of_script(code)
    elif inspect.isclass(code):
        yield from (each for each in vars(code).values() if inspect.isfunction(each) and each.__module__ in _SCRIPTS)
    elif not inspect.isroutine(code) and getattr(code, "__dict__", None):
        kept = {name for name in vars(code) if isinstance(getattr(type(code), name, None), functools.cached_property)}
        yield {name: value for name, value in vars(code).items() if name not in kept}
    if not inspect.isroutine(code) and type(code).__module__ in _SCRIPTS:
        yield type(code)


def _used_of_script(function: Any) -> Iterator[Any]:
    """Global variables of a script that one of its functions uses, modules left out."""
    if function.__module__ not in _SCRIPTS:
        return
    codes = [function.__code__]
    for code in codes:
        codes += [each for each in code.co_consts if inspect.iscode(each)]
    names = sorted({name for code in codes for name in code.co_names} & function.__globals__.keys())
    yield from (function.__globals__[name] for name in names if not inspect.ismodule(function.__globals__[name]))


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


_DEEPEST = 20
_UNORDERED = "_use_default_values"
"""The settings of a scheduler of diffusers that were not given, in an order that differs from process to process."""


def _add(digest: Any, value: Any, depth: int, seen: set[int]) -> None:
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
            _add(digest, key, depth + 1, seen)
            _add(digest, value[key], depth + 1, seen)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value if isinstance(value, list | tuple) else sorted(value, key=repr):
            _add(digest, item, depth + 1, seen)
    elif (array := _as_array(value)) is not None:
        digest.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    elif callable(value) or hasattr(value, "__dict__"):
        bare = _bare(value)
        digest.update(
            (_code_of(_source(bare)) if is_of_users(bare) else f"{bare.__module__}:{bare.__qualname__}").encode()
        )
        for part in _held(value) if id(value) not in seen else ():
            seen.add(id(value))
            _add(digest, part, depth + 1, seen)
    else:
        digest.update(_pickle_of(value))


def _as_array(value: Any) -> np.ndarray | None:
    if isinstance(value, bool | int | float | complex | str | bytes | np.generic | np.ndarray):
        array = np.asarray(value)
        return array if array.dtype != object else None
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return None


def _pickle_of(value: Any) -> bytes:
    try:
        return pickle.dumps(value)
    except Exception:  # files, locks, generators: nothing that could be compared
        return b""
