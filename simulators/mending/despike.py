"""Spikes of motion capture, taken out before anything is measured on a motion."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import binary_dilation

from selfcorrect.motion.correction.timeline import spans
from selfcorrect.motion.kinematics import continuous, forward_kinematics
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
    """What no body does; set by hand on CMU clips."""

    joint_m_s2: float = 270.0
    """Acceleration of a joint relative to the root."""
    root_m_s2: float = 225.0
    """Acceleration of the root, with that of its spin …"""
    arm_m: float = 0.3
    """… at an arm of this length."""
    longest_s: float = 2 / 3
    """Longer runs are left: they cannot be bridged."""


SPIKES = SpikeSettings()
"""The defaults."""


def despike(motions: MotionBatch, settings: SpikeSettings = SPIKES) -> MotionBatch:
    """Bridge frames in which a limb or the root jumps and comes back."""
    joint_spikes, root_spikes = _joint_spikes(motions, settings), _root_spikes(motions, settings)
    fps, longest_s = motions.fps, settings.longest_s
    root_m, rotations = motions.root_m.copy(), continuous(motions.rotations, axis=1)
    for motion in np.flatnonzero(joint_spikes.any((1, 2)) | root_spikes.any(1)):
        for joints in _limbs(motions.skeleton):
            spikes = joint_spikes[motion][:, joints].any(1)
            rotations[motion][:, joints] = _bridged(rotations[motion][:, joints], spikes, fps, longest_s)
        rotations[motion][:, 0] = _bridged(rotations[motion][:, 0], root_spikes[motion], fps, longest_s)
        root_m[motion] = _bridged(root_m[motion], root_spikes[motion], fps, longest_s)
    return replace(motions, root_m=root_m, rotations=rotations / np.linalg.norm(rotations, axis=-1, keepdims=True))


def _joint_spikes(motions: MotionBatch, settings: SpikeSettings) -> np.ndarray:
    """(N, T, J) where a joint's position relative to the root accelerates impossibly."""
    still = motions.rotations.copy()
    still[:, :, 0] = (0.0, 0.0, 0.0, 1.0)
    positions_m, _ = forward_kinematics(motions.skeleton, np.zeros_like(motions.root_m), still)
    return np.linalg.norm(_second_differences(positions_m), axis=-1) * motions.fps**2 > settings.joint_m_s2


def _root_spikes(motions: MotionBatch, settings: SpikeSettings) -> np.ndarray:
    """(N, T) where the root accelerates impossibly."""
    spin = np.zeros_like(motions.root_m)
    spin[:, 1:-1] = np.diff(turns(motions.rotations[:, :, 0], axis=1), axis=1)
    moved_m = np.linalg.norm(_second_differences(motions.root_m), axis=-1)
    return (moved_m + settings.arm_m * np.linalg.norm(spin, axis=-1)) * motions.fps**2 > settings.root_m_s2


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
