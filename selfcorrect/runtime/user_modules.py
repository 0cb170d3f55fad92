"""User modules and packages that code imports, found without running anything."""

import ast
import functools
import importlib.machinery
import sys
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

from ..storage.files.digests import compute_digest, compute_file_digest
from ..storage.files.limits import read_bytes
from .user_code import SCRIPTS, is_installed, is_ours, strip_comments


def find_modules(home: str, file: Path) -> dict[str, str]:
    """Find the user modules and packages that a module imports, directly or indirectly.

    Args:
        home: Name of the module, which is part of the result.
        file: File of that module.

    Returns:
        File of each module by name; "" for scripts, and for modules of Python and of this project.
    """
    files = {home: "" if home in SCRIPTS or is_ours(home) or not file.name else str(file)}
    queue = [home]
    for name in queue:
        path = files[name]
        if not path.endswith(".py") or is_installed(Path(path)):
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


def digest_module(path: Path) -> str:
    """Return a digest of a module's source without comments, or of its compiled code."""
    is_source = path.suffix == ".py"
    return compute_digest(strip_comments(_read_file(path)).encode()) if is_source else compute_file_digest(path)


@functools.lru_cache(maxsize=512)
def _find_imports(source: str, package: str) -> tuple[str, ...]:
    """Return the modules that source imports, and their packages.

    `from a import b` may mean a.b as well.
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
    """Find a user module without importing it, or return None."""
    if is_ours(module) or module.partition(".")[0] in sys.stdlib_module_names:
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
def describe_package(name: str, *, has_files: bool = False) -> str:
    """Return an installed package's version by its import name, or "".

    Args:
        has_files: Add a digest of the installed files, because users reinstall their packages without changing the
            version.
    """
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
