"""White noise on joints and root: measured, taken out, and clean motion left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import mean_distance_m
from scipy.spatial.transform import Rotation

from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.mending import denoising


def jittery(motion: Motion, noise_rad: float = 0.05) -> Motion:
    generator = np.random.default_rng(2)
    turns = Rotation.from_rotvec(generator.normal(0, noise_rad, (*motion.rotations.shape[:2], 3)))
    return replace(motion, rotations=(Rotation.from_quat(motion.rotations) * turns).as_quat())


def denoised(motion: Motion) -> Motion:
    batch = MotionBatch.stack([motion])
    return denoising.denoise(batch, denoising.joint_noise_rad(batch))[0]


def test_noise_is_measured_on_top_of_motion():
    times_s = np.arange(3000) / 30
    curve = np.sin(2 * np.pi * times_s)[None, :, None] + np.random.default_rng(1).normal(0, 0.02, (1, 3000, 1))
    assert denoising.noise_level(curve)[0, 0] == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("label", ["walk", "dance_b", "crawl"])
def test_clean_motion_is_not_smoothed(clips, label):
    assert mean_distance_m(denoised(clips[label]), clips[label]) < 1e-12


@pytest.mark.parametrize("label", ["walk", "dance_b", "spin", "cartwheel"])
@pytest.mark.parametrize(("noise_rad", "left"), [(0.02, 0.65), (0.05, 0.56)])
def test_jitter_is_taken_out(clips, label, noise_rad, left):
    clean = clips[label]
    noisy = jittery(clean, noise_rad)
    assert mean_distance_m(denoised(noisy), clean) < left * mean_distance_m(noisy, clean)


def test_a_joint_of_a_noisy_body_that_never_turns_stays_still(clips):
    noisy = jittery(clips["walk"], 0.05)
    noisy.rotations[:, 3] = [0.0, 0.0, 0.0, 1.0]
    calm = denoised(noisy)
    assert np.isfinite(calm.rotations).all()
    np.testing.assert_array_equal(calm.rotations[:, 3], noisy.rotations[:, 3])


def test_a_noisy_root_is_calmed(clips):
    clean = clips["dance_b"]
    noise_m = np.random.default_rng(3).normal(0, 0.02, clean.root_m.shape)
    noisy = replace(clean, root_m=clean.root_m + noise_m)
    assert mean_distance_m(denoised(noisy), clean) < 0.6 * mean_distance_m(noisy, clean)


def test_channels_in_concert_lose_most_of_their_noise():
    generator, times_s = np.random.default_rng(4), np.arange(300)[:, None] / 30
    waves = np.hstack([np.sin(2 * np.pi * times_s), np.cos(3 * times_s)])
    signal = 10 * waves @ generator.normal(size=(2, 40))
    noise = generator.normal(size=signal.shape)
    left = denoising.calmed(signal + noise, fps=30.0) - signal
    assert np.mean(left**2) < 0.12 * np.mean(noise**2)


def test_pure_noise_leaves_only_its_mean():
    noise = np.random.default_rng(5).normal(size=(90, 66))
    assert np.allclose(denoising.calmed(noise, fps=30.0), noise.mean(0))


def test_motions_too_short_to_show_noise_stay(walk):
    short = jittery(walk).frames(0, 6)
    assert mean_distance_m(denoised(short), short) < 1e-12


def test_flicker_that_all_joints_share_is_smoothed_too(clips):
    """Joints that go to and fro from frame to frame do so in concert, as motion does: some models' samples flicker."""
    clean = MotionBatch.stack([clips["walk"]])
    signs = (-1.0) ** np.arange(clean.rotations.shape[1])
    axes = np.random.default_rng(0).normal(0.0, 0.05, (clean.rotations.shape[2], 3))
    turns = Rotation.from_rotvec((signs[:, None, None] * axes).reshape(-1, 3))
    shaken = (Rotation.from_quat(clean.rotations.reshape(-1, 4)) * turns).as_quat().reshape(clean.rotations.shape)
    before = denoising.joint_noise_rad(replace(clean, rotations=shaken))
    after = denoising.joint_noise_rad(denoising.denoise(replace(clean, rotations=shaken), before))
    assert np.median(after) < 0.3 * np.median(before)
