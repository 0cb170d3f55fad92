"""Users' code: where it is written, what it is called, and its source."""

import ast
import functools
import inspect
import sys
import sysconfig
import textwrap
import tokenize
from pathlib import Path
from types import MethodType, ModuleType
from typing import Any

SCRIPTS = ("__main__", "__mp_main__")
"""Module names of a script that is being run, and of a notebook."""


def is_of_users(code: object) -> bool:
    """Return whether code comes from outside this project.

    For an object, its class and its `parts` count.
    """
    module_name, _ = locate_home(unwrap(code))
    return not is_ours(module_name) or any(map(is_of_users, getattr(code, "parts", ())))


def is_written_by_users(value: object) -> bool:
    """Return whether a value is users' code, or an object of a user's class.

    Users' code is in a script or in a module that is not installed.
    """
    module_name, file = locate_home(unwrap(value))
    is_users_file = file.suffix == ".py" and not is_ours(module_name) and not is_installed(file)
    return module_name in SCRIPTS or is_users_file


def is_ours(module_name: str) -> bool:
    return module_name.partition(".")[0] == "selfcorrect"


def is_installed(path: Path) -> bool:
    """Return whether a path belongs to an installed package or to Python."""
    is_packaged = any(name in path.parts for name in ("site-packages", "dist-packages"))
    return is_packaged or path.is_relative_to(sysconfig.get_path("stdlib"))


def locate_home(bare: object) -> tuple[str, Path]:
    """Return the name and file of the defining module.

    The path is empty for a module without a file.
    """
    module_name = bare.__name__ if isinstance(bare, ModuleType) else str(getattr(bare, "__module__", ""))
    return module_name, Path(getattr(sys.modules.get(module_name), "__file__", None) or "")


_UNREADABLE = (OSError, TypeError, SyntaxError, tokenize.TokenError)
"""Errors if source is missing or has changed since the import."""


def locate_code(code: object) -> str:
    """Return the file and line of a function or of an object's class, or ""."""
    bare = unwrap(code)
    try:
        return f"{Path(inspect.getsourcefile(bare) or '').name}, line {inspect.getsourcelines(bare)[1]}"
    except _UNREADABLE:
        return ""


def name_of(code: object) -> str:
    """Return the name of a corrector, looking through partials.

    The name is its attribute `name`, or that of its function or class.
    """
    while isinstance(code, functools.partial):
        code = code.func
    named = getattr(code, "name", None) or getattr(code, "__name__", None)
    return str(named or type(code).__name__)


def unwrap(code: Any) -> Any:
    """Return the function, class or module behind a wrapper.

    Wrappers are partials, methods, decorators and objects.
    """
    while isinstance(code, functools.partial):
        code = code.func
    if isinstance(code, MethodType):
        code = code.__func__
    code = inspect.unwrap(code)
    return code if inspect.isroutine(code) or isinstance(code, type | ModuleType) else type(code)


def read_source(bare: Any) -> str:
    try:
        return inspect.getsource(bare)
    except _UNREADABLE:
        return ""


@functools.lru_cache(maxsize=512)
def strip_comments(source: str) -> str:
    """Return source without comments and layout.

    A line that is not a whole statement is unchanged.
    """
    try:
        return ast.unparse(ast.parse(textwrap.dedent(source)))
    except (SyntaxError, ValueError, RecursionError):
        return source
