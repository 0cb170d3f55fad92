"""The rule of pace: a motion's playback speed relative to real time. It is measured in flights, in which bodies fall at
9.81 m/s², or else in walking, where they are inverted pendulums.
"""

import numpy as np

from .findings import Measurement, find_runs
from .floor import GRAVITY_M_S2
from .motion_features import MotionFeatures
from .walking import walking_pace, walks_at_another_pace

_CLEAR_M = 0.04
_SHORTEST_S, _FEWEST = 0.12, 6
"""A flight: everything so far above the floor, for so long and so many frames."""

_LEAST_ARC_M, _ROUGH = 0.08, 0.055
"""Least height of a flight's parabola, and the largest distance of the centre of mass from it, over that height. In
lower or rougher ones toes or hands still touch something."""


def pace(features: MotionFeatures) -> float | None:
    """Playback speed relative to real time; None where neither flights nor walking determine it.

    Walks with usual steps count as real time: two signs are required.
    """
    if not features.has_feet:
        return None
    if (in_flight := flight_pace(features)) is not None:
        return in_flight
    return walking_pace(features) if walks_at_another_pace(features) else None


def flight_pace(features: MotionFeatures) -> float | None:
    """Playback speed relative to real time in a motion's flights; None where there are no usable ones."""
    falls = [fall for start, stop in _flights(features) if (fall := _fall_m_s2(features, start, stop)) is not None]
    if not falls:
        return None
    weights = np.array([frames for _, frames in falls], dtype=float)
    fall_m_s2 = float(np.average([fall for fall, _ in falls], weights=weights**2))
    return float(np.sqrt(max(fall_m_s2, 0.0) / GRAVITY_M_S2))


def _flights(features: MotionFeatures) -> list[tuple[int, int]]:
    least = max(_FEWEST, round(_SHORTEST_S * features.fps))
    return [(start, stop) for start, stop in find_runs(features.clear_m > _CLEAR_M) if stop - start >= least]


def _fall_m_s2(features: MotionFeatures, start: int, stop: int) -> tuple[float, int] | None:
    """Downward acceleration of the centre of mass in a flight and the flight's frames; None for what is no parabola."""
    heights = features.centre_m[start:stop, 1]
    times = np.arange(len(heights)) / features.fps
    curve, slope, level = np.polyfit(times, heights, 2)
    residual_m = float(np.abs(heights - np.polyval((curve, slope, level), times)).max())
    rises, falls = slope > 0, slope + 2 * curve * times[-1] < 0
    arc_m = -float(curve) * times[-1] ** 2 / 4
    free = rises and falls and arc_m > _LEAST_ARC_M and residual_m < _ROUGH * arc_m
    return (-2 * float(curve), len(heights)) if free else None


def pace_deviation(features: MotionFeatures) -> Measurement:
    """By which factor time runs too fast or too slow for gravity, less 1."""
    found = pace(features)
    if found is None:
        return Measurement.empty()
    return Measurement.from_scalar(max(found, 1 / max(found, 1e-3)) - 1, "too fast" if found > 1 else "too slow")


def rate_factor(features: MotionFeatures) -> Measurement:
    """How many times faster or slower than 35 frames per second the motion was recorded."""
    return Measurement.from_scalar(max(features.fps / 35.0, 35.0 / features.fps))
