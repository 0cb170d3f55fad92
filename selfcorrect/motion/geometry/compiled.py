"""The compiled kernels, if the installation has them.

They repeat the sums of NumPy's versions bit by bit. NumPy's versions remain: an installation without a compiler uses
them, and the tests compare with them. `SELFCORRECT_PURE=1` in the environment leaves the kernels out.
"""

import os
from importlib import import_module
from types import ModuleType

FUNCTIONS = ("chain_products", "compose", "cross", "format_rows", "iterate_forces", "pose", "rotate", "solve_banded")
"""Functions of the kernels that are used. Kernels that lack some were compiled from an older clone and are left out."""


def _import_kernels() -> ModuleType | None:
    if os.environ.get("SELFCORRECT_PURE", "") not in ("", "0"):
        return None
    try:
        kernels = import_module("._kernels", __package__)
    except ImportError:
        return None
    return kernels if all(hasattr(kernels, name) for name in FUNCTIONS) else None


KERNELS = _import_kernels()
