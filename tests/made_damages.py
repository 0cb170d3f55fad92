"""Damage motions whose correct state is known."""

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.motion.geometry.rotations import compose
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion

_LEFT = [1, 4, 7, 10]
_RIGHT = [2, 5, 8, 11]
JOINT_GROUPS = {
    "root": ("pelvis",),
    "spine": ("spine1",),
    "legs": tuple(f"{side}_{joint}" for side in ("left", "right") for joint in ("hip", "knee", "ankle")),
    "arms": tuple(f"{side}_{joint}" for side in ("left", "right") for joint in ("shoulder", "elbow")),
    "one arm": ("right_shoulder", "right_elbow"),
}


def hold_channels(motion: Motion, frames: int, *, place: bool = False, joints: tuple[int, ...] = ()) -> Motion:
    """Hold the root's position (`place`) or the rotations of joints for `frames` frames at a time."""
    shown = np.arange(len(motion)) // frames * frames
    rotations = motion.rotations.copy()
    rotations[:, joints] = rotations[shown][:, joints]
    return replace(motion, root_m=motion.root_m[shown] if place else motion.root_m, rotations=rotations)


def hold_irregularly(motion: Motion, longest: int, seed: int, noise_m: float = 0.0) -> Motion:
    """Hold the root's position for 1 to `longest` frames at a time.

    With `noise_m`, each hold lasts `longest` frames instead and the positions get white noise on top.
    """
    random = np.random.default_rng(seed)
    counts = np.full(len(motion), longest) if noise_m else random.integers(1, longest + 1, len(motion))
    sources = np.repeat(np.cumsum(np.insert(counts, 0, 0))[:-1], counts)[: len(motion)]
    return replace(motion, root_m=motion.root_m[sources] + random.normal(0.0, noise_m, (len(motion), 3)))


def swing(motion: Motion) -> Motion:
    """Swing every joint a little, so that none is still."""
    angles = 0.06 * np.sin(np.arange(len(motion))[:, None] / 9 + np.arange(motion.rotations.shape[1]))
    turns = np.zeros_like(motion.rotations)
    turns[..., 0] = np.sin(angles / 2)
    turns[..., 3] = np.cos(angles / 2)
    return replace(motion, rotations=compose(motion.rotations, turns))


def shake_joints(motion: Motion, group: str, noise_rad: float, seed: int = 0) -> Motion:
    """Add white noise about each axis to the rotations of a group of joints."""
    joints = [motion.skeleton.joint(name) for name in JOINT_GROUPS[group]]
    joints = [joint for joint in joints if joint is not None] if group != "root" else [0]
    rotations = motion.rotations.copy()
    turns = np.random.default_rng(seed).normal(0, noise_rad, (len(motion) * len(joints), 3))
    shaken = Rotation.from_quat(rotations[:, joints].reshape(-1, 4)) * Rotation.from_rotvec(turns)
    rotations[:, joints] = shaken.as_quat().reshape(len(motion), len(joints), 4)
    return replace(motion, rotations=rotations)


def exchange_legs(motion: Motion, first: int, frames: int) -> Motion:
    rotations = motion.rotations.copy()
    rotations[first : first + frames, _LEFT + _RIGHT] = motion.rotations[first : first + frames, _RIGHT + _LEFT]
    return replace(motion, rotations=rotations)


def mean_jerk(motion: Motion) -> float:
    return float(np.linalg.norm(np.diff(joint_positions(motion), 3, axis=0), axis=-1).mean())


def add_noise(motion: Motion, noise_m: float, seed: int = 0) -> Motion:
    """Add white noise to the root and joints.

    The noise of joints is that of limbs of 0.4 m.
    """
    random = np.random.default_rng(seed)
    turns = Rotation.from_rotvec(random.normal(0.0, noise_m / 0.4, (motion.rotations[..., 0].size, 3)))
    rotations = (Rotation.from_quat(motion.rotations.reshape(-1, 4)) * turns).as_quat().reshape(motion.rotations.shape)
    return replace(motion, root_m=motion.root_m + random.normal(0.0, noise_m, motion.root_m.shape), rotations=rotations)
