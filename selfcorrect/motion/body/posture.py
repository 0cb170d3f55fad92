"""How a body carries itself, told from the joints that are known."""

from __future__ import annotations

import numpy as np

from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion

_LONG_TRUNK = 0.85
"""Length of the trunk over that of a leg's two long bones; people's is .45 to .75, dogs' about 1."""

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
    places_m = joint_positions(motion)
    hips, knees, ankles, shoulders = (places_m[:, both].mean(axis=1) for both in np.array(joints, dtype=int))
    trunk, legs = shoulders - hips, hips - ankles
    leg_m = np.linalg.norm(knees - hips, axis=-1) + np.linalg.norm(ankles - knees, axis=-1)
    trunk_m = np.linalg.norm(trunk, axis=-1)
    rising = np.einsum("ti,ti->t", trunk, legs) / np.maximum(trunk_m * np.linalg.norm(legs, axis=-1), 1e-12)
    return bool(np.median(trunk_m / leg_m) > _LONG_TRUNK and np.median(rising) < _RISING)
