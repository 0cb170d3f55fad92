"""Between a motion of a whole skeleton and that of the links which a humanoid simulates, in one order of joints.

Joints that are no links (head, hands, fingers, twists) keep their local rotations throughout. Anatomy and geometry give
the order in which joints are worked on, whatever order a file lists them in: solvers that visit joints in turn, and
sums that round, would otherwise tell one order from another.
"""

from __future__ import annotations

from dataclasses import replace
from heapq import heappop, heappush

import numpy as np

from selfcorrect.motion.editing.transforms import Moving
from selfcorrect.motion.geometry.kinematics import forward_kinematics, local_rotations
from selfcorrect.motion.geometry.rotations import composed
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.skeleton import SMPL_22, Skeleton

from .humanoid import Humanoid


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


def in_order(motion: Moving, order: np.ndarray) -> Moving:
    """The same motion, or batch of motions, with its joints in another order (J,)."""
    skeleton, place = motion.skeleton, np.argsort(order)
    parents = [skeleton.parents[joint] for joint in order]
    moved = Skeleton(
        names=tuple(skeleton.names[joint] for joint in order),
        parents=tuple(-1 if parent < 0 else int(place[parent]) for parent in parents),
        offsets_m=skeleton.offsets_m[order],
        parts=tuple(skeleton.parts[joint] for joint in order),
        soles_m=skeleton.soles_m,
        rigid=skeleton.rigid,
        mass_kg=skeleton.mass_kg,
    )
    return replace(motion, skeleton=moved, rotations=np.take(motion.rotations, order, axis=-2))


def onto_links(body: Humanoid, moving: Moving) -> Moving:
    """The motion of the links alone, each with its joint's orientation in the world."""
    _, orientations = forward_kinematics(moving.skeleton, moving.root_m, moving.rotations)
    return replace(moving, skeleton=body.tree, rotations=local_rotations(body.tree, orientations[..., body.joints, :]))


def onto_skeleton(body: Humanoid, links: MotionBatch, whole: MotionBatch) -> MotionBatch:
    """The motions `whole` with the links' joints moved to where the links are."""
    _, link_orientations = forward_kinematics(body.tree, links.root_m, links.rotations)
    own = {joint: link for link, joint in enumerate(body.joints.tolist())}
    world = np.empty_like(whole.rotations)
    world[..., 0, :] = link_orientations[..., 0, :]
    for joints, parents in whole.skeleton.generations:
        world[..., joints, :] = composed(world[..., parents, :], whole.rotations[..., joints, :])
        linked = [joint for joint in joints.tolist() if joint in own]
        world[..., linked, :] = link_orientations[..., [own[joint] for joint in linked], :]
    rotations = local_rotations(whole.skeleton, world)
    carried = np.setdiff1d(np.arange(len(whole.skeleton)), body.joints)
    rotations[..., carried, :] = whole.rotations[..., carried, :]
    return replace(whole, root_m=links.root_m, rotations=rotations)
