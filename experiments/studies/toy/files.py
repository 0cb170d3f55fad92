"""Toy loops as Python files, imported on running."""

import importlib.machinery
import importlib.util
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

from selfcorrect.core.errors import SettingError
from selfcorrect.runtime.identity import identity_of
from selfcorrect.runtime.supervision import forbid_exit
from selfcorrect.runtime.user_modules import find_modules
from selfcorrect.storage.files.digests import compute_digest


def select_toys(names: Sequence[str]) -> list[str]:
    """Select the toy files to run, each once.

    Raises SettingError for a file that does not exist, and for none.
    """
    expected = "a toy loop is a Python file, such as examples/loops/gaussian_correct.py in a clone of the repository"
    if not names:
        raise SettingError(f"no toy loop is named; {expected}")
    for name in names:
        if not name.endswith(".py") or not Path(name).is_file():
            raise SettingError(f"{name}: no such file; {expected}")
    return list(dict.fromkeys(names))


def name_toy(reference: str) -> str:
    """Name a toy by its file: `my_loop.py` is "my-loop"."""
    return Path(reference).stem.replace("_", "-")


def load_toy_module(reference: str) -> ModuleType:
    """Import the file of a toy, again if the file or a module beside it has changed.

    Worker processes do the same, so the module has the same name there. As in a script, modules beside the file can be
    imported. `toy(settings)` of the module declares the loop, and the defaults of `QUICK`, settings for a quick look,
    are the full settings.

    Raises:
        SettingError: The file cannot be imported, lacks `toy` or `QUICK`, or would get another toy's module in the
            place of a module beside it.
    """
    path = Path(reference).resolve()
    name = f"toy_loop_{path.stem}"
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__file__ == str(path):
        if digest_toy(loaded) == _digests[name]:
            return loaded
        for module, file in find_modules(name, path).items():
            if file and Path(file).is_relative_to(path.parent):
                sys.modules.pop(module, None)
        importlib.invalidate_caches()
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        with forbid_exit():
            _check_modules(name, path)
            spec.loader.exec_module(module)
    except SettingError:
        del sys.modules[name]
        raise
    except Exception as error:
        del sys.modules[name]
        raise SettingError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    if missing := [attribute for attribute in ("toy", "QUICK") if not hasattr(module, attribute)]:
        raise SettingError(f"{path} has no {' and no '.join(missing)}; a toy loop needs `toy(settings)` and `QUICK`")
    _digests[name] = digest_toy(module)
    return module


_digests: dict[str, str] = {}
"""Digest of each toy's code at the time of import."""


def digest_toy(module: ModuleType) -> str:
    """Return a digest of the toy's file, its modules, and the versions of imported packages."""
    return compute_digest(json.dumps(asdict(identity_of(module))).encode())


def _check_modules(name: str, path: Path) -> None:
    """Raise SettingError if a toy would import another file than the module beside the toy."""
    for module, file in find_modules(name, path).items():
        beside = importlib.machinery.PathFinder.find_spec(module, [str(path.parent)]) if "." not in module else None
        if beside is not None and beside.origin and file and Path(file).resolve() != Path(beside.origin).resolve():
            raise SettingError(
                f"{path}: its module {beside.origin} would be hidden by {file}, which has the same name; "
                "rename it, or run the loop in a command of its own"
            )
