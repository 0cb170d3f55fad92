"""Who is a person, by legs and shoulders."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_rigs import base_walk

from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.rigs.bvh import clip_of, write_bvh
from selfcorrect.motion.body.requirements import find_extra_leg_joints, find_missing_body
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import SIDES, Skeleton


def split_shanks(motion: Motion, aside_m: float) -> Motion:
    """Add a joint in the middle of both shanks, at a distance behind them."""
    skeleton = motion.skeleton
    names, parents, parts = list(skeleton.names), list(skeleton.parents), list(skeleton.parts)
    offsets_m = skeleton.offsets_m.copy()
    rotations = motion.rotations
    for side in SIDES:
        knee, ankle = (parts.index(f"{side}_{part}") for part in ("knee", "ankle"))
        middle_m = offsets_m[ankle] / 2 - np.array([0.0, 0.0, aside_m])
        offsets_m[ankle] -= middle_m
        names.append(f"{side} link")
        parts.append("")
        parents.append(knee)
        parents[ankle] = len(names) - 1
        offsets_m = np.vstack([offsets_m, middle_m])
        still = np.broadcast_to([0.0, 0.0, 0.0, 1.0], (len(motion), 1, 4))
        rotations = np.concatenate([rotations, still], axis=1)
    order = list_parents_first(parents)
    place = {joint: index for index, joint in enumerate(order)}
    split = Skeleton(
        tuple(names[joint] for joint in order),
        tuple(place.get(parents[joint], -1) for joint in order),
        offsets_m[order],
        tuple(parts[joint] for joint in order),
    )
    return replace(motion, skeleton=split, rotations=rotations[:, order])


def list_parents_first(parents: list[int]) -> list[int]:
    order: list[int] = []
    while len(order) < len(parents):
        order += [joint for joint, parent in enumerate(parents) if joint not in order and parent in (-1, *order)]
    return order


@pytest.mark.parametrize(("aside_m", "is_person"), [(0.0, True), (0.02, True), (0.15, False)])
def test_three_leg_segments_are_no_person(aside_m: float, is_person: bool) -> None:
    """Twist joints lie within a bone, and dinosaurs, birds and satyrs have a third one."""
    motion = split_shanks(base_walk(1), aside_m)
    extra = [motion.skeleton.names[joint] for joint in find_extra_leg_joints(motion)]
    assert (not extra) == is_person
    assert (find_missing_body(motion) == "") == is_person
    assert all(name.endswith("link") for name in extra)


@pytest.mark.parametrize("width_m", [0.1, 0.14, 0.2])
def test_narrow_shoulders_are_a_persons(width_m: float, tmp_path: Path) -> None:
    """Without names, a body is recognised by its shape."""
    motion = base_walk(2)
    skeleton = motion.skeleton
    offsets_m = skeleton.offsets_m.copy()
    shoulders = skeleton.pair("shoulder")
    assert shoulders is not None
    rest_m = skeleton.rest_positions_m
    share = width_m / abs(rest_m[shoulders[0], 0] - rest_m[shoulders[1], 0])
    for part in ("collar", "shoulder"):
        offsets_m[list(skeleton.pair(part) or ()), 0] *= share
    names = tuple(f"b{joint}" for joint in range(len(skeleton)))
    narrow = replace(motion, skeleton=replace(skeleton, offsets_m=offsets_m, names=names, parts=("",) * len(names)))
    write_bvh(tmp_path / "a.bvh", clip_of(narrow))
    read = open_motion(tmp_path / "a.bvh").motion
    for part in ("left_knee", "right_ankle", "left_elbow", "right_wrist"):
        expected_m = joint_positions(narrow, [skeleton.parts.index(part)])
        joint = read.skeleton.joint(part)
        assert joint is not None
        np.testing.assert_allclose(joint_positions(read, [joint]), expected_m, atol=2e-3)
