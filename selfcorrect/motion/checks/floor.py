"""Rules of the floor.

Bodies may be below or above the floor, or slide and glide on it. The floor may be tilted, or not at y = 0.
"""

import numpy as np

from ..body.surface import BEARING_M, HIGH_SOLES_M, SOFT_PART_DEPTH_M
from ..geometry.filters import maximum_filter1d, minimum_filter1d, uniform_filter1d
from ..geometry.floor_speeds import floor_speeds_m_s
from ..geometry.runs import find_runs, holds_throughout
from ..geometry.vectors import GRAVITY_M_S2, median, norms, percentile
from ..perception.motion_features import FALLING, MotionFeatures
from ..perception.stance_model import LIKELY
from ..perception.stances import SHORTEST_STANCE_S
from .findings import Measurement

_RESTING_M_S = 0.15
"""Maximum speed of a resting foot in any direction, in m/s."""
_LIFTED_M_S = 0.28
"""Minimum vertical speed of both feet when a body is lifted, in m/s."""


_LIFT_S = 0.06
"""Minimum duration of a lift, in s."""
_AROUND_S = 0.3
"""Maximum time between a lift and the start or end of a support, in s."""

_AVERAGED_S = 0.35
"""Averaging time of slow slides, in s. In a step, a foot stands for longer."""
_STRIDE_S = 1.1
"""Maximum time between stances of a walking foot, in s. Before and after a hover, too, the body rests on the floor
within this time."""

_EXTRA_SOLE_M = 0.02
"""Depth of soles beyond the usual that looks like a higher floor, in m."""

_LEVEL_FLOAT_M = 0.15
"""Maximum height range of a body that floats above a level floor, in m."""

_WINDOW_S = 0.7
"""Maximum time in which no foot stands still, in s."""
_SUPPORTED_S = 0.3
"""Minimum time within it in which soles bear weight, in s."""

_DRAG_M = 0.15
"""Minimum path of a foot dragged along the floor, in m."""
_DRAG_S = 0.3
"""Minimum duration of that path, in s."""
_DRAG_M_S = (0.15, 0.7)
"""Minimum and maximum speed of a dragged foot, in m/s. People who slide a flat foot on purpose are faster."""
_DRAG_RISE_M = 0.008
"""Maximum change in height of a dragged foot, in m; shuffling feet rise further."""
_DRAG_PITCH_M = 0.04
"""Maximum height of a dragged foot's corners above its lowest corner, in m. Dancers drag a foot on its toes."""


def depth_m(features: MotionFeatures) -> Measurement:
    """Measure how deep body and soles penetrate the floor."""
    surface_m, names = features.surface_m
    return Measurement(
        -np.concatenate([features.sole_heights_m, surface_m], axis=1), ("left foot", "right foot", *names)
    )


def hover_m(features: MotionFeatures) -> np.ndarray:
    """Measure how high the body hovers.

    It hovers if it is off the floor but does not fall as in flight.
    """
    return np.where(find_unsupported_frames(features, features.clear_m, HIGH_SOLES_M), features.clear_m, 0.0)


def find_unsupported_frames(features: MotionFeatures, clear_m: np.ndarray, high_m: float) -> np.ndarray:
    """Find frames (T,) in which nothing supports the body.

    The body is then above the ground and does not fall as in flight.

    Args:
        features: Features of a motion of T frames.
        clear_m: (T,) height of the lowest point above the ground, in m.
        high_m: Minimum height of a body that has left the ground, in m.
    """
    is_unsupported = np.zeros(len(features), dtype=bool)
    for start, stop in find_runs(clear_m > high_m):
        falls_m_s2 = features.falls_m_s2[start:stop]
        # The mean is not enough: a body that is lifted and let down falls as much on average.
        if min(falls_m_s2.mean(), median(falls_m_s2)) < FALLING * GRAVITY_M_S2:
            is_unsupported[start:stop] = True
    return is_unsupported


