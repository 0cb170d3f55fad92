"""What is odd about a motion is found, and nothing about an ordinary one."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.collections.cmu import clips, load_cmu
from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.measures.suspicion import spikes, suspicions
from selfcorrect.motion.motion import Motion


@pytest.fixture
def motion() -> Motion:
    """A person who stands and sways."""
    sway = 0.1 * np.sin(np.linspace(0, 6, 60))
    rotations = np.tile([0.0, 0, 0, 1], (60, 22, 1))
    rotations[:, 12] = Rotation.from_rotvec(sway[:, None] * [1, 0, 0]).as_quat()
    skeleton = SMPL_BODY.average()
    height_m = -skeleton.offsets_m[[1, 4, 7, 10], 1].sum() + 0.025  # the sole lies 25 mm below the toe joint
    return Motion(skeleton, np.tile([0.0, height_m, 0.0], (60, 1)), rotations, 30.0)


def test_an_ordinary_motion_is_not_suspicious(motion: Motion) -> None:
    assert suspicions(motion) == []


def test_a_spike_is_named_with_joint_and_frame(motion: Motion) -> None:
    motion.rotations[20, 16] = Rotation.from_euler("z", 90, degrees=True).as_quat()
    (phrase,) = suspicions(motion)
    assert phrase.startswith("2 spikes, the fastest 22 m/s of left_wrist after frame 19")


@pytest.mark.parametrize(("shift_m", "phrase"), [(0.3, "floats 0.30 m above"), (-0.2, "stands 0.20 m below")])
def test_another_floor_is_named(motion: Motion, shift_m: float, phrase: str) -> None:
    moved = replace(motion, root_m=motion.root_m + np.array([0, shift_m, 0]))
    assert any(phrase in found for found in suspicions(moved))
    assert suspicions(moved, level=False) == []


def test_centimetres_taken_for_metres_are_found(motion: Motion) -> None:
    large = replace(motion, skeleton=SMPL_BODY.skeleton(100 * motion.skeleton.offsets_m), root_m=100 * motion.root_m)
    assert any("wrong unit of length?" in found for found in suspicions(large))


def test_a_frozen_motion_and_an_odd_rate_are_found(motion: Motion) -> None:
    frozen = replace(motion, rotations=np.tile(motion.rotations[:1], (60, 1, 1)), fps=1.0)
    assert suspicions(frozen) == ["1 frames per second", "nothing moves by more than 1 cm"]


def test_spikes_are_those_that_the_cmu_index_counts(cmu: Path) -> None:
    with (cmu / "index.csv").open(newline="") as file:
        counted = {Path(row["file"]).stem: int(row["spike_frames"]) for row in csv.DictReader(file)}
    for clip in clips(cmu, "test"):
        if counted[clip.name] or clip.name in ("09_01", "16_58"):
            (motion,) = clip.read()
            assert int(spikes(motion).sum()) == counted[clip.name], clip.name


@pytest.mark.slow
def test_few_real_clips_are_suspicious(cmu: Path) -> None:
    found = {Path(motion.source).stem: suspicions(motion) for motion in load_cmu(cmu, "test")}
    odd = {name: phrases for name, phrases in found.items() if phrases}
    assert "94_07" in odd
    assert len(odd) < len(found) / 3
