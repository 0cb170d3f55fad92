"""Self-correcting loops for generative models of human motion.

Names are imported when they are first used: `import selfcorrect` alone loads neither PyTorch nor a simulator. The stub
beside this file lists the names, for type checkers and for this module.
"""

import importlib
import re
from pathlib import Path
from typing import Any

from .core.extras import requires_extra
from .core.field_docs import add_field_docs

_CLONE = Path(__file__).resolve().parents[1]
if (_CLONE / "pyproject.toml").is_file() and (_CLONE / "simulators" / "__init__.py").is_file():
    __path__.append(str(_CLONE))  # Python started in a clone finds this folder before what is installed

_STUB = Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")
_MODULES = {name: module for module, name in re.findall(r"^from (\S+) import \w+ as (\w+)", _STUB, re.MULTILINE)}
__all__ = ["__version__", *sorted(_MODULES)]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value = importlib.import_module("importlib.metadata").version("selfcorrect")
    elif name in _MODULES:
        with requires_extra(f"selfcorrect.{name}"):
            module = importlib.import_module(_MODULES[name])
            is_submodule = name not in vars(module)
            value = importlib.import_module(f"{module.__name__}.{name}") if is_submodule else vars(module)[name]
        if isinstance(value, type):
            add_field_docs(value)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
