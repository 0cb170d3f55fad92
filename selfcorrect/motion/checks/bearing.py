"""Rules for feet that bear weight: they neither rise nor slide.

These rules find bodies that float, sink, or lose path length for some strides. The method relies on stances. A foot
bears weight, at any height, if it stays in place over the floor and is the lowest part of the body. If such feet rise
and sink with the root, the whole body did. Feet on steps do not, because each of them stands at one height. So every
stretch is judged by its own stances, whatever the rest of the motion does.
"""

from dataclasses import replace

import numpy as np

from ..geometry.runs import spans
from ..geometry.vectors import median, norms
from ..measures.slip import measure_slip
from ..perception.motion_features import FALLING, MotionFeatures
from .findings import Measurement
from .pace import find_gravity_m_s2

_IN_PLACE_FACTOR = 2.5
"""Maximum speed of a foot that stays in place, relative to the speed in the motion's stances."""
AS_LOW_M = 0.02
"""Maximum height of a bearing foot above the lowest foot, in m."""
_LEVEL_M = 0.01
"""Maximum height of a foot on the floor, in m."""
RISE_M = 0.055
"""Minimum rise of the whole body that counts, in m: the threshold of rule F10."""
_MAX_RISE_M = 0.3
"""Maximum rise, in m. A body that rises further climbs on something."""
_BORNE_SHARES = (0.65, 0.5)
"""Minimum share of a one-sided rise, and of a rise and fall, that happens while a foot bears weight. On steps, hardly
any of it does."""
_FOLLOWED_SHARE = 0.4
"""Minimum movement of the root, relative to the rise and fall. The root of a sitting body stays in place."""
_SUNK_SHARE = 0.25
"""Minimum depth of all points of a bearing sole, relative to the body's depth, if the body has sunk."""
_MAX_RISE_M_S = 1.0
"""Maximum speed of a rise above the floor, in m/s. A faster body jumps, or continues elsewhere as between takes."""

_SLIDE_M_S = 0.2
"""Minimum speed of a sliding foot or hand, in m/s. Hands that grip are slower."""


def estimate_body_rise_m(
    features: MotionFeatures, heights_m: np.ndarray, highest_m: np.ndarray, *, has_only_floor: bool = False
) -> np.ndarray:
    """Estimate how much too high the body is, (T,) in m.

    The result is negative where the body is too low, and 0 where no stance shows it. The soles of a body that sinks go
    down from heel to tip. A foot that only dips its toes into the floor has not sunk.

    Args:
        heights_m: (T, 2) height of each sole's lowest point above the floor.
        highest_m: (T, 2) height of each sole's highest point.
        has_only_floor: Whether nothing but the floor carries the body, so that every stance is on the floor.
    """
    rise_m = np.zeros(len(features))
    holds = find_holding_feet(features, heights_m)
    is_held = holds.any(axis=1)
    if is_held.sum() < 2:
        return rise_m
    held_m = np.where(holds, heights_m, np.inf).min(axis=1)
    frames = np.arange(len(features))
    root_steps_m = np.diff(features.root_m[:, 1])
    off_m = np.interp(frames, frames[is_held], held_m[is_held])
    if has_only_floor:
        rise_m = np.where(np.abs(off_m) <= _LEVEL_M, off_m, 0.0)
    steps_m = _measure_borne_steps_m(holds, heights_m, features.fps)
    for first, last in spans(np.abs(off_m) > _LEVEL_M, 0):
        stretch = slice(first, last + 1)
        peak = first + int(np.abs(off_m[stretch]).argmax())
        peak_m = off_m[peak]
        least_m = _LEVEL_M if has_only_floor else RISE_M
        if not least_m < abs(peak_m) < _MAX_RISE_M or _falls_freely(features, heights_m, stretch):
            continue
        if has_only_floor:
            rise_m[stretch] = off_m[stretch]
            continue
        sunk_m = np.where(holds[stretch], highest_m[stretch], np.inf).min()
        if peak_m < 0 and sunk_m > _SUNK_SHARE * peak_m:
            continue
        flanks = []
        if first > 0:
            flanks.append(slice(max(first - 2, 0), peak))
        if last < len(features) - 1:
            flanks.append(slice(peak, last + 2))
        borne_m = sum(abs(steps_m[flank].sum()) for flank in flanks)
        followed_m = sum(abs(root_steps_m[flank].sum()) for flank in flanks)
        needed_m = abs(peak_m) * max(len(flanks), 1)
        borne_share = _BORNE_SHARES[len(flanks) == 2]
        if borne_m >= borne_share * needed_m and followed_m >= _FOLLOWED_SHARE * needed_m:
            rise_m[stretch] = off_m[stretch]
    return rise_m


