"""PyBullet, without the line about its build that it prints to standard error when it is imported."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any


def _imported_in_silence(name: str) -> Any:
    """The module; what its C code prints on the way goes nowhere."""
    sys.stderr.flush()
    terminal = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        return importlib.import_module(name)
    finally:
        os.dup2(terminal, 2)
        os.close(nowhere)
        os.close(terminal)


pybullet = _imported_in_silence("pybullet")
