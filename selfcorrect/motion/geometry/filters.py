"""Filters over frames and banded systems, which the compiled kernels compute, or SciPy where there are none.

Filters give the bits of `scipy.ndimage`. Solutions differ from `scipy.linalg`'s by rounding. Importing SciPy takes as
long as correcting several clips, and its checks take longer than filtering a short clip.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from .compiled import KERNELS

_MODES = {"reflect": 0, "nearest": 1, "constant": 2}
_SUM = 0
_MAXIMUM = 1
_MINIMUM = 2
_MEDIAN = 3


def correlate1d(values: np.ndarray, weights: np.ndarray, axis: int = -1, mode: str = "reflect") -> np.ndarray:
    """Sum neighbours with an odd number of weights (K,); beyond the ends values are mirrored, the nearest, or 0."""
    if KERNELS is None:
        from scipy import ndimage

        return ndimage.correlate1d(values, weights, axis, mode=mode)
    return _filter_frames(values, np.ascontiguousarray(weights, dtype=float), len(weights) // 2, axis, mode, 0.0, _SUM)


def gaussian_filter1d(values: np.ndarray, sigma: float, axis: int = -1, mode: str = "reflect") -> np.ndarray:
    """Smooth values by a Gaussian, whose standard deviation is `sigma` frames and which ends after four of these."""
    return correlate1d(values, gaussian_weights(float(sigma)), axis, mode)


@lru_cache(maxsize=64)
def gaussian_weights(sigma: float) -> np.ndarray:
    """Return the weights (K,) of neighbours in a Gaussian; read-only."""
    radius = int(4.0 * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 / (sigma * sigma) * offsets**2)
    weights = (weights / weights.sum())[::-1]
    weights.flags.writeable = False
    return weights


def maximum_filter1d(values: np.ndarray, size: int, axis: int = -1, mode: str = "reflect") -> np.ndarray:
    """Return the largest of the `size` values around each."""
    if KERNELS is None:
        from scipy import ndimage

        return ndimage.maximum_filter1d(values, size, axis, mode=mode)
    return _filter_frames(values, size, size // 2, axis, mode, 0.0, _MAXIMUM)


def minimum_filter1d(
    values: np.ndarray, size: int, axis: int = -1, mode: str = "reflect", cval: float = 0.0, origin: int = 0
) -> np.ndarray:
    """Return the smallest of the `size` values around each, or around the value `origin` frames before."""
    if KERNELS is None:
        from scipy import ndimage

        return ndimage.minimum_filter1d(values, size, axis, mode=mode, cval=cval, origin=origin)
    return _filter_frames(values, size, size // 2 + origin, axis, mode, cval, _MINIMUM)


def uniform_filter1d(values: np.ndarray, size: int, axis: int = -1, mode: str = "reflect") -> np.ndarray:
    """Return the mean of the `size` values around each; beyond the ends values are the nearest, or else mirrored."""
    frames = values.shape[axis]
    before = size // 2
    margins = [(before, size - 1 - before)] + [(0, 0)] * (values.ndim - 1)
    frames_first = np.moveaxis(values, axis, 0)
    line = np.pad(frames_first, margins, "edge") if mode == "nearest" else np.pad(frames_first, margins, "symmetric")
    first_sum = np.add.accumulate(line[:size], axis=0)[-1:]
    changes = line[size:] - line[: frames - 1]
    sums = np.add.accumulate(np.concatenate([first_sum, changes]), axis=0)
    return np.moveaxis(sums / size, 0, axis)


def median_filter1d(values: np.ndarray, size: int, axis: int = -1, mode: str = "reflect") -> np.ndarray:
    """Return the median of the `size` values around each, the larger of two middle values."""
    if KERNELS is None:
        from scipy import ndimage

        shape = [1] * values.ndim
        shape[axis] = size
        return ndimage.median_filter(values, size=shape, mode=mode)
    columns = np.moveaxis(values, axis, -1)
    return np.moveaxis(_filter_frames(columns, size, size // 2, -1, mode, 0.0, _MEDIAN), -1, axis)


def remove_short_runs(is_set: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Clear runs of fewer than `size` frames."""
    is_start = minimum_filter1d(is_set, size, axis, "constant")
    mirrored = (size - 1) // 2 - size // 2
    return ~minimum_filter1d(~is_start, size, axis, "constant", 1.0, mirrored)


def solve_banded(bands: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve a positive definite system of upper bands (K, T), the diagonal last, for right sides (T, …).

    Raises:
        LinAlgError: The matrix is not positive definite.
    """
    if KERNELS is None:
        from scipy.linalg import solveh_banded

        return solveh_banded(bands, right.reshape(len(right), -1)).reshape(right.shape)
    solution = np.array(right, dtype=float, order="C")
    failed = KERNELS.solve_banded(np.ascontiguousarray(bands, dtype=float), solution.reshape(len(solution), -1))
    if failed:
        raise np.linalg.LinAlgError(f"leading minor {failed} is not positive")
    return solution


def _filter_frames(
    values: np.ndarray, neighbours: np.ndarray | int, before: int, axis: int, mode: str, cval: float, kind: int
) -> np.ndarray:
    """Apply a filter of the kernels along an axis; before: how many of the neighbours come before a value."""
    assert KERNELS is not None
    shape = values.shape
    axis %= values.ndim
    lines = np.ascontiguousarray(values, dtype=float).reshape(
        math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
    )
    result = np.empty(lines.shape)
    KERNELS.filter_frames(lines, neighbours, before, _MODES[mode], cval, kind, result)
    result = result.reshape(shape)
    return result.astype(values.dtype) if kind != _SUM and values.dtype != np.float64 else result