def slide_m_s(features: MotionFeatures) -> np.ndarray | None:
    """Measure how fast soles slide in stance.

    A standing foot has a point that does not move, even if it turns on the ball or rolls. So the value is the minimum
    speed, within a while, of the slowest sole point. It is 0 where soles are not the only support: in flight, or with
    hands or knees on the floor.

    A foot that is dragged along beside a standing one also slides, if it stays flat and level from stance to stance.
    """
    window = max(round(_WINDOW_S * features.fps), 1)
    if len(features) < window:
        return None
    points_m, is_low = _find_low_points(features)
    speeds = floor_speeds_m_s(points_m, features.fps)
    is_carried = features.falls_m_s2 < FALLING * GRAVITY_M_S2  # something carries a body that does not fall
    is_touching = is_low.any(axis=1) & is_carried
    others_low = features.lowest_surface_m < SOFT_PART_DEPTH_M
    slowest = np.where(is_touching, np.where(is_low, speeds, np.inf).min(axis=1), np.inf)
    least = minimum_filter1d(slowest, window, mode="nearest")
    touching_frames = uniform_filter1d(is_touching.astype(float), window, mode="nearest") * window
    stands = touching_frames >= _SUPPORTED_S * features.fps
    is_known = stands & np.logical_not(maximum_filter1d(others_low, window, mode="nearest"))
    speeds_m_s = maximum_filter1d(np.where(is_known & np.isfinite(least), least, 0.0), window, mode="nearest")
    return np.maximum(speeds_m_s, _measure_dragged_feet_m_s(features))


def _measure_dragged_feet_m_s(features: MotionFeatures) -> np.ndarray:
    """Measure how fast (T,) flat feet are dragged along the floor.

    Only feet that are dragged far between two stances count.
    """
    fps = features.fps
    speeds_m_s = np.zeros(len(features))
    heights_m = features.feet_m[..., 1]
    lowest_m = heights_m.min(axis=2)
    is_flat = np.ptp(heights_m, axis=2) < _DRAG_PITCH_M
    rests = features.observation.resting > LIKELY
    middles_m = features.feet_m.mean(axis=2)[..., [0, 2]]
    around = max(1, round(SHORTEST_STANCE_S * fps))
    averaged_m = uniform_filter1d(middles_m, around, axis=0, mode="nearest")
    middle_m_s = norms(np.gradient(averaged_m, 1 / fps, axis=0))
    slowest_m_s, fastest_m_s = _DRAG_M_S
    is_dragged = rests & is_flat & (middle_m_s > slowest_m_s) & (middle_m_s < fastest_m_s)
    for foot in range(2):
        for start, stop in find_runs(is_dragged[:, foot]):
            stands_before = rests[max(0, start - around) : start, foot]
            stands_after = rests[stop : stop + around, foot]
            is_between = bool(len(stands_before) and len(stands_after)) and stands_before.all() and stands_after.all()
            path_m = float(norms(middles_m[stop - 1, foot] - middles_m[start, foot]))
            is_level = np.ptp(lowest_m[start:stop, foot]) < _DRAG_RISE_M
            if is_between and is_level and path_m > _DRAG_M and stop - start >= _DRAG_S * fps:
                speeds_m_s[start:stop] = np.maximum(speeds_m_s[start:stop], middle_m_s[start:stop, foot])
    return speeds_m_s


