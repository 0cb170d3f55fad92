"""Between a motion of a whole skeleton and that of the links which a humanoid simulates.

Joints that are no links (head, hands, fingers, twists) keep their local rotations throughout.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from selfcorrect.motion.geometry.kinematics import forward_kinematics, local_rotations
from selfcorrect.motion.geometry.rotations import composed
from selfcorrect.motion.motion import MotionBatch, Moving

from .humanoid import Humanoid


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
