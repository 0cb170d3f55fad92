"""The global random generators of this process, which nothing here draws from, but code of others does."""

import pickle
import random
import sys
from typing import Any

import numpy as np

# ruff: noqa: NPY002 - the old generators of NumPy are what this is about


def state() -> dict[str, Any]:
    """The state of the generators of Python, NumPy and, where it is loaded, PyTorch, for `set_state`."""
    kept: dict[str, Any] = {"python": random.getstate(), "numpy": np.random.get_state()}
    if (torch := sys.modules.get("torch")) is not None:
        kept["torch"] = torch.get_rng_state().numpy()
        if torch.cuda.is_initialized():
            kept["cuda"] = torch.cuda.get_rng_state_all()
    return kept


def set_state(kept: dict[str, Any]) -> None:
    """Have the generators go on from a state."""
    random.setstate(kept["python"])
    np.random.set_state(kept["numpy"])
    torch = sys.modules.get("torch")
    if torch is not None and "torch" in kept:
        torch.set_rng_state(torch.from_numpy(kept["torch"]))
    if torch is not None and "cuda" in kept and torch.cuda.is_initialized():
        torch.cuda.set_rng_state_all(kept["cuda"])


def drawn_since(kept: dict[str, Any]) -> list[str]:
    """The generators that are not as they were in a state, by the names that messages call them."""
    now = state()
    names = {"python": "random", "numpy": "numpy.random", "torch": "torch", "cuda": "torch.cuda"}
    return [name for key, name in names.items() if key in kept and pickle.dumps(kept[key]) != pickle.dumps(now[key])]


def seed(number: int) -> None:
    """Have all generators start from a number."""
    random.seed(number)
    np.random.seed(number % 2**32)
    if (torch := sys.modules.get("torch")) is not None:
        torch.default_generator.manual_seed(number)
        if torch.cuda.is_initialized():
            torch.cuda.manual_seed_all(number)
