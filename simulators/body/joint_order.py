"""The order in which joints are worked on, which anatomy and geometry give, whatever order a file lists them in.

Solvers that visit joints in turn, and sums that round, would otherwise tell one order from another.
"""

from __future__ import annotations

from dataclasses import replace
from heapq import heappop, heappush

import numpy as np

from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import SMPL_22, Skeleton


def joint_order(skeleton: Skeleton) -> np.ndarray:
    """(J,) the joints, each after its parent: parts of the body in SMPL's order, then all else by its place at rest.

    Joints that are no parts and share a place keep the skeleton's order; they only ride along.
    """
    order: list[int] = []
    waiting: list[tuple[tuple[float, ...], int]] = [((), 0)]
    while waiting:
        _, joint = heappop(waiting)
        order.append(joint)
        for child in skeleton.children[joint]:
            part, place_m = skeleton.parts[child], skeleton.rest_positions_m[child]
            rank = SMPL_22.index(part) if part else len(SMPL_22)
            heappush(waiting, ((rank, *place_m.tolist()), child))
    return np.array(order)


def in_order(motion: Motion, order: np.ndarray) -> Motion:
    """The same motion with its joints in another order (J,)."""
    skeleton, place = motion.skeleton, np.argsort(order)
    parents = [skeleton.parents[joint] for joint in order]
    moved = Skeleton(
        names=tuple(skeleton.names[joint] for joint in order),
        parents=tuple(-1 if parent < 0 else int(place[parent]) for parent in parents),
        offsets_m=skeleton.offsets_m[order],
        parts=tuple(skeleton.parts[joint] for joint in order),
    )
    return replace(motion, skeleton=moved, rotations=motion.rotations[:, order])
