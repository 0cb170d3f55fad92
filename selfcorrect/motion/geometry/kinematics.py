"""Forward kinematics and rotations over time.

Rotations are unit quaternions xyzw in arrays (..., J, 4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from weakref import WeakKeyDictionary

import numpy as np

from ..motion import SLAB, Motion, MotionBatch
from ..skeleton import Skeleton, compute_descendants, compute_generations
from .compiled import KERNELS
from .rotations import compose, invert, normalize


def forward_kinematics(
    skeleton: Skeleton, root_m: np.ndarray, rotations: np.ndarray, joints: Sequence[int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Pose every joint in the world, or only K of them, which takes less time.

    Args:
        root_m: (..., 3) root position, world, metres.
        rotations: (..., J, 4) rotations as in `Motion`.
        joints: Indices of the K joints; None for all.

    Returns:
        Positions (..., J, 3) in metres and orientations (..., J, 4), both in the world; (..., K, …) of some joints.
    """
    tree = _Tree.from_skeleton(skeleton, None if joints is None else tuple(joints))
    shape = (*rotations.shape[:-2], len(tree.place))
    if KERNELS is not None and rotations.dtype == np.float64:
        orientations = np.empty((*shape, 4))
        return _pose_compiled(tree, root_m, rotations, orientations), orientations
    positions_m, orientations = _pose_tree(tree, root_m, rotations)
    return _by_frame(tree, positions_m, shape), _by_frame(tree, orientations, shape)


def _pose_compiled(
    tree: _Tree, root_m: np.ndarray, rotations: np.ndarray, orientations: np.ndarray | None
) -> np.ndarray:
    """Return positions (..., K, 3), and write orientations (..., K, 4) if these are wanted."""
    assert KERNELS is not None
    *shape, count, _ = rotations.shape
    root_m = np.ascontiguousarray(np.broadcast_to(root_m, (*shape, 3)), dtype=float)
    positions_m = np.empty((*shape, len(tree.place), 3))
    KERNELS.pose(
        root_m.reshape(-1, 3),
        np.ascontiguousarray(rotations).reshape(-1, count, 4),
        *tree.kernel_arrays,
        positions_m.reshape(-1, len(tree.place), 3),
        None if orientations is None else orientations.reshape(-1, len(tree.place), 4),
    )
    return positions_m


