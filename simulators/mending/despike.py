"""Spikes of motion capture, taken out before anything is measured on a motion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.ndimage import binary_dilation

from selfcorrect.motion.correction.timeline import spans
from selfcorrect.motion.kinematics import continuous, forward_kinematics
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.rotations import turns
from selfcorrect.motion.skeleton import Skeleton

SPIKE_M_S2 = 270.0
SPIKE_ROOT_M_S2 = 225.0
SPIKE_ARM_M = 0.3
"""Accelerations that no body makes; the root's counts its spin at an arm's length."""

LONGEST_SPIKE_S = 2 / 3

_SIDED_LIMBS = (("hip", "knee", "ankle", "foot"), ("collar", "shoulder", "elbow", "wrist"))
LIMBS = (
    ("spine1", "spine2", "spine3", "neck", "head"),
    *(tuple(f"{side}_{part}" for part in limb) for side in ("left", "right") for limb in _SIDED_LIMBS),
)


def despike(motions: MotionBatch) -> MotionBatch:
    """Bridge frames in which a limb or the root jumps and comes back."""
    joint_spikes, root_spikes = _joint_spikes(motions), _root_spikes(motions)
    root_m, rotations = motions.root_m.copy(), continuous(motions.rotations, axis=1)
    for motion in np.flatnonzero(joint_spikes.any((1, 2)) | root_spikes.any(1)):
        for joints in _limbs(motions.skeleton):
            spikes = joint_spikes[motion][:, joints].any(1)
            rotations[motion][:, joints] = _bridged(rotations[motion][:, joints], spikes, motions.fps)
        rotations[motion][:, 0] = _bridged(rotations[motion][:, 0], root_spikes[motion], motions.fps)
        root_m[motion] = _bridged(root_m[motion], root_spikes[motion], motions.fps)
    return replace(motions, root_m=root_m, rotations=rotations / np.linalg.norm(rotations, axis=-1, keepdims=True))


def _joint_spikes(motions: MotionBatch) -> np.ndarray:
    """(N, T, J) where a joint's position relative to the root accelerates impossibly."""
    still = motions.rotations.copy()
    still[:, :, 0] = (0.0, 0.0, 0.0, 1.0)
    positions_m, _ = forward_kinematics(motions.skeleton, np.zeros_like(motions.root_m), still)
    return np.linalg.norm(_second_differences(positions_m), axis=-1) * motions.fps**2 > SPIKE_M_S2


def _root_spikes(motions: MotionBatch) -> np.ndarray:
    """(N, T) where the root accelerates impossibly."""
    spin = np.zeros_like(motions.root_m)
    spin[:, 1:-1] = np.diff(turns(motions.rotations[:, :, 0], axis=1), axis=1)
    moved_m = np.linalg.norm(_second_differences(motions.root_m), axis=-1)
    return (moved_m + SPIKE_ARM_M * np.linalg.norm(spin, axis=-1)) * motions.fps**2 > SPIKE_ROOT_M_S2


def _second_differences(values: np.ndarray) -> np.ndarray:
    """Second differences of (N, T, ...) along T, zero at both ends."""
    bends = np.zeros_like(values)
    bends[:, 1:-1] = np.diff(values, 2, axis=1)
    return bends


def _limbs(skeleton: Skeleton) -> list[list[int]]:
    """The joints of each limb, as far as the skeleton has them."""
    return [[joint for part in limb if (joint := skeleton.joint(part)) is not None] for limb in LIMBS]


def _bridged(values: np.ndarray, spikes: np.ndarray, fps: float) -> np.ndarray:
    """Values (T, ...) with spikes (T,) and their neighbours interpolated; runs at the ends or too long are left."""
    bridged = values.copy()
    wide = binary_dilation(spikes)
    for start, stop in ((first, last + 1) for first, last in spans(wide)):
        if start > 0 and stop < len(values) and stop - start <= LONGEST_SPIKE_S * fps:
            share = (np.arange(1, stop - start + 1) / (stop - start + 1)).reshape(-1, *[1] * (values.ndim - 1))
            bridged[start:stop] = (1 - share) * values[start - 1] + share * values[stop]
    return bridged
