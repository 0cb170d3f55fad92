"""Rest poses are made upright and put back."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.motion.body.rest_pose import find_upright_turns
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.motion.views import TurnedFrames


def turns_of(skeleton: Skeleton, by_part: dict[str, Rotation]) -> Rotation:
    """Turns of single parts and of all below them."""
    turns: list[Rotation] = []
    for part, parent in zip(skeleton.parts, skeleton.parents, strict=True):
        above = turns[parent] if parent >= 0 else Rotation.identity()
        turns.append(by_part.get(part, above))
    return Rotation.concatenate(turns)


@pytest.fixture
def motion(random_motion: Callable[..., Motion]) -> Motion:
    return random_motion(3)


def test_upright_skeleton_needs_nothing(motion: Motion) -> None:
    assert find_upright_turns(motion) is None


def test_legs_are_brought_together(motion: Motion) -> None:
    spread = {"left_hip": Rotation.from_euler("z", -20, degrees=True),
              "right_hip": Rotation.from_euler("z", 20, degrees=True)}  # fmt: skip
    turns = turns_of(motion.skeleton, spread)
    turns_to_upright = find_upright_turns(TurnedFrames(turns.as_quat()).view(motion))
    assert turns_to_upright is not None
    wrong_deg = np.degrees((turns * Rotation.from_quat(turns_to_upright)).magnitude())
    legs = [motion.skeleton.joint(f"{side}_{part}") for side in ("left", "right") for part in ("hip", "knee", "ankle")]
    assert wrong_deg[legs].max() < 8  # the skeleton's own legs are not exactly straight
    assert np.delete(wrong_deg, [*legs, 10, 11]).max() < 1e-6


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_turned_body_is_set_up(motion: Motion, axis: str) -> None:
    turns = Rotation.concatenate([Rotation.from_euler(axis, 90, degrees=True)] * 22)
    turns_to_upright = find_upright_turns(TurnedFrames(turns.as_quat()).view(motion))
    assert turns_to_upright is not None
    assert np.degrees((turns * Rotation.from_quat(turns_to_upright)).magnitude()).max() < 1e-5


def test_motion_gives_bone_twist(motion: Motion) -> None:
    along_x = Rotation.from_rotvec([0, 0, np.pi / 2])
    legs = {
        f"{side}_{part}": Rotation.from_rotvec([0, 0.7, 0]) * along_x
        for side in ("left", "right")
        for part in ("hip", "knee")
    }
    turns = turns_of(motion.skeleton, legs | {"left_foot": along_x, "right_foot": along_x})
    turned = TurnedFrames(turns.as_quat()).view(motion)
    turns_to_upright = find_upright_turns(turned)
    assert turns_to_upright is not None
    upright = TurnedFrames(turns_to_upright).view(turned)
    assert find_upright_turns(upright) is None
    rest_m = upright.skeleton.rest_positions_m
    for side in ("left", "right"):
        hip = upright.skeleton.parts.index(f"{side}_hip")
        ankle = upright.skeleton.parts.index(f"{side}_ankle")
        foot = upright.skeleton.parts.index(f"{side}_foot")
        assert rest_m[ankle, 1] < rest_m[hip, 1] - 0.7
        assert rest_m[foot, 2] > rest_m[ankle, 2] + 0.08


def without_part(motion: Motion, missing: str) -> Motion:
    """Rest the legs aside and leave one part unknown, with unnamed joints."""
    names = tuple(f"joint{index}" for index in range(22))
    parts = tuple("" if part == missing else part for part in motion.skeleton.parts)
    legs = dict.fromkeys(("left_hip", "right_hip"), Rotation.from_rotvec([0, 0, np.pi / 2]))
    turned = TurnedFrames(turns_of(motion.skeleton, legs).as_quat()).view(motion)
    return replace(turned, skeleton=replace(turned.skeleton, names=names, parts=parts))


def test_missing_required_part_raises(motion: Motion) -> None:
    with pytest.raises(ValueError, match="left_knee"):
        find_upright_turns(without_part(motion, "left_knee"))


def test_other_parts_are_optional(motion: Motion) -> None:
    assert find_upright_turns(without_part(motion, "left_elbow")) is not None
