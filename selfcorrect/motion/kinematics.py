"""Where the joints are: forward kinematics and rotations over time.

Rotations are unit quaternions xyzw in arrays (..., J, 4).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.rotations import applied, composed, inverted, normalised
from selfcorrect.motion.skeleton import Skeleton

SLAB = 4096
"""Frames (or motions of a batch) that are worked on at once."""


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
    return in_slabs(lambda *poses: forward_kinematics(motion.skeleton, *poses)[0], motion)


def in_slabs(function: Callable[[np.ndarray, np.ndarray], np.ndarray], motion: Motion | MotionBatch) -> np.ndarray:
    """What a function of root_m and rotations gives for each pose; long motions take little memory besides."""
    starts = range(0, max(len(motion), 1), SLAB)
    slabs = [function(motion.root_m[at : at + SLAB], motion.rotations[at : at + SLAB]) for at in starts]
    return slabs[0] if len(slabs) == 1 else np.concatenate(slabs)


def local_rotations(skeleton: Skeleton, orientations: np.ndarray) -> np.ndarray:
    """Inverse of forward kinematics for rotations: world orientations (..., J, 4) to local ones (..., J, 4)."""
    world = normalised(orientations)
    above = world[..., np.array(skeleton.parents[1:]), :]
    return np.concatenate([world[..., :1, :], composed(inverted(above), world[..., 1:, :])], axis=-2)


def continuous(rotations: np.ndarray, axis: int = 0) -> np.ndarray:
    """The same rotations (..., 4) with signs chosen so that neighbours along the time `axis` lie in one hemisphere."""
    result = rotations.copy()
    moved = np.moveaxis(result, axis, 0)
    dots = np.einsum("...i,...i", moved[1:], moved[:-1])
    moved[1:] *= np.cumprod(np.where(dots < 0, -1.0, 1.0), axis=0)[..., None]
    return result
