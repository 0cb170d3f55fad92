"""Spikes of motion capture, taken out before anything is measured on a motion."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import binary_dilation

from selfcorrect.motion.correction.timeline import spans
from selfcorrect.motion.kinematics import continuous, joint_positions
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.rotations import turns
from selfcorrect.motion.skeleton import Skeleton

_SIDED_LIMBS = (("hip", "knee", "ankle", "foot"), ("collar", "shoulder", "elbow", "wrist"))
LIMBS = (
    ("spine1", "spine2", "spine3", "neck", "head"),
    *(tuple(f"{side}_{part}" for part in limb) for side in ("left", "right") for limb in _SIDED_LIMBS),
)


@dataclass(frozen=True)
class SpikeSettings:
    """What no body does at 30 frames per second or fewer; set by hand on CMU clips.

    At higher rates bounds grow in proportion: motions that were interpolated to them have kinks at their old frames,
    in which a change of velocity takes a single one of the new.
    """

    joint_m_s2: float = 270.0
    """Acceleration of a joint relative to the root."""
    root_m_s2: float = 225.0
    """Acceleration of the root, with that of its spin …"""
    arm_m: float = 0.3
    """… at an arm of this length."""
    slow_fps: float = 30.0
    """Up to this frame rate bounds are as they are."""
    longest_s: float = 2 / 3
    """Longer runs are left: they cannot be bridged."""


SPIKES = SpikeSettings()
"""The defaults."""


def despike(motions: MotionBatch, settings: SpikeSettings = SPIKES) -> MotionBatch:
    """Bridge frames in which a limb or the root jumps and comes back, where the bridge is the smoother one."""
    joints_m_s2, root_m_s2 = _joint_accelerations(motions), _root_accelerations(motions, settings)
    fps, longest_s, sharper = motions.fps, settings.longest_s, max(1.0, motions.fps / settings.slow_fps)
    joint_spikes = joints_m_s2 > sharper * settings.joint_m_s2
    root_spikes = root_m_s2 > sharper * settings.root_m_s2
    root_m, rotations = motions.root_m.copy(), continuous(motions.rotations, axis=1)
    for motion in np.flatnonzero(joint_spikes.any((1, 2)) | root_spikes.any(1)):
        for joints in _limbs(motions.skeleton):
            spikes = joint_spikes[motion][:, joints].any(1)
            rotations[motion][:, joints] = _bridged(rotations[motion][:, joints], spikes, fps, longest_s)
        rotations[motion][:, 0] = _bridged(rotations[motion][:, 0], root_spikes[motion], fps, longest_s)
        root_m[motion] = _bridged(root_m[motion], root_spikes[motion], fps, longest_s)
    bridged = replace(motions, root_m=root_m, rotations=rotations / np.linalg.norm(rotations, axis=-1, keepdims=True))
    if not (joint_spikes.any() or root_spikes.any()):
        return bridged
    return _where_smoother(motions, bridged, joint_spikes, root_spikes, settings)


def _where_smoother(
    motions: MotionBatch,
    bridged: MotionBatch,
    joint_spikes: np.ndarray,
    root_spikes: np.ndarray,
    settings: SpikeSettings,
) -> MotionBatch:
    """The bridged motions, but each limb as it was where its bridge accelerates more than what it replaces."""
    joints_m_s2 = [_accelerations(each) for each in (motions, bridged)]
    root_m_s2 = [_root_accelerations(each, settings) for each in (motions, bridged)]
    root_m, rotations = bridged.root_m.copy(), bridged.rotations.copy()
    for joints in _limbs(motions.skeleton):
        before_m_s2, after_m_s2 = (each[..., joints].max(-1) for each in joints_m_s2)
        rougher = _rougher(before_m_s2, after_m_s2, np.asarray(joint_spikes[..., joints].any(-1)))
        rotations[..., joints, :] = np.where(
            rougher[..., None, None], motions.rotations[..., joints, :], rotations[..., joints, :]
        )
    rougher = _rougher(root_m_s2[0], root_m_s2[1], root_spikes)[..., None]
    rotations[..., 0, :] = np.where(rougher, motions.rotations[..., 0, :], rotations[..., 0, :])
    return replace(bridged, root_m=np.where(rougher, motions.root_m, root_m), rotations=rotations)


def _rougher(before_m_s2: np.ndarray, after_m_s2: np.ndarray, spikes: np.ndarray) -> np.ndarray:
    """(N, T) where a bridge of spikes (N, T) peaks higher than what it replaces; accelerations: (N, T)."""
    rougher = np.zeros_like(spikes)
    for motion in np.flatnonzero(spikes.any(1)):
        for first, last in spans(binary_dilation(spikes[motion])):
            around = slice(max(first - 1, 0), last + 2)
            rougher[motion, first : last + 1] = after_m_s2[motion, around].max() > before_m_s2[motion, around].max()
    return rougher


def _joint_accelerations(motions: MotionBatch) -> np.ndarray:
    """(N, T, J) of the joints' positions relative to the root, m/s²."""
    still = motions.rotations.copy()
    still[:, :, 0] = (0.0, 0.0, 0.0, 1.0)
    return _accelerations(replace(motions, root_m=np.zeros_like(motions.root_m), rotations=still))


def _accelerations(motions: MotionBatch) -> np.ndarray:
    """(N, T, J) of the joints, m/s²."""
    return np.linalg.norm(_second_differences(joint_positions(motions)), axis=-1) * motions.fps**2


def _root_accelerations(motions: MotionBatch, settings: SpikeSettings) -> np.ndarray:
    """(N, T) of the root, with its spin at an arm's length, m/s²."""
    spin = np.zeros_like(motions.root_m)
    spin[:, 1:-1] = np.diff(turns(motions.rotations[:, :, 0], axis=1), axis=1)
    moved_m = np.linalg.norm(_second_differences(motions.root_m), axis=-1)
    return (moved_m + settings.arm_m * np.linalg.norm(spin, axis=-1)) * motions.fps**2


def _second_differences(values: np.ndarray) -> np.ndarray:
    """Second differences of (N, T, ...) along T, zero at both ends."""
    bends = np.zeros_like(values)
    bends[:, 1:-1] = np.diff(values, 2, axis=1)
    return bends


def _limbs(skeleton: Skeleton) -> list[list[int]]:
    """The joints of each limb, as far as the skeleton has them."""
    return [[joint for part in limb if (joint := skeleton.joint(part)) is not None] for limb in LIMBS]


def _bridged(values: np.ndarray, spikes: np.ndarray, fps: float, longest_s: float) -> np.ndarray:
    """Values (T, ...) with spikes (T,) and their neighbours interpolated; runs at the ends or too long are left."""
    bridged = values.copy()
    wide = binary_dilation(spikes)
    for start, stop in ((first, last + 1) for first, last in spans(wide)):
        if start > 0 and stop < len(values) and stop - start <= longest_s * fps:
            share = (np.arange(1, stop - start + 1) / (stop - start + 1)).reshape(-1, *[1] * (values.ndim - 1))
            bridged[start:stop] = (1 - share) * values[start - 1] + share * values[stop]
    return bridged
