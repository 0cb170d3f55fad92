"""Rules of the reading: wrong unit of length, wrong vertical axis, an unlikely frame rate."""

from __future__ import annotations

import numpy as np

from ..geometry.vectors import unit
from .findings import Measured
from .motion_features import MotionFeatures

_USUAL_M = 1.35
"""From the head's joint to the ankle along an adult's bones."""


def size_factor(features: MotionFeatures) -> Measured:
    """How many times larger or smaller than an adult's the way from head to ankle along the bones is."""
    ends = [features.skeleton.joint(part) for part in ("head", "left_ankle")]
    if None in ends:
        return Measured.nothing()
    length_m = sum(_to_root_m(features, end) for end in ends if end is not None)
    return Measured.whole(max(length_m / _USUAL_M, _USUAL_M / max(length_m, 1e-9)))


def _to_root_m(features: MotionFeatures, joint: int) -> float:
    length_m = 0.0
    while joint > 0:
        length_m += float(np.linalg.norm(features.skeleton.offsets_m[joint]))
        joint = features.skeleton.parents[joint]
    return length_m


def lying_share(features: MotionFeatures) -> Measured:
    """Share of frames in which the body lies stretched out, or stands on its head, as if another axis were up."""
    places = features.places("pelvis", "neck", "left_ankle", "right_ankle")
    if places is None or len(features) < 2:
        return Measured.nothing()
    up = unit(places[:, 1] - places[:, 0])
    stretched = np.einsum("ti,ti->t", unit(places[:, 0] - places[:, 2:].mean(axis=1)), up) > _STRETCHED
    lies = (up[:, 1] < _UPRIGHT) & stretched
    return Measured.whole(float(lies.mean()))


_STRETCHED, _UPRIGHT = 0.7, 0.4
"""Cosines: of the angle between trunk and legs of somebody who stands, and of a trunk's angle to the vertical."""


def rate_factor(features: MotionFeatures) -> Measured:
    """How many times faster or slower than 35 frames per second the motion was recorded."""
    return Measured.whole(max(features.fps / 35.0, 35.0 / features.fps))
