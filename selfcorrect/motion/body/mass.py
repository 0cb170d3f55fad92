"""Body mass as point masses at the joints."""

from functools import lru_cache

import numpy as np

from ..skeleton import Skeleton, strip_side

_MASS_PERCENT = {
    "pelvis": 11.2, "spine1": 7.0, "spine2": 9.0, "spine3": 14.8, "neck": 1.6, "head": 5.3, "hip": 7.9, "knee": 8.4,
    "ankle": 3.3, "foot": 0.7, "shoulder": 2.2, "elbow": 2.0, "wrist": 1.2,
}  # fmt: skip
"""Percentage of body mass at each joint. Half of each segment's mass (de Leva 1996) is at either of its ends."""


@lru_cache(maxsize=64)
def mass_shares(skeleton: Skeleton) -> np.ndarray:
    """Return each joint's share (J,) of body mass, or 0 for joints without a part."""
    shares = np.array([_MASS_PERCENT.get(strip_side(part), 0.0) for part in skeleton.parts])
    return shares / max(float(shares.sum()), 1e-9)
