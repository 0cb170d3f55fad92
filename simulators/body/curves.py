"""Curves over time: smooth ones through values, blends between them, Gaussian blurs."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solveh_banded
from scipy.ndimage import gaussian_filter1d

FRAME_S = 1 / 30
"""The pace at which times that are counted in frames were chosen."""


def whittaker(values: np.ndarray, smoothness: float, weights: np.ndarray | None = None) -> np.ndarray:
    """The curve u (T, K) that minimises Σ w |u − values|² + smoothness Σ |second difference of u|² (Eilers 2003).

    values: (T, K); weights: (T,), ones by default. Fewer than four values are returned as they are.
    """
    if len(values) < 4:
        return values
    weights = np.ones(len(values)) if weights is None else weights
    bands = smoothness * second_difference_bands(len(values))
    bands[2] += weights
    return solveh_banded(bands, weights[:, None] * values)


def second_difference_bands(count: int) -> np.ndarray:
    """(3, count) upper bands of D′D, as `solveh_banded` takes them, for second differences D of ≥ 4 values."""
    bands = np.zeros((3, count))
    bands[0, 2:] = 1.0
    bands[1, 1:] = -4.0
    bands[1, [1, -1]] = -2.0
    bands[2] = 6.0
    bands[2, [1, -2]] = 5.0
    bands[2, [0, -1]] = 1.0
    return bands


def smoothstep(share: np.ndarray) -> np.ndarray:
    """Cubic blend: 0 below 0, 1 above 1, without kinks."""
    share = np.clip(share, 0.0, 1.0)
    return share * share * (3 - 2 * share)


def blur(values: np.ndarray, thirtieths: float, fps: float) -> np.ndarray:
    """Gaussian over time, its standard deviation in thirtieths of a second."""
    return gaussian_filter1d(values.astype(float), thirtieths * FRAME_S * fps, axis=1, mode="nearest")
