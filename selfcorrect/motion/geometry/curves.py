"""Curves over time: smoothers, splines, blends and Gaussian filters."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from .filters import FRAME_S, gaussian_filter1d, solve_banded

FADING_S = 0.3
"""Time in which a correction or a glide fades in or out, in s."""


def smooth_whittaker(values: np.ndarray, smoothness: float, weights: np.ndarray | None = None) -> np.ndarray:
    """Smooth values with a Whittaker smoother.

    The curve u minimises Σ w |u − values|² + smoothness Σ |second difference of u|² (Eilers 2003).

    Args:
        values: (T, K); fewer than four are returned unchanged.
        smoothness: Weight of the second differences.
        weights: (T,) w, ones by default.

    Returns:
        (T, K).
    """
    if len(values) < 4:
        return values
    weights = np.ones(len(values)) if weights is None else weights
    bands = smoothness * second_difference_bands(np.ones(len(values) - 2))
    bands[2] += weights
    return solve_banded(bands, weights[:, None] * values)


def scale_smoothness(smoothness: float, fps: float) -> float:
    """Scale a weight of second differences from 30 fps to another frame rate.

    Second differences shrink with the square of the frame rate.
    """
    return smoothness * (fps / 30) ** 4


def second_difference_bands(weights: np.ndarray) -> np.ndarray:
    """Return the upper bands of D′WD, where D takes second differences.

    Args:
        weights: (T − 2, ...) weights W of the differences of T ≥ 4 values.

    Returns:
        (3, T, ...) in the layout of SciPy's `solveh_banded`.
    """
    bands = np.zeros((3, len(weights) + 2, *weights.shape[1:]))
    bands[0, 2:] = weights
    bands[1, 1:-1] -= 2 * weights
    bands[1, 2:] -= 2 * weights
    bands[2, :-2] += weights
    bands[2, 1:-1] += 4 * weights
    bands[2, 2:] += weights
    return bands


def apply_transposed_second_difference(values: np.ndarray) -> np.ndarray:
    """Return D′ times values, where D takes second differences.

    Args:
        values: (T − 2, ...).

    Returns:
        (T, ...).
    """
    result = np.zeros((len(values) + 2, *values.shape[1:]))
    result[:-2] += values
    result[1:-1] -= 2 * values
    result[2:] += values
    return result


@dataclass(frozen=True, eq=False)
class NaturalSpline:
    """Natural cubic splines through T ≥ 4 values at equal time steps.

    They equal SciPy's `CubicSpline` up to rounding. SciPy is not used, because its import takes as long as cleaning up
    a window of motion.
    """

    values: np.ndarray
    """(T, ...) values at the knots."""
    curvature: np.ndarray
    """(T, ...) second derivatives at the knots."""
    fps: float
    """Knots per second."""

    @classmethod
    def from_values(cls, values: np.ndarray, fps: float) -> Self:
        """Return the splines through values (T, ...)."""
        inner = len(values) - 2
        bands = np.stack([np.ones(inner), np.full(inner, 4.0)])
        curvature = np.zeros(values.shape)
        bent = 6 * fps**2 * np.diff(values, 2, axis=0)
        curvature[1:-1] = solve_banded(bands, bent)
        return cls(values, curvature, fps)

    def evaluate(self, times_s: np.ndarray) -> np.ndarray:
        """Return the values (S, ...) at times (S,) between the first and the last knot."""
        knots = times_s * self.fps
        before = np.minimum(knots.astype(int), len(self.values) - 2)
        after_share = (knots - before).reshape(-1, *[1] * (self.values.ndim - 1))
        before_share = 1 - after_share
        sixth = 1 / (6 * self.fps**2)
        before_bend = sixth * (before_share**3 - before_share)
        after_bend = sixth * (after_share**3 - after_share)
        straight = before_share * self.values[before] + after_share * self.values[before + 1]
        return straight + before_bend * self.curvature[before] + after_bend * self.curvature[before + 1]


def smoothstep(share: np.ndarray) -> np.ndarray:
    """Blend smoothly from 0 to 1.

    Returns 3x² − 2x³ of x clipped to [0, 1], which has no kinks.
    """
    share = np.clip(share, 0.0, 1.0)
    return share * share * (3 - 2 * share)


def smooth_gaussian(values: np.ndarray, frames: float) -> np.ndarray:
    """Smooth values (N, T, …) over time with a Gaussian whose standard deviation is `frames`."""
    return gaussian_filter1d(values, frames, axis=1, mode="nearest")


def thirds_to_frames(thirds: np.ndarray) -> np.ndarray:
    """Assign third differences (N, T − 3, …) to frames (N, T, …).

    The first difference is repeated once at the start, and the last one twice at the end.
    """
    return np.concatenate([thirds[:, :1], thirds, thirds[:, -1:], thirds[:, -1:]], axis=1)


def blur(values: np.ndarray, thirtieths: float, fps: float) -> np.ndarray:
    """Smooth values over time with a Gaussian.

    Args:
        values: (N, T, …).
        thirtieths: Standard deviation in thirtieths of a second.

    Returns:
        (N, T, …) floats.
    """
    return smooth_gaussian(values.astype(float), thirtieths * FRAME_S * fps)
