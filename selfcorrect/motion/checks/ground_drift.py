"""Rules of a ground that moves or leans: bodies that glide while they stand, and floors that are tilted."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter1d

from ..geometry.vectors import percentile
from .findings import Measurement, find_runs
from .motion_features import MotionFeatures

_GLIDE_S = 2.0
"""Time within which a body glides without a step."""
_PARTS = 4
"""Parts of that time, in each of which both feet glide the same way: shuffles come in bursts."""
_APART = 0.5
"""Largest share of that way by which feet move against each other: those of dancers do."""
_STANDS_M = 0.03
"""Soles of a standing body stay within this above their usual height."""

_SLOW_M_S = 0.35
"""A foot in stance is slower than this, in any direction."""
_STANCE_S = 0.15
"""Least duration of a stance."""
_FEWEST_STANCES = 4
"""Least number of stances that show a plane."""
_SPREAD_M = 0.8
"""Least extent of the stances along a direction in which the plane's slope is determined, metres."""
_STAIRS_DEG = 15.0
"""Stances on a steeper plane climb stairs."""
_PLANE_M = 0.03
"""Largest mean distance of stances from their plane, metres: steps and rungs are no plane."""


def gliding_m_s(features: MotionFeatures) -> Measurement:
    """Speed at which a body that stands on both feet glides along the floor.

    Within two seconds neither foot leaves the floor, and both move the same way in each quarter of that time. The
    slowest foot in the slowest quarter counts.
    """
    frames = len(features)
    quarter = max(1, round(_GLIDE_S * features.fps / _PARTS))
    window = quarter * _PARTS
    if not features.has_feet or frames <= window:
        return Measurement.empty()
    heights_m = features.sole_heights_m
    is_low = (heights_m < percentile(heights_m, 20, axis=0) + _STANDS_M).all(axis=1)
    low_counts = np.cumsum(np.concatenate([[0], is_low]))
    stands = low_counts[window + 1 :] - low_counts[: -window - 1] == window + 1
    feet_m = features.soles_m.reshape(frames, 2, -1, 3).mean(axis=2)[..., [0, 2]]
    travel_m = (feet_m[window:] - feet_m[:-window]).mean(axis=1)
    direction = travel_m / np.maximum(np.linalg.norm(travel_m, axis=1, keepdims=True), 1e-9)
    slowest_m = np.full(frames - window, np.inf)
    for part in range(_PARTS):
        first = part * quarter
        count = frames - window
        moved_m = feet_m[first + quarter : first + quarter + count] - feet_m[first : first + count]
        apart_m = np.linalg.norm(moved_m[:, 0] - moved_m[:, 1], axis=-1)
        along_m = np.einsum("tfi,ti->tf", moved_m, direction).min(axis=1)
        slowest_m = np.minimum(slowest_m, np.where(apart_m < _APART * along_m, along_m, 0.0))
    speeds_m_s = np.where(stands, np.maximum(slowest_m, 0.0), 0.0) * features.fps / quarter
    padded = np.zeros(frames)
    padded[window // 2 : window // 2 + len(speeds_m_s)] = speeds_m_s
    return Measurement(maximum_filter1d(padded, window, mode="nearest")[:, None], ("feet",))


def floor_tilt_deg(features: MotionFeatures) -> Measurement:
    """Angle between the horizontal and the plane on which the feet stand; empty if stances show no plane."""
    if not features.has_feet or features.motion.ground is not None:
        return Measurement.empty()
    places_m = find_stance_places(features)
    normal = fit_ground_plane(places_m)
    if normal is None:
        return Measurement.empty()
    tilt_deg = float(np.degrees(np.arccos(np.clip(normal[1], -1.0, 1.0))))
    return Measurement.from_scalar(tilt_deg, "floor") if tilt_deg < _STAIRS_DEG else Measurement.empty()


def find_stance_places(features: MotionFeatures) -> np.ndarray:
    """Return the mean position (K, 3) of the lowest points of a foot in each of its stances, metres.

    Stances are slow, whatever their height, so that they are found on a floor that leans. Inferred supports do not
    count: a floor that leans looks like steps.
    """
    feet_m = features.world_soles_m.reshape(len(features), 2, -1, 3)
    middle_m = feet_m.mean(axis=2)
    if len(features) < 2:
        return np.zeros((0, 3))
    speeds_m_s = np.linalg.norm(np.gradient(middle_m, 1 / features.fps, axis=0), axis=-1)
    lowest_m = feet_m[..., 1].min(axis=2)
    shortest = max(2, round(_STANCE_S * features.fps))
    places = []
    for foot in (0, 1):
        for start, stop in find_runs(speeds_m_s[:, foot] < _SLOW_M_S):
            if stop - start >= shortest:
                x_m, _, z_m = middle_m[start:stop, foot].mean(axis=0)
                places.append((x_m, float(lowest_m[start:stop, foot].min()), z_m))
    return np.array(places).reshape(-1, 3)


def fit_ground_plane(places_m: np.ndarray) -> np.ndarray | None:
    """Fit the plane of stances; a slope counts only along directions in which they spread.

    Args:
        places_m: (K, 3) places of stances, y up.

    Returns:
        The upward unit normal (3,), or None if the stances are too few, too close, or not on a plane.
    """
    if len(places_m) < _FEWEST_STANCES:
        return None
    centred_m = places_m - np.median(places_m, axis=0)
    _, _, axes = np.linalg.svd(centred_m[:, [0, 2]], full_matrices=False)
    slopes = np.zeros(2)
    residual_m = centred_m[:, 1]
    for axis in axes:
        along_m = centred_m[:, [0, 2]] @ axis
        if np.ptp(along_m) < _SPREAD_M:
            continue
        design = np.stack([along_m, np.ones_like(along_m)], axis=1)
        (slope, offset_m), *_ = np.linalg.lstsq(design, residual_m, rcond=None)
        residual_m = residual_m - slope * along_m - offset_m
        slopes += slope * axis
    if not slopes.any() or np.abs(residual_m).mean() > _PLANE_M:
        return None
    normal = np.array([-slopes[0], 1.0, -slopes[1]])
    return normal / np.linalg.norm(normal)
