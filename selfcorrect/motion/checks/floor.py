"""Rules of the floor: under it, hovering over it, sliding on it, and whether it is where it should be."""

import numpy as np
from scipy.ndimage import maximum_filter1d, minimum_filter1d, uniform_filter1d

from .findings import Measurement, find_runs
from .motion_features import MotionFeatures

GRAVITY_M_S2 = 9.81
LOW_M, OTHERS_LOW_M = 0.05, 0.03
"""Soles, and the surface of other joints, that are this near to the floor may stand on it."""


HIGH_M, _FALLING = 0.05, 0.5
"""A body so high has left the floor; in flight, until it is back, it falls at this share of g or more, on average and
most of the time."""

_LIFTED_M_S, _LIFT_S, _AROUND_S = 0.5, 0.06, 0.3
"""Both feet rise or sink faster than this, for so long, so near to the time of a support, where a body is lifted."""

_WHILE_S, _CARRIED_S = 0.7, 0.3
"""Time within which something must stand still, and the part of it during which soles must carry the body."""


def depth_m(features: MotionFeatures) -> Measurement:
    """How deep the body surface and soles are below the floor."""
    if not features.has_feet:
        return Measurement.empty()
    surface_m, names = features.surface_m
    feet_m = features.soles_m[..., 1].reshape(len(features), 2, -1).min(axis=2)
    return Measurement(-np.concatenate([feet_m, surface_m], axis=1), ("left foot", "right foot", *names))


def hover_m(features: MotionFeatures) -> Measurement:
    """How high the body is above the floor where, from leaving it to coming back, it does not fall as in flight."""
    if not features.has_feet or len(features) < 5:
        return Measurement.empty()
    values = np.zeros(len(features))
    for start, stop in find_runs(features.clear_m > HIGH_M):
        falls_m_s2 = features.falls_m_s2[start:stop]  # who is lifted and let down falls as much on average
        if min(falls_m_s2.mean(), np.median(falls_m_s2)) < _FALLING * GRAVITY_M_S2:
            values[start:stop] = features.clear_m[start:stop]
    return Measurement(values[:, None], ("body",))


def slide_m_s(features: MotionFeatures) -> Measurement:
    """Speed of the point of the soles that moves least, at its least within a while: somewhere and sometime they stand.

    A foot that turns on its ball, rolls, or is drawn along while the other stands is no slide. While soles do not carry
    the body alone, in flight or with hands or knees down, nothing can be said.
    """
    window = max(round(_WHILE_S * features.fps), 1)
    if not features.has_feet or len(features) < max(window, 5):
        return Measurement.empty()
    points_m = _sole_lines_m(features)
    low = points_m[..., 1] < LOW_M
    speeds = np.linalg.norm(np.gradient(points_m[..., [0, 2]], 1 / features.fps, axis=0), axis=-1)
    held = features.falls_m_s2 < _FALLING * GRAVITY_M_S2  # something must carry it: it does not fall as in flight
    touching = low.any(axis=1) & held
    others = features.surface_m[0].min(axis=1) < OTHERS_LOW_M
    slowest = np.where(touching, np.where(low, speeds, np.inf).min(axis=1), np.inf)
    least = minimum_filter1d(slowest, window, mode="nearest")
    carried = uniform_filter1d(touching.astype(float), window, mode="nearest") * window >= _CARRIED_S * features.fps
    known = carried & np.logical_not(maximum_filter1d(others, window, mode="nearest"))
    values = maximum_filter1d(np.where(known & np.isfinite(least), least, 0.0), window, mode="nearest")
    return Measurement(values[:, None], ("feet",))


def _sole_lines_m(features: MotionFeatures) -> np.ndarray:
    """(T, P, 3) points of the soles above the floor: their corners, and seven along the middle of each foot."""
    feet_m = features.soles_m.reshape(len(features), 2, -1, 3)
    middle_m = feet_m.reshape(len(features), 2, -1, 2, 3).mean(axis=3)  # heel, ball if there is one, tip
    at = np.linspace(0, middle_m.shape[2] - 1, 7)
    before = np.minimum(at.astype(int), middle_m.shape[2] - 2)
    share = (at - before)[:, None]
    line_m = (1 - share) * middle_m[:, :, before] + share * middle_m[:, :, before + 1]
    return np.concatenate([feet_m, line_m], axis=2).reshape(len(features), -1, 3)


def is_lifted(features: MotionFeatures) -> bool:
    """Whether a body comes onto what is taken for its supports, or leaves them, with both feet at once without falling.

    People step onto a stool with one foot, or jump. Where the body of a file is lifted, what seems to carry it is none.
    """
    if not features.has_feet or len(features) < 2:
        return False
    feet_m = MotionFeatures(features.motion).soles_m[..., 1].reshape(len(features), 2, -1).min(axis=2)
    up_m_s = np.gradient(feet_m, 1 / features.fps, axis=0)
    together = (up_m_s.prod(axis=1) > 0) & (np.abs(up_m_s).min(axis=1) > _LIFTED_M_S)
    around = _AROUND_S * features.fps
    edges = [
        edge
        for support in features.around.supports
        if support.part.endswith("foot")
        for edge in (support.first, support.last)
    ]
    lifts = [(start, stop) for start, stop in find_runs(together) if stop - start >= max(2, _LIFT_S * features.fps)]
    return any(
        features.falls_m_s2[start:stop].mean() < _FALLING * GRAVITY_M_S2
        and any(start - around <= edge <= stop + around for edge in edges)
        for start, stop in lifts
    )


def floor_offset_m(features: MotionFeatures) -> Measurement:
    """How far the floor that the feet show is from y = 0; nothing of a body on several grounds."""
    if features.around.supports:
        return Measurement.empty()
    return Measurement.from_scalar(abs(features.ground_m)) if features.has_feet else Measurement.empty()
