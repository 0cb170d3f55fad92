"""Loops are recognised, unrolled and closed again without a seam."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from turned_joints import turn_joint

from selfcorrect.motion.editing.loops import close_loop, gap_m, is_loop, match_loop_ends, unroll_loop
from selfcorrect.motion.editing.transforms import turn
from selfcorrect.motion.geometry.rotations import compose
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion

MakeMotion = Callable[..., Motion]


@pytest.fixture(params=[(0.0, 0.0), (1.3, 0.0), (0.9, 0.7), (0.0, -2.0)], ids=["in place", "ahead", "turning", "about"])
def loop(request: pytest.FixtureRequest, random_motion: MakeMotion) -> Motion:
    """Return a cycle of 40 steps along an arc."""
    travel_m, turn_rad = request.param
    pose = random_motion(3, frames=1)
    share = np.arange(41) / 40
    swing = Rotation.from_rotvec(np.sin(2 * np.pi * share)[:, None, None] * np.full((len(pose.skeleton), 3), 0.3))
    rotations = compose(swing.as_quat(), np.tile(pose.rotations, (41, 1, 1)))
    still = Motion(pose.skeleton, np.tile([0.2, 0.9, 0.1], (41, 1)), rotations, 30.0)
    frames = [turn(still.frames(index, index + 1), turn_rad * share[index]) for index in range(41)]
    turns = Rotation.from_rotvec(np.outer(turn_rad * (share[:-1] + 0.0125), [0.0, 1.0, 0.0]))
    steps_m = turns.apply([travel_m / 40, 0.0, travel_m / 80])
    root_m = still.root_m + np.concatenate([np.zeros((1, 3)), np.cumsum(steps_m, axis=0)])
    return replace(still, root_m=root_m, rotations=np.concatenate([frame.rotations for frame in frames]))


def third_differences_m(motion: Motion) -> np.ndarray:
    return np.linalg.norm(np.diff(joint_positions(motion), 3, axis=0), axis=-1).max(-1)


def test_loop_is_recognised(loop: Motion) -> None:
    assert is_loop(loop)
    assert not is_loop(loop.frames(0, len(loop) - 1))
    assert not is_loop(turn_joint(loop, 1, Rotation.from_rotvec([0.2, 0.0, 0.0]), -1))
    assert not is_loop(replace(loop, root_m=loop.root_m + np.linspace(0, 0.05, len(loop))[:, None] * [0.0, 1.0, 0.0]))


@pytest.mark.parametrize("margin", [7, 40, 97])
def test_unrolled_loop_has_no_seam(loop: Motion, margin: int) -> None:
    row = unroll_loop(loop, margin)
    assert len(row) == len(loop) + 2 * margin
    middle = row.frames(margin, margin + len(loop))
    assert np.allclose(joint_positions(middle), joint_positions(loop), atol=1e-9)
    assert third_differences_m(row).max() < 1.2 * third_differences_m(loop).max()


def test_unchanged_loop_round_trips(loop: Motion) -> None:
    reclosed = close_loop(unroll_loop(loop, 60), loop, 60)
    assert np.allclose(joint_positions(reclosed), joint_positions(loop), atol=1e-9)


def test_uneven_change_closes_smoothly(loop: Motion) -> None:
    row = unroll_loop(loop, 60)
    waves = 0.08 * np.sin(np.arange(len(row)) / 13.0)
    spoiled = replace(row, root_m=row.root_m + waves[:, None])
    closed = close_loop(spoiled, loop, 60)
    assert not is_loop(spoiled.frames(60, 60 + len(loop)))
    assert is_loop(closed)
    assert np.allclose(closed.root_m[-1] - closed.root_m[0], loop.root_m[-1] - loop.root_m[0], atol=0.2)
    assert third_differences_m(unroll_loop(closed, 20)).max() < 1.5 * third_differences_m(spoiled).max()


def test_other_travel_may_stay(loop: Motion) -> None:
    row = unroll_loop(loop, 60)
    faster = replace(row, root_m=row.root_m + np.arange(len(row))[:, None] * [0.02, 0.0, 0.0])
    travels_m = [close_loop(faster, loop, 60, same_travel=same).root_m[-1] - loop.root_m[-1] for same in (True, False)]
    closed = close_loop(faster, loop, 60, same_travel=False)
    assert is_loop(closed)
    assert np.linalg.norm(travels_m[1] - travels_m[0]) > 0.3


@pytest.mark.parametrize("gap_rad", [0.0, 0.05])
def test_near_ends_stay_near(loop: Motion, gap_rad: float) -> None:
    """Changes that differ at the ends stay near.

    The changes leave the middle unchanged.
    """
    share = np.linspace(0.0, 1.0, len(loop))[:, None, None]
    joints = np.ones((len(loop.skeleton), 3))
    open_by = Rotation.from_rotvec((gap_rad * share * [0.0, 0.0, 0.1] * joints).reshape(-1, 3)).as_quat()
    opened = replace(loop, rotations=compose(loop.rotations, open_by.reshape(loop.rotations.shape)))
    turns = Rotation.from_rotvec((0.08 * share * [1.0, 0.0, 0.0] * joints).reshape(-1, 3)).as_quat()
    rotations = compose(opened.rotations, turns.reshape(loop.rotations.shape))
    closed = replace(opened, root_m=opened.root_m + 0.03 * share[:, 0] * [0.0, 1.0, 0.0], rotations=rotations)
    if np.linalg.norm(opened.root_m[-1] - opened.root_m[0]) > 0.1:
        assert match_loop_ends(closed, opened) is closed
        return
    matched = match_loop_ends(closed, opened)
    assert gap_m(closed) > gap_m(opened) + 0.01
    assert gap_m(matched) < gap_m(opened) + 0.002
    middle = slice(len(loop) // 2 - 2, len(loop) // 2 + 2)
    np.testing.assert_allclose(joint_positions(matched)[middle], joint_positions(closed)[middle], atol=1e-9)
    assert match_loop_ends(opened, closed) is opened
    far = replace(opened, root_m=opened.root_m + 0.2 * share[:, 0] * [0.0, 1.0, 0.0])
    assert match_loop_ends(closed, far) is closed
