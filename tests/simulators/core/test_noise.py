"""Noise and spikes, as in captures, are removed; motion stays."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import mean_distance_m
from hypothesis import given, settings
from hypothesis import strategies as st
from made_damages import mean_jerk
from made_motions import KINDS, Kind, made_motion
from scipy.spatial.transform import Rotation
from turned_joints import pose_joint

from selfcorrect.motion.geometry.white_noise import noise_level, shrink_noise
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.skeleton import SMPL_22
from selfcorrect.simulators.core.noise import denoise, is_noisy, joint_noise_rad
from selfcorrect.simulators.core.stretches import calm_stretches, find_parts


def jittery(motion: Motion, noise_rad: float = 0.05) -> Motion:
    generator = np.random.default_rng(2)
    turns = Rotation.from_rotvec(generator.normal(0, noise_rad, (*motion.rotations.shape[:2], 3)))
    return replace(motion, rotations=(Rotation.from_quat(motion.rotations) * turns).as_quat())


def denoise_motion(motion: Motion) -> Motion:
    batch = MotionBatch.stack([motion])
    return denoise(batch, joint_noise_rad(batch), must_calm=True)[0]


@pytest.mark.parametrize("directions", [1, 2, 3])
def test_noise_is_measured(directions: int):
    times_s = np.arange(3000) / 30
    noise = np.random.default_rng(1).normal(0, 0.02, (1, 3000, directions))
    curve = np.sin(2 * np.pi * times_s)[None, :, None] + noise
    assert noise_level(curve, directions)[0] == pytest.approx(0.02, rel=0.1)


def test_joint_noise_is_mean_square(clips):
    noise_rad = joint_noise_rad(MotionBatch.stack([jittery(made_motion("idle", frames=400), 0.02)]))
    assert np.median(noise_rad) == pytest.approx(0.02 * np.sqrt(3), rel=0.1)


@pytest.mark.parametrize("label", ["walk", "dance_b", "crawl"])
def test_clean_motion_is_not_smoothed(clips, label):
    assert mean_distance_m(denoise_motion(clips[label]), clips[label]) < 1e-12


@pytest.mark.parametrize("label", ["walk", "dance_b", "spin", "cartwheel"])
@pytest.mark.parametrize(("noise_rad", "remaining"), [(0.02, 0.65), (0.05, 0.56)])
def test_jitter_is_taken_out(clips, label, noise_rad, remaining):
    clean = clips[label]
    noisy = jittery(clean, noise_rad)
    assert mean_distance_m(denoise_motion(noisy), clean) < remaining * mean_distance_m(noisy, clean)


def test_still_joint_stays_still(clips):
    noisy = jittery(clips["walk"], 0.05)
    noisy.rotations[:, 3] = [0.0, 0.0, 0.0, 1.0]
    calm = denoise_motion(noisy)
    assert np.isfinite(calm.rotations).all()
    np.testing.assert_array_equal(calm.rotations[:, 3], noisy.rotations[:, 3])


def test_still_joints_hide_no_noise(clips):
    """Still joints may be more than half of all.

    These are fingers and eyes of many files.
    """
    noise_rad = joint_noise_rad(MotionBatch.stack([jittery(clips["walk"])]))
    with_fingers = np.concatenate([noise_rad, np.zeros((1, 2 * noise_rad.shape[1]))], axis=1)
    assert is_noisy(noise_rad).all()
    assert is_noisy(with_fingers).all()
    assert not is_noisy(np.zeros_like(with_fingers)).any()


@pytest.mark.parametrize("rounding_rad", [1e-9, 1e-6])
def test_rounding_changes_nothing(clips, rounding_rad):
    """Rounding of files is no noise.

    Taken for noise, it moved a foot by 4 to 8 cm.
    """
    still = pose_joint(jittery(clips["walk"], 0.05), 3, Rotation.identity())
    turns = np.random.default_rng(0).normal(0, rounding_rad, (len(still), 3))
    rounded = pose_joint(still, 3, Rotation.from_rotvec(turns))
    assert np.abs(joint_positions(denoise_motion(rounded)) - joint_positions(denoise_motion(still))).max() < 1e-5


def test_a_noisy_root_is_calmed(clips):
    clean = clips["dance_b"]
    noise_m = np.random.default_rng(3).normal(0, 0.02, clean.root_m.shape)
    noisy = replace(clean, root_m=clean.root_m + noise_m)
    assert mean_distance_m(denoise_motion(noisy), clean) < 0.6 * mean_distance_m(noisy, clean)


def test_joint_channels_lose_noise():
    generator = np.random.default_rng(4)
    times_s = np.arange(300)[:, None] / 30
    waves = np.hstack([np.sin(2 * np.pi * times_s), np.cos(3 * times_s)])
    signal = 10 * waves @ generator.normal(size=(2, 40))
    noise = generator.normal(size=signal.shape)
    residual = shrink_noise(signal + noise, 30.0) - signal
    assert np.mean(residual**2) < 0.12 * np.mean(noise**2)


def test_pure_noise_leaves_mean():
    noise = np.random.default_rng(5).normal(size=(90, 66))
    assert np.allclose(shrink_noise(noise, 30.0), noise.mean(0))


def test_short_motions_stay(walk):
    short = jittery(walk).frames(0, 6)
    assert mean_distance_m(denoise_motion(short), short) < 1e-12


def test_shared_flicker_is_smoothed(clips):
    """Joints that flicker together are smoothed.

    Some models' samples do; motion is in concert, too.
    """
    clean = MotionBatch.stack([clips["walk"]])
    signs = (-1.0) ** np.arange(clean.rotations.shape[1])
    axes = np.random.default_rng(0).normal(0.0, 0.05, (clean.rotations.shape[2], 3))
    turns = Rotation.from_rotvec((signs[:, None, None] * axes).reshape(-1, 3))
    shaken = (Rotation.from_quat(clean.rotations.reshape(-1, 4)) * turns).as_quat().reshape(clean.rotations.shape)
    before = joint_noise_rad(replace(clean, rotations=shaken))
    after = joint_noise_rad(denoise(replace(clean, rotations=shaken), before, must_calm=True))
    assert np.median(after) < 0.3 * np.median(before)


@settings(max_examples=20, deadline=None)
@given(
    kind=st.sampled_from(KINDS), frames=st.integers(4, 60), noise_rad=st.floats(0.0, 0.1), noise_m=st.floats(0.0, 0.02)
)
def test_no_motion_becomes_rougher(kind: Kind, frames: int, noise_rad: float, noise_m: float) -> None:
    motion = jittery(made_motion(kind, frames=frames), noise_rad)
    root_m = motion.root_m + np.random.default_rng(0).normal(0, noise_m, motion.root_m.shape)
    noisy = replace(motion, root_m=root_m)
    assert mean_jerk(denoise_motion(noisy)) <= mean_jerk(noisy) * (1 + 1e-6)


def shake(motion: Motion, part: str, frames: slice, noise_rad: float, seed: int = 0) -> tuple[Motion, list[int]]:
    """Shake a part's joints for a while, and return these joints, too."""
    joints = [joint for joint, name in enumerate(motion.skeleton.parts) if name in LIMB_JOINTS[part]]
    rotations = motion.rotations.copy()
    shape = rotations[frames][:, joints].shape
    turns = Rotation.from_rotvec(np.random.default_rng(seed).normal(0, noise_rad, (shape[0] * shape[1], 3)))
    shaken = Rotation.from_quat(rotations[frames][:, joints].reshape(-1, 4)) * turns
    rotations[frames.start : frames.stop, joints] = shaken.as_quat().reshape(shape)
    return replace(motion, rotations=rotations), joints


