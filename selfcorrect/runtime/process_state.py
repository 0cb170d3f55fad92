"""What code of others finds in this process and may leave changed there: global random numbers and settings."""

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
    "numpy.seterr": (np.geterr, lambda kept: np.seterr(**kept)),
    "sys.setrecursionlimit": (sys.getrecursionlimit, sys.setrecursionlimit),
    "sys.stdout": (lambda: sys.stdout, lambda kept: setattr(sys, "stdout", kept)),
    "sys.stderr": (lambda: sys.stderr, lambda kept: setattr(sys, "stderr", kept)),
    "os.chdir": (os.getcwd, os.chdir),
}
"""What changes it, how it is read and how it is set back."""


@contextmanager
def preserve_global_state(name: str, seed: int) -> Iterator[None]:
    """Put global random generators and settings back as they were, and warn of settings that `name` left changed.

    The generators of `random`, `numpy.random` and `torch` start from `seed`, so that who draws from them draws the same
    in every run and after every resume.
    """
    before = {setting: read() for setting, (read, _) in _SETTINGS.items()}
    kept = global_generators.state()
    global_generators.seed(seed)
    try:
        yield
    finally:
        global_generators.set_state(kept)
        _set_back(name, before)


def _set_back(name: str, before: dict[str, Any]) -> None:
    for setting, (read, write) in _SETTINGS.items():
        if _is_changed(read, before[setting]):
            write(before[setting])
            warnings.warn(f"{name} left {setting} changed; it was set back", stacklevel=4)


def _is_changed(read: Callable[[], Any], before: Any) -> bool:
    try:
        return read() != before
    except OSError:  # the folder that it went to is gone
        return True
