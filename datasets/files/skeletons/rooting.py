"""Motions whose skeleton hangs on another joint than the pelvis, seen as if it hung on that, and back.

A joint of a tree carries the bones to its children. With another root, the joints on the way to it carry the bones that
led to them before. Each keeps its orientation and moves to the other end of its bone. No place of any other joint
changes.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from selfcorrect.motion.geometry.kinematics import forward_kinematics, local_rotations
from selfcorrect.motion.geometry.rotations import applied
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton


def hangs_elsewhere(skeleton: Skeleton) -> bool:
    """Whether parts of a body are not below its pelvis in the tree."""
    pelvis = skeleton.joint("pelvis")
    parts = [joint for joint, part in enumerate(skeleton.parts) if part]
    return pelvis is not None and any(pelvis not in above(skeleton, joint) for joint in parts)


def top_of_body(skeleton: Skeleton) -> int:
    """The highest joint of the body in the tree: the pelvis, or the root where parts are not below that."""
    pelvis = skeleton.joint("pelvis")
    return 0 if pelvis is None or hangs_elsewhere(skeleton) else pelvis


def above(skeleton: Skeleton, joint: int) -> list[int]:
    """A joint and those on the way up to the root, which is the last."""
    way = [joint]
    while way[-1]:
        way.append(skeleton.parents[way[-1]])
    return way


def rooted_at(motion: Motion, root: int) -> Motion:
    """The motion on a tree with another root: joints keep their names, not their order, and have no parts."""
    skeleton = motion.skeleton
    positions_m, orientations = forward_kinematics(skeleton, motion.root_m, motion.rotations)
    tree, order = _rerooted(skeleton, root)
    rotations = local_rotations(tree, orientations[:, order])
    return replace(motion, skeleton=tree, root_m=positions_m[:, root], rotations=rotations)


def rooted_back(original: Motion, root: int, changed: Motion) -> Motion:
    """Undo `rooted_at` for a changed motion: it again on the tree of the original."""
    skeleton = original.skeleton
    _, order = _rerooted(skeleton, root)
    positions_m, turned = forward_kinematics(changed.skeleton, changed.root_m, changed.rotations)
    orientations = np.empty_like(turned)
    orientations[:, order] = turned
    first = above(skeleton, root)[-2]
    root_m = positions_m[:, order.index(0)] - applied(orientations[:, 0], skeleton.offsets_m[first])
    return replace(changed, skeleton=skeleton, root_m=root_m, rotations=local_rotations(skeleton, orientations))


def _rerooted(skeleton: Skeleton, root: int) -> tuple[Skeleton, list[int]]:
    """The tree with another root, and which joint of the old tree each of its joints was."""
    way = above(skeleton, root)
    parents, offsets_m = list(skeleton.parents), skeleton.offsets_m.copy()
    parents[root], offsets_m[root] = -1, 0.0
    for below, joint in pairwise(way):
        for child in skeleton.children[joint]:
            if child != below:
                offsets_m[child] = skeleton.offsets_m[child] - skeleton.offsets_m[below]
        parents[joint] = below
        offsets_m[joint] = 0.0 if below == root else -skeleton.offsets_m[way[way.index(below) - 1]]
    order = _downwards(parents, root)
    tree = Skeleton(
        tuple(skeleton.names[joint] for joint in order),
        tuple(order.index(parents[joint]) if parents[joint] >= 0 else -1 for joint in order),
        offsets_m[order],
        ("",) * len(order),
        rigid=skeleton.rigid,
    )
    return tree, order


def _downwards(parents: list[int], root: int) -> list[int]:
    """Joints, parents before children."""
    order = [root]
    for joint in order:
        order += [child for child, parent in enumerate(parents) if parent == joint]
    return order
