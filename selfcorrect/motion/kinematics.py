"""Where the joints are: forward kinematics and rotations over time.

Rotations are unit quaternions xyzw in arrays (..., J, 4).
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.rotations import applied, composed, inverted, normalised
from selfcorrect.motion.skeleton import Skeleton


def forward_kinematics(skeleton: Skeleton, root_m: np.ndarray, rotations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pose every joint in the world.

    root_m: (..., 3) root position, world, metres; rotations: (..., J, 4) as in `Motion`.
    Returns positions (..., J, 3) in metres and orientations (..., J, 4), both in the world.
    """
    positions_m = np.empty((*rotations.shape[:-1], 3))
    local = normalised(rotations)
    orientations = np.empty_like(local)
    positions_m[..., 0, :] = root_m
    orientations[..., 0, :] = local[..., 0, :]
    for joints, parents in skeleton.generations:
        above = orientations[..., parents, :]
        positions_m[..., joints, :] = positions_m[..., parents, :] + applied(above, skeleton.offsets_m[joints])
        orientations[..., joints, :] = composed(above, local[..., joints, :])
    return positions_m, orientations


def joint_positions(motion: Motion | MotionBatch) -> np.ndarray:
    """World positions of all joints in metres: (T, J, 3), or (N, T, J, 3) of a batch."""
    return forward_kinematics(motion.skeleton, motion.root_m, motion.rotations)[0]


def local_rotations(skeleton: Skeleton, orientations: np.ndarray) -> np.ndarray:
    """Inverse of forward kinematics for rotations: world orientations (..., J, 4) to local ones (..., J, 4)."""
    world = normalised(orientations)
    above = world[..., np.array(skeleton.parents[1:]), :]
    return np.concatenate([world[..., :1, :], composed(inverted(above), world[..., 1:, :])], axis=-2)


def continuous(rotations: np.ndarray, axis: int = 0) -> np.ndarray:
    """The same rotations (..., 4) with signs chosen so that neighbours along the time `axis` lie in one hemisphere."""
    moved = np.moveaxis(rotations, axis, 0)
    dots = np.sum(moved[1:] * moved[:-1], axis=-1, keepdims=True)
    signs = np.cumprod(np.where(dots < 0, -1.0, 1.0), axis=0)
    return np.moveaxis(np.concatenate([moved[:1], moved[1:] * signs]), 0, axis)


def angular_velocity(orientations: np.ndarray, fps: float) -> np.ndarray:
    """World angular velocity (T−1, ..., 3) in rad/s from frame t to t+1 of world orientations (T, ..., 4)."""
    step = Rotation.from_quat(orientations[1:]) * Rotation.from_quat(orientations[:-1]).inv()
    return step.as_rotvec() * fps
