"""White noise of many channels, removed by shrinking singular values.

A body moves in few ways over short times. Windows of all its channels, one window per row, therefore form a matrix of
low rank plus noise. A singular value s, in units of the noise, becomes √((s² − β − 1)² − 4β) / s, or 0 below 1 + √β,
where β is the matrix's aspect ratio (Gavish and Donoho 2017). The result does not depend on the order of the channels,
nor on the axes of channels with equal noise.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .vectors import median, standard_lengths

_SEGMENT_S = 3.0
"""Time in which a body moves in few ways, in s."""
_WINDOW_S = 8 / 30
"""Length of the windows, in s."""
_MAX_WINDOW_FRAMES = 16
"""Maximum number of frames of a window."""
_NOISE_MARGIN = 1.1
"""Safety factor on the estimated noise, because overlapping windows spread its singular values."""


def noise_level(curves: np.ndarray, directions: int) -> np.ndarray:
    """Return the standard deviation (N, ...) of white noise on smooth curves.

    Args:
        curves: (N, T, ..., C) curves in C coordinates.
        directions: Number of directions, at most C, that have noise. It is the same in all of them.
    """
    # a fourth difference of white noise has 70 times its variance
    return median(standard_lengths(np.diff(curves, 4, axis=1), directions), axis=1) / np.sqrt(70.0)


def shrink_noise(values: np.ndarray, fps: float) -> np.ndarray:
    """Remove unit white noise from channels.

    Segments of a few seconds are blended.

    Args:
        values: (T, K) channels, in units of their noise.

    Returns:
        (T, K) channels with less noise.
    """
    frames = round(_SEGMENT_S * fps)
    window = min(max(round(_WINDOW_S * fps), 2), _MAX_WINDOW_FRAMES)
    if len(values) <= 1.5 * frames:
        return _project_onto_subspace(values, window)
    segments = int(np.ceil(2 * len(values) / frames)) - 1
    starts = np.linspace(0, len(values) - frames, segments).round().astype(int)
    share = np.hanning(frames + 2)[1:-1, None]
    calm = np.zeros_like(values)
    total = np.zeros((len(values), 1))
    for start in starts:
        segment = slice(start, start + frames)
        calm[segment] += share * _project_onto_subspace(values[segment], window)
        total[segment] += share
    return calm / total


def _project_onto_subspace(values: np.ndarray, window: int) -> np.ndarray:
    """Shrink channels (T, K) towards the subspace in which their windows lie."""
    window = min(window, len(values) // 3)
    mean = values.mean(0)
    windows = sliding_window_view(values - mean, window, axis=0)
    rows = windows.reshape(len(windows), -1)
    powers, directions = np.linalg.eigh(rows @ rows.T)
    singular_values = np.sqrt(np.maximum(powers, 0.0))
    shares = _signal_shares(singular_values, rows.shape)
    shrunk = ((directions * shares) @ (directions.T @ rows)).reshape(windows.shape)
    total = np.zeros_like(values)
    count = np.zeros((len(values), 1))
    for frame in range(window):
        total[frame : frame + len(windows)] += shrunk[..., frame]
        count[frame : frame + len(windows)] += 1
    return mean + total / count


def _signal_shares(singular: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the signal share of each singular value of a matrix.

    The noise in the matrix has unit variance.
    """
    small, large = sorted(shape)
    ratio = small / large
    scaled = np.maximum(singular, 1e-9) / (_NOISE_MARGIN * np.sqrt(large))
    signal = np.maximum((scaled**2 - ratio - 1) ** 2 - 4 * ratio, 0.0)
    return np.where(scaled > 1 + np.sqrt(ratio), np.sqrt(signal) / scaled**2, 0.0)
