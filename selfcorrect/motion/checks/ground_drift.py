"""Rules of a ground that moves or leans: bodies that glide while they stand, and floors that are tilted."""

import numpy as np

from ..geometry.filters import maximum_filter1d
from ..geometry.runs import holds_throughout
from ..geometry.vectors import normalize_safely, norms
from .findings import Measurement
from .motion_features import MotionFeatures

_GLIDE_S = 2.0
"""Time within which a body glides without a step."""
_PARTS = 4
"""Parts of that time, in each of which both feet glide the same way: shuffles come in bursts."""
_APART = 0.5
"""Largest share of that way by which feet move against each other, as dancers' feet do."""


def gliding_m_s(features: MotionFeatures) -> Measurement:
    """Speed at which a body that stands on both feet glides along the floor.

    Within two seconds neither foot leaves the floor, and both move the same way in each quarter of that time. The
    slowest point of the soles in the slowest quarter counts: a foot that rolls over toes that rest does not glide.
    """
    frames = len(features)
    quarter = max(1, round(_GLIDE_S * features.fps / _PARTS))
    window = quarter * _PARTS
    if not features.has_feet or frames <= window:
        return Measurement.empty()
    stands = holds_throughout(np.asarray(features.observation.touches.all(axis=1)), window + 1)
    points_m = features.soles_m.reshape(frames, 2, -1, 2, 3).mean(axis=3)[..., [0, 2]]
    travel_m = (points_m[window:] - points_m[:-window]).mean(axis=(1, 2))
    direction = normalize_safely(travel_m)
    count = frames - window
    slowest_m = np.full(count, np.inf)
    for part in range(_PARTS):
        first = part * quarter
        moved_m = points_m[first + quarter : first + quarter + count] - points_m[first : first + count]
        feet_m = moved_m.mean(axis=2)
        apart_m = norms(feet_m[:, 0] - feet_m[:, 1])
        along_m = np.einsum("tfpi,ti->tfp", moved_m, direction).min(axis=(1, 2))
        slowest_m = np.minimum(slowest_m, np.where(apart_m < _APART * along_m, along_m, 0.0))
    speeds_m_s = np.where(stands, np.maximum(slowest_m, 0.0), 0.0) * features.fps / quarter
    padded = np.zeros(frames)
    padded[window // 2 : window // 2 + len(speeds_m_s)] = speeds_m_s
    return Measurement.from_frames(maximum_filter1d(padded, window, mode="nearest"), "feet")


def floor_tilt_deg(features: MotionFeatures) -> Measurement:
    """Angle between the horizontal and the plane on which the feet stand; empty if nothing shows it."""
    if not features.has_feet or features.motion.ground is not None:
        return Measurement.empty()
    plane = features.floor_plane
    return Measurement.from_scalar(plane.tilt_deg, "floor") if plane.stances else Measurement.empty()
