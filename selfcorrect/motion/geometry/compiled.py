"""The compiled kernels, if the installation has them.

They repeat the sums of NumPy's versions bit by bit. NumPy's versions remain: an installation without a compiler uses
them, and the tests compare with them. `SELFCORRECT_PURE=1` in the environment leaves the kernels out.

Without kernels `correct` takes about twice the processor time. Share of the time that each kernel saves, on three short
clips by kinematics alone, and simulated in MuJoCo:

    pose                      more than a quarter    a sixth
    steer, turn_legs          -                      24 %
    rotate, compose, cross    7 %                    30 %
    format_rows               13 %                   5 %
    iterate_forces            -                      10 %
    solve_banded              spares SciPy, whose import takes longer than a short clip
    turn_about_axes           less than 1 %; it counts in long BVH files
    read_rows                 long BVH files
"""

import os
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

_DOUBLE = np.dtype(np.float64)


def _import_kernels() -> ModuleType | None:
    if os.environ.get("SELFCORRECT_PURE", "") not in ("", "0"):
        return None
    try:
        return import_module("._kernels", __package__)
    except ImportError:
        return None


KERNELS = _import_kernels()


def find_kernel(name: str, *arrays: np.ndarray) -> Callable[..., Any] | None:
    """Return a compiled kernel for these arrays, or None.

    None means that NumPy has to compute, because kernels are missing or disabled, an older build lacks this one, or an
    array is not of double precision.
    """
    for array in arrays:
        if array.dtype != _DOUBLE:
            return None
    return getattr(KERNELS, name, None)
