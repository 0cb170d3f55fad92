"""Hips that do not sink as the legs bend, so that the feet rise from the floor.

So squats look that were retargeted to another body. The rule that finds them and the cure share these functions.
"""

from collections.abc import Iterator

import numpy as np

from ..geometry.runs import spans
from ..geometry.vectors import median, norms, percentile
from ..perception.motion_features import FALLING, MotionFeatures
from ..perception.observation import find_feet_m
from ..support import Surroundings
from .pace import find_gravity_m_s2

_HIPS_FOLLOW = 0.33
"""Maximum hip motion, relative to a rise. Hips that move less than this do not follow the rise of the lowest point."""
_OVER_FEET_M = 0.15
"""Maximum horizontal distance of the centre of mass from bearing feet, in m. Who sits has the feet ahead."""
_KEEPS_PLACE_M = 0.08
"""Maximum distance of bearing feet from their median position, in m. Feet that get further along the floor swing below
a seat, and bear no weight."""
_TALL = 0.85
"""Minimum hip height of a standing body above the ankles, in leg lengths."""
_SEATED = 0.35
"""Hip drop of a seated body, in leg lengths."""
_LOST_M = 0.1
"""Least height that hips have lost somewhere."""
_LOST_S = 0.3
"""Least time for which they have."""
_LOWEST_PERCENTILE = 5.0
"""Percentile of sole heights that shows the floor. Stances in the air mislead the floor's estimate."""
_LEFT_FLOOR_M = 0.03
"""Height of the lowest point off the floor, in m."""
_BACK_ON_FLOOR_M = 0.005
"""Height of the lowest point back on the floor, in m."""


def find_lost_height_m(
    features: MotionFeatures, heights_m: np.ndarray, whole_m: np.ndarray
) -> tuple[float, np.ndarray]:
    """Find how far hips are too high (T,).

    Hips stay at their height, or sink over the feet, while the feet rise. Also returns the floor. All are zero if hips
    are nowhere much too high. The floor is where the body stands lowest, unless the body is off that floor for other
    reasons, too: a shift of the whole body would leave it in the air there.

    Args:
        heights_m: (T,) height of the body's lowest point.
        whole_m: (T,) height below which all of a sole is; toes alone may dip into the floor.
    """
    lowest_m = float(percentile(whole_m, _LOWEST_PERCENTILE))
    lost_m, is_everywhere = _find_lost_height_m(features, heights_m - lowest_m)
    if lost_m.max() > _LOST_M and not is_everywhere:
        lowest_m = 0.0
        lost_m, _ = _find_lost_height_m(features, heights_m)
    if lost_m.max() <= _LOST_M:
        return 0.0, np.zeros(len(heights_m))
    return lowest_m, lost_m


def lost_hip_height_m(features: MotionFeatures) -> np.ndarray | None:
    """Measure how high feet rise under constant hips.

    Returns None for a body that grips something. Steps that were inferred below such feet do not count.
    """
    if any(support.is_grip for support in features.around.supports):
        return None
    bare = features.with_surroundings(Surroundings())
    _, lost_m = find_lost_height_m(bare, bare.lowest_m, bare.feet_m[..., 1].max(axis=2).min(axis=1))
    return lost_m


def _find_lost_height_m(features: MotionFeatures, rises_m: np.ndarray) -> tuple[np.ndarray, bool]:
    """Find the height (T,) that hips have lost.

    Also returns whether this explains all rises. Bodies that may hang from or stand on the hands are left.

    Args:
        rises_m: (T,) height of the body's lowest point over that floor.
    """
    lost_m = np.zeros(len(rises_m))
    places_m = features.places("pelvis", "neck", "left_wrist", "right_wrist")
    is_low = rises_m < _LEFT_FLOOR_M
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
    may_sit = is_off_feet | (hips_rise_m < -_SEATED * leg_m)
    does_follow = (hips_rise_m > _HIPS_FOLLOW * rises_m) | may_sit | is_on_hands
    is_everywhere = True
    for frames in _find_unsupported_spans(features, rises_m):
        is_up = rises_m[frames] > _LEFT_FLOOR_M
        is_long = is_up.sum() >= _LOST_S * features.fps
        swings_m = norms(feet_m[frames] - median(feet_m[frames], axis=0))
        keeps_place = swings_m.max() < _KEEPS_PLACE_M
        if is_long and keeps_place and not does_follow[frames][is_up].any():
            lost_m[frames] = rises_m[frames]
        else:
            is_everywhere = False
    return lost_m, is_everywhere


def _is_tall(features: MotionFeatures, is_low: np.ndarray, leg_m: float) -> bool:
    """Return whether the hips are as high over the ankles as in standing while the feet are on the floor (T,)."""
    places_m = features.places("left_hip", "left_ankle", "right_hip", "right_ankle")
    if places_m is None:
        return False
    left_hip_m, left_m, right_hip_m, right_m = np.moveaxis(places_m[is_low, :, 1], 1, 0)
    high_m = np.maximum(left_hip_m - left_m, right_hip_m - right_m)
    return float(median(high_m)) > _TALL * leg_m


def _find_unsupported_spans(features: MotionFeatures, heights_m: np.ndarray) -> Iterator[slice]:
    """Yield the frames of a body that is off the floor without falling.

    Args:
        heights_m: (T,) height of the body's lowest point.
    """
    falls_m_s2 = features.falls_m_s2
    for first, last in spans(heights_m > _BACK_ON_FLOOR_M, 0):
        frames = slice(first, last + 1)
        up = falls_m_s2[frames][heights_m[frames] > _LEFT_FLOOR_M]
        if len(up) and min(up.mean(), median(up)) <= FALLING * find_gravity_m_s2(features):
            yield frames
