"""Import modules of the Blender extension that do not need Blender."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

EXTENSION = Path(__file__).resolve().parents[2] / "blender"
_PACKAGE = "blender_extension"


def load(name: str) -> ModuleType:
    """Import a module of the extension without its `__init__.py`, which needs Blender."""
    if _PACKAGE not in sys.modules:
        package = ModuleType(_PACKAGE)
        package.__path__ = [str(EXTENSION)]
        sys.modules[_PACKAGE] = package
    return importlib.import_module(f"{_PACKAGE}.{name}")


def finish(steps):
    """Run a generator of steps to its end and return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
