"""Corrections without what is faster in them than in the motion itself.

Locks that close, contacts that meet and solvers that chatter leave traces above the bandwidth of people's motion; seen
at 60 or 120 frames per second they are most of the jerk. A correction, the difference between a motion after and before
it, is therefore smoothed, except where its fast part calms the motion rather than roughens it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.rotations import composed, inverted, rotation_vectors


@dataclass(frozen=True)
class PolishSettings:
    """What is fast in a correction, and where that calms a motion.

    Set on CMU's training clips at 30, 60 and 120 frames per second: no more jerk than in the motion, for hardly more
    sliding.
    """

    fast_s: float = 0.015
    """Standard deviation of the Gaussian that takes out what is fast: it halves what has 12 Hz."""
    around_s: float = 0.15
    """That of the Gaussian over which it is told whether the fast part calms the motion."""
    fewest_frames: int = 5
    """Frames that show it."""


POLISH = PolishSettings()
"""The defaults."""


def polished(before: MotionBatch, after: MotionBatch, settings: PolishSettings = POLISH) -> MotionBatch:
    """The motions `after` without the fast part of what was changed since `before`, where that made them rougher.

    Both share skeleton, frame rate and one length.
    """
    frames, fps = after.root_m.shape[1], after.fps
    if frames < settings.fewest_frames:
        return after
    shift_m, turns = (
        after.root_m - before.root_m,
        rotation_vectors(composed(inverted(before.rotations), after.rotations)),
    )
    slow_m, slow = (
        gaussian_filter1d(change, settings.fast_s * fps, axis=1, mode="nearest") for change in (shift_m, turns)
    )
    calm = _changed(before, slow_m, slow)
    body = [joint for joint, part in enumerate(after.skeleton.parts) if part]  # fingers and props weigh nothing
    slow_joints_m, joints_m = (joint_positions(each)[..., body, :] for each in (calm, after))
    share = _calming(slow_joints_m, joints_m, settings.around_s * fps)[..., None]
    return _changed(before, slow_m + share * (shift_m - slow_m), slow + share[..., None] * (turns - slow))


def _changed(motions: MotionBatch, shift_m: np.ndarray, turns: np.ndarray) -> MotionBatch:
    """Motions with the root moved by (N, T, 3) and joints turned in their own frames by (N, T, J, 3), as vectors."""
    rotations = Rotation.from_rotvec(turns.reshape(-1, 3)).as_quat().reshape(motions.rotations.shape)
    return replace(motions, root_m=motions.root_m + shift_m, rotations=composed(motions.rotations, rotations))


def _calming(slow_m: np.ndarray, whole_m: np.ndarray, around: float) -> np.ndarray:
    """(N, T) share of the fast part by which third differences are least: 0 where it only roughens, 1 where it calms.

    slow_m, whole_m: (N, T, J, 3) joints without and with the fast part; around: frames, a standard deviation.
    """
    own, fast = np.diff(slow_m, 3, axis=1), np.diff(whole_m - slow_m, 3, axis=1)
    against, size = (np.einsum("ntji,ntji->nt", fast, other) for other in (own, fast))
    local = [gaussian_filter1d(sums, around, axis=1, mode="nearest") for sums in (against, size)]
    share = np.clip(-local[0] / np.maximum(local[1], 1e-18), 0.0, 1.0)
    return np.pad(share, ((0, 0), (1, 2)), mode="edge")
