"""Curves over time: smooth ones through values, blends between them, Gaussian blurs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from scipy.linalg import solveh_banded
from scipy.linalg.lapack import dpbsv  # pyright: ignore[reportAttributeAccessIssue]
from scipy.ndimage import correlate1d

FRAME_S = 1 / 30
"""The pace at which times that are counted in frames were chosen."""


def smooth_whittaker(values: np.ndarray, smoothness: float, weights: np.ndarray | None = None) -> np.ndarray:
    """The curve u (T, K) that minimises Σ w |u − values|² + smoothness Σ |second difference of u|² (Eilers 2003).

    values: (T, K); weights: (T,), ones by default. Fewer than four values are returned as they are.
    """
    if len(values) < 4:
        return values
    weights = np.ones(len(values)) if weights is None else weights
    bands = smoothness * second_difference_bands(len(values))
    bands[2] += weights
    return solve_banded(bands, weights[:, None] * values)


def solve_banded(bands: np.ndarray, right: np.ndarray) -> np.ndarray:
    """What `scipy.linalg.solveh_banded` gives for upper bands (K, T), K > 2, and (T, …), in less time."""
    _, result, info = dpbsv(bands, right)
    if info:
        raise np.linalg.LinAlgError(f"leading minor {info} is not positive")
    return result


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


@dataclass(frozen=True, eq=False)
class NaturalSpline:
    """Cubic splines through T ≥ 4 values at equal steps of time, which bend at neither end.

    SciPy's `CubicSpline` gives the same to rounding; importing it takes as long as cleaning up a window of motion.
    """

    values: np.ndarray
    """(T, ...) at the knots."""
    curvature: np.ndarray
    """(T, ...) second derivatives there."""
    fps: float
    """Knots per second."""

    @classmethod
    def from_values(cls, values: np.ndarray, fps: float) -> Self:
        """The splines through values (T, ...)."""
        inner = len(values) - 2
        bands = np.stack([np.ones(inner), np.full(inner, 4.0)])
        curvature = np.zeros(values.shape)
        bent = 6 * fps**2 * np.diff(values, 2, axis=0)
        curvature[1:-1] = solveh_banded(bands, bent.reshape(inner, -1)).reshape(bent.shape)
        return cls(values, curvature, fps)

    def evaluate(self, times_s: np.ndarray) -> np.ndarray:
        """Values (S, ...) at times (S,) from the first to the last knot."""
        knots = times_s * self.fps
        before = np.minimum(knots.astype(int), len(self.values) - 2)
        after_share = (knots - before).reshape(-1, *[1] * (self.values.ndim - 1))
        before_share, sixth = 1 - after_share, 1 / (6 * self.fps**2)
        bends = sixth * (before_share**3 - before_share), sixth * (after_share**3 - after_share)
        straight = before_share * self.values[before] + after_share * self.values[before + 1]
        return straight + bends[0] * self.curvature[before] + bends[1] * self.curvature[before + 1]


def smoothstep(share: np.ndarray) -> np.ndarray:
    """Cubic blend: 0 below 0, 1 above 1, without kinks."""
    share = np.clip(share, 0.0, 1.0)
    return share * share * (3 - 2 * share)


def smooth_gaussian(values: np.ndarray, frames: float) -> np.ndarray:
    """Values (N, T, …) smoothed over time by a Gaussian with a standard deviation of so many frames."""
    return correlate1d(values, _gaussian(float(frames)), axis=1, mode="nearest")


def thirds_to_frames(thirds: np.ndarray) -> np.ndarray:
    """Values (N, T, …) at frames from those (N, T − 3, …) of third differences, the first and last repeated."""
    return np.concatenate([thirds[:, :1], thirds, thirds[:, -1:], thirds[:, -1:]], axis=1)


@lru_cache(maxsize=64)
def _gaussian(frames: float) -> np.ndarray:
    """The kernel that `scipy.ndimage.gaussian_filter1d` makes anew for each call."""
    radius = int(4.0 * frames + 0.5)
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 / (frames * frames) * offsets**2)
    return (kernel / kernel.sum())[::-1]


def blur(values: np.ndarray, thirtieths: float, fps: float) -> np.ndarray:
    """Gaussian over time, its standard deviation in thirtieths of a second."""
    return smooth_gaussian(values.astype(float), thirtieths * FRAME_S * fps)
