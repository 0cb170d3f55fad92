"""Toy loops as Python files, imported when they are run."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from selfcorrect.core.errors import SettingError
from selfcorrect.runtime.supervision import forbid_exit


def select_toys(names: Sequence[str]) -> list[str]:
    """Return the files of the toys to run, each once; SettingError for a file that does not exist, and for none."""
    expected = "a toy loop is a Python file, such as examples/loops/gaussian_correct.py in a clone of the repository"
    if not names:
        raise SettingError(f"no toy loop is named; {expected}")
    for name in names:
        if not name.endswith(".py") or not Path(name).is_file():
            raise SettingError(f"{name}: no such file; {expected}")
    return list(dict.fromkeys(names))


def name_toy(reference: str) -> str:
    """Return the name of a toy, which is its file's: `my_loop.py` is "my-loop"."""
    return Path(reference).stem.replace("_", "-")


def load_toy_module(reference: str) -> ModuleType:
    """Import the file of a toy once; worker processes do it again, so it is known by the same name there.

    As in a script, modules beside the file can be imported. `toy(settings)` of the module declares the loop, and the
    defaults of `QUICK`, settings for a quick look, are the full settings.

    Raises:
        SettingError: The file cannot be imported, or lacks `toy` or `QUICK`.
    """
    path = Path(reference).resolve()
    name = f"toy_loop_{path.stem}"
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__file__ == str(path):
        return loaded
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        with forbid_exit():
            spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise SettingError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    if missing := [attribute for attribute in ("toy", "QUICK") if not hasattr(module, attribute)]:
        raise SettingError(f"{path} has no {' and no '.join(missing)}; a toy loop needs `toy(settings)` and `QUICK`")
    return module
