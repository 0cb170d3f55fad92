"""Rules of the floor.

Bodies may be below or above the floor, slide or glide on it; floors may lean, or not be at y = 0.
"""

import numpy as np

from ..geometry.filters import maximum_filter1d, minimum_filter1d, uniform_filter1d
from ..geometry.floor_speeds import floor_speeds_m_s
from ..geometry.runs import find_runs, holds_throughout
from ..geometry.vectors import GRAVITY_M_S2, median, norms, percentile
from ..perception.motion_features import FALLING, MotionFeatures
from .findings import Measurement

OTHERS_LOW_M = 0.03
"""Height within which other surfaces rest on the floor, in m around joints other than feet."""
_UNMOVING_M_S = 0.15
"""Maximum speed of a resting foot in any direction, in m/s."""
_AS_LOW_M = 0.01
"""Maximum height of a foot that carries the body, in m above the body's lowest point."""
_LIFTED_M_S = 0.28
"""Minimum vertical speed of a lifted body, in m/s. Both feet rise or sink faster."""


HIGH_SOLES_M = 0.05
"""A body above this height has left the floor."""

_LIFT_S = 0.06
"""Least duration of a lift."""
_AROUND_S = 0.3
"""Maximum time between a lift and a support's ends, in s."""

_HOVERS_S = 1.1
"""Time around a hover in which the body rests on the floor, in s."""

_AVERAGED_S = 0.35
"""Averaging time of slow slides, in s. A foot stands for longer in a step."""
_STRIDE_S = 1.1
"""Longest time between stances of a walking foot."""
_FLIGHT_M = 0.04
"""A body above this height may be in flight."""

_DEEPER_SOLES_M = 0.02
"""Depth of unusual soles, in m. They may be deeper than usual soles by this, and that looks like a higher floor."""

_LEVEL_FLOAT_M = 0.15
"""Maximum height range above a level floor, in m. A body whose height varies by more does not float above it."""

_WHILE_S = 0.7
"""Longest time without anything standing still."""
_CARRIED_S = 0.3
"""Minimum time with bearing soles, in s, as part of that time."""

_DRAWN_M = 0.15
"""Least path of a foot that is drawn along the floor, in m."""
_DRAWN_S = 0.3
"""Least time of that path, in s."""
_DRAWN_M_S = (0.15, 0.7)
"""Slowest and fastest speed of such a foot, in m/s. People slide a flat foot faster if they mean to."""
_DRAWN_LEVEL_M = 0.008
"""Largest change of its height, in m. Feet that shuffle rise further."""
_DRAWN_FLAT_M = 0.04
"""Largest height of its corners above the lowest, in m. Dancers drag a foot on the toes."""
_RESTS = 0.5
"""Least probability that a foot rests on the floor, which may slide."""
_STANCE_S = 0.1
"""Time of the stances before and after, in s."""


def depth_m(features: MotionFeatures) -> Measurement:
    """Measure how deep body and soles penetrate the floor."""
    surface_m, names = features.surface_m
    return Measurement(
        -np.concatenate([features.sole_heights_m, surface_m], axis=1), ("left foot", "right foot", *names)
    )


def hover_m(features: MotionFeatures) -> np.ndarray:
    """Measure how high the body hovers: off the floor, but not falling as in flight, until it comes back."""
    return np.where(find_unsupported_frames(features, features.clear_m, HIGH_SOLES_M), features.clear_m, 0.0)


def find_unsupported_frames(features: MotionFeatures, clear_m: np.ndarray, high_m: float) -> np.ndarray:
    """Find frames (T,) in which the body is above the ground but does not fall as in flight.

    Args:
        features: Features of a motion of T frames.
        clear_m: (T,) height of everything above the ground.
        high_m: Least height of a body that has left the ground.
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

    It is the least speed, within a while, of the slowest sole point, because a standing foot has a point that does not
    move. A foot that turns on the ball or rolls does not slide. While soles are not the only support, in flight or with
    hands or knees down, nothing can be said.

    A foot that is drawn along beside a standing one slides, too, if it stays flat and level from stance to stance.
    """
    window = max(round(_WHILE_S * features.fps), 1)
    if len(features) < window:
        return None
    points_m, is_low = _find_low_points(features)
    speeds = floor_speeds_m_s(points_m, features.fps)
    is_carried = features.falls_m_s2 < FALLING * GRAVITY_M_S2  # something carries a body that does not fall
    is_touching = is_low.any(axis=1) & is_carried
    others_low = features.lowest_surface_m < OTHERS_LOW_M
    slowest = np.where(is_touching, np.where(is_low, speeds, np.inf).min(axis=1), np.inf)
    least = minimum_filter1d(slowest, window, mode="nearest")
    touching_frames = uniform_filter1d(is_touching.astype(float), window, mode="nearest") * window
    stands = touching_frames >= _CARRIED_S * features.fps
    is_known = stands & np.logical_not(maximum_filter1d(others_low, window, mode="nearest"))
    speeds_m_s = maximum_filter1d(np.where(is_known & np.isfinite(least), least, 0.0), window, mode="nearest")
    return np.maximum(speeds_m_s, _measure_drawn_feet_m_s(features))


