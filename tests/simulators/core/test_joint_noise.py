"""Noise in fewer than half of the joints."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_damages import JOINT_GROUPS, mean_jerk, shake_joints
from made_motions import Kind, made_motion
from scipy.spatial.transform import Rotation
from turned_joints import turn_joint

import selfcorrect as sc
from selfcorrect.datasets.collections.cmu import list_cmu_clips
from selfcorrect.motion.body.surface import sole_corners_m
from selfcorrect.motion.checks.check import check
from selfcorrect.motion.geometry.rotations import turn_angles
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.joint_noise import JointNoise
from selfcorrect.simulators.core.noise import smooth_shaking_joints


@settings(max_examples=20, deadline=None)
@given(
    kind=st.sampled_from(["walk", "turn", "idle"]), group=st.sampled_from(sorted(JOINT_GROUPS)),
    noise_deg=st.floats(1.5, 4.0), fps=st.sampled_from([30.0, 60.0]), seed=st.integers(0, 1000),
)  # fmt: skip
def test_joints_lose_noise(kind: Kind, group: str, noise_deg: float, fps: float, seed: int) -> None:
    clean = made_motion(kind, fps=fps, frames=round(5 * fps))
    noisy = shake_joints(clean, group, np.radians(noise_deg), seed)
    joints = {noisy.skeleton.joint(name) or 0 for name in JOINT_GROUPS[group]}
    found = JointNoise.from_motion(noisy).rotations_rad
    assert set(np.flatnonzero(found).tolist()) <= joints
    assert found.max() == pytest.approx(np.sqrt(3) * np.radians(noise_deg), rel=0.25)
    calm = smooth_shaking_joints(noisy)
    others = np.setdiff1d(np.arange(22), list(joints))
    np.testing.assert_array_equal(calm.rotations[:, others], noisy.rotations[:, others])
    np.testing.assert_array_equal(calm.root_m, clean.root_m)
    assert mean_jerk(calm) - mean_jerk(clean) < 0.3 * (mean_jerk(noisy) - mean_jerk(clean))
    assert np.abs(joint_positions(calm) - joint_positions(clean)).mean() < (
        0.9 * np.abs(joint_positions(noisy) - joint_positions(clean)).mean()
    )


def test_turning_hips_stand_still() -> None:
    clean = made_motion("idle", frames=150)
    noisy = shake_joints(clean, "root", np.radians(0.5))
    assert [finding.code for finding in check(noisy, ["S1"])] == ["S1"]
    corrected = sc.correct(noisy, kinematic=True).motion
    feet_m = joint_positions(corrected)[:, [10, 11]]
    speeds_m_s = np.linalg.norm(np.diff(feet_m, axis=0), axis=-1) * corrected.fps
    assert speeds_m_s.mean() < 0.03
    assert not check(corrected, ["S1"])


@pytest.mark.parametrize("hz", [5.0, 8.0])
@pytest.mark.parametrize("joint", ["right_shoulder", "right_elbow"])
def test_a_tremor_stays(hz: float, joint: str) -> None:
    """Whoever trembles or drums keeps to a rhythm."""
    calm = made_motion("idle", frames=150)
    turns = Rotation.from_rotvec(0.2 * np.sin(2 * np.pi * hz * np.arange(150) / 30)[:, None] * [0.3, 0.0, 1.0])
    index = calm.skeleton.joint(joint)
    rotations = calm.rotations.copy()
    rotations[:, index] = (Rotation.from_quat(rotations[:, index]) * turns).as_quat()
    trembling = replace(calm, rotations=rotations)
    assert smooth_shaking_joints(trembling) is trembling


def test_compensating_legs_stay() -> None:
    """Legs that compensate the pelvis stay.

    Captures have them, as markers keep head, hands and feet in place.
    """
    clean = made_motion("walk", frames=150)
    turns = Rotation.from_rotvec(np.random.default_rng(0).normal(0, 0.02, (150, 3)))
    rotations = clean.rotations.copy()
    rotations[:, 0] = (Rotation.from_quat(rotations[:, 0]) * turns).as_quat()
    for joint in clean.skeleton.children[0]:
        rotations[:, joint] = (turns.inv() * Rotation.from_quat(rotations[:, joint])).as_quat()
    captured = replace(clean, rotations=rotations)
    assert smooth_shaking_joints(captured) is captured


FASTEST = ("train/13_18", "train/49_06", "train/35_17", "test/10_01", "test/11_01", "test/135_04")
"""Boxing, a cartwheel, a run, kicks."""


@pytest.mark.slow
@pytest.mark.parametrize("name", FASTEST)
def test_fast_captures_stay(cmu: Path, name: str) -> None:
    split, _, clip_name = name.partition("/")
    clip = next(clip for clip in list_cmu_clips(cmu, split) if clip.name == clip_name)
    motion = clip.read()[0].frames(0, 300)
    assert smooth_shaking_joints(motion) is motion


@pytest.mark.slow
@pytest.mark.parametrize("group", sorted(JOINT_GROUPS))
def test_noise_of_fast_captures_goes(cmu: Path, group: str) -> None:
    """Boxing, on a rig with fingers."""
    clip = next(clip for clip in list_cmu_clips(cmu, "train") if clip.name == "13_18")
    clean = clip.read()[0].frames(0, 300)
    noisy = shake_joints(clean, group, np.radians(1.5))
    assert mean_jerk(smooth_shaking_joints(noisy)) - mean_jerk(clean) < 0.35 * (mean_jerk(noisy) - mean_jerk(clean))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["05_04", "07_05", "35_15"])
def test_noise_of_arms_goes_although_legs_compensate(cmu: Path, name: str) -> None:
    """In these captures, joints of the legs are noisy and make up for each other."""
    clip = next(clip for clip in list_cmu_clips(cmu, "train") if clip.name == name)
    clean = clip.read()[0].frames(0, 150)
    noisy = shake_joints(clean, "arms", np.radians(3))
    arms = [clean.skeleton.joint(part) for part in JOINT_GROUPS["arms"]]
    before_rad, after_rad = (
        turn_angles(motion.rotations[:, arms], clean.rotations[:, arms]).mean()
        for motion in (noisy, smooth_shaking_joints(noisy))
    )
    assert after_rad < 0.6 * before_rad


@pytest.mark.parametrize("noise_deg", [0.4, 1.2, 2.0])
def test_feet_of_a_stander_whose_hips_shake_come_to_rest(noise_deg: float) -> None:
    """Slow parts of noise cannot be told from sway, but feet that stand do not sway."""
    stand = made_motion("idle", frames=150, sway_rad=0.0)
    for side in ("left", "right"):
        for joint, bend_rad in (("hip", -0.2), ("knee", 0.4), ("ankle", -0.2)):
            stand = turn_joint(stand, f"{side}_{joint}", Rotation.from_rotvec([bend_rad, 0.0, 0.0]))
    shaken = shake_joints(stand, "root", np.radians(noise_deg))
    assert sole_speed_m_s(shaken) > 0.2
    assert sole_speed_m_s(sc.correct(shaken, kinematic=True).motion) < 0.03


def sole_speed_m_s(motion: Motion) -> float:
    steps_m = np.diff(sole_corners_m(motion)[..., [0, 2]], axis=0)
    return float(np.linalg.norm(steps_m, axis=-1).mean()) * motion.fps
