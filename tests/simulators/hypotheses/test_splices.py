"""Jumps at splices, also of some frames, are mended; other motion stays."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import mean_distance_m
from made_rigs import base_walk
from scipy.spatial.transform import Rotation
from turned_joints import turn_joint

from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.clean import CleanupSettings, JoinSplices
from selfcorrect.simulators.core.cleaning import CleanupState
from selfcorrect.simulators.corrector import KinematicCorrector
from selfcorrect.simulators.hypotheses.splices import count_lost_frames, find_departures, find_takes, remove_splices
from selfcorrect.simulators.hypotheses.views.exchanged_legs import restore_legs

JOIN = JoinSplices(join_takes=True)


def mend_splices(motion: Motion) -> Motion:
    return remove_splices(motion, join_takes=True)


def elsewhere(motion: Motion, frame: int, turn_rad: float) -> Motion:
    """Move the later frames by half a metre, and rotate them."""
    turn = Rotation.from_rotvec([0.0, turn_rad, 0.0])
    root_m = motion.root_m.copy()
    root_m[frame:] = turn.apply(root_m[frame:] - root_m[frame]) + root_m[frame] + [0.3, 0.0, -0.4]
    return replace(turn_joint(motion, 0, turn, slice(frame, None), outside=True), root_m=root_m)


@pytest.mark.parametrize("label", ["walk", "dance_b", "crawl", "cartwheel"])
@pytest.mark.parametrize("turn_rad", [0.0, 1.0, -2.5])
def test_splice_is_joined(clips, label, turn_rad):
    clean = clips[label]
    spliced = elsewhere(clean, len(clean) // 2, turn_rad)
    assert mean_distance_m(spliced, clean) > 0.2
    assert mean_distance_m(mend_splices(spliced), clean) < 0.025


LABELS = ["walk", "jump", "kick", "spinkick", "backflip", "roll", "punch", "dance_a", "dance_b", "getup_faceup"]


@pytest.mark.parametrize("label", LABELS)
def test_unspliced_motion_stays(clips, label):
    clip = clips[label]
    assert np.array_equal(mend_splices(clip).root_m, clip.root_m)
    assert np.array_equal(mend_splices(clip).rotations, clip.rotations)


def test_splice_pose_is_spread(walk):
    middle = len(walk) // 2
    knee = walk.skeleton.joint("left_knee")
    bent = turn_joint(walk, knee, Rotation.from_rotvec([0.6, 0.0, 0.0]), slice(middle, None))
    spliced = elsewhere(bent, middle, 0.5)
    turns = Rotation.from_quat(mend_splices(spliced).rotations[:, knee])
    before = Rotation.from_quat(walk.rotations[:, knee])
    steps_rad = (turns[:-1].inv() * turns[1:]).magnitude()
    assert steps_rad.max() < 0.25 + (before[:-1].inv() * before[1:]).magnitude().max()
    assert np.allclose(mend_splices(spliced).rotations[:2], spliced.rotations[:2])


def test_only_spliced_motions_change(walk):
    batch = MotionBatch.stack([walk, elsewhere(walk, 20, 1.0)])
    cleaning = CleanupState.from_motions(batch, (JOIN,), CleanupSettings().mode)
    together = JOIN(cleaning).motions
    assert np.array_equal(together.root_m[0], walk.root_m)
    assert np.allclose(together.root_m[1], mend_splices(elsewhere(walk, 20, 1.0)).root_m)


def test_moments_have_no_splices(walk):
    short = elsewhere(walk, 3, 1.0).frames(0, 6)
    assert np.array_equal(mend_splices(short).root_m, short.root_m)


JOINING = KinematicCorrector(CleanupSettings().with_steps(JOIN))


def test_jump_is_undone_on_request(clips):
    clean = clips["walk"]
    halfway = np.arange(len(clean))[:, None] >= len(clean) // 2
    jumping = replace(clean, root_m=clean.root_m + halfway * [0.3, 0.0, 0.0])
    mended, expected = [correction.motion for correction in JOINING([jumping, clean])]
    assert np.linalg.norm(mended.root_m - expected.root_m, axis=1).mean() < 0.03


def test_small_jump_is_undone(clips):
    clean = clips["dance_b"]
    halfway = np.arange(len(clean))[:, None] >= len(clean) // 2
    jumping = replace(clean, root_m=clean.root_m + halfway * [0.08, 0.0, 0.0])
    assert find_takes(jumping) == [0]
    mended, expected = [correction.motion for correction in KinematicCorrector()([jumping, clean])]
    assert np.linalg.norm(mended.root_m - expected.root_m, axis=1).mean() < 0.03


@pytest.mark.parametrize("angle_deg", [70, 140, -170])
def test_lasting_heading_jump_is_take(angle_deg: float) -> None:
    walk = base_walk()
    turn = Rotation.from_euler("y", angle_deg, degrees=True)
    root_m = walk.root_m.copy()
    root_m[60:] = root_m[60] + turn.apply(root_m[60:] - root_m[60])
    cut = replace(turn_joint(walk, 0, turn, slice(60, None), outside=True), root_m=root_m)
    assert find_takes(cut) == [0, 60]
    assert find_takes(walk) == [0]


@pytest.mark.parametrize("frames", [8, 15, 25])
@pytest.mark.parametrize(("angle_deg", "path_turns"), [(180, False), (100, False), (70, True), (140, True)])
def test_body_that_is_turned_for_a_while_is_turned_back(frames: int, angle_deg: float, path_turns: bool) -> None:
    walk = base_walk()
    away = slice(60, 60 + frames)
    turn = Rotation.from_euler("y", angle_deg, degrees=True)
    turned = turn_joint(walk, 0, turn, away, outside=True)
    if path_turns:
        root_m = walk.root_m.copy()
        root_m[away] = root_m[60] + turn.apply(root_m[away] - root_m[60])
        turned = replace(turned, root_m=root_m)
    assert find_takes(turned) == [0]
    assert find_departures(turned) == [(59, 59 + frames)]
    assert restore_legs(turned)[1] == ()
    errors_m = np.linalg.norm(
        joint_positions(remove_splices(turned, join_takes=False)) - joint_positions(walk), axis=-1
    )
    assert errors_m.max() < 0.25
    assert errors_m.mean() < 0.02


@pytest.mark.parametrize("first", [40, 55, 73])
@pytest.mark.parametrize("lost", [3, 5, 9])
def test_lost_frames_are_counted(first: int, lost: int) -> None:
    walk = base_walk()
    kept = walk.select_frames(np.delete(np.arange(len(walk)), np.arange(first, first + lost)))
    assert abs(count_lost_frames(kept, first) - lost) <= 1


@pytest.mark.parametrize("turn_rad", [1.0, -2.5])
def test_cut_between_takes_loses_no_frames(turn_rad: float) -> None:
    walk = base_walk()
    assert count_lost_frames(elsewhere(walk, 50, turn_rad), 50) == 0
    aside = replace(walk, root_m=walk.root_m + (np.arange(len(walk))[:, None] >= 50) * [0.5, 0.0, 0.0])
    assert count_lost_frames(aside, 50) == 0
