"""Medians and percentiles of finite numbers, with the bits of NumPy's own.

NumPy's functions check and arrange more than such numbers need, which takes longer than sorting those of short motions.
"""

from __future__ import annotations

import numpy as np


def percentile(values: np.ndarray, percent: float, axis: int | None = None) -> np.ndarray:
    """The percentile along an axis, or of all values, by linear interpolation; NaN of no values."""
    values, axis = (values.reshape(-1), 0) if axis is None else (values, axis)
    count = values.shape[axis]
    if not count:
        return np.full(np.delete(values.shape, axis), np.nan)
    place = (count - 1) * (percent / 100)
    below = int(place)
    share, above = place - below, min(below + 1, count - 1)
    ordered = np.partition(values, (below, above), axis)
    low, high = ordered.take(below, axis), ordered.take(above, axis)
    return low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)


def median(values: np.ndarray, axis: int | None = None) -> np.ndarray:
    """The median along an axis, or of all values; NaN of no values."""
    values, axis = (values.reshape(-1), 0) if axis is None else (values, axis)
    count = values.shape[axis]
    if not count:
        return np.full(np.delete(values.shape, axis), np.nan)
    middle = count // 2
    ordered = np.partition(values, middle if count % 2 else (middle - 1, middle), axis)
    high = ordered.take(middle, axis)
    return high if count % 2 else (ordered.take(middle - 1, axis) + high) / 2