def _measure_drawn_feet_m_s(features: MotionFeatures) -> np.ndarray:
    """Measure how fast (T,) flat feet are drawn far along the floor between two stances; 0 elsewhere."""
    fps = features.fps
    speeds_m_s = np.zeros(len(features))
    heights_m = features.feet_m[..., 1]
    lowest_m = heights_m.min(axis=2)
    is_flat = np.ptp(heights_m, axis=2) < _DRAWN_FLAT_M
    rests = features.observation.resting > _RESTS
    middles_m = features.feet_m.mean(axis=2)[..., [0, 2]]
    averaged_m = uniform_filter1d(middles_m, max(1, round(_STANCE_S * fps)), axis=0, mode="nearest")
    middle_m_s = norms(np.gradient(averaged_m, 1 / fps, axis=0))
    slowest_m_s, fastest_m_s = _DRAWN_M_S
    is_drawn = rests & is_flat & (middle_m_s > slowest_m_s) & (middle_m_s < fastest_m_s)
    around = max(1, round(_STANCE_S * fps))
    for foot in range(2):
        for start, stop in find_runs(is_drawn[:, foot]):
            stands_before = rests[max(0, start - around) : start, foot]
            stands_after = rests[stop : stop + around, foot]
            is_between = bool(len(stands_before) and len(stands_after)) and stands_before.all() and stands_after.all()
            path_m = float(norms(middles_m[stop - 1, foot] - middles_m[start, foot]))
            is_level = np.ptp(lowest_m[start:stop, foot]) < _DRAWN_LEVEL_M
            if is_between and is_level and path_m > _DRAWN_M and stop - start >= _DRAWN_S * fps:
                speeds_m_s[start:stop] = np.maximum(speeds_m_s[start:stop], middle_m_s[start:stop, foot])
    return speeds_m_s


def low_hover_m(features: MotionFeatures) -> np.ndarray:
    """Measure how high a resting foot hovers.

    The height is above the resting positions before and after, while a foot rests in the air as if it stood there. Feet
    of a body that leaps or is about to land move. Floors of captures are some centimetres off, so a height counts only
    against the lowest heights within a second before and after, and of these against the higher.
    """
    middle_m = features.feet_m.mean(axis=2)
    speeds_m_s = norms(np.gradient(middle_m, 1 / features.fps, axis=0))
    is_lowest = features.sole_heights_m < features.lowest_m[:, None] + _AS_LOW_M
    rests = (features.observation.stands & (speeds_m_s < _UNMOVING_M_S) & is_lowest).any(axis=1)
    heights_m = np.where(rests, features.clear_m, np.inf)
    window = max(round(_HOVERS_S * features.fps), 1)
    before_m = minimum_filter1d(heights_m, window, origin=(window - 1) // 2, mode="constant", cval=np.inf)
    after_m = minimum_filter1d(heights_m, window, origin=-(window // 2), mode="constant", cval=np.inf)
    values = np.zeros(len(features))
    values[rests] = heights_m[rests] - np.maximum(before_m, after_m)[rests]
    return values


def slow_slide_m_s(features: MotionFeatures) -> np.ndarray | None:
    """Measure slow slides of the soles.

    It is the least speed of a low sole point, averaged over a third of a second, within a while. Averages leave out
    what is noise or lasts for a moment, so that slower slides show than by `slide_m_s`. While the body is in flight, or
    rests on other parts than feet, nothing can be said.
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
    is_other = (features.lowest_surface_m < OTHERS_LOW_M) | (features.clear_m > _FLIGHT_M)
    is_known = np.isfinite(least_m_s) & np.logical_not(maximum_filter1d(is_other, around, mode="nearest"))
    return np.where(is_known, least_m_s, 0.0)


def _find_low_points(features: MotionFeatures) -> tuple[np.ndarray, np.ndarray]:
    """Return low sole points, and which touch the floor.

    Points are (T, P, 3) above the floor; flags (T, P) say whether the point's foot touches it. The points are the
    corners, and seven points along the middle of each foot.
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

    The body steps onto or off supports with both feet at once, without falling. People step onto a stool with a single
    foot, or jump. If the body of a file is lifted, the inferred supports are wrong.
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
    """Measure how far the floor is from y = 0, beyond the floor's error and what deep soles explain.

    Returns None for a body on several grounds, or whose floor is not known.
    """
    floor_m = features.ground.near_m
    if floor_m is None or features.around.supports or features.given.ground is not None:
        return None
    distance_m = abs(floor_m - np.clip(floor_m, 0.0, _DEEPER_SOLES_M))
    return max(float(distance_m) - features.observation.floor_error_m, 0.0)


def find_level_under(features: MotionFeatures, first: int, last: int | None) -> float | None:
    """Find the height of a level floor that a floating body would stand on.

    Args:
        first: First frame of floating.
        last: Last one; None for the last frame of the motion.

    Returns:
        The height in m; None if the body rises or sinks meanwhile, because no level floor carries it then.
    """
    stop = len(features) if last is None else last + 1
    lowest_m = (features.ground_m + features.lowest_m)[first:stop]
    low_m = percentile(lowest_m, 10)
    high_m = percentile(lowest_m, 90)
    return float(low_m) if high_m - low_m < _LEVEL_FLOAT_M else None


def gliding_m_s(features: MotionFeatures) -> np.ndarray:
    """Measure how fast along the floor a body glides that stands for two seconds."""
    speeds_m_s = norms(features.observation.standing_glide_m_s)
    return np.append(speeds_m_s, speeds_m_s[-1:])


def floor_tilt_deg(features: MotionFeatures) -> float | None:
    """Measure the angle between the horizontal and the plane that feet stand on.

    Returns None if nothing shows the plane, or if the ground rises or sinks in time beneath standing feet.
    """
    if features.observation.rises_underfoot:
        return None
    plane = features.ground.plane if features.given.ground is None else None
    return plane.tilt_deg if plane and plane.stances else None
