"""Modules of the Blender extension that need no Blender."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

EXTENSION = Path(__file__).resolve().parents[2] / "blender"
_PACKAGE = "blender_extension"


def load(name: str) -> ModuleType:
    """Import a module of the extension.

    Its package's own module needs Blender and is left out.
    """
    if _PACKAGE not in sys.modules:
        package = ModuleType(_PACKAGE)
        package.__path__ = [str(EXTENSION)]
        sys.modules[_PACKAGE] = package
    return importlib.import_module(f"{_PACKAGE}.{name}")


def finish(steps):
    """Do all steps and return what they end with."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
