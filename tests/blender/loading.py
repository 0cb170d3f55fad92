"""Modules of the Blender extension that need no Blender."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

EXTENSION = Path(__file__).resolve().parents[2] / "blender"


def loaded(name: str) -> ModuleType:
    """A module of the extension, without its package, which only Blender can import."""
    full = f"blender_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, EXTENSION / f"{name}.py")
        assert spec
        assert spec.loader
        sys.modules[full] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[full])
    return sys.modules[full]
