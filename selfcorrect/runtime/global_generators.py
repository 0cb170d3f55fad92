"""Global random generators of this process, which only users' code draws from."""

import pickle
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

# ruff: noqa: NPY002 - the old generators of NumPy are what this is about


def get_state() -> dict[str, Any]:
    """Return the states of Python's, NumPy's and PyTorch's generators."""
    saved: dict[str, Any] = {"python": random.getstate(), "numpy": np.random.get_state()}
    if (torch := sys.modules.get("torch")) is not None:
        saved["torch"] = torch.get_rng_state().numpy()
        if torch.cuda.is_initialized():
            saved["cuda"] = torch.cuda.get_rng_state_all()
    return saved


def set_state(saved: dict[str, Any]) -> None:
    """Restore a state from `get_state`."""
    random.setstate(saved["python"])
    np.random.set_state(saved["numpy"])
    torch = sys.modules.get("torch")
    if torch is not None and "torch" in saved:
        torch.set_rng_state(torch.from_numpy(saved["torch"]))
    if torch is not None and "cuda" in saved and torch.cuda.is_initialized():
        torch.cuda.set_rng_state_all(saved["cuda"])


def find_changed(saved: dict[str, Any]) -> list[str]:
    """Return the generators that have changed since a state."""
    current = get_state()
    names = {"python": "random", "numpy": "numpy.random", "torch": "torch", "cuda": "torch.cuda"}
    changed = []
    for key, name in names.items():
        if key in saved and pickle.dumps(saved[key]) != pickle.dumps(current[key]):
            changed.append(name)
    return changed


def seed(number: int) -> None:
    """Seed all generators."""
    random.seed(number)
    np.random.seed(number % 2**32)
    if (torch := sys.modules.get("torch")) is not None:
        torch.default_generator.manual_seed(number)
        if torch.cuda.is_initialized():
            torch.cuda.manual_seed_all(number)


@contextmanager
def use_seed(number: int) -> Iterator[None]:
    """Seed all generators within a block, and restore them afterwards.

    Code in the block draws the same numbers in every run.
    """
    saved = get_state()
    seed(number)
    try:
        yield
    finally:
        set_state(saved)
