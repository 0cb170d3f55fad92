"""Motions in which a joint turns otherwise."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation

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