def _pose_tree(tree: _Tree, root_m: np.ndarray, rotations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (3, K, T) and orientations (4, K, T) of the tree's joints in its order."""
    by_frame = rotations.reshape(-1, *rotations.shape[-2:])
    local = by_frame.transpose(2, 1, 0).take(tree.order, axis=1)
    x, y, z, w = local
    local /= np.sqrt((x * x + z * z) + (y * y + w * w))
    orientations = _chain_rotations(tree, local)
    roots_m = np.broadcast_to(root_m, (*rotations.shape[:-2], 3)).reshape(-1, 3)
    return _chain_positions(tree, roots_m.T, orientations), orientations


def _by_frame(tree: _Tree, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Reorder values (K, J, T) of joints in the tree's order to (..., J, K) in the skeleton's order."""
    ordered = values.take(tree.place, axis=1).transpose(2, 1, 0)
    return np.ascontiguousarray(ordered).reshape(*shape, len(values))


@dataclass(frozen=True, eq=False)
class _Tree:
    """A skeleton's joints by their distance from the root, so that joints of a generation lie side by side."""

    order: np.ndarray
    """(J,) joints of the skeleton in that order; for some joints, those and all above them."""
    place: np.ndarray
    """(J,) position of each of the skeleton's joints in that order; (K,) for some joints."""
    generations: tuple[tuple[slice, np.ndarray], ...]
    """Joints of each generation except the root's, and their parents, both in that order."""
    parents: np.ndarray
    """(J − 1,) parents of all joints but the root."""
    offsets_m: np.ndarray
    """(3, J − 1, 1) offsets of all joints but the root."""
    kernel_arrays: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
    """Offsets and parents of the skeleton's joints, the order, and the joints that are posed, for the kernels."""

    @classmethod
    @lru_cache(maxsize=32)
    def from_skeleton(cls, skeleton: Skeleton, joints: tuple[int, ...] | None = None) -> _Tree:
        """Return the tree of a skeleton, or of some of its joints."""
        order, place, generations, parents = _order_joints(skeleton.parents, joints)
        offsets_m = np.ascontiguousarray(skeleton.offsets_m, dtype=float)
        kernel_arrays = (
            offsets_m,
            np.array(skeleton.parents, dtype=np.int32),
            order.astype(np.int32),
            order[place].astype(np.int32),
        )
        return cls(order, place, generations, parents, offsets_m[order[1:]].T[..., None], kernel_arrays)


@lru_cache(maxsize=64)
def _order_joints(
    parents: tuple[int, ...], joints: tuple[int, ...] | None
) -> tuple[np.ndarray, np.ndarray, tuple[tuple[slice, np.ndarray], ...], np.ndarray]:
    """Compute what a `_Tree` takes from the joints' parents only, which many skeletons share."""
    leaves = slice(None) if joints is None else joints
    is_needed = np.asarray(compute_descendants(parents)[:, leaves].any(axis=1))
    levels = []
    for level_joints, level_parents in compute_generations(parents):
        needed = is_needed[level_joints]
        if needed.any():
            levels.append((level_joints[needed], level_parents[needed]))
    order = np.concatenate([[0], *(level_joints for level_joints, _ in levels)])
    place = np.zeros(len(parents), dtype=int)
    place[order] = np.arange(len(order))
    stops = 1 + np.cumsum([0, *(len(level_joints) for level_joints, _ in levels)])
    spans = [slice(start, stop) for start, stop in pairwise(stops.tolist())]
    generations = tuple((span, place[level_parents]) for span, (_, level_parents) in zip(spans, levels, strict=True))
    ordered_parents = place[np.array(parents)[order[1:]]]
    return order, place if joints is None else place[list(joints)], generations, ordered_parents


def _chain_rotations(tree: _Tree, local: np.ndarray) -> np.ndarray:
    """World orientations (4, J, T) from local rotations (4, J, T), joints in the tree's order.

    The same sums as in `compose`, component by component, in a quarter of its time.
    """
    world = np.empty_like(local)
    world[:, 0] = local[:, 0]
    for joints, parents in tree.generations:
        x, y, z, w = world.take(parents, axis=1)
        a, b, c, d = local[:, joints]
        turned_x, turned_y, turned_z, turned_w = np.multiply(w, local[:, joints], out=world[:, joints])
        turned_x += x * d
        turned_x += y * c
        turned_x -= z * b
        turned_y -= x * c
        turned_y += y * d
        turned_y += z * a
        turned_z += x * b
        turned_z -= y * a
        turned_z += z * d
        turned_w -= x * a
        turned_w -= y * b
        turned_w -= z * c
    return world


_CYCLES = ((0, 1, 2), (1, 2, 0), (2, 0, 1))
"""Axes in a cross product: of the result, and the two after it."""


def _chain_positions(tree: _Tree, root_m: np.ndarray, orientations: np.ndarray) -> np.ndarray:
    """Positions (3, J, T) of joints in the tree's order from the root's (3, T) and orientations (4, J, T).

    The same sums as in `rotate`, for all bones at once.
    """
    above = orientations.take(tree.parents, axis=1)
    offsets_m = tree.offsets_m
    twice = np.empty((3, *above.shape[1:]))
    product = np.empty(above.shape[1:])
    for row, after, last in _CYCLES:
        np.multiply(above[after], offsets_m[last], out=twice[row])
        twice[row] -= np.multiply(above[last], offsets_m[after], out=product)
    twice *= 2
    bones_m = above[3] * twice
    bones_m += offsets_m
    for row, after, last in _CYCLES:
        bones_m[row] += np.multiply(above[after], twice[last], out=product)
        bones_m[row] -= np.multiply(above[last], twice[after], out=product)
    positions_m = np.empty((3, *orientations.shape[1:]))
    positions_m[:, 0] = root_m
    for joints, parents in tree.generations:
        bones = slice(joints.start - 1, joints.stop - 1)
        np.add(positions_m.take(parents, axis=1), bones_m[:, bones], out=positions_m[:, joints])
    return positions_m


_POSES: WeakKeyDictionary[MotionBatch, tuple[np.ndarray, np.ndarray]] = WeakKeyDictionary()


def cached_poses(motions: MotionBatch) -> tuple[np.ndarray, np.ndarray]:
    """Return read-only positions (N, T, J, 3) and orientations (N, T, J, 4), world, posed once for each batch.

    Poses live as long as their batch, so ask for poses of short-lived batches.
    """
    if (poses := _POSES.get(motions)) is None:
        poses = cache_poses(motions, *forward_kinematics(motions.skeleton, motions.root_m, motions.rotations))
    return poses


def cache_poses(
    motions: MotionBatch, positions_m: np.ndarray, orientations: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Store the poses of a batch for `cached_poses`, such as a batch that was moved as a whole.

    Args:
        motions: N motions of T frames.
        positions_m: (N, T, J, 3) world positions of all joints; becomes read-only.
        orientations: (N, T, J, 4) world orientations of all joints; becomes read-only.

    Returns:
        The poses.
    """
    poses = _POSES[motions] = positions_m, orientations
    for values in poses:
        values.flags.writeable = False
    return poses


def pose_joints(motion: Motion | MotionBatch) -> tuple[np.ndarray, np.ndarray]:
    """Return the world positions and orientations of all joints; a batch that was posed already is not posed again."""
    if isinstance(motion, MotionBatch) and (poses := _POSES.get(motion)) is not None:
        return poses
    return forward_kinematics(motion.skeleton, motion.root_m, motion.rotations)


def joint_positions(motion: Motion | MotionBatch, joints: Sequence[int] | None = None) -> np.ndarray:
    """Return the positions of joints in the world; a batch that was posed already is not posed again.

    Args:
        motion: A motion of T frames, or a batch of N such motions.
        joints: Indices of J joints; None for all.

    Returns:
        (T, J, 3) positions in metres, (N, T, J, 3) of a batch.
    """
    if isinstance(motion, MotionBatch) and (poses := _POSES.get(motion)) is not None:
        return poses[0] if joints is None else poses[0][..., list(joints), :]
    return in_chunks(partial(_pose_positions_m, motion.skeleton, joints), motion.root_m, motion.rotations)


def _pose_positions_m(
    skeleton: Skeleton, joints: Sequence[int] | None, root_m: np.ndarray, rotations: np.ndarray
) -> np.ndarray:
    """Return the positions of `forward_kinematics` alone."""
    tree = _Tree.from_skeleton(skeleton, None if joints is None else tuple(joints))
    if KERNELS is not None and rotations.dtype == np.float64:
        return _pose_compiled(tree, root_m, rotations, None)
    positions_m, _ = _pose_tree(tree, root_m, rotations)
    return _by_frame(tree, positions_m, (*rotations.shape[:-2], len(tree.place)))


def world_poses(motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Positions (T, J, 3) in metres and orientations (T, J, 4) of all joints in the world."""
    if len(motion) <= SLAB:
        return forward_kinematics(motion.skeleton, motion.root_m, motion.rotations)
    positions_m = np.empty((*motion.rotations.shape[:2], 3))
    orientations = np.empty(motion.rotations.shape)
    for start in range(0, len(motion), SLAB):
        rows = slice(start, start + SLAB)
        poses = forward_kinematics(motion.skeleton, motion.root_m[rows], motion.rotations[rows])
        positions_m[rows], orientations[rows] = poses
    return positions_m, orientations


def in_chunks(function: Callable[..., np.ndarray], *arrays: np.ndarray) -> np.ndarray:
    """Apply a function of arrays to chunks of their rows, so that long arrays need little extra memory."""
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
    """Inverse of forward kinematics for rotations: world orientations (..., J, 4) to local rotations (..., J, 4)."""
    world = normalize(orientations)
    above = world[..., np.array(skeleton.parents[1:]), :]
    local = compose(invert(above), world[..., 1:, :])
    return np.concatenate([world[..., :1, :], local], axis=-2)


def make_continuous(rotations: np.ndarray, axis: int = 0) -> np.ndarray:
    """Return the same rotations (..., 4) with signs so that neighbours along the time `axis` lie in the same
    hemisphere.
    """
    result = rotations.copy()
    moved = np.moveaxis(result, axis, 0)
    dots = np.einsum("...i,...i", moved[1:], moved[:-1])
    flips = np.where(dots < 0, -1.0, 1.0)
    moved[1:] *= np.cumprod(flips, axis=0)[..., None]
    return result
