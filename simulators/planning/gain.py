"""Where a simulation gained something: where the floor explains its motion better than the one that it followed.

What a motion demands beyond the forces of contacts falls where physics has mended something. Where it hardly falls, the
simulated body only lags behind what was planned for it, and the plan is the better motion.
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
from selfcorrect.simulators.planning.contact_plan import plan_contacts
from selfcorrect.simulators.settings.plan import PLAN, GainSettings, PlanSettings


def shares_of_gain(
    body: Humanoid,
    unexplained: np.ndarray,
    simulated: MotionBatch,
    friction: float,
    supports: Sequence[Sequence[Support]],
    settings: PlanSettings = PLAN,
) -> np.ndarray:
    """(N, T) in [0, 1], how much of the simulation is worth keeping.

    unexplained: (N, T, 6) force and moment about the centre of mass that contacts cannot explain of the motions that
    were followed; simulated: what came of it, on the whole skeleton.
    """
    gain, fps = settings.gain, simulated.fps
    after = plan_contacts(body, onto_links(body, simulated), friction, supports, settings.contacts).rest
    missing_n, left_n = (np.linalg.norm(rest[..., :3], axis=-1) for rest in (unexplained, after))
    low, high = gain.saved_bodyweights
    saved = _smoothed((missing_n - left_n) / body.weight_n, gain.gain_smoothing_s, fps)
    return _smoothed(smoothstep((saved - low) / (high - low)), gain.share_smoothing_s, fps)


def _smoothed(values: np.ndarray, seconds: float, fps: float) -> np.ndarray:
    return gaussian_filter1d(values, seconds * fps, axis=1, mode="nearest")


def between(
    first: MotionBatch, second: MotionBatch, share: np.ndarray, fast_s: float, settings: GainSettings = PLAN.gain
) -> MotionBatch:
    """Motions a share (N, T) of the way from the first to the second, and all of the way in what is fast between them.

    Fast is what a Gaussian with the standard deviation `fast_s` takes out. Polishing then leaves of it what calms the
    motion, such as capture noise that a body cannot follow. Joints that lost their way do not follow anything.
    """
    shift_m = second.root_m - first.root_m
    turns = rotation_vectors(composed(inverted(first.rotations), second.rotations))
    slow_m, slow = (_smoothed(change, fast_s, first.fps) for change in (shift_m, turns))
    share = share[..., None]
    lost = np.linalg.norm(turns, axis=-1) / settings.lost_rad - 1
    follows = share + (1 - share) * (1 - smoothstep(lost))
    kept_m, kept = share * slow_m + (shift_m - slow_m), share[..., None] * slow + follows[..., None] * (turns - slow)
    rotations = Rotation.from_rotvec(kept.reshape(-1, 3)).as_quat().reshape(first.rotations.shape)
    return replace(first, root_m=first.root_m + kept_m, rotations=composed(first.rotations, rotations))