def low_hover_m(features: MotionFeatures) -> np.ndarray:
    """Measure how high a foot rests in the air.

    Heights are relative to resting positions before and after. The feet of a body that leaps or is about to land move,
    so they do not count. Floors of captures are off by some centimetres, so a height is compared with the lowest
    heights within about a second before and after, and with the higher of these two.
    """
    middle_m = features.feet_m.mean(axis=2)
    speeds_m_s = norms(np.gradient(middle_m, 1 / features.fps, axis=0))
    is_lowest = features.sole_heights_m < features.lowest_m[:, None] + BEARING_M
    rests = (features.observation.stands & (speeds_m_s < _RESTING_M_S) & is_lowest).any(axis=1)
    heights_m = np.where(rests, features.clear_m, np.inf)
    window = max(round(_STRIDE_S * features.fps), 1)
    before_m = minimum_filter1d(heights_m, window, origin=(window - 1) // 2, mode="constant", cval=np.inf)
    after_m = minimum_filter1d(heights_m, window, origin=-(window // 2), mode="constant", cval=np.inf)
    values = np.zeros(len(features))
    values[rests] = heights_m[rests] - np.maximum(before_m, after_m)[rests]
    return values


def slow_slide_m_s(features: MotionFeatures) -> np.ndarray | None:
    """Measure slow slides of soles.

    The value is the minimum speed, within a while, of a low sole point, averaged over a third of a second. Averaging
    removes noise and short movements, so slower slides show than with `slide_m_s`. It is 0 where the body is in flight
    or rests on parts other than feet.
    """
    frames = len(features)
    window = max(2, round(_AVERAGED_S * features.fps))
    if frames < window + 2:
        return None
    points_m, is_low = _find_low_points(features)
    stays_low = holds_throughout(is_low, window + 1)
    level_m = points_m[..., [0, 2]]
    speeds_m_s = norms(level_m[window:] - level_m[:-window]) * features.fps / window
    start = window // 2
    slowest_m_s = np.full(frames, np.inf)
    slowest_m_s[start : start + frames - window] = np.where(stays_low, speeds_m_s, np.inf).min(axis=1)
    around = max(1, round(_STRIDE_S * features.fps))
    least_m_s = minimum_filter1d(slowest_m_s, around, mode="nearest")
    is_other = (features.lowest_surface_m < SOFT_PART_DEPTH_M) | (features.clear_m > HIGH_SOLES_M)
    is_known = np.isfinite(least_m_s) & np.logical_not(maximum_filter1d(is_other, around, mode="nearest"))
    return np.where(is_known, least_m_s, 0.0)


def _find_low_points(features: MotionFeatures) -> tuple[np.ndarray, np.ndarray]:
    """Return sole points above the floor, and which are low.

    Points are (T, P, 3): the corners, and seven points along the midline of each foot. The flags (T, P) tell whether a
    point's foot touches the floor.
    """
    middle_m = features.middle_lines_m
    positions = np.linspace(0, middle_m.shape[2] - 1, 7)
    before = np.minimum(positions.astype(int), middle_m.shape[2] - 2)
    share = (positions - before)[:, None]
    line_m = (1 - share) * middle_m[:, :, before] + share * middle_m[:, :, before + 1]
    points_m = np.concatenate([features.feet_m, line_m], axis=2)
    is_low = np.repeat(features.observation.touches, points_m.shape[2], axis=1)
    return points_m.reshape(len(features), -1, 3), is_low


def is_lifted(features: MotionFeatures) -> bool:
    """Return whether inferred supports lift the body.

    If both feet rise or sink at once near a support's start or end, without falling, the inferred supports are wrong:
    people step onto a stool one foot at a time, or jump.
    """
    if not features.has_feet or len(features) < 2:
        return False
    feet_m = MotionFeatures(features.motion).sole_heights_m
    up_m_s = np.gradient(feet_m, 1 / features.fps, axis=0)
    both_move = (up_m_s.prod(axis=1) > 0) & (np.abs(up_m_s).min(axis=1) > _LIFTED_M_S)
    margin = _AROUND_S * features.fps
    edges: list[int] = []
    for support in features.around.supports:
        if support.part.endswith("foot"):
            edges += (support.first, support.last)
    for start, stop in find_runs(both_move, max(2, _LIFT_S * features.fps)):
        is_near_support = any(start - margin <= edge <= stop + margin for edge in edges)
        if is_near_support and features.falls_m_s2[start:stop].mean() < FALLING * GRAVITY_M_S2:
            return True
    return False


def floor_offset_m(features: MotionFeatures) -> float | None:
    """Measure how far the floor certainly is from y = 0.

    The floor's standard error and the offset that deep soles explain are subtracted. The result is None if the floor is
    unknown or feet stand on several grounds.
    """
    floor_m = features.ground.near_m
    is_on_steps = any(support.part.endswith("foot") for support in features.around.supports)
    if floor_m is None or is_on_steps or features.given.ground is not None:
        return None
    distance_m = abs(floor_m - np.clip(floor_m, 0.0, _EXTRA_SOLE_M))
    return max(float(distance_m) - features.observation.floor_error_m, 0.0)


def find_level_under(features: MotionFeatures, first: int, last: int | None) -> float | None:
    """Find the height of a level floor below a floating body.

    Args:
        first: First frame of floating.
        last: Last frame of floating; None for the motion's last.

    Returns:
        The height in m on which the body would stand, or None if it rises or sinks meanwhile, so that no level floor
            carries it.
    """
    stop = len(features) if last is None else last + 1
    lowest_m = (features.ground_m + features.lowest_m)[first:stop]
    low_m = percentile(lowest_m, 10)
    high_m = percentile(lowest_m, 90)
    return float(low_m) if high_m - low_m < _LEVEL_FLOAT_M else None


def gliding_m_s(features: MotionFeatures) -> np.ndarray:
    """Measure how fast a standing body glides along the floor.

    The body stands for at least two seconds.
    """
    speeds_m_s = norms(features.observation.standing_glide_m_s)
    return np.append(speeds_m_s, speeds_m_s[-1:])


def floor_tilt_deg(features: MotionFeatures) -> float | None:
    """Measure the tilt of the plane that feet stand on, in degrees.

    Returns None if nothing shows a plane, or if the ground rises or sinks over time beneath standing feet.
    """
    if features.observation.rises_underfoot:
        return None
    plane = features.ground.plane if features.given.ground is None else None
    return plane.tilt_deg if plane and plane.stances else None