LIMB_JOINTS = {
    "arm": ("right_shoulder", "right_elbow", "right_wrist"),
    "leg": ("left_hip", "left_knee", "left_ankle"),
    "trunk": ("spine1", "spine2", "spine3", "neck"),
    "body": SMPL_22,
}


@settings(max_examples=20, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    part=st.sampled_from(sorted(LIMB_JOINTS)),
    fps=st.sampled_from([30.0, 60.0]),
    noise_rad=st.floats(0.05, 0.12),
    seed=st.integers(0, 1000),
)
def test_shaking_part_is_calmed(kind: Kind, part: str, fps: float, noise_rad: float, seed: int) -> None:
    clean = made_motion(kind, fps=fps, frames=round(4 * fps))
    frames = slice(round(1.5 * fps), round(2.3 * fps))
    shaken, joints = shake(clean, part, frames, noise_rad, seed)
    repaired = calm_stretches(shaken)
    shaken_m = joint_positions(shaken)
    repaired_m = joint_positions(repaired)
    clean_m = joint_positions(clean)
    most = 1.0 if (kind, part) == ("run", "leg") else 0.9  # legs of a runner move like the noise
    assert np.abs(repaired_m - clean_m).mean() < most * np.abs(shaken_m - clean_m).mean()
    blend = round(0.2 * fps)
    outside = np.r_[: frames.start - blend, frames.stop + blend : len(clean)]
    np.testing.assert_array_equal(repaired.rotations[outside], clean.rotations[outside])
    others = np.delete(np.arange(len(clean.skeleton)), joints)
    np.testing.assert_array_equal(repaired.rotations[:, others], clean.rotations[:, others])
    np.testing.assert_array_equal(repaired.root_m, clean.root_m)


@settings(max_examples=20, deadline=None)
@given(kind=st.sampled_from(KINDS), pace=st.floats(0.6, 1.6), fps=st.sampled_from([24.0, 30.0, 120.0]))
def test_sound_motions_are_not_repaired(kind: Kind, pace: float, fps: float) -> None:
    motion = made_motion(kind, pace=pace, fps=fps, frames=round(4 * fps))
    assert calm_stretches(motion) is motion


def test_partial_body_is_repaired(walk) -> None:
    parts = find_parts(walk.skeleton)
    assert [part.kind for part in parts] == ["root", "trunk", "arm", "leg", "arm", "leg"]
    nameless = replace(walk.skeleton, parts=tuple("" for _ in walk.skeleton.parts))
    assert [part.kind for part in find_parts(nameless)] == ["root"]
    assert np.isfinite(calm_stretches(replace(walk, skeleton=nameless)).rotations).all()


def test_joint_that_bears_nothing_changes_no_other(clips: dict[str, Motion]) -> None:
    noisy = jittery(clips["walk"], 0.03)
    skeleton = noisy.skeleton
    with_muscle = replace(
        skeleton,
        names=(*skeleton.names, "muscle"),
        parents=(*skeleton.parents, skeleton.joint("left_knee")),
        offsets_m=np.vstack([skeleton.offsets_m, [0.0, -0.1, 0.05]]),
        parts=(*skeleton.parts, ""),
    )
    swings = Rotation.from_euler("x", np.sin(np.arange(len(noisy)))[:, None]).as_quat()
    rotations = np.concatenate([noisy.rotations, swings[:, None]], axis=1)
    calm = denoise_motion(replace(noisy, skeleton=with_muscle, rotations=rotations))
    np.testing.assert_allclose(calm.rotations[:, :-1], denoise_motion(noisy).rotations, atol=1e-9)
