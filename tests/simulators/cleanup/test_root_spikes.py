"""Bodies that are turned over for some frames are turned as before and after; motion is left alone."""

from dataclasses import replace

import numpy as np
import pytest
from made_rigs import base_walk
from posed_motions import cartwheeling, crawling, jumping, lying
from scipy.spatial.transform import Rotation
from turned_joints import turn_joint

import selfcorrect as sc
from selfcorrect.simulators.cleanup.splices import find_root_spikes, find_takes, remove_root_spikes
from selfcorrect.simulators.cleanup.stretches import RepairStretches


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize("angle_deg", [35, 180])
def test_a_body_turned_for_a_moment_is_turned_back(frames: int, axis: str, angle_deg: float) -> None:
    walk = base_walk()
    turn = Rotation.from_euler(axis, angle_deg, degrees=True)
    repaired = remove_root_spikes(turn_joint(walk, 0, turn, slice(40, 40 + frames), outside=True))
    distances_m = np.linalg.norm(sc.joint_positions(repaired) - sc.joint_positions(walk), axis=-1)
    assert distances_m.max() < 0.05
    assert not distances_m[:40].any()
    assert not distances_m[40 + frames :].any()


@pytest.mark.parametrize("pose", [base_walk, cartwheeling, crawling, jumping, lying])
def test_motion_has_no_spikes(pose) -> None:
    assert find_root_spikes(pose()) == []


@pytest.mark.parametrize("angle_deg", [70, 140, -170])
def test_a_heading_that_jumps_for_good_begins_a_take(angle_deg: float) -> None:
    walk = base_walk()
    turn = Rotation.from_euler("y", angle_deg, degrees=True)
    root_m = walk.root_m.copy()
    root_m[60:] = root_m[60] + turn.apply(root_m[60:] - root_m[60])
    cut = replace(turn_joint(walk, 0, turn, slice(60, None), outside=True), root_m=root_m)
    assert find_takes(cut) == [0, 60]
    assert find_takes(walk) == [0]


@pytest.mark.parametrize("speed_deg_s", [360, 1500])
def test_a_spin_and_a_turn_that_stays_are_motion(speed_deg_s: float) -> None:
    walk = base_walk()
    angles = np.arange(len(walk)) * speed_deg_s / walk.fps
    for degrees in (angles, np.where(np.arange(len(walk)) > 40, 140.0, 0.0)):
        turns = Rotation.from_euler("y", degrees[:, None], degrees=True)
        assert find_root_spikes(turn_joint(walk, 0, turns, outside=True)) == []


@pytest.mark.parametrize("frames", [1, 2, 3])
@pytest.mark.parametrize("angle_deg", [10, 20, 30])
def test_a_trunk_that_makes_up_for_a_jerk_of_the_root_is_not_bridged_alone(frames: int, angle_deg: float) -> None:
    walk = base_walk()
    spine = walk.skeleton.path_between(0, walk.skeleton.parts.index("spine3"))[0]
    turn = Rotation.from_euler("x", angle_deg, degrees=True)
    jerks = slice(40, 40 + frames)
    jerking = turn_joint(turn_joint(walk, 0, turn, jerks), spine, turn.inv(), jerks, outside=True)
    repaired = RepairStretches().repair(jerking)
    assert measure_mean_jerk(repaired) <= measure_mean_jerk(jerking)


@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize("angles_deg", [(60, -50), (40, -40, 40, -40), (90, -60, 80)])
@pytest.mark.parametrize("share", [0.8, 0.0])
def test_limbs_that_make_up_for_a_jerk_of_the_root_are_bridged_with_it(
    axis: str, angles_deg: tuple[int, ...], share: float
) -> None:
    """Thighs and spine undo a share of the root's turns, and all of every second turn."""
    walk = base_walk()
    rotations = walk.rotations.copy()
    branches = [joint for joint, parent in enumerate(walk.skeleton.parents) if parent == 0]
    stop = 40 + len(angles_deg)
    for frame, angle_deg in enumerate(angles_deg, start=40):
        turn = Rotation.from_euler(axis, angle_deg, degrees=True)
        undone = Rotation.from_euler(axis, -angle_deg * (1.0 if frame % 2 else share), degrees=True)
        rotations[frame, 0] = (Rotation.from_quat(rotations[frame, 0]) * turn).as_quat()
        rotations[frame, branches] = (undone * Rotation.from_quat(rotations[frame, branches])).as_quat()
    repaired = RepairStretches().repair(replace(walk, rotations=rotations))
    distances_m = np.linalg.norm(sc.joint_positions(repaired) - sc.joint_positions(walk), axis=-1)
    assert distances_m[39 : stop + 1].max() < 0.05
    assert not distances_m[:39].any()
    assert not distances_m[stop + 1 :].any()


def measure_mean_jerk(motion: sc.Motion) -> float:
    return float(np.linalg.norm(np.diff(sc.joint_positions(motion), 3, axis=0), axis=-1).mean())
