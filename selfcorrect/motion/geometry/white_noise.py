"""White noise of curves.

A single curve is smoothed as far as its spectrum shows (`smooth_noise`). Channels of one kind, such as the coordinates
of all joints, show more together (`shrink_noise`). A body moves in few ways over short times. Windows of all its
channels, one window per row, therefore form a matrix of low rank plus noise. A singular value s, in units of the noise,
becomes √((s² − β − 1)² − 4β) / s, or 0 below 1 + √β, where β is the matrix's aspect ratio (Gavish and Donoho 2017). The
result does not depend on the order of the channels, nor on the axes of channels with equal noise.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .curves import second_difference_bands
from .filters import solve_banded
from .vectors import median, standard_lengths

_SEGMENT_S = 3.0
"""Time in which a body moves in few ways, in s."""
_WINDOW_S = 8 / 30
"""Length of the windows, in s."""
_MAX_WINDOW_FRAMES = 16
"""Maximum number of frames of a window."""
_NOISE_MARGIN = 1.1
"""Safety factor on the estimated noise, because overlapping windows spread its singular values."""

_MIN_FRAMES = 8
"""Minimum number of frames that show noise."""
_WEIGHTS = np.logspace(-2, 7, 73)
"""Ratios r / q among which the likeliest is chosen, from curves that stay as they are to straight lines."""


def noise_level(curves: np.ndarray, directions: int) -> np.ndarray:
    """Return the standard deviation (N, ...) of white noise on smooth curves.

    Args:
        curves: (N, T, ..., C) curves in C coordinates.
        directions: Number of directions, at most C, that have noise. It is the same in all of them.
    """
    # a fourth difference of white noise has 70 times its variance
    return median(standard_lengths(np.diff(curves, 4, axis=1), directions), axis=1) / np.sqrt(70.0)


def smooth_noise(values: np.ndarray, noise: float, fps: float) -> np.ndarray:
    """Remove white noise from a curve whose velocity changes at random.

    The curve u minimises Σ |u − x|² + r Σ |Δ²u|² / q for the values x, the variance r of their noise, and the variance
    q of the second differences of the motion, which is fitted to each few seconds. This is the Kalman smoother of a
    curve whose velocity changes by white noise.

    Args:
        values: (T, K) values of a curve. Fewer than 8 are returned unchanged.
        noise: Variance r, summed over the K components.

    Returns:
        (T, K) values with less noise.
    """
    if len(values) < _MIN_FRAMES:
        return values
    frames = round(_SEGMENT_S * fps)
    starts = _start_segments(len(values), frames)
    weights = [fit_smoothness(values[start : start + frames] if len(starts) > 1 else values, noise) for start in starts]
    middles = starts + (frames - 1) / 2
    smoothness = np.exp(np.interp(np.arange(1, len(values) - 1), middles, np.log(weights)))
    bands = second_difference_bands(smoothness)
    bands[2] += 1
    return solve_banded(bands, values)


def fit_smoothness(values: np.ndarray, noise: float) -> float:
    """Return the likeliest r / q of a noisy curve, see `smooth_noise`.

    The second differences of such a curve have the spectrum q + r (2 − 2 cos ω)². Of some values of q, the one that
    makes their periodogram likeliest is chosen (Whittle 1953).

    Args:
        values: (T, K) values of a curve, at least 4.
        noise: Variance r, summed over the K components.
    """
    bends = np.diff(values, 2, axis=0)
    taper = np.hanning(len(bends) + 2)[1:-1, None]
    powers = np.square(np.abs(np.fft.rfft(bends * taper, axis=0))).sum(axis=1) / np.square(taper).sum()
    frequencies_rad = 2 * np.pi * np.arange(len(powers)) / len(bends)
    noise_shape = (2 - 2 * np.cos(frequencies_rad)) ** 2
    spectra = noise * (1 / _WEIGHTS[:, None] + noise_shape)
    misfits = (np.log(spectra) + powers / spectra).sum(axis=1)
    return float(_WEIGHTS[misfits.argmin()])


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
    starts = _start_segments(len(values), frames)
    if len(starts) == 1:
        return _project_onto_subspace(values, window)
    share = np.hanning(frames + 2)[1:-1, None]
    calm = np.zeros_like(values)
    total = np.zeros((len(values), 1))
    for start in starts:
        segment = slice(start, start + frames)
        calm[segment] += share * _project_onto_subspace(values[segment], window)
        total[segment] += share
    return calm / total


def _start_segments(length: int, frames: int) -> np.ndarray:
    """Return the starts of overlapping segments; short curves are a single segment."""
    if length <= 1.5 * frames:
        return np.zeros(1, dtype=int)
    segments = int(np.ceil(2 * length / frames)) - 1
    return np.linspace(0, length - frames, segments).round().astype(int)


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
