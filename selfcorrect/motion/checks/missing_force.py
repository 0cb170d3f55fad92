"""Rules of physics: the force (T, 3) that contacts cannot give, in body weights, y up."""

import numpy as np

from ..geometry.filters import uniform_filter1d

AVERAGED_S = 2.0


def upward_force(missing: np.ndarray, fps: float) -> np.ndarray:
    """Return the upward component (T,)."""
    return missing[:, 1]


def average_force(missing: np.ndarray, fps: float) -> np.ndarray:
    """Return the size (T,), averaged over two seconds."""
    window = max(1, round(AVERAGED_S * fps))
    return uniform_filter1d(np.linalg.norm(missing, axis=-1), window, mode="nearest")
