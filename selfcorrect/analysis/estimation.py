"""From a finished run to the constants of the theory: contraction, noise floor, κ and γ."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from ..statistics import Interval, mean_interval


@dataclass(frozen=True)
class Estimate:
    """The theory's constants as a finished run determines them.

    A field is None where the run does not determine it; `reason` says why.
    """

    contraction: Interval | None
    """Measured per generation, of distances (not of their squares)."""
    noise_floor: Interval | None
    """The level at which the curve settles."""
    condition: Interval | None = None
    """κ = 1 + εL/α implied by the bound of Bertrand et al. (a run cannot separate α, L and ε)."""
    strength: Interval | None = None
    """Effective γ of a black-box corrector, from the contraction of the same loop without it."""
    reason: str = ""


def estimate(
    distances: ArrayLike, ratio: float | None = None, uncorrected: Estimate | None = None, confidence: float = 0.95
) -> Estimate:
    """Fit a settling curve, distance² = floor² + (start² − floor²) c^(2t), to every seed's curve, (S, T).

    ratio: λ of the loop, for κ; uncorrected: the estimate from the same loop without its corrector, for γ. Needs a
    visible transient: where the change over the run is within the scatter between generations, nothing is estimated.
    """
    squares = np.atleast_2d(np.asarray(distances, dtype=float)) ** 2
    if squares.shape[1] < 4:
        return Estimate(None, None, reason=f"needs at least 4 generations, got {squares.shape[1]}")
    if not _has_transient(squares):
        return Estimate(None, None, reason="no transient above the scatter between generations")
    fits = [fit for fit in map(_fit_settling, squares) if fit is not None]
    if len(fits) < (len(squares) + 1) // 2:
        return Estimate(None, None, reason=f"only {len(fits)} of {len(squares)} curves settle within the run")
    floors, rates = np.array(fits).T
    contraction = mean_interval(rates, confidence)
    return Estimate(
        contraction,
        mean_interval(floors, confidence),
        condition=None if ratio is None else _transformed(contraction, lambda rate: rate / (ratio * (1 + rate))),
        strength=_strength(contraction, uncorrected),
    )


def _has_transient(squares: np.ndarray) -> bool:
    """Whether the mean curve moves by more than twice the standard error of its steps."""
    curve = squares.mean(0)
    scatter = np.std(np.diff(curve[len(curve) // 2 :]), ddof=0)
    return abs(curve[-1] - curve[0]) > 2 * scatter and np.ptp(curve) > 0


def _fit_settling(squares: np.ndarray) -> tuple[float, float] | None:
    """Floor and contraction of one curve of squared distances (T,), or None where the fit leaves its bounds."""
    steps, start = np.arange(len(squares)), squares[0]

    def settling(step: np.ndarray, floor: float, rate: float) -> np.ndarray:
        return floor + (start - floor) * rate ** (2 * step)

    try:
        guess = (max(squares[-1], 1e-12), 0.7)
        (floor, rate), _ = optimize.curve_fit(settling, steps, squares, p0=guess, bounds=([0, 0], [np.inf, 1]))
    except RuntimeError:
        return None
    return None if rate >= 0.999 else (math.sqrt(floor), float(rate))


def _strength(contraction: Interval, uncorrected: Estimate | None) -> Interval | None:
    if uncorrected is None or uncorrected.contraction is None:
        return None
    reference = uncorrected.contraction.estimate
    return _transformed(contraction, lambda rate: reference / max(rate, 1e-12) - 1)


def _transformed(interval: Interval, function: Callable[[float], float]) -> Interval:
    """The interval of a monotone function of the estimated quantity."""
    low, high = sorted((function(interval.low), function(interval.high)))
    return Interval(function(interval.estimate), low, high, interval.count, interval.method, interval.confidence)
