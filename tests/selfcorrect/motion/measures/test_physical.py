"""Physical errors have known or sane values.

The former are of made motions, the latter of real ones.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from turned_joints import pose_joint, shift

from selfcorrect.motion.editing.transforms import mirror, resample
from selfcorrect.motion.measures.physical import PhysicalErrors, physical_errors
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.skeleton import Skeleton

FRAMES = 40


def errors(*motions: Motion) -> PhysicalErrors:
    return physical_errors(MotionBatch.stack(motions))


def test_standing_still_is_without_error(stand: Motion):
    assert all(value == pytest.approx(0, abs=1e-9) for value in errors(stand).mean().values())


def test_heights_are_measured_exactly(stand: Motion):
    result = errors(shift(stand, (0, -0.05, 0)), shift(stand, (0, 0.08, 0)), shift(stand, (0, 0.004, 0)))
    np.testing.assert_allclose(result.penetration_m, [0.05, 0, 0], atol=1e-12)
    np.testing.assert_allclose(result.floating_m, [0, 0.08, 0], atol=1e-12)


def test_error_free_frames_count_zero(stand: Motion):
    height_m = np.where(np.arange(FRAMES) < 10, -0.02, 0.0)
    result = errors(shift(stand, np.outer(height_m, [0, 1, 0])))
    assert result.penetration_m[0] == pytest.approx(0.02 / 4)


def test_gliding_stand_skates_at_speed(stand: Motion):
    glide = shift(stand, np.outer(np.arange(FRAMES) / 30, [0.5, 0, 0]))
    assert errors(glide).skate_m_s[0] == pytest.approx(0.5)
    assert errors(resample(glide, 60.0)).skate_m_s[0] == pytest.approx(0.5)
    assert errors(shift(glide, (0, 0.02, 0))).skate_m_s[0] == 0


def test_feet_that_rise_do_not_skate(stand: Motion):
    rising = shift(stand, np.outer(np.arange(FRAMES) * 1e-4, [0, 1, 0]))  # by 3.9 mm, which still counts as the floor
    assert errors(rising).skate_m_s[0] == pytest.approx(0, abs=1e-9)


def test_floor_foot_skates_alone(stand: Motion, skeleton: Skeleton):
    """Only the foot on the floor counts.

    The left foot is lifted by the hip; the body glides at the same speed.
    """
    glide = shift(stand, np.outer(np.arange(FRAMES) / 30, [0, 0, 0.3]))
    result = errors(pose_joint(glide, "left_hip", Rotation.from_euler("x", -40, degrees=True)))
    assert result.skate_m_s[0] == pytest.approx(0.3)
    assert result.floating_m[0] == pytest.approx(0, abs=1e-12)


def test_cubic_jerk_is_exact(stand: Motion):
    times = np.arange(FRAMES) / 30
    assert errors(shift(stand, np.outer(times**3, [0, 0, 2]))).jerk_m_s3[0] == pytest.approx(12)
    assert errors(shift(stand, np.outer(times**2, [0, 0, 2]))).jerk_m_s3[0] == pytest.approx(0, abs=1e-6)


def test_padding_does_not_count(stand: Motion):
    glide = shift(stand, np.outer(np.arange(FRAMES) / 30, [0.5, 0, 0]) - np.array([0, 0.03, 0]))
    together = errors(glide.frames(0, 15), stand)
    alone = errors(glide.frames(0, 15))
    for name, value in alone.mean().items():
        assert getattr(together, name)[0] == pytest.approx(value), name


def test_single_frame_has_no_errors(stand: Motion):
    result = errors(shift(stand, (0, -0.01, 0)).frames(0, 1))
    assert (result.skate_m_s[0], result.jerk_m_s3[0]) == (0, 0)
    assert result.penetration_m[0] == pytest.approx(0.01)


def test_lying_body_touches_floor(stand: Motion, skeleton: Skeleton):
    lying = pose_joint(stand, 0, Rotation.from_euler("x", -90, degrees=True))
    lying = replace(lying, root_m=np.tile([0, 0.12, 0.0], (FRAMES, 1)))
    assert errors(lying).floating_m[0] < 0.06
    assert errors(shift(lying, (0, -0.3, 0))).penetration_m[0] > 0.2


def test_mirrored_errors_are_equal(random_motion: Callable[..., Motion]):
    motions = [random_motion(seed) for seed in range(4)]
    low = [shift(motion, (0, 1.0 - motion.root_m[0, 1], 0)) for motion in motions]
    original_errors = errors(*low)
    mirrored_errors = errors(*map(mirror, low))
    for name in original_errors.mean():
        np.testing.assert_allclose(getattr(original_errors, name), getattr(mirrored_errors, name), atol=1e-9)


def test_real_clips_are_plausible(clips):
    result = {label: errors(clip).mean() for label, clip in clips.items()}
    assert all(values["penetration_m"] < 0.06 for values in result.values())
    assert result["walk"]["floating_m"] < 0.01
    assert result["walk"]["skate_m_s"] < 0.05
    assert result["backflip"]["floating_m"] > 0.1
    noise = np.random.default_rng(0).normal(0, 0.05, clips["walk"].rotations[..., :3].shape)
    shaken = (Rotation.from_quat(clips["walk"].rotations) * Rotation.from_rotvec(noise)).as_quat()
    assert errors(replace(clips["walk"], rotations=shaken)).jerk_m_s3[0] > 5 * result["walk"]["jerk_m_s3"]
