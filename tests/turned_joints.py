"""Motions that are elsewhere, or in which a joint turns otherwise."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation

from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion

Frames = slice | int | np.ndarray
ALL = slice(None)


def pose_joint(motion: Motion, joint: str | int, pose: Rotation | ArrayLike, frames: Frames = ALL) -> Motion:
    """The motion in which a joint, or the joint of a part, has these rotations or quaternions in some frames."""
    index = motion.skeleton.parts.index(joint) if isinstance(joint, str) else joint
    rotations = motion.rotations.copy()
    rotations[frames, index] = pose.as_quat() if isinstance(pose, Rotation) else pose
    return replace(motion, rotations=rotations)


def turn_joint(
    motion: Motion, joint: str | int, turn: Rotation, frames: Frames = ALL, *, outside: bool = False
) -> Motion:
    """The motion in which a joint, or the joint of a part, turns further, in its own frame or outside, its parent's."""
    index = motion.skeleton.parts.index(joint) if isinstance(joint, str) else joint
    own = Rotation.from_quat(motion.rotations[frames, index])
    return pose_joint(motion, index, turn * own if outside else own * turn, frames)


def shift(motion: Motion, by_m: ArrayLike) -> Motion:
    """The motion whose root is elsewhere by (3,), or by (T, 3)."""
    return replace(motion, root_m=motion.root_m + np.asarray(by_m))


def with_toes_at(motion: Motion, height_m: float) -> Motion:
    """A motion moved up or down so that its lowest toe joints are at a height."""
    toes = [motion.skeleton.parts.index(f"{side}_foot") for side in ("left", "right")]
    up_m = height_m - joint_positions(motion)[:, toes, 1].min()
    return replace(motion, root_m=motion.root_m + np.array([0.0, up_m, 0.0]))


def bend_leg(motion: Motion, side: str, rises_m: ArrayLike, frames: Frames = ALL) -> Motion:
    """The motion with a foot that is raised by one height or one for each frame, flat, below hips that stay."""
    joints = [motion.skeleton.joint(f"{side}_{part}") for part in ("hip", "knee", "ankle")]
    leg_m = float(np.linalg.norm(motion.skeleton.offsets_m[joints[1:]], axis=1).sum())
    bend_rad = np.arccos(1 - np.asarray(rises_m) / leg_m)
    for joint, turns in zip(joints, (-1.0, 2.0, -1.0), strict=True):
        motion = pose_joint(
            motion, joint, Rotation.from_rotvec(np.multiply.outer(turns * bend_rad, [1.0, 0, 0])), frames
        )
    return motion
