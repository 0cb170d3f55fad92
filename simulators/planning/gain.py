"""Where a simulation gained something: where the floor explains its motion better than the one that it followed.

What a motion demands beyond the forces of contacts falls where physics has mended something. Where it hardly falls, the
simulated body only lags behind its reference, and the reference is the better motion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from selfcorrect.motion.correction.support import Support
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.rotations import composed, inverted, rotation_vectors
from selfcorrect.simulators.body.curves import smoothstep
from selfcorrect.simulators.body.humanoid import Humanoid
from selfcorrect.simulators.body.links import onto_links
from selfcorrect.simulators.mending.polishing import SMOOTH_S as FAST_S
from selfcorrect.simulators.planning.contact_plan import plan_contacts

GAIN_BODYWEIGHTS = (0.05, 0.2)
"""Unexplained force that is saved: below the first none of the simulation is kept, above the second all.

Set on CMU's clips. The other engine, which replays the results, needs 0.17 body weights of help with them, 0.16 with
all of the simulation and 0.26 with none, while clean clips move by 8 mm instead of 11, and in a second pass by 2
instead of 6.
"""

SMOOTH_S = 0.15, 0.1
"""Standard deviations of the Gaussians over which the gain and then the share are smoothed."""


def shares_of_gain(
    body: Humanoid,
    reference: MotionBatch,
    simulated: MotionBatch,
    friction: float,
    supports: Sequence[Sequence[Support]],
) -> np.ndarray:
    """(N, T) in [0, 1], how much of the simulation is worth keeping; both motions are on the whole skeleton."""
    before, after = (
        plan_contacts(body, onto_links(body, motions), friction, supports=supports).rest[..., :3]
        for motions in (reference, simulated)
    )
    saved = (np.linalg.norm(before, axis=-1) - np.linalg.norm(after, axis=-1)) / body.weight_n
    low, high = GAIN_BODYWEIGHTS
    share = smoothstep((_smoothed(saved, SMOOTH_S[0], reference.fps) - low) / (high - low))
    return _smoothed(share, SMOOTH_S[1], reference.fps)


def _smoothed(values: np.ndarray, seconds: float, fps: float) -> np.ndarray:
    return gaussian_filter1d(values, seconds * fps, axis=1, mode="nearest")


def between(first: MotionBatch, second: MotionBatch, share: np.ndarray) -> MotionBatch:
    """Motions a share (N, T) of the way from the first to the second, and all of the way in what is fast between them.

    Polishing then leaves of the fast part what calms the motion, such as capture noise that a body cannot follow.
    """
    shift_m = second.root_m - first.root_m
    turns = rotation_vectors(composed(inverted(first.rotations), second.rotations))
    slow_m, slow = (_smoothed(change, FAST_S, first.fps) for change in (shift_m, turns))
    kept_m, kept = share[..., None] * slow_m + (shift_m - slow_m), share[..., None, None] * slow + (turns - slow)
    rotations = Rotation.from_rotvec(kept.reshape(-1, 3)).as_quat().reshape(first.rotations.shape)
    return replace(first, root_m=first.root_m + kept_m, rotations=composed(first.rotations, rotations))
