"""Savitzky–Golay filters: parabolas fitted to windows of frames.

The results are those of `scipy.signal`, whose import takes as long as correcting several clips (Savitzky and Golay
1964).
"""

from functools import lru_cache

import numpy as np

from .filters import correlate1d

_POWERS = np.arange(3.0)
_EPSILON = float(np.finfo(float).eps)


def smooth_parabolic(values: np.ndarray, window: int, fps: float | None = None) -> np.ndarray:
    """Smooth values by parabolas, or return their velocity.

    Args:
        values: (T, ...) values, with at least as many frames as the window.
        window: Odd number of frames, at least 3.
        fps: Frames per second, to return velocities; None to return values.

    Returns:
        (T, ...) values or velocities. Near the ends, they come from the parabola of the first or last window.
    """
    result = correlate1d(values, parabola_weights(window, fps)[::-1], axis=0)
    half = window // 2
    result[:half] = _evaluate_edge(values[:window], np.arange(half), fps)
    result[len(values) - half :] = _evaluate_edge(values[len(values) - window :], np.arange(half + 1, window), fps)
    return result


@lru_cache(maxsize=64)
def parabola_weights(window: int, fps: float | None = None) -> np.ndarray:
    """Return the filter weights (window,) for the middle frame.

    The array is read-only and has the last frame first.
    """
    half = window // 2
    places = np.arange(-half, window - half, dtype=float)[::-1]
    wanted = np.array([1.0, 0.0, 0.0]) if fps is None else np.array([0.0, 1.0 / (1 / fps), 0.0])
    weights = _solve_least_squares(places ** _POWERS[:, None], wanted, window)
    weights.flags.writeable = False
    return weights


def _evaluate_edge(values: np.ndarray, places: np.ndarray, fps: float | None) -> np.ndarray:
    """Evaluate the parabola through values (W, ...), or its velocity, at frames (K,)."""
    window = len(values)
    columns, scales = _scale_powers(window)
    scaled = _solve_least_squares(columns, values.reshape(window, -1), window)
    square, linear, constant = (scaled.T / scales).T
    places = places[:, None].astype(float)
    fitted = (
        (square * places + linear) * places + constant if fps is None else (2 * square * places + linear) / (1 / fps)
    )
    return fitted.reshape(len(places), *values.shape[1:])


@lru_cache(maxsize=64)
def _scale_powers(window: int) -> tuple[np.ndarray, np.ndarray]:
    """Return powers of the frame index and their scales.

    Square, linear and constant terms are the columns of (window, 3), each scaled to length 1. The scales are (3,).
    """
    columns = np.arange(window, dtype=float)[:, None] ** _POWERS[::-1]
    scales = np.sqrt(np.sum(columns * columns, axis=0))
    return columns / scales, scales


def _solve_least_squares(columns: np.ndarray, values: np.ndarray, window: int) -> np.ndarray:
    return np.linalg.lstsq(columns, values, rcond=window * _EPSILON)[0]
