"""Hips that do not sink as the legs bend, so that the feet rise from the floor.

Squats that were retargeted to another body look like this. The rule and the correction share these functions.
"""

from collections.abc import Iterator

import numpy as np

from ..geometry.runs import spans
from ..geometry.vectors import median, norms, percentile
from ..measures.physical import TOLERANCE_M
from ..perception.foot_frames import IN_AIR_M
from ..perception.motion_features import FALLING, MotionFeatures
from ..perception.observation import find_feet_m
from ..support import Surroundings
from .pace import find_gravity_m_s2

_HIP_RISE_SHARE = 0.33
"""Minimum rise of the hips, relative to that of the lowest point, for the hips to follow it."""
_OVER_FEET_M = 0.15
"""Maximum horizontal distance of the centre of mass from bearing feet, in m. People who sit have their feet further
ahead."""
_IN_PLACE_M = 0.08
"""Maximum distance of bearing feet from their median position, in m. Feet that move further swing below a seat and
bear no weight."""
_STANDING_HEIGHT = 0.85
"""Minimum hip height above the ankles of a standing body, in leg lengths."""
_SEATED_DROP = 0.35
"""Hip drop of a seated body, in leg lengths."""
_LOST_M = 0.1
"""Minimum height that hips have lost in some frame, in m."""
_LOST_S = 0.3
"""Minimum duration of a loss, in s."""
LOWEST_PERCENTILE = 5.0
"""Percentile of sole heights that is taken as floor. Stances in the air would mislead the estimate of the floor."""


def find_lost_height_m(
    features: MotionFeatures, heights_m: np.ndarray, whole_m: np.ndarray
) -> tuple[float, np.ndarray]:
    """Find by how much the hips are too high.

    Hips lost height if they stay level, or sink over the feet, while the feet rise. Both results are zero if the hips
    are never much too high. The floor is where the body stands lowest. But if the body is also off this floor for other
    reasons, the floor is 0, because a shift of the whole body would leave it in the air there.

    Args:
        heights_m: (T,) height of the body's lowest point.
        whole_m: (T,) height below which there is a whole sole. Toes alone may dip into the floor.

    Returns:
        The height of the floor, and the lost heights (T,), in m.
    """
    lowest_m = float(percentile(whole_m, LOWEST_PERCENTILE))
    lost_m, is_everywhere = _find_lost_height_m(features, heights_m - lowest_m)
    if lost_m.max() > _LOST_M and not is_everywhere:
        lowest_m = 0.0
        lost_m, _ = _find_lost_height_m(features, heights_m)
    if lost_m.max() <= _LOST_M:
        return 0.0, np.zeros(len(heights_m))
    return lowest_m, lost_m


def lost_hip_height_m(features: MotionFeatures) -> np.ndarray | None:
    """Measure how far feet rise while the hips stay level.

    Returns None if the body grips something. Supports that were inferred below such feet are ignored.
    """
    if any(support.is_grip for support in features.around.supports):
        return None
    bare = features.with_surroundings(Surroundings())
    _, lost_m = find_lost_height_m(bare, bare.lowest_m, bare.feet_m[..., 1].max(axis=2).min(axis=1))
    return lost_m


def _find_lost_height_m(features: MotionFeatures, rises_m: np.ndarray) -> tuple[np.ndarray, bool]:
    """Find the height (T,) that hips have lost.

    Also returns whether this explains all rises. Bodies that may hang or stand on their hands are left out.

    Args:
        rises_m: (T,) height of the body's lowest point above the floor.
    """
    lost_m = np.zeros(len(rises_m))
    places_m = features.places("pelvis", "neck", "left_wrist", "right_wrist")
    is_low = rises_m < IN_AIR_M
    if places_m is None or not is_low.any():
        return lost_m, False
    pelvis_m, neck_m, left_m, right_m = np.moveaxis(places_m[..., 1], 1, 0)
    hips_rise_m = pelvis_m - median(pelvis_m[is_low])
    leg_m = features.skeleton.leg_m
    if not _is_tall(features, is_low, leg_m):
        return lost_m, False
    is_on_hands = (np.maximum(left_m, right_m) > neck_m) | (neck_m < pelvis_m)
    feet_m = find_feet_m(features.motion).mean(axis=2)[..., [0, 2]]
    is_off_feet = norms(features.centre_m[:, [0, 2]] - feet_m.mean(axis=1)) > _OVER_FEET_M
    may_sit = is_off_feet | (hips_rise_m < -_SEATED_DROP * leg_m)
    does_follow = (hips_rise_m > _HIP_RISE_SHARE * rises_m) | may_sit | is_on_hands
    is_everywhere = True
    for frames in _find_unsupported_spans(features, rises_m):
        is_up = rises_m[frames] > IN_AIR_M
        is_long = is_up.sum() >= _LOST_S * features.fps
        swings_m = norms(feet_m[frames] - median(feet_m[frames], axis=0))
        keeps_place = swings_m.max() < _IN_PLACE_M
        if is_long and keeps_place and not does_follow[frames][is_up].any():
            lost_m[frames] = rises_m[frames]
        else:
            is_everywhere = False
    return lost_m, is_everywhere


def _is_tall(features: MotionFeatures, is_low: np.ndarray, leg_m: float) -> bool:
    """Return whether the body stands upright while feet are low.

    In frames (T,) with feet on the floor, its hips are then as high above the ankles as in standing.
    """
    places_m = features.places("left_hip", "left_ankle", "right_hip", "right_ankle")
    if places_m is None:
        return False
    left_hip_m, left_m, right_hip_m, right_m = np.moveaxis(places_m[is_low, :, 1], 1, 0)
    high_m = np.maximum(left_hip_m - left_m, right_hip_m - right_m)
    return float(median(high_m)) > _STANDING_HEIGHT * leg_m


def _find_unsupported_spans(features: MotionFeatures, heights_m: np.ndarray) -> Iterator[slice]:
    """Yield frames in which the body floats.

    The body is then off the floor without falling.

    Args:
        heights_m: (T,) height of the body's lowest point.
    """
    falls_m_s2 = features.falls_m_s2
    for first, last in spans(heights_m > TOLERANCE_M, 0):
        frames = slice(first, last + 1)
        up = falls_m_s2[frames][heights_m[frames] > IN_AIR_M]
        if len(up) and min(up.mean(), median(up)) <= FALLING * find_gravity_m_s2(features):
            yield frames
