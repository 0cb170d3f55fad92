"""Estimates of the theory's constants from the curves of a run: the rate at which a loop contracts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from ..statistics import UNMEASURED, Interval, mean_interval


def estimate_contraction(distances: ArrayLike) -> Interval:
    """Fit the contraction c per generation of settling curves (S, T), distance² = floor² + (start² − floor²) c^(2t).

    Needs a visible transient: `UNMEASURED` if the mean curve does not move by more than twice the standard error of its
    steps, if most curves do not settle within the run, and for fewer than 4 generations.
    """
    squares = np.atleast_2d(np.asarray(distances, dtype=float)) ** 2
    if squares.shape[1] < 4 or not _has_transient(squares):
        return UNMEASURED
    rates = [rate for rate in map(_fit_rate, squares) if rate is not None]
    return mean_interval(rates) if 2 * len(rates) >= len(squares) else UNMEASURED


def _has_transient(squares: np.ndarray) -> bool:
    curve = squares.mean(0)
    scatter = np.std(np.diff(curve[len(curve) // 2 :]), ddof=0)
    return abs(curve[-1] - curve[0]) > 2 * scatter and np.ptp(curve) > 0


def _fit_rate(squares: np.ndarray) -> float | None:
    """Return the contraction of one curve of squared distances (T,), None if the fit leaves its bounds."""
    steps = np.arange(len(squares))
    start = squares[0]

    def settling(step: np.ndarray, floor: float, rate: float) -> np.ndarray:
        return floor + (start - floor) * rate ** (2 * step)

    try:
        guess = (max(squares[-1], 1e-12), 0.7)
        parameters, _ = optimize.curve_fit(settling, steps, squares, p0=guess, bounds=([0, 0], [np.inf, 1]))
    except RuntimeError:
        return None
    rate = float(parameters[1])
    return None if rate >= 0.999 else rate
