"""Between a motion of a whole skeleton and that of the links which a humanoid simulates.

Joints that are no links (head, hands, fingers, twists) keep their local rotations throughout.
"""

from __future__ import annotations

from dataclasses import replace

from scipy.spatial.transform import Rotation

from selfcorrect.motion.kinematics import forward_kinematics, local_rotations
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.transforms import Moving
from selfcorrect.simulators.humanoid import Humanoid


def onto_links(body: Humanoid, moving: Moving) -> Moving:
    """The motion of the links alone, each with its joint's orientation in the world."""
    _, orientations = forward_kinematics(moving.skeleton, moving.root_m, moving.rotations)
    return replace(moving, skeleton=body.tree, rotations=local_rotations(body.tree, orientations[..., body.joints, :]))


def onto_skeleton(body: Humanoid, links: MotionBatch, whole: MotionBatch) -> MotionBatch:
    """The motions `whole` with the links' joints moved to where the links are."""
    _, link_orientations = forward_kinematics(body.tree, links.root_m, links.rotations)
    rotations = whole.rotations.copy()
    own = {joint: link for link, joint in enumerate(body.joints.tolist())}
    world: list[Rotation] = []
    for joint, parent in enumerate(whole.skeleton.parents):
        if joint in own:
            world.append(Rotation.from_quat(link_orientations[..., own[joint], :]))
            rotations[..., joint, :] = (world[parent].inv() * world[joint] if joint else world[0]).as_quat()
        else:
            world.append(world[parent] * Rotation.from_quat(rotations[..., joint, :]))
    return replace(whole, root_m=links.root_m, rotations=rotations)
