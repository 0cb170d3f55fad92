"""PyBullet, without the line about its build that it prints to standard output when it is imported."""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
from typing import Any


def _imported_in_silence(name: str) -> Any:
    """The module; what its C code prints on the way goes nowhere."""
    sys.stdout.flush()
    terminal = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        return importlib.import_module(name)
    finally:
        ctypes.CDLL(None).fflush(None)  # the C library holds the line back until it is told
        os.dup2(terminal, 1)
        os.close(nowhere)
        os.close(terminal)


pybullet = _imported_in_silence("pybullet")
