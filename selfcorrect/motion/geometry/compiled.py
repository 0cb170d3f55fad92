"""Compiled kernels, if the installation has them.

Each kernel does the sums of a NumPy version in the same order, so results are equal bit by bit. The NumPy versions
remain: installations without a compiler use them, and tests compare with them. `SELFCORRECT_PURE=1` in the environment
leaves the kernels out. A kernel stays only if a user feels what it saves. Processor time that a command on one clip of
11 s takes, and what the kernels spare it:

                            kinematic    default    simulated in MuJoCo
    whole command              1400 ms    2100 ms               2300 ms
    pose                        120 ms     100 ms                100 ms
    rotate, compose, cross       12 ms          -                180 ms
    steer, turn_legs                 -          -                270 ms
    solve_banded                270 ms, the import of SciPy's linear algebra, if nothing else imports it
    read_rows                  two thirds of the time of reading a long BVH file
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
