"""A foot that rests in the air beside the one on which the body stands stays there, and knees keep their angles."""

from dataclasses import replace

import numpy as np
import pytest
from made_motions import made_motion
from scipy.spatial.transform import Rotation, Slerp
from turned_joints import turn_joint

from selfcorrect.experiments.file_correction.in_python import correct
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.corrector import KinematicCorrector

HELD_FRAMES = 60


def stopping(kind, frames: int) -> Motion:
    """A motion that slows down within 24 frames, to its frame `frames` − 1, and stays there."""
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
def test_who_stops_with_a_foot_in_the_air_keeps_it_there(kind, frames: int) -> None:
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
    """Return a body that stands on its left foot, with the right leg stretched to the side."""
    motion = made_motion("idle", frames=90, sway_rad=0.0)
    angles_deg = spread_deg * np.clip(np.arange(90) / 15, 0.0, 1.0)
    turns = Rotation.from_rotvec(np.radians(-angles_deg)[:, None] * [0.0, 0.0, 1.0])
    return turn_joint(motion, "right_hip", turns, outside=True)


def measure_descent_m(spread_deg: float) -> tuple[float, float]:
    """Return how far a correction lowers the pelvis and the right foot of a body that balances."""
    motion = balance(spread_deg)
    (correction,) = KinematicCorrector()([motion])
    moves_m = (joint_positions(correction.motion) - joint_positions(motion))[STANDING_FRAMES, :, 1]
    foot = motion.skeleton.joint("right_ankle")
    return -float(np.median(moves_m[:, 0])), -float(np.median(moves_m[:, foot]))


@pytest.mark.parametrize("spread_deg", [14.0, 15.0, 16.0, 18.0])
def test_a_foot_held_near_the_floor_stays_there(spread_deg: float) -> None:
    pelvis_m, foot_m = measure_descent_m(spread_deg)
    assert abs(pelvis_m) < 0.003
    assert abs(foot_m) < 0.003
