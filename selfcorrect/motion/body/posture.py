"""Posture of a body, inferred from the joints that are known."""

from __future__ import annotations

import numpy as np

from ..geometry.kinematics import joint_positions
from ..geometry.vectors import lengths
from ..motion import Motion

_LONG_TRUNK = 0.85
"""Length of the trunk over that of a leg's two long bones; people's is 0.45 to 0.75, dogs' about 1."""

_RISING = 0.5
"""Least cosine between a trunk and its legs that stand below it."""


def on_all_fours(motion: Motion) -> bool:
    """Whether the body is an animal's: a trunk as long as the legs, that lies across them in most of the motion."""
    joints = [
        [motion.skeleton.joint(f"{side}_{part}") for side in ("left", "right")]
        for part in ("hip", "knee", "ankle", "shoulder")
    ]
    if any(None in both for both in joints):
        return False
    places_m = joint_positions(motion, np.array(joints, dtype=int).ravel().tolist())
    hips, knees, ankles, shoulders = np.moveaxis(places_m.reshape(len(motion), len(joints), 2, 3).mean(axis=2), 1, 0)
    trunk, legs = shoulders - hips, hips - ankles
    leg_m = lengths(knees - hips) + lengths(ankles - knees)
    trunk_m = lengths(trunk)
    rising = np.einsum("ti,ti->t", trunk, legs) / np.maximum(trunk_m * lengths(legs), 1e-12)
    return bool(np.median(trunk_m / leg_m) > _LONG_TRUNK and np.median(rising) < _RISING)
