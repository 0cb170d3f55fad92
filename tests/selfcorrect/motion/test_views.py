"""Changes in a view's frame come back.

What is seen there comes back, too.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import SMPL_22, FootFrames, Quaternion, Skeleton
from selfcorrect.motion.views import (
    FrameChange,
    FrameChanges,
    JointOrder,
    JointSubset,
    LevelFeet,
    Rerooted,
    ScaledBody,
    ShiftedWorld,
    TurnedFrames,
    TurnedWorld,
    to_y_up,
)

WITHIN = 1e-12


def draw_two_turns(rng: np.random.Generator) -> tuple[Quaternion, Quaternion]:
    """Any turns of a left and a right joint."""
    turns = Rotation.random(2, rng=rng).as_quat()
    return tuple(turns[0].tolist()), tuple(turns[1].tolist())


def some_joints(motion: Motion, rng: np.random.Generator) -> FrameChange:
    """Choose the first two joints and some others.

    Each hangs on the nearest of them above it, with bones of the rest pose.
    """
    skeleton = motion.skeleton
    joints = np.array([joint for joint in range(len(skeleton)) if joint < 2 or rng.random() < 0.6])
    above = [next(at for at in skeleton.path_to_root(joint)[1:] if at in joints) for joint in joints[1:]]
    rest_m = skeleton.rest_positions_m
    tree = Skeleton(
        tuple(skeleton.names[joint] for joint in joints),
        (-1, *(joints.tolist().index(parent) for parent in above)),
        np.concatenate([np.zeros((1, 3)), rest_m[joints[1:]] - rest_m[above]]),
        tuple(skeleton.parts[joint] for joint in joints),
    )
    return JointSubset(tree, joints, motion)


VIEWS: dict[str, Callable[[Motion, np.random.Generator], FrameChange]] = {
    "turned world": lambda motion, rng: TurnedWorld(Rotation.random(rng=rng).as_quat(), tuple(rng.normal(size=3))),
    "y up": lambda motion, rng: to_y_up(int(rng.integers(6))),
    "turned frames": lambda motion, rng: TurnedFrames(Rotation.random(len(motion.skeleton), rng=rng).as_quat()),
    "root": lambda motion, rng: Rerooted(motion.skeleton, int(rng.integers(1, len(motion.skeleton)))),
    "usual order": lambda motion, rng: JointOrder.canonical(motion.skeleton),
    "level feet": lambda motion, rng: LevelFeet(FootFrames(draw_two_turns(rng), draw_two_turns(rng))),
    "shifted world": lambda motion, rng: ShiftedWorld(rng.normal(0.0, 1.0, (len(motion), 3))),
    "scaled body": lambda motion, rng: ScaledBody(float(rng.uniform(0.3, 3.0))),
    "joints alone": some_joints,
    "several": lambda motion, rng: FrameChanges(
        (to_y_up(1), TurnedFrames(Rotation.random(len(motion.skeleton), rng=rng).as_quat()))
    ),
}
KEEP_JOINTS = {"turned frames", "level feet"}
"""Views that move no joint and keep their order."""


def draw_motion(rng: np.random.Generator) -> Motion:
    """Draw a motion of any joint tree.

    The motion has 2 to 40 joints, of which the first are body parts in any order, and 1 to 6 frames.
    """
    count = int(rng.integers(2, 41))
    frames = int(rng.integers(1, 7))
    parents = (-1, *(int(rng.integers(0, joint)) for joint in range(1, count)))
    offsets_m = rng.normal(0.0, 0.3, (count, 3))
    offsets_m[0] = 0.0
    parts = [*rng.permutation(SMPL_22)[:count], *[""] * count][:count]
    names = tuple(f"joint {joint}" for joint in range(count))
    skeleton = Skeleton(names, parents, offsets_m, tuple(map(str, parts)))
    rotations = Rotation.random(frames * count, rng=rng).as_quat().reshape(frames, count, 4)
    return Motion(skeleton, rng.normal(0.0, 2.0, (frames, 3)), rotations, 30.0)


def assert_same(first: Motion, second: Motion) -> None:
    names = [
        (skeleton.names, skeleton.parents, skeleton.parts, skeleton.rigid, skeleton.soles_m)
        for skeleton in (first.skeleton, second.skeleton)
    ]
    assert names[0] == names[1]
    np.testing.assert_allclose(first.skeleton.offsets_m, second.skeleton.offsets_m, atol=WITHIN)
    np.testing.assert_allclose(first.root_m, second.root_m, atol=WITHIN)
    same_sign = np.sign(np.sum(first.rotations * second.rotations, axis=-1, keepdims=True))
    np.testing.assert_allclose(same_sign * first.rotations, second.rotations, atol=WITHIN)


@pytest.mark.parametrize("name", VIEWS)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_what_is_seen_comes_back(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    motion = draw_motion(rng)
    view = VIEWS[name](motion, rng)
    seen = view.view(motion)
    assert_same(view.restore(seen), motion)
    if name in KEEP_JOINTS:
        np.testing.assert_allclose(joint_positions(seen), joint_positions(motion), atol=WITHIN)


@pytest.mark.parametrize("name", VIEWS)
def test_a_change_comes_back(name: str) -> None:
    """A change in a view shows again unchanged.

    Nothing of another motion in its frame is lost.
    """
    rng = np.random.default_rng(1)
    motion = draw_motion(rng)
    view = VIEWS[name](motion, rng)
    seen = view.view(motion)
    turns = Rotation.random(seen.rotations.size // 4, rng=rng).as_quat().reshape(seen.rotations.shape)
    is_rigid = [joint in seen.skeleton.rigid for joint in seen.skeleton.names]
    turns[:, is_rigid] = seen.rotations[:, is_rigid]
    changed = replace(seen, root_m=seen.root_m + rng.normal(size=(1, 3)), rotations=turns)
    assert_same(view.view(view.restore(changed)), changed)
    with pytest.raises(AssertionError):
        assert_same(view.restore(changed), motion)


def test_other_root_keeps_names() -> None:
    rng = np.random.default_rng(2)
    motion = draw_motion(rng)
    seen = Rerooted(motion.skeleton, len(motion.skeleton) - 1).view(motion)
    joints = [seen.skeleton.names.index(name) for name in motion.skeleton.names]
    np.testing.assert_allclose(joint_positions(seen)[:, joints], joint_positions(motion), atol=WITHIN)
