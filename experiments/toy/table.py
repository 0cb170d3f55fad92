"""The toy loops by name or file, imported when they are run."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from selfcorrect.core.errors import SettingError
from selfcorrect.runtime.registry import Registry, Row
from selfcorrect.runtime.supervision import forbid_exit


@dataclass(frozen=True)
class ToyRow(Row):
    """A toy loop, with its title as summary.

    It leads to a module with `toy(settings)`, which declares the loop, and `QUICK`, settings for a quick look whose
    defaults are the full settings.
    """

    source: str = ""
    """The papers it is taken from."""


_HERE = "selfcorrect.experiments.toy.gaussian"

TOYS = Registry(
    "toy loop",
    [
        ToyRow(
            "gaussian-correct",
            f"{_HERE}.gaussian_correct",
            "A Gaussian, corrected towards the truth",
            source="Gillman et al. 2024",
        ),
    ],
    row_type=ToyRow,
    also="all, or a Python file as in examples/loops",
)


def select_toys(names: Sequence[str]) -> list[str]:
    """Return the toys to run: named toys in the order of the table ("all" for each), then files as given.

    Raises:
        SettingError: A name is not in the table, a file does not exist, or nothing is named.
    """
    if not names:
        raise SettingError(f"no toy loop is named, known are all, {', '.join(TOYS.names)}")
    files = [name for name in names if _is_file(name)]
    named = {TOYS.row(name).name for name in names if name != "all" and not _is_file(name)}
    for file in files:
        if not Path(file).is_file():
            raise SettingError(f"{file}: no such file; a toy loop of your own is a Python file")
    table = [row.name for row in TOYS if row.name in named or "all" in names]
    return [*table, *dict.fromkeys(files)]


def name_toy(reference: str) -> str:
    """Return the name of a toy, which is its file's if it has a file: `my_loop.py` is "my-loop"."""
    return Path(reference).stem.replace("_", "-") if _is_file(reference) else reference


def load_toy_module(reference: str) -> ModuleType:
    """Import the module of a toy, given by its name in the table or by the path of a Python file.

    Raises:
        SettingError: The file cannot be imported, or lacks `toy` or `QUICK`.
    """
    return _import_file(Path(reference).resolve()) if _is_file(reference) else TOYS.load(reference)


def _is_file(reference: str) -> bool:
    return reference.endswith(".py")


def _import_file(path: Path) -> ModuleType:
    """Import a file once; worker processes do it again, so it is known by the same name there.

    As in a script, modules beside the file can be imported.
    """
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
