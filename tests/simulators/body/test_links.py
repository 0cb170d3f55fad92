"""Whatever order a file lists joints in, and whatever it calls them, they are worked on in the same one."""

from dataclasses import replace

import numpy as np
import pytest

from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.views import JointOrder
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector
from selfcorrect.simulators.settings.tracker import EngineSettings, TrackerSettings


def depth_first(motion: Motion, last_first: bool) -> np.ndarray:
    """Joints as most files list them, siblings in one order or the other."""

    def list_descendants(joint: int) -> list[int]:
        children = motion.skeleton.children[joint]
        return [
            joint,
            *(joint for child in (children[::-1] if last_first else children) for joint in list_descendants(child)),
        ]

    return np.array(list_descendants(0))


def in_usual_order(motion: Motion) -> Motion:
    return JointOrder.canonical(motion.skeleton).view(motion)


def rename_joints(motion: Motion) -> Motion:
    names = tuple(f"bone {len(motion.skeleton) - joint}" for joint in range(len(motion.skeleton)))
    return replace(motion, skeleton=replace(motion.skeleton, names=names))


def test_smpl_is_in_order_already(adult):
    assert JointOrder.canonical(adult).order.tolist() == list(range(22))


@pytest.mark.parametrize("last_first", [False, True])
def test_the_order_is_found_again_and_moves_nothing(stand, last_first):
    order = depth_first(stand, last_first)
    reordered = JointOrder(stand.skeleton, order).view(stand)
    assert order.tolist() != list(range(22))
    assert np.array_equal(joint_positions(reordered), joint_positions(stand)[:, order])
    back = in_usual_order(reordered)
    assert back.skeleton.same_as(stand.skeleton)
    assert np.array_equal(back.rotations, stand.rotations)


def test_joints_that_are_no_parts_are_told_apart_by_where_they_are(walk):
    """Wrists taken for fingers."""
    parts = tuple("" if part.endswith("wrist") else part for part in walk.skeleton.parts)
    motion = replace(walk, skeleton=replace(walk.skeleton, parts=parts))
    usual = in_usual_order(motion)
    for last_first in (False, True):
        reordered = JointOrder(motion.skeleton, depth_first(motion, last_first)).view(motion)
        assert in_usual_order(reordered).skeleton.same_as(usual.skeleton)


@pytest.mark.parametrize("last_first", [False, True])
def test_corrections_do_not_depend_on_order_or_names(walk, engine, last_first):
    order = depth_first(walk, last_first)
    reordered = rename_joints(JointOrder(walk.skeleton, order).view(walk))
    physics = PhysicsCorrector(TrackerSettings(engine=EngineSettings(name=engine)))
    for corrector in (KinematicCorrector(), physics):
        usual = corrector([walk])[0]
        moved = corrector([reordered])[0]
        assert moved.motion.skeleton is reordered.skeleton
        assert np.array_equal(moved.motion.root_m, usual.motion.root_m)
        assert np.array_equal(moved.motion.rotations, usual.motion.rotations[:, order])
        assert moved.residual == usual.residual
