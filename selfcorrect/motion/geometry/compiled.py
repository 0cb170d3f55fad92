"""The compiled kernels, if the installation has them.

They repeat the sums of NumPy's versions bit by bit. NumPy's versions remain: an installation without a compiler uses
them, and the tests compare with them. `SELFCORRECT_PURE=1` in the environment leaves the kernels out.
"""

import os
from importlib import import_module
from types import ModuleType


def _import_kernels() -> ModuleType | None:
    if os.environ.get("SELFCORRECT_PURE", "") not in ("", "0"):
        return None
    try:
        return import_module("._kernels", __package__)
    except ImportError:
        return None


KERNELS = _import_kernels()
