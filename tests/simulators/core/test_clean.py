"""Kinematic clean-up: noise, spikes, floor, drift, feet, legs."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import mean_distance_m
from posed_motions import crawling, lying
from scipy.spatial.transform import Rotation

from selfcorrect.motion.kinematics import forward_kinematics, joint_positions
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.body.leg_ik import Legs, solve_leg_ik
from selfcorrect.simulators.clean import (
    FILE_STEPS,
    CleanupSettings,
    Denoise,
    FindSupports,
    FitSoles,
    LevelFloor,
    LiftLimbs,
    LiftTrunk,
    StabilizeFloor,
    clean_motions,
)
from selfcorrect.simulators.hypotheses.steps.displaced_body import SettleBody
from selfcorrect.simulators.settings.plan import SupportChoice

KNOWN_FLOOR = CleanupSettings().without_steps(LevelFloor, StabilizeFloor, FitSoles)


def mend(motion: Motion, settings: CleanupSettings = CleanupSettings()) -> Motion:  # noqa: B008
    return clean_motions(MotionBatch.stack([motion]), settings).motions[0]


def test_floor_is_found_at_any_height(walk):
    sunk = mend(replace(walk, root_m=walk.root_m + np.array([0.0, (-0.05), 0.0])))
    raised = mend(replace(walk, root_m=walk.root_m + np.array([0.0, 0.08, 0.0])))
    assert mean_distance_m(sunk, raised) < 1e-9


def test_near_zero_floor_stays(walk):
    level = mend(replace(walk, root_m=walk.root_m + np.array([0.0, 0.05, 0.0])))
    for up_m, least_m, most_m in ((-0.003, 0.0, 0.004), (-0.02, 0.015, 0.025)):
        off = replace(level, root_m=level.root_m + np.array([0.0, up_m, 0.0]))
        head = walk.skeleton.parts.index("neck")
        moved_m = np.abs(joint_positions(mend(off)) - joint_positions(off))[:, head, 1].mean()
        assert least_m <= moved_m <= most_m


@pytest.mark.parametrize("make", [lying, crawling])
def test_lying_bodies_reach_floor(make):
    motion = make()
    off_floor = [replace(motion, root_m=motion.root_m + np.array([0.0, up_m, 0.0])) for up_m in (-0.05, 0.0, 0.05)]
    cleaned = [mend(motion) for motion in off_floor]
    assert mean_distance_m(cleaned[0], cleaned[1]) < 1e-9
    assert mean_distance_m(cleaned[1], cleaned[2]) < 1e-9
    assert np.allclose((cleaned[1].root_m - motion.root_m)[[0, -1]][:, [0, 2]], 0.0, atol=0.015)
    poses_m = [joint_positions(motion) - motion.root_m[:, None] for motion in (motion, cleaned[1])]
    assert np.linalg.norm(poses_m[1] - poses_m[0], axis=-1).mean() < 0.01
    assert physical_errors(MotionBatch.stack([cleaned[1]])).penetration_m[0] < 0.003
    assert physical_errors(MotionBatch.stack([off_floor[0]])).penetration_m[0] > 0.03


def test_known_floor_stays(walk):
    raised = replace(walk, root_m=walk.root_m + np.array([0.0, 0.3, 0.0]))
    assert mean_distance_m(mend(raised, replace(KNOWN_FLOOR, support="floor")), raised) < 1e-3


def test_constant_drift_is_taken_out(clips):
    clean = clips["spin"]
    drift_m = np.outer(np.arange(len(clean)) / clean.fps, [0.6, 0.0, 0.3])
    still = replace(
        clean,
        root_m=np.repeat(clean.root_m[:1], len(clean), 0),
        rotations=np.repeat(clean.rotations[:1], len(clean), 0),
    )
    drifting = replace(still, root_m=still.root_m + drift_m)
    assert mean_distance_m(mend(drifting), mend(still)) < 1e-9
    assert mean_distance_m(mend(drifting, KNOWN_FLOOR), still) > 0.1


@pytest.mark.parametrize("label", ["walk", "jump", "kick", "spin", "dance_b"])
def test_feet_neither_sink_nor_slide(clips, label):
    before = physical_errors(MotionBatch.stack([clips[label]]))
    after = physical_errors(MotionBatch.stack([mend(clips[label])]))
    assert after.penetration_m[0] < 0.002
    assert after.skate_m_s[0] < 0.8 * before.skate_m_s[0] + 0.02
    assert mean_distance_m(mend(clips[label]), clips[label]) < 0.04


def test_mending_twice_changes_little(walk):
    once = mend(walk)
    assert mean_distance_m(mend(once), once) < 0.005


def test_batch_equals_motions(clips):
    motions = [clips["spin"].frames(start, start + 40) for start in (0, 30, 60)]
    together = clean_motions(MotionBatch.stack(motions), KNOWN_FLOOR).motions
    for index, motion in enumerate(motions):
        assert np.array_equal(together.rotations[index], mend(motion, KNOWN_FLOOR).rotations)


def test_stretching_leg_does_not_snap(adult, stand):
    """A stretching leg does not snap at the end.

    The last millimetres would turn the knee by as much as the centimetres before.
    """
    bent = stand.rotations.copy()[:1]
    for part, angle in (("left_hip", -0.25), ("left_knee", 0.5)):
        bent[0, adult.parts.index(part)] = Rotation.from_rotvec([angle, 0.0, 0.0]).as_quat()
    positions_m, orientations = forward_kinematics(adult, np.zeros((1, 3)), bent)
    legs = Legs.from_skeleton(adult)
    targets_m = np.repeat(positions_m[:, legs.ankles], 60, axis=0)
    targets_m[:, 0, 1] -= np.linspace(0.0, 0.04, 60)
    still = np.tile([0.0, 0.0, 0.0, 1.0], (60, 2, 1))
    pose = (np.repeat(level, 60, axis=0) for level in (positions_m, orientations))
    rotations = solve_leg_ik(adult, *pose, np.zeros((60, 3)), targets_m, still)
    knee_rad = Rotation.from_quat(rotations[:, adult.parts.index("left_knee")]).magnitude()
    steps_rad = np.abs(np.diff(knee_rad))
    assert knee_rad[-1] < 0.25
    assert steps_rad.max() < 2 * steps_rad[0]


def test_skeletons_without_legs_are_refused(adult, stand):
    legless = replace(adult, parts=tuple("" if part == "right_ankle" else part for part in adult.parts))
    with pytest.raises(ValueError, match="ankle"):
        mend(replace(stand, skeleton=legless))


def swinging(motion: Motion) -> Motion:
    """Slide the floor to and fro at up to 0.6 m/s."""
    times_s = np.arange(len(motion)) / motion.fps
    return replace(motion, root_m=motion.root_m + np.outer(0.6 / np.pi * np.sin(np.pi * times_s), [1.0, 0.0, 0.0]))


@pytest.mark.parametrize(("label", "remaining"), [("walk", 0.1), ("cartwheel", 0.4), ("spinkick", 0.6), ("kick", 0.8)])
def test_changing_drift_is_taken_out(clips, label, remaining):
    clean = mend(clips[label])
    removing = CleanupSettings().with_steps(StabilizeFloor(remove=True))
    mended = mend(swinging(clips[label]), removing)
    assert mean_distance_m(mended, clean) < remaining * mean_distance_m(swinging(clips[label]), clean)


@pytest.mark.parametrize("label", ["roll", "crawl", "getup_facedown", "walk", "run", "dance_b", "jump"])
def test_sound_travel_does_not_drift(clips, label):
    assert mean_distance_m(mend(clips[label]), clips[label]) < 0.05


# --- the list of steps -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("support", "left_out"),
    [
        ("infer", set()),
        ("floor", {FindSupports}),
        ("off", {FindSupports, LevelFloor, SettleBody, LiftTrunk, LiftLimbs}),
    ],
)
def test_support_rules_out_steps(support: SupportChoice, left_out: set[type]) -> None:
    steps = list(CleanupSettings(support=support).enabled_steps)
    assert steps == [step for step in FILE_STEPS if type(step) not in left_out]


def test_steps_are_dropped_or_replaced() -> None:
    changed = CleanupSettings().without_steps(Denoise).with_steps(StabilizeFloor(remove=True))
    assert changed.find_step(Denoise) is None
    assert changed.find_step(StabilizeFloor) == StabilizeFloor(remove=True)
    kinds = [type(step) for step in FILE_STEPS if not isinstance(step, Denoise)]
    assert [type(step) for step in changed.steps] == kinds
