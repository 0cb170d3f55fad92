"""Feet where the mended motion has them: those that stand, whatever else of a simulation is kept, and where none of it
is kept all.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from selfcorrect.motion.kinematics import forward_kinematics
from selfcorrect.motion.measures.contacts import foot_contacts
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.rotations import composed, inverted, slerp
from selfcorrect.simulators.body.leg_ik import Legs, bend_legs
from selfcorrect.simulators.settings.plan import PLAN, StandingSettings

_STILL = np.array([0.0, 0.0, 0.0, 1.0])


def standing_as(
    motions: MotionBatch, mended: MotionBatch, simulated: np.ndarray, settings: StandingSettings = PLAN.standing
) -> MotionBatch:
    """The motions with feet that stand in the mended ones put where, and turned as, they are there; the legs follow.

    simulated: (N, T) the share of a simulation in the motions. Without it other feet are put so, too.
    """
    skeleton, legs = motions.skeleton, Legs.of(motions.skeleton)
    stands = _shares(foot_contacts(mended), motions.fps, settings)
    share = np.maximum(stands, 1 - simulated[..., None])[..., None]
    toes = [joint for side in ("left", "right") if (joint := skeleton.joint(f"{side}_foot")) is not None]
    if len(toes) == 2:
        rotations = motions.rotations.copy()
        rotations[..., toes, :] = slerp(rotations[..., toes, :], mended.rotations[..., toes, :], share)
        motions = replace(motions, rotations=rotations)
    here, there = (forward_kinematics(skeleton, each.root_m, each.rotations) for each in (motions, mended))
    (own_m, own), (wanted_m, wanted) = (
        (places[..., legs.ankles, :], turned[..., legs.ankles, :]) for places, turned in (here, there)
    )
    turns = composed(wanted, inverted(own))
    turns = slerp(np.broadcast_to(_STILL, turns.shape), turns, share)
    ankles_m = own_m + share * (wanted_m - own_m)
    rotations = bend_legs(skeleton, *here, np.zeros_like(motions.root_m), ankles_m, turns)
    return replace(motions, rotations=rotations)


def _shares(stands: np.ndarray, fps: float, settings: StandingSettings) -> np.ndarray:
    """(N, T, 2) in [0, 1]: 1 while a foot stands, fading around that."""
    around = maximum_filter1d(stands.astype(float), 2 * round(settings.around_s * fps) + 1, axis=1, mode="nearest")
    return gaussian_filter1d(around, settings.smoothing_s * fps, axis=1, mode="nearest")