def find_holding_feet(features: MotionFeatures, heights_m: np.ndarray) -> np.ndarray:
    """Find feet (T, 2) that hold the body.

    Such a foot stays in place over the floor and is the lowest part of the body. If knees, hands or hips are lower, the
    body kneels, lies or sits, and they bear its weight. A hand above the neck that does not move may hold the body, so
    feet do not count then.
    """
    lowest_m = heights_m.min(axis=1)
    observation = features.observation
    is_in_place = observation.along_m_s < _IN_PLACE_FACTOR * observation.stance_speed_m_s
    holds = is_in_place & (heights_m < lowest_m[:, None] + AS_LOW_M)
    holds &= features.sole_heights_m < features.lowest_surface_m[:, None] + AS_LOW_M
    places_m = features.places("pelvis", "neck", "left_wrist", "right_wrist")
    if places_m is not None:
        pelvis_m, neck_m, left_m, right_m = np.moveaxis(places_m, 1, 0)
        is_hanging = pelvis_m[:, 1] > neck_m[:, 1]
        for hand_m in (left_m, right_m):
            speed_m_s = norms(np.gradient(hand_m, 1 / features.fps, axis=0))
            is_hanging |= (hand_m[:, 1] > neck_m[:, 1]) & (speed_m_s < _SLIDE_M_S)
        holds &= ~is_hanging[:, None]
    return holds


def _measure_borne_steps_m(holds: np.ndarray, heights_m: np.ndarray, fps: float) -> np.ndarray:
    """Measure how far bearing feet rise in each step (T − 1,).

    The result is 0 unless a foot bears weight in both frames. Within the floor, nobody jumps or falls.
    """
    steps_m = np.diff(heights_m, axis=0)
    is_slow = np.abs(steps_m) < _MAX_RISE_M_S / fps
    is_in_floor = np.minimum(heights_m[1:], heights_m[:-1]) < -_LEVEL_M
    is_borne = holds[1:] & holds[:-1] & (is_slow | is_in_floor)
    return np.where(is_borne, steps_m, 0.0).sum(axis=1) / np.maximum(is_borne.sum(axis=1), 1)


def _falls_freely(features: MotionFeatures, heights_m: np.ndarray, stretch: slice) -> bool:
    """Return whether the body falls freely above the floor."""
    falls_m_s2 = features.falls_m_s2[stretch][heights_m[stretch].min(axis=1) > _LEVEL_M]
    if not len(falls_m_s2):
        return False
    return min(falls_m_s2.mean(), median(falls_m_s2)) > FALLING * find_gravity_m_s2(features)


def rise_in_stance_m(features: MotionFeatures) -> np.ndarray:
    """Measure how far the body moves vertically while feet bear weight, (T,) in m."""
    heights_m = features.sole_heights_m
    holds = find_holding_feet(features, heights_m)
    if not holds.any():
        return np.zeros(len(features))
    floor_m = median(heights_m[holds])
    highest_m = features.feet_m[..., 1].max(axis=2)
    return np.abs(estimate_body_rise_m(features, heights_m - floor_m, highest_m - floor_m))


def slide_in_stance_m(features: MotionFeatures) -> Measurement:
    """Measure how far from its place a foot gets in a stance while it slides, (T, 2) in m.

    Only steps of a stance in which the foot slides count, so that slow slips of feet that stand for long do not add up.
    A foot that turns on its ball, as dancers do, slides to and fro but does not get far. Feet of a body that rests on
    other parts do not bear its weight.
    """
    motion = features.given
    if features.around.belt_m is not None:
        motion = replace(motion, root_m=motion.root_m - features.around.belt_m)
    slip = measure_slip(motion)
    rests_elsewhere = features.lowest_surface_m < AS_LOW_M
    slides_m = np.zeros((len(features), 2))
    for stance in slip.stances:
        speeds_m_s = slip.speeds_m_s[stance.first : stance.last, stance.foot]
        slides = (speeds_m_s > _SLIDE_M_S) & ~rests_elsewhere[stance.first : stance.last]
        path_m = np.cumsum(np.diff(stance.path_m, axis=0) * slides[:, None], axis=0)
        slides_m[stance.first : stance.last + 1, stance.foot] = norms(path_m).max(initial=0.0)
    return Measurement(slides_m, ("left foot", "right foot"))
