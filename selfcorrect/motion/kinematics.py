"""Forward kinematics, and rotations over time.

Rotations are unit quaternions xyzw in arrays of shape (..., J, 4).
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from weakref import WeakKeyDictionary

import numpy as np

from ..core.checks import check_kind
from .geometry.compiled import find_kernel
from .geometry.rotations import compose, invert, normalize, rotate
from .motion import SLAB, Motion, MotionBatch
from .skeleton import Skeleton, compute_descendants, compute_generations

_FRAMES_IN_CACHE = 512
"""Number of frames whose signs are compared at once, so that they fit into the processor's cache."""


def forward_kinematics(
    skeleton: Skeleton, root_m: np.ndarray, rotations: np.ndarray, joints: Sequence[int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Compute world poses of joints.

    Posing only K of the J joints takes less time.

    Args:
        root_m: (..., 3) root position in the world, in m.
        rotations: (..., J, 4) rotations as in `Motion`.
        joints: Indices of the K joints; None for all.

    Returns:
        Positions (..., K, 3) in m and orientations (..., K, 4), both in the world.
    """
    if kernel := find_kernel("pose", rotations):
        orientations = np.empty((*rotations.shape[:-2], len(skeleton) if joints is None else len(joints), 4))
        return _pose_compiled(kernel, skeleton, root_m, rotations, joints, orientations), orientations
    positions_m, orientations = _pose_by_generation(skeleton, root_m, rotations)
    if joints is None:
        return positions_m, orientations
    chosen = list(joints)
    return positions_m[..., chosen, :], orientations[..., chosen, :]


def _pose_compiled(
    kernel: Callable[..., None],
    skeleton: Skeleton,
    root_m: np.ndarray,
    rotations: np.ndarray,
    joints: Sequence[int] | None,
    orientations: np.ndarray | None,
) -> np.ndarray:
    """Compute joint positions (..., K, 3) with a compiled kernel.

    If `orientations` (..., K, 4) is an array, the kernel writes orientations into it.
    """
    *shape, count, _ = rotations.shape
    posed, *tree = _make_kernel_tree(skeleton, None if joints is None else tuple(joints))
    if root_m.shape[:-1] != tuple(shape):
        root_m = np.broadcast_to(root_m, (*shape, 3))
    root_m = np.ascontiguousarray(root_m, dtype=float)
    positions_m = np.empty((*shape, len(posed), 3))
    kernel(
        root_m.reshape(-1, 3),
        np.ascontiguousarray(rotations).reshape(-1, count, 4),
        *tree,
        posed,
        positions_m.reshape(-1, len(posed), 3),
        None if orientations is None else orientations.reshape(-1, len(posed), 4),
    )
    return positions_m


@lru_cache(maxsize=32)
def _make_kernel_tree(
    skeleton: Skeleton, joints: tuple[int, ...] | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Prepare a joint tree for the kernels.

    Returns the joints to pose, the offsets and parents of all joints, and the joints that must be computed, parents
    first.
    """
    posed, order = _order_joints(skeleton.parents, joints)
    offsets_m = np.ascontiguousarray(skeleton.offsets_m, dtype=float)
    return posed, offsets_m, np.array(skeleton.parents, dtype=np.int32), order


@lru_cache(maxsize=64)
def _order_joints(parents: tuple[int, ...], joints: tuple[int, ...] | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the joints to pose and the joints they depend on.

    The second array includes all ancestors, ordered by depth.
    """
    posed = np.arange(len(parents), dtype=np.int32) if joints is None else np.array(joints, dtype=np.int32)
    is_needed = np.asarray(compute_descendants(parents)[:, posed].any(axis=1))
    order = np.concatenate([[0], *(level_joints for level_joints, _ in compute_generations(parents))])
    return posed, order[is_needed[order]].astype(np.int32)


def _pose_by_generation(skeleton: Skeleton, root_m: np.ndarray, rotations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute all positions (..., J, 3) and orientations (..., J, 4) in NumPy.

    The order of operations is that of the kernels.
    """
    x, y, z, w = np.moveaxis(rotations, -1, 0)
    local = rotations / np.sqrt((x * x + z * z) + (y * y + w * w))[..., None]
    orientations = local.copy()
    positions_m = np.empty((*rotations.shape[:-1], 3))
    positions_m[..., 0, :] = root_m
    for joints, parents in skeleton.generations:
        above = orientations[..., parents, :]
        orientations[..., joints, :] = compose(above, local[..., joints, :])
        bones_m = rotate(above, skeleton.offsets_m[joints])
        positions_m[..., joints, :] = positions_m[..., parents, :] + bones_m
    return positions_m, orientations


_POSES: WeakKeyDictionary[MotionBatch, tuple[np.ndarray, np.ndarray]] = WeakKeyDictionary()


def cached_poses(motions: MotionBatch) -> tuple[np.ndarray, np.ndarray]:
    """Return a batch's poses, computed once.

    They are kept as long as the batch lives, so use this for short-lived batches only.

    Returns:
        Read-only world positions (N, T, J, 3) in m and orientations (N, T, J, 4).
    """
    if (poses := _POSES.get(motions)) is None:
        poses = cache_poses(motions, *forward_kinematics(motions.skeleton, motions.root_m, motions.rotations))
    return poses


def cache_poses(
    motions: MotionBatch, positions_m: np.ndarray, orientations: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Store known poses of a batch for `cached_poses`.

    For example, the poses of a batch that was shifted as a whole follow from the batch before.

    Args:
        motions: N motions of T frames.
        positions_m: (N, T, J, 3) world positions of all joints, which become read-only.
        orientations: (N, T, J, 4) world orientations of all joints, which become read-only.
    """
    poses = _POSES[motions] = positions_m, orientations
    for values in poses:
        values.flags.writeable = False
    return poses


def pose_joints(motion: Motion | MotionBatch, joints: Sequence[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return world positions and orientations of joints.

    Cached poses of a batch are reused.

    Args:
        joints: Indices of the joints; None for all.
    """
    if isinstance(motion, MotionBatch) and (poses := _POSES.get(motion)) is not None:
        return poses if joints is None else (poses[0].take(joints, axis=-2), poses[1].take(joints, axis=-2))
    return forward_kinematics(motion.skeleton, motion.root_m, motion.rotations, joints)


def joint_positions(motion: Motion | MotionBatch, joints: Sequence[int] | None = None) -> np.ndarray:
    """Return joint positions in the world.

    Cached poses of a batch are reused.

    Args:
        motion: A motion of T frames, or a batch of N motions.
        joints: Indices of J joints; None for all.

    Returns:
        Positions (T, J, 3) in m, or (N, T, J, 3) of a batch.
    """
    check_kind("motion", motion, Motion, MotionBatch)
    if isinstance(motion, MotionBatch) and (poses := _POSES.get(motion)) is not None:
        return poses[0] if joints is None else poses[0][..., list(joints), :]
    if kernel := find_kernel("pose", motion.rotations):
        return _pose_compiled(kernel, motion.skeleton, motion.root_m, motion.rotations, joints, None)
    return in_chunks(
        lambda *poses: forward_kinematics(motion.skeleton, *poses, joints=joints)[0], motion.root_m, motion.rotations
    )


def in_chunks(function: Callable[..., np.ndarray], *arrays: np.ndarray) -> np.ndarray:
    """Apply a function to chunks of rows, so that long arrays need little extra memory."""
    count = len(arrays[0])
    if count <= SLAB:
        return function(*arrays)
    result: np.ndarray | None = None
    for start in range(0, count, SLAB):
        rows = function(*(array[start : start + SLAB] for array in arrays))
        if result is None:
            result = np.empty((count, *rows.shape[1:]), rows.dtype)
        result[start : start + SLAB] = rows
    assert result is not None
    return result


def local_rotations(skeleton: Skeleton, orientations: np.ndarray) -> np.ndarray:
    """Convert world orientations (..., J, 4) to local rotations.

    This is the inverse of forward kinematics.
    """
    world = normalize(orientations)
    above = world.take(skeleton.parents[1:], -2)
    local = compose(invert(above), world[..., 1:, :])
    return np.concatenate([world[..., :1, :], local], axis=-2)


def make_continuous(rotations: np.ndarray, axis: int = 0, out: np.ndarray | None = None) -> np.ndarray:
    """Flip quaternion signs so that rotations are continuous.

    Consecutive quaternions along the time `axis` then lie in the same hemisphere.

    Args:
        rotations: Quaternions (..., 4).
        axis: The time axis.
        out: `rotations` to work in place; None for a copy.
    """
    result = rotations.copy() if out is None else out
    moved = np.moveaxis(result, axis, 0)
    before = moved[:1].copy()
    sign = np.ones(moved.shape[1:-1])
    for start in range(0, len(moved), _FRAMES_IN_CACHE):
        frames = moved[start : start + _FRAMES_IN_CACHE]
        dots = np.einsum("...i,...i", frames, np.concatenate([before, frames[:-1]]))
        flips = np.where(dots < 0, -1.0, 1.0)
        flips[0] *= sign
        np.cumprod(flips, axis=0, out=flips)
        before = frames[-1:].copy()
        frames *= flips[..., None]
        sign = flips[-1]
    return result
