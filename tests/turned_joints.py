"""Change motions by turning joints or moving the root."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation

from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion

Frames = slice | int | np.ndarray
ALL = slice(None)


def pose_joint(motion: Motion, joint: str | int, pose: Rotation | ArrayLike, frames: Frames = ALL) -> Motion:
    """Set the rotations of a joint, given by index or part, in some frames.

    `pose` is a rotation or quaternions.
    """
    index = motion.skeleton.parts.index(joint) if isinstance(joint, str) else joint
    rotations = motion.rotations.copy()
    rotations[frames, index] = pose.as_quat() if isinstance(pose, Rotation) else pose
    return replace(motion, rotations=rotations)


def turn_joint(
    motion: Motion, joint: str | int, turn: Rotation, frames: Frames = ALL, *, outside: bool = False
) -> Motion:
    """Turn a joint, given by index or part, further in some frames.

    The turn is in the joint's own frame or, with `outside`, in its parent's.
    """
    index = motion.skeleton.parts.index(joint) if isinstance(joint, str) else joint
    own = Rotation.from_quat(motion.rotations[frames, index])
    return pose_joint(motion, index, turn * own if outside else own * turn, frames)


def shift(motion: Motion, by_m: ArrayLike) -> Motion:
    """Move the root by (3,) or (T, 3) metres."""
    return replace(motion, root_m=motion.root_m + np.asarray(by_m))


def with_toes_at(motion: Motion, height_m: float) -> Motion:
    """Move the motion up or down so that the lowest toe joint is at a height."""
    toes = [motion.skeleton.parts.index(f"{side}_foot") for side in ("left", "right")]
    up_m = height_m - joint_positions(motion)[:, toes, 1].min()
    return replace(motion, root_m=motion.root_m + np.array([0.0, up_m, 0.0]))


def bend_leg(motion: Motion, side: str, rises_m: ArrayLike, frames: Frames = ALL) -> Motion:
    """Raise a flat foot under resting hips, by one height for all frames or one for each."""
    joints = [motion.skeleton.joint(f"{side}_{part}") for part in ("hip", "knee", "ankle")]
    leg_m = float(np.linalg.norm(motion.skeleton.offsets_m[joints[1:]], axis=1).sum())
    bend_rad = np.arccos(1 - np.asarray(rises_m) / leg_m)
    for joint, turns in zip(joints, (-1.0, 2.0, -1.0), strict=True):
        motion = pose_joint(
            motion, joint, Rotation.from_rotvec(np.multiply.outer(turns * bend_rad, [1.0, 0, 0])), frames
        )
    return motion
