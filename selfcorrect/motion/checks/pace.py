"""The rule of pace: playback speed relative to real time.

Speed is measured in flights, in which bodies fall at 9.81 m/s². Without flights, it is measured in walks, in which the
body is an inverted pendulum.
"""

import numpy as np

from ...runtime.object_cache import remember_by_object
from ..body.surface import HIGH_SOLES_M
from ..geometry.runs import find_runs
from ..geometry.vectors import GRAVITY_M_S2, norms
from ..perception.gliding import TRAVEL_M_S
from ..perception.motion_features import MotionFeatures
from .findings import Measurement, deviation_factor
from .walking import has_unusual_steps, has_usual_steps_at, walking_pace

MIDDLE_FPS = 35.0
"""Middle frame rate, in fps: the geometric mean of the lowest and highest rates of recordings."""

_SHORTEST_S = 0.12
"""Minimum duration of a flight, in s."""
_MIN_FRAMES = 6
"""Minimum number of frames of a flight."""

_MIN_ARC_M = 0.08
"""Minimum height of a flight's parabola, in m. In lower flights, toes or hands still touch something."""
_MAX_DEVIATION = 0.055
"""Maximum deviation of the centre of mass from its parabola, relative to the parabola's height."""
_EXACT_DEVIATION = 0.02
"""Deviation below which a parabola is a flight even if the legs are stiff, relative to its height."""
_PUSH_S = 0.4
"""Maximum duration of a push-off or landing, in s."""
_MIN_PUSH = 0.2
"""Minimum change, during push-off and landing, in the height of the centre of mass above the lowest point, relative to
the flight's height. With less, legs would have to push off more than five times as strongly as gravity, which
people cannot."""
_STILL_SHARE = 0.3
"""Speed below which a foot stays in place beneath a travelling body, relative to the body's speed."""
_NEAR_S = 0.1
_DEEP_M = 0.08
"""Maximum depth in the floor, within `_NEAR_S` of a flight, of a body that the floor carries, in m."""


def pace(features: MotionFeatures) -> float | None:
    """Measure playback speed relative to real time.

    Walks with usual steps count as real time. In other walks, the pace of a pendulum counts only if it makes the steps
    usual, so two independent signs must agree. Returns None if neither flights nor walks determine the speed.
    """
    if not features.has_feet:
        return None
    if (in_flight := flight_pace(features)) is not None:
        return in_flight
    if not has_unusual_steps(features):
        return None
    speed = walking_pace(features)
    return speed if speed is not None and has_usual_steps_at(features, speed) else None


@remember_by_object
def flight_pace(features: MotionFeatures) -> float | None:
    """Measure playback speed in flights, relative to real time.

    If no flight is usable, the result is None.
    """
    falls_m_s2 = []
    weights = []
    shortest = max(_MIN_FRAMES, round(_SHORTEST_S * features.fps))
    for start, stop in find_runs(features.clear_m > HIGH_SOLES_M, shortest):
        fall_in_flight_m_s2 = _fall_m_s2(features, start, stop)
        if fall_in_flight_m_s2 is not None:
            falls_m_s2.append(fall_in_flight_m_s2)
            weights.append(float(stop - start) ** 2)
    if not falls_m_s2:
        return None
    fall_m_s2 = float(np.average(falls_m_s2, weights=weights))
    return float(np.sqrt(max(fall_m_s2, 0.0) / GRAVITY_M_S2))


def find_gravity_m_s2(features: MotionFeatures) -> float:
    """Estimate gravity from flights; slow motion lowers it."""
    shown = flight_pace(features)
    return GRAVITY_M_S2 if shown is None else GRAVITY_M_S2 * min(shown, 1.0) ** 2


def _fall_m_s2(features: MotionFeatures, start: int, stop: int) -> float | None:
    """Measure the downward acceleration of the centre of mass in a flight.

    Returns None unless the path is a parabola.
    """
    heights = features.centre_m[start:stop, 1]
    times = np.arange(len(heights)) / features.fps
    curve, slope, level = np.polyfit(times, heights, 2)
    residual_m = float(np.abs(heights - np.polyval((curve, slope, level), times)).max())
    rises_then_falls = slope > 0 and slope + 2 * curve * times[-1] < 0
    arc_m = -float(curve) * times[-1] ** 2 / 4
    is_flight = rises_then_falls and arc_m > _MIN_ARC_M and residual_m < _MAX_DEVIATION * arc_m
    is_exact = residual_m < _EXACT_DEVIATION * arc_m
    if is_flight and not is_exact:
        is_flight = _does_push_off(features, start, stop, _MIN_PUSH * arc_m)
        is_flight = is_flight and not _does_dive(features, start, stop) and not _does_walk(features, start, stop)
    return -2 * float(curve) if is_flight else None


def _does_push_off(features: MotionFeatures, start: int, stop: int, least_m: float) -> bool:
    """Return whether the legs push off and land.

    They stretch before a flight and bend after it, as far as the motion covers that. If a file moves the whole body up
    and down, its path may be that of a flight, but its legs do nothing.
    """
    frames = round(_PUSH_S * features.fps)
    over_lowest_m = features.centre_m[:, 1] - features.ground_m - features.lowest_m
    sides = [over_lowest_m[start - frames : start + 1], over_lowest_m[stop - 1 : stop + frames]]
    return all(np.ptp(side_m) >= least_m for side_m in sides if len(side_m) > frames)


def _does_dive(features: MotionFeatures, start: int, stop: int) -> bool:
    """Return whether the body is deep in the floor just before or just after a flight."""
    frames = max(1, round(_NEAR_S * features.fps))
    return bool(features.lowest_m[max(start - frames, 0) : stop + frames].min() < -_DEEP_M)


def _does_walk(features: MotionFeatures, start: int, stop: int) -> bool:
    """Return whether feet, at any height, stay in place beneath a travelling body."""
    speeds_m_s = norms(np.gradient(features.centre_m[start:stop, [0, 2]], 1 / features.fps, axis=0))
    is_still = features.observation.along_m_s[start:stop].min(axis=1) < _STILL_SHARE * speeds_m_s
    return bool(speeds_m_s.mean() > TRAVEL_M_S and is_still.mean() > 0.5)


def pace_deviation(features: MotionFeatures) -> Measurement | None:
    """Measure the factor by which time is too fast or too slow for gravity, minus 1."""
    speed = pace(features)
    if speed is None:
        return None
    return Measurement(np.array([[deviation_factor(speed) - 1]]), ("too fast" if speed > 1 else "too slow",))


def rate_factor(features: MotionFeatures) -> float:
    """Return the ratio of the frame rate to `MIDDLE_FPS`, or its inverse: at least 1."""
    return deviation_factor(features.fps / MIDDLE_FPS)
