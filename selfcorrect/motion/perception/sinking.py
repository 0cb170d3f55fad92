"""Evidence of a floor that sinks or rises steadily, as in captures that drift.

Feet that come back to a place show it: on level or sloping ground, they stand there as high as before. Heights y of
standing points are explained by level ground, by a slope or by a rise over time,

    min over β  Σ w ρ((y − Xβ) / σ) + β' P β,

where ρ is the cost of Geman and McClure (1987), which bounds what a step or a jump may weigh, and P the prior precision
of slopes and rates. Standing for long adds no evidence: each place counts once for a slope, and each place and second
once for a rise.

Feet of a body that returns to a place may stand higher or lower there, as those of dancers on their toes do. So the
floor sinks for certain only if standing feet sink with it: their vertical speeds are more likely if it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..geometry.vectors import norms
from .observation import Observation

_SLOPE = 0.1
"""Usual slope of ground, a standard deviation."""
_RATE_M_S = 0.02
"""Usual rate of a floor that sinks, a standard deviation, in m/s. People climb much faster."""
_HEIGHT_M = 0.015
"""Error of a stance's height, a standard deviation, in m."""
_OUTLIER = 3.0
"""Distance from the ground, in such deviations, from which on a stance is on other ground."""
_PLACE_M = 0.2
"""Size of a place, in m: about a foot."""
_SAMPLES_S = 1 / 6
"""Time between samples of standing feet, in s. A stance has at least one."""
_MAX_SAMPLES = 1500
"""Maximum number of samples, which are compared in pairs. Longer motions have fewer per second."""
_LIKELY = 0.2
"""Minimum probability of standing of a sample."""
_CERTAIN_LOG_ODDS = float(np.log(10))
"""Log odds of a rise against a slope or level ground from which on it is certain: ten to one, which is strong evidence
(Jeffreys 1961). Of 64 clean captures, the largest are 1.4. Of 12 captures that lost their height or shake a leg, two
reach 2.0 and 2.1. Those that sink by 16 to 20 mm/s and do not walk straight on have 2.4 and more."""
_STANCE_S = 0.25
"""Minimum duration of a stance that shows whether feet sink, in s."""
_STANCE_M_S = 0.015
"""Error of a foot's vertical speed in a stance, a standard deviation, in m/s."""
_SCALES = (16.0, 8.0, 4.0, 2.0, 1.0, 1.0)
"""Outlier distances of a fit, relative to the last (graduated non-convexity, Blake and Zisserman 1987)."""
_LEVEL_SCALES = ((1.0, 1.0, 1.0), (8.0, 4.0, 2.0, 1.0))
"""The same for level ground, from a low and from a middle start."""
_ROUNDS = 3
"""Number of iterations per outlier distance."""


@dataclass(frozen=True)
class SteadyRise:
    """A floor that rises or sinks steadily."""

    rate_m_s: float
    """Rate in m/s, negative if the floor sinks."""
    log_odds: float
    """Log odds of the rise, against a slope and against level ground."""
    log_odds_underfoot: float = 0.0
    """Log odds of the rise against level ground, by the vertical speeds of standing feet alone."""

    @property
    def is_certain(self) -> bool:
        """True if the floor rises or sinks beyond reasonable doubt, and standing feet do so with it."""
        return self.log_odds_underfoot > 0 and self.log_odds > _CERTAIN_LOG_ODDS


