"""Rigs in disguise are read as the body they are, plausible motions are not harmed, and harm is seen."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from turned_joints import turn_joint

from benchmarks.disguises import CHANGES, RIGS, disguise, find_cycle, read_from_rig, remove_travel, resample_smoothly
from benchmarks.harm import compare
from selfcorrect.datasets.collections.deepmimic import load_deepmimic
from selfcorrect.experiments.file_correction.in_python import correct
from selfcorrect.motion.editing.transforms import close_cycle, repeat_cycle, turn
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion


@pytest.fixture(scope="module")
def walk() -> Motion:
    return next(clip for clip in load_deepmimic(60.0) if clip.label == "walk")


PLAIN_RIGS = ("Mixamo, centimetres", "Biped, inches", "SMPL, metres", "Mixamo with fingers", "numbers with fingers")


@pytest.mark.parametrize("rig", PLAIN_RIGS)
def test_motions_on_rigs_in_disguise_are_not_harmed(walk: Motion, rig: str, tmp_path: Path) -> None:
    read = read_from_rig(walk, RIGS[rig], tmp_path)
    added = {"left_foot", "right_foot", "spine3", "head"}  # ends of bones that rigs have and this walk lacks
    assert set(walk.skeleton.parts) <= set(filter(None, read.skeleton.parts)) <= {*walk.skeleton.parts} | added
    correction = correct(read)
    assert correction.accepted, correction.reason
    assert compare(read, correction.motion).harms == []
    assert correction.figures["moved_m"] < 0.03


@pytest.mark.parametrize("rig", RIGS)
def test_a_disguise_shows_the_same_motion(walk: Motion, rig: str) -> None:
    joints_m = joint_positions(disguise(walk, RIGS[rig]))[:, : len(walk.skeleton)] / RIGS[rig].stature
    if RIGS[rig].z_up:
        joints_m = joints_m[..., [0, 2, 1]] * (1.0, 1.0, -1.0)
    np.testing.assert_allclose(joints_m, joint_positions(walk), atol=1e-9)


def test_a_cycle_in_place_closes_and_goes_nowhere(walk: Motion) -> None:
    cycle = find_cycle(repeat_cycle(close_cycle(walk), 3))
    assert cycle is not None
    assert compare(cycle, cycle).loop_gaps_m[0] < 1e-9
    assert np.linalg.norm((cycle.root_m[-1] - cycle.root_m[0])[[0, 2]]) > 0.5
    treadmill = remove_travel(repeat_cycle(cycle, 4))
    np.testing.assert_allclose(treadmill.root_m[-1, [0, 2]], treadmill.root_m[0, [0, 2]], atol=1e-9)
    assert CHANGES["four cycles in place"](replace(walk, rotations=walk.rotations[:1].repeat(len(walk), 0))) is None


def test_each_kind_of_harm_is_seen(walk: Motion) -> None:
    walk = close_cycle(walk)
    frames = np.arange(len(walk))[:, None]
    late = frames > len(walk) // 2
    for kind, shift_m in {
        "jerk of trunk": 0.005 * (-1.0) ** frames * (0.0, 1.0, 0.0),
        "height": np.array([0.0, 0.02, 0.0]),
        "loop": 0.005 * late * (0.0, 1.0, 0.0),
        "travel": 0.2 / walk.fps * frames * (1.0, 0.0, 0.0),
    }.items():
        assert kind in compare(walk, replace(walk, root_m=walk.root_m + shift_m)).harms
    bent = turn_joint(walk, "left_knee", Rotation.from_euler("x", 10, degrees=True), 20)
    assert "knees" in compare(walk, bent).harms
    turned = [turn(walk.select_frames(np.array([frame])), 0.002 * frame).rotations[0] for frame in range(len(walk))]
    assert "travel" in compare(walk, replace(walk, rotations=np.array(turned))).harms
    assert compare(walk, walk).harms == []


def test_a_finer_motion_goes_through_the_same_places(walk: Motion) -> None:
    fine = resample_smoothly(walk, 120.0)
    assert (len(fine), fine.fps) == (2 * len(walk) - 1, 120.0)
    np.testing.assert_allclose(fine.root_m[::2], walk.root_m, atol=1e-9)
