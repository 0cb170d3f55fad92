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
    rougher: float = 1.2
    """Around frames in which a motion has more jerk than before by this factor …"""
    rougher_m_s3: float = 20.0
    """… and by this …"""
    wider: tuple[float, ...] = (2.0, 4.0)
    """… its correction is smoothed over so many times as long, one after the other until that is mended …"""
    all_rough: float = 0.2
    """… wholly where the bound is passed by this share, in part before."""


POLISH = PolishSettings()
"""The defaults."""


def polished(before: MotionBatch, after: MotionBatch, settings: PolishSettings = POLISH) -> MotionBatch:
    """The motions `after` without the fast part of what was changed since `before`, where that made them rougher.

    Both share skeleton, frame rate and one length.
    """
    frames, fps = after.root_m.shape[1], after.fps
    if frames < settings.fewest_frames:
        return after
    shift_m, turns = _changes(before, after)
    slow_m, slow = (_smoothed(change, settings.fast_s * fps) for change in (shift_m, turns))
    slow_joints_m, joints_m = (_body_m(each) for each in (_changed(before, slow_m, slow), after))
    share = _calming(slow_joints_m, joints_m, settings.around_s * fps)[..., None]
    return _changed(before, slow_m + share * (shift_m - slow_m), slow + share[..., None] * (turns - slow))


def calmed(before: MotionBatch, after: MotionBatch, settings: PolishSettings = POLISH) -> MotionBatch:
    """The motions `after` with smoother changes since `before` where they are still rougher than those.

    What is slower than `polished` takes out roughens a motion too, if that is calm: feet that are held at once, knees
    that stretch.
    """
    if after.root_m.shape[1] < settings.fewest_frames:
        return after
    around = settings.around_s * after.fps
    usual_m_s3 = _jerk_m_s3(before, around)
    most_m_s3 = np.maximum(settings.rougher * usual_m_s3, usual_m_s3 + settings.rougher_m_s3)
    shift_m, turns = kept_m, kept = _changes(before, after)
    for times in settings.wider:
        beyond = _jerk_m_s3(after, around) / np.maximum(most_m_s3, 1e-9) - 1
        rough = np.clip(beyond / settings.all_rough, 0.0, 1.0)  # by degrees, so that no motion hangs on a threshold
        if not rough.any():
            break
        share = np.clip(2 * _smoothed(rough, around / 2), 0.0, 1.0)[..., None]
        slow_m, slow = (_smoothed(change, times * settings.fast_s * after.fps) for change in (shift_m, turns))
        kept_m, kept = kept_m + share * (slow_m - kept_m), kept + share[..., None] * (slow - kept)
        after = _chosen(np.asarray(rough.any(axis=1)), _changed(before, kept_m, kept), after)
    return after


def _chosen(first: np.ndarray, one: MotionBatch, other: MotionBatch) -> MotionBatch:
    """Of each of two motions the first where `first` (N,), so that no motion depends on its company."""
    root_m = np.where(first[:, None, None], one.root_m, other.root_m)
    return replace(one, root_m=root_m, rotations=np.where(first[:, None, None, None], one.rotations, other.rotations))


def _changes(before: MotionBatch, after: MotionBatch) -> tuple[np.ndarray, np.ndarray]:
    """Shifts (N, T, 3) of roots and turns (N, T, J, 3) of joints in their parents' frames, as vectors.

    Seen from a parent they are the same on rigs that split bones for their twist.
    """
    turns = rotation_vectors(composed(after.rotations, inverted(before.rotations)))
    return after.root_m - before.root_m, turns


def _smoothed(values: np.ndarray, frames: float) -> np.ndarray:
    """Values (N, T, …) smoothed by a Gaussian with a standard deviation of so many frames."""
    return gaussian_filter1d(values, frames, axis=1, mode="nearest")


def _body_m(motions: MotionBatch) -> np.ndarray:
    """(N, T, B, 3) of the body's joints: fingers and props weigh nothing."""
    return joint_positions(motions)[..., [joint for joint, part in enumerate(motions.skeleton.parts) if part], :]


def _jerk_m_s3(motions: MotionBatch, around: float) -> np.ndarray:
    """(N, T) mean jerk of the body's joints around each frame; around: frames, a standard deviation."""
    jerk = np.linalg.norm(np.diff(_body_m(motions), 3, axis=1), axis=-1).mean(-1) * motions.fps**3
    return np.pad(_smoothed(jerk, around), ((0, 0), (1, 2)), mode="edge")


def _changed(motions: MotionBatch, shift_m: np.ndarray, turns: np.ndarray) -> MotionBatch:
    """Motions with the root moved by (N, T, 3) and joints turned in their parents' frames by (N, T, J, 3)."""
    rotations = Rotation.from_rotvec(turns.reshape(-1, 3)).as_quat().reshape(motions.rotations.shape)
    return replace(motions, root_m=motions.root_m + shift_m, rotations=composed(rotations, motions.rotations))


def _calming(slow_m: np.ndarray, whole_m: np.ndarray, around: float) -> np.ndarray:
    """(N, T) share of the fast part by which third differences are least: 0 where it only roughens, 1 where it calms.

    slow_m, whole_m: (N, T, J, 3) joints without and with the fast part; around: frames, a standard deviation.
    """
    own, fast = np.diff(slow_m, 3, axis=1), np.diff(whole_m - slow_m, 3, axis=1)
    against, size = (np.einsum("ntji,ntji->nt", fast, other) for other in (own, fast))
    local = [_smoothed(sums, around) for sums in (against, size)]
    share = np.clip(-local[0] / np.maximum(local[1], 1e-18), 0.0, 1.0)
    return np.pad(share, ((0, 0), (1, 2)), mode="edge")
