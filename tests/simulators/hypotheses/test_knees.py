"""Flipped knees turn back; all else stays.

A foot in the air beside the one that stands rests there.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_motions import made_motion
from scipy.spatial.transform import Rotation, Slerp
from turned_joints import pose_joint, turn_joint

from selfcorrect.commands.correct.in_python import correct
from selfcorrect.datasets.collections.cmu import load_cmu
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.kinematics import forward_kinematics, joint_positions
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.clean import CleanupSettings, clean_motions
from selfcorrect.simulators.corrector import KinematicCorrector
from selfcorrect.simulators.hypotheses.steps.turned_knees import unflip_knees


def joint_distances_m(first: Motion, second: Motion) -> np.ndarray:
    return np.linalg.norm(joint_positions(first) - joint_positions(second), axis=-1)


def jump_m(motion: Motion, joint: int) -> float:
    """Return a joint's largest jump.

    A jump is twice the distance from the middle between the positions a frame before and a frame after.
    """
    return float(np.linalg.norm(np.diff(joint_positions(motion)[:, joint], 2, axis=0), axis=-1).max())


def repair_knees(motion: Motion) -> Motion:
    return unflip_knees(MotionBatch.stack([motion]))[0]


def with_flip(motion: Motion, side: str, frames: slice) -> Motion:
    """Rotate a leg by half a turn about the line from hip to ankle."""
    hip = motion.skeleton.parts.index(f"{side}_hip")
    ankle = motion.skeleton.parts.index(f"{side}_ankle")
    positions_m, orientations = forward_kinematics(motion.skeleton, motion.root_m, motion.rotations)
    legs_m = (positions_m[:, ankle] - positions_m[:, hip])[frames]
    turns = Rotation.from_rotvec(np.pi * legs_m / np.linalg.norm(legs_m, axis=-1, keepdims=True))
    above = Rotation.from_quat(orientations[frames, motion.skeleton.parents[hip]])
    return pose_joint(motion, hip, above.inv() * turns * Rotation.from_quat(orientations[frames, hip]), frames)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("frames", [slice(12, 13), slice(10, 16), slice(0, 5), slice(20, None)])
@pytest.mark.parametrize("fps", [30, 60, 120])
def test_flipped_knee_returns(walk, side, frames, fps):
    """A flip of one frame is undone exactly.

    The foot is as before and after.
    """
    motion = resample(walk, fps)
    pace = fps // 30
    span = slice(frames.start * pace, None if frames.stop is None else frames.stop * pace)
    flipped = with_flip(motion, side, span)
    turned_back = repair_knees(flipped)
    hip = motion.skeleton.parts.index(f"{side}_hip")
    knee = motion.skeleton.parts.index(f"{side}_knee")
    ankle = motion.skeleton.parts.index(f"{side}_ankle")
    flipped_m = joint_distances_m(flipped, motion)
    off_m = joint_distances_m(turned_back, motion)
    assert off_m[:, [hip, knee, ankle]].max() < (1e-9 if fps == 30 else 0.01) < 0.02 < flipped_m[:, knee].max()
    assert off_m.max() < 0.1


def test_two_frame_flip_returns(walk):
    """Interpolated flips pass through a quarter turn.

    The frame in between shows it.
    """
    flipped = resample(with_flip(walk, "left", slice(10, 16)), 60)
    left_m = joint_distances_m(repair_knees(flipped), resample(walk, 60))
    assert left_m[:, walk.skeleton.parts.index("left_knee")].max() < 0.02


def test_sound_motions_stay(clips):
    for clip in clips.values():
        for fps in (15, 30, 120):
            motion = resample(clip, fps)
            assert repair_knees(motion).rotations.tobytes() == motion.rotations.tobytes(), f"{clip.label} at {fps} fps"


def test_twisted_leg_stays(walk):
    """Without a flip, a turned leg may rest so."""
    twisted = with_flip(walk, "left", slice(0, None))
    assert repair_knees(twisted).rotations.tobytes() == twisted.rotations.tobytes()


def test_folded_knees_stay(clips):
    """The hip-ankle line turns fast in folded legs.

    The leg turns about this line as fast.
    """
    folded = pose_joint(clips["walk"], "left_knee", Rotation.from_rotvec([2.6, 0.0, 0.0]))
    flipped = with_flip(folded, "left", slice(10, 16))
    assert repair_knees(flipped).rotations.tobytes() == flipped.rotations.tobytes()


@pytest.mark.parametrize(("frames", "is_left"), [(slice(8, 28), False), (slice(8, 30), True)])
def test_lasting_flip_stays(walk, frames, is_left):
    flipped = with_flip(walk, "left", frames)
    assert (repair_knees(flipped).rotations.tobytes() == flipped.rotations.tobytes()) == is_left


def test_straight_leg_without_jump_stays(walk):
    flipped = with_flip(pose_joint(walk, "left_knee", Rotation.identity()), "left", slice(10, 16))
    assert repair_knees(flipped).rotations.tobytes() == flipped.rotations.tobytes()


def test_foot_turns_with_leg(walk):
    """The foot of a flipped leg may be anywhere.

    Captures have it so.
    """
    flipped = with_flip(walk, "left", slice(10, 16))
    ankle = walk.skeleton.parts.index("left_ankle")
    flipped.rotations[10:16, ankle] = Rotation.from_rotvec([1.5, 0.0, 0.5]).as_quat()
    turned = (
        Rotation.from_quat(repair_knees(flipped).rotations[:, ankle])
        * Rotation.from_quat(walk.rotations[:, ankle]).inv()
    )
    assert turned.magnitude().max() < 0.3


def test_spinning_body_is_no_flip(walk):
    turns = Rotation.from_rotvec(np.arange(len(walk))[:, None] * [0.0, 2.5, 0.0])
    spinning = turn_joint(walk, 0, turns, outside=True)
    assert repair_knees(spinning).rotations.tobytes() == spinning.rotations.tobytes()


def test_samples_keep_knees(walk):
    motion = MotionBatch.stack([with_flip(walk, "left", slice(10, 16))])
    knee = walk.skeleton.parts.index("left_knee")
    cleaned = clean_motions(motion, CleanupSettings()).before_planting
    sample = clean_motions(motion, CleanupSettings.for_samples()).before_planting
    assert jump_m(cleaned[0], knee) < 0.5 * jump_m(sample[0], knee)


def test_real_leaps_are_repaired(cmu: Path):
    """A dancer's knee jumps by 0.2 to 0.4 m.

    After some frames, the knee jumps back.
    """
    clip = next(clip for clip in load_cmu(cmu, "subjects=5") if Path(clip.source).stem == "05_10")
    knee = clip.skeleton.parts.index("right_knee")
    ankle = clip.skeleton.parts.index("right_ankle")
    turned_back = repair_knees(clip)
    assert joint_distances_m(turned_back, clip)[:, ankle].max() < 1e-9
    assert jump_m(turned_back, knee) < 0.2 * jump_m(clip, knee)


HELD_FRAMES = 60


def stopping(kind, frames: int) -> Motion:
    """Slow down within 24 frames and stop at frame `frames` − 1."""
    made = made_motion(kind, frames=frames)
    slowing = 1 - (1 - np.linspace(0.0, 1.0, 24)) ** 2
    times = np.concatenate([np.arange(frames - 12), frames - 13 + 12 * slowing[1:], np.full(HELD_FRAMES, frames - 1)])
    known = np.arange(frames)
    root_m = np.stack([np.interp(times, known, along_m) for along_m in made.root_m.T], axis=1)
    rotations = []
    for joint in range(len(made.skeleton)):
        rotations.append(Slerp(known, Rotation.from_quat(made.rotations[:, joint]))(times).as_quat())
    return replace(made, root_m=root_m, rotations=np.stack(rotations, axis=1))


def knees_deg(motion: Motion) -> np.ndarray:
    """(T, 2) bends of the knees."""
    parts = [f"{side}_{part}" for side in ("left", "right") for part in ("hip", "knee", "ankle")]
    joints = [motion.skeleton.joint(part) for part in parts]
    places_m = joint_positions(motion, [joint for joint in joints if joint is not None])
    hips_m, knees_m, ankles_m = np.moveaxis(places_m.reshape(len(motion), 2, 3, 3), 2, 0)
    thighs = hips_m - knees_m
    shanks = ankles_m - knees_m
    lengths = np.linalg.norm(thighs, axis=-1) * np.linalg.norm(shanks, axis=-1)
    cosines = np.einsum("tsi,tsi->ts", thighs, shanks) / lengths
    return np.degrees(np.pi - np.arccos(np.clip(cosines, -1.0, 1.0)))


@pytest.mark.parametrize(("kind", "frames"), [("turn", 48), ("turn", 52), ("walk", 40), ("walk", 52)])
def test_raised_foot_stays(kind, frames: int) -> None:
    made = stopping(kind, frames)
    corrected = correct(made, kinematic=True).motion
    held = slice(len(made) - HELD_FRAMES // 3, len(made))
    toes = [joint for joint, part in enumerate(made.skeleton.parts) if part.endswith("_foot")]
    before_m = joint_positions(made, toes)[held, :, 1]
    after_m = joint_positions(corrected, toes)[held, :, 1]
    assert before_m.max() > 0.06
    assert np.abs(after_m - before_m).max() < 0.012
    assert np.abs(knees_deg(corrected) - knees_deg(made))[held].max() < 5.5


STANDING_FRAMES = slice(20, None)


def balance(spread_deg: float) -> Motion:
    """Balance on the left foot.

    The right leg is stretched to the side.
    """
    motion = made_motion("idle", frames=90, sway_rad=0.0)
    angles_deg = spread_deg * np.clip(np.arange(90) / 15, 0.0, 1.0)
    turns = Rotation.from_rotvec(np.radians(-angles_deg)[:, None] * [0.0, 0.0, 1.0])
    return turn_joint(motion, "right_hip", turns, outside=True)


def measure_descent_m(spread_deg: float) -> tuple[float, float]:
    """Return how far pelvis and right foot are lowered.

    A correction lowers them while the body balances.
    """
    motion = balance(spread_deg)
    (correction,) = KinematicCorrector()([motion])
    moves_m = (joint_positions(correction.motion) - joint_positions(motion))[STANDING_FRAMES, :, 1]
    foot = motion.skeleton.joint("right_ankle")
    return -float(np.median(moves_m[:, 0])), -float(np.median(moves_m[:, foot]))


@pytest.mark.parametrize("spread_deg", [14.0, 15.0, 16.0, 18.0])
def test_foot_near_floor_stays(spread_deg: float) -> None:
    pelvis_m, foot_m = measure_descent_m(spread_deg)
    assert abs(pelvis_m) < 0.003
    assert abs(foot_m) < 0.003
