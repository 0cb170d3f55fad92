"""Swapped left and right are recognised."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_rigs import base_walk, remove_parts, rename_joints, resting

from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.rigs.bvh import clip_of, read_bvh, write_bvh
from selfcorrect.datasets.files.skeletons.sides import ARMS_NOTE, SWAPPED_NOTE, has_swapped_sides, measure_sides
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import swap_sides
from selfcorrect.simulators.corrector import KinematicCorrector


def with_swapped_names(motion: Motion) -> Motion:
    names = tuple(swap_sides(name) for name in motion.skeleton.names)
    return replace(motion, skeleton=replace(motion.skeleton, names=names))


def with_swapped_parts(motion: Motion) -> Motion:
    parts = tuple(swap_sides(part) for part in motion.skeleton.parts)
    return replace(motion, skeleton=replace(motion.skeleton, parts=parts))


@pytest.mark.parametrize("pose", ["T-pose", "any frames"])
@pytest.mark.parametrize("parts", [(), ("left_foot", "right_foot", "neck")])
def test_swapped_names_are_noted(parts: tuple[str, ...], pose: str, tmp_path: Path):
    plain = rename_joints(resting(remove_parts(base_walk(3), parts), pose), "mixamo")
    corrections = []
    for name, motion in (("plain", plain), ("swapped", with_swapped_names(plain))):
        write_bvh(tmp_path / f"{name}.bvh", clip_of(motion))
        file = open_motion(tmp_path / f"{name}.bvh")
        assert (SWAPPED_NOTE in file.notes) == (name == "swapped")
        corrections += KinematicCorrector()([file.motion])
    first, second = corrections
    assert second.after == pytest.approx(first.after)
    np.testing.assert_allclose(joint_positions(second.motion), joint_positions(first.motion), atol=1e-6)


def test_straight_knees_show_no_side() -> None:
    """Shanks that are longer than thighs put the knee above the middle of the leg, not ahead of it."""
    motion = base_walk(1)
    still = replace(motion, rotations=np.zeros_like(motion.rotations) + np.array([0.0, 0.0, 0.0, 1.0]))
    cues = len(measure_sides(still))
    offsets_m = still.skeleton.offsets_m.copy()
    for side in ("left", "right"):
        offsets_m[still.skeleton.parts.index(f"{side}_ankle")] *= 1.2
    longer = replace(still, skeleton=replace(still.skeleton, offsets_m=offsets_m))
    assert len(measure_sides(longer)) == cues


def test_swapped_arms_follow_hips(tmp_path: Path) -> None:
    plain = rename_joints(base_walk(), "mixamo")
    names = tuple(swap_sides(name) if "Arm" in name or "Hand" in name else name for name in plain.skeleton.names)
    swapped = replace(plain, skeleton=replace(plain.skeleton, names=names))
    write_bvh(tmp_path / "plain.bvh", clip_of(plain))
    write_bvh(tmp_path / "swapped.bvh", clip_of(swapped))
    expected = open_motion(tmp_path / "plain.bvh")
    file = open_motion(tmp_path / "swapped.bvh")
    assert ARMS_NOTE in file.notes
    assert ARMS_NOTE not in expected.notes
    for part in ("left_shoulder", "left_elbow", "right_wrist"):
        joints = [file.motion.skeleton.joint(part), expected.motion.skeleton.joint(part)]
        np.testing.assert_allclose(
            joint_positions(file.motion, joints[:1]), joint_positions(expected.motion, joints[1:]), atol=1e-6
        )


@pytest.mark.slow
def test_only_swapped_clips_are_detected(cmu: Path) -> None:
    with (cmu / "index.csv").open() as index:
        files = [row["file"] for row in csv.DictReader(index)][::4]
    clips = [read_bvh(cmu / file).motion for file in files]
    assert not any(has_swapped_sides(clip) for clip in clips)
    assert sum(has_swapped_sides(with_swapped_parts(clip)) for clip in clips) > 0.9 * len(clips)
