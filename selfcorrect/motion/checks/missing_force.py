"""Rules of physics, which measure the force (T, 3) that contacts cannot explain, in body weights with y up."""

import numpy as np

from ..geometry.filters import uniform_filter1d
from ..geometry.vectors import norms

AVERAGED_S = 2.0
"""Averaging time of the force, in s."""


def upward_force(missing: np.ndarray, fps: float) -> np.ndarray:
    """Return the upward component (T,) of the force."""
    return missing[:, 1]


def average_force(missing: np.ndarray, fps: float) -> np.ndarray:
    """Return the magnitude (T,) of the force, averaged over two seconds."""
    window = max(1, round(AVERAGED_S * fps))
    return uniform_filter1d(norms(missing), window, mode="nearest")
