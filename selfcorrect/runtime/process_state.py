"""Global state of this process that users' code may change: random generators and settings."""

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from . import global_generators

_SETTINGS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "torch.set_grad_enabled": (torch.is_grad_enabled, torch.set_grad_enabled),
    "torch.set_default_dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "torch.set_default_device": (torch.get_default_device, torch.set_default_device),
    "torch.set_num_threads": (torch.get_num_threads, torch.set_num_threads),
    "torch.use_deterministic_algorithms": (
        torch.are_deterministic_algorithms_enabled,
        torch.use_deterministic_algorithms,
    ),
    "numpy.seterr": (np.geterr, lambda settings: np.seterr(**settings)),
    "sys.setrecursionlimit": (sys.getrecursionlimit, sys.setrecursionlimit),
    "sys.stdout": (lambda: sys.stdout, lambda stream: setattr(sys, "stdout", stream)),
    "sys.stderr": (lambda: sys.stderr, lambda stream: setattr(sys, "stderr", stream)),
    "os.chdir": (os.getcwd, os.chdir),
}
"""Functions that read and restore a setting, by the name of the function that changes it."""


@contextmanager
def preserve_global_state(name: str, seed: int) -> Iterator[None]:
    """Restore global random generators and settings after a block, and warn of settings that `name` left changed.

    The generators of `random`, `numpy.random` and `torch` start from `seed`, so that code draws the same numbers in
    every run and after every resume.
    """
    before = {setting: read() for setting, (read, _) in _SETTINGS.items()}
    saved = global_generators.get_state()
    global_generators.seed(seed)
    try:
        yield
    finally:
        global_generators.set_state(saved)
        for setting, (read, write) in _SETTINGS.items():
            try:
                is_changed = read() != before[setting]
            except OSError:  # the current folder was removed
                is_changed = True
            if is_changed:
                write(before[setting])
                warnings.warn(f"{name} left {setting} changed; it was set back", stacklevel=3)