def find_steady_rise(seen: Observation) -> SteadyRise:
    """Find the steady rise of the floor under standing feet."""
    places_m = seen.feet_m[:, :, -1]
    standing = seen.standing[:, :, -1]
    frames = len(places_m)
    every = max(1, round(_SAMPLES_S * seen.fps), -(-2 * frames // _MAX_SAMPLES))
    is_sample = standing > _LIKELY
    is_sample[np.arange(frames) % every != 0] = False
    count = int(is_sample.sum())
    if count < 2:
        return SteadyRise(0.0, 0.0)
    likely = standing[is_sample]
    times_s = np.nonzero(is_sample)[0] / seen.fps
    sampled_m = places_m[is_sample]
    heights_m = sampled_m[:, 1]
    along_m = sampled_m[:, [0, 2]]
    is_near = norms(along_m[:, None] - along_m) < _PLACE_M
    by_place = likely / (is_near @ likely)
    by_second = likely / ((is_near & (np.abs(times_s[:, None] - times_s) < 1)) @ likely)
    order = np.argsort(heights_m, kind="stable")
    lowest = np.searchsorted(np.cumsum(by_second[order]), min(1.0, 0.2 * by_second.sum()))
    start_m = float(heights_m[order][lowest])
    since_s = times_s - by_second @ times_s / by_second.sum()
    from_middle_m = along_m - by_place @ along_m / by_place.sum()
    slope_gain, _ = _gain(from_middle_m, heights_m, by_place, start_m, _SLOPE)
    rise_gain, rates_m_s = _gain(since_s[:, None], heights_m, by_second, start_m, _RATE_M_S)
    rate_m_s = float(rates_m_s[0])
    off = _measure_stance_speeds_m_s(seen) / _STANCE_M_S
    off_from_rise = off - rate_m_s / _STANCE_M_S
    log_odds_underfoot = float((_robust_costs(off) - _robust_costs(off_from_rise)).sum())
    return SteadyRise(rate_m_s, rise_gain - max(slope_gain, 0.0), log_odds_underfoot)


def _measure_stance_speeds_m_s(seen: Observation) -> np.ndarray:
    """Measure the vertical speed (S,) of toes in the middle of each stance, because feet roll at both ends."""
    last_part = seen.feet_m.shape[2] - 1
    speeds_m_s = []
    for stance in seen.stances:
        frames = stance.last + 1 - stance.first
        if stance.part == last_part and stance.weight > 0 and frames >= max(_STANCE_S * seen.fps, 4):
            middle = slice(stance.first + frames // 5, stance.last + 1 - frames // 5)
            heights_m = seen.feet_m[middle, stance.foot, last_part, 1]
            speeds_m_s.append(float(np.polyfit(np.arange(len(heights_m)) / seen.fps, heights_m, 1)[0]))
    return np.array(speeds_m_s)


def _robust_costs(off: np.ndarray) -> np.ndarray:
    """Return the costs of Geman and McClure for deviations (K,), in standard deviations."""
    return 0.5 * off**2 / (1 + (off / _OUTLIER) ** 2)


def _gain(
    inputs: np.ndarray, heights_m: np.ndarray, weights: np.ndarray, start_m: float, usual: float
) -> tuple[float, np.ndarray]:
    """Return the log odds of ground that changes along inputs (K, D), against level ground, and its rates (D,)."""
    nothing = np.zeros((len(heights_m), 0))
    level = min(_fit(nothing, heights_m, weights, start_m, usual, scales)[1] for scales in _LEVEL_SCALES)
    rates, cost = _fit(inputs, heights_m, weights, start_m, usual, _SCALES)
    return level - cost, rates


def _fit(
    inputs: np.ndarray,
    heights_m: np.ndarray,
    weights: np.ndarray,
    start_m: float,
    usual: float,
    scales: Sequence[float],
) -> tuple[np.ndarray, float]:
    """Fit heights (K,) as a linear function of inputs (K, D), and return its rates (D,) and the cost."""
    design = np.column_stack([np.ones(len(heights_m)), inputs])
    precision = np.append(1e-9, np.full(inputs.shape[1], usual**-2))
    solution = np.append(start_m, np.zeros(inputs.shape[1]))
    for scale in scales:
        for _ in range(_ROUNDS):
            off = (heights_m - design @ solution) / (_OUTLIER * _HEIGHT_M * scale)
            weighted = design * (weights / _HEIGHT_M**2 / (1 + off**2) ** 2)[:, None]
            solution = np.linalg.solve(weighted.T @ design + np.diag(precision), weighted.T @ heights_m)
    off = (heights_m - design @ solution) / (_OUTLIER * _HEIGHT_M)
    cost = float(weights @ (_OUTLIER**2 * off**2 / (1 + off**2)) + precision @ solution**2) / 2
    return solution[1:], cost
