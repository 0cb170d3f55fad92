"""Corrections keep what is slow in them, lose what is fast, and keep calming what is rough."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.interpolate import make_interp_spline
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.files.bvh import read_bvh
from selfcorrect.datasets.files.bvh_body import body_of
from selfcorrect.datasets.files.upright import upright
from selfcorrect.motion.kinematics import continuous, joint_positions
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector
from selfcorrect.simulators.mending.polishing import POLISH, calmed, polished
from selfcorrect.simulators.mending.precondition import PreconditionSettings

FPS, FRAMES = 120.0, 240


def shaken(motions: MotionBatch, joint: int, amplitude_rad: float, hertz: float) -> MotionBatch:
    """The motions with a joint that swings in addition, softly from and to rest."""
    times_s = np.arange(motions.root_m.shape[1]) / motions.fps
    swing = amplitude_rad * np.sin(2 * np.pi * hertz * times_s) * np.sin(np.pi * times_s / times_s[-1]) ** 2
    rotations = motions.rotations.copy()
    turns = Rotation.from_rotvec(swing[:, None] * [1.0, 0.0, 0.0])
    for own in rotations:
        own[:, joint] = (Rotation.from_quat(own[:, joint]) * turns).as_quat()
    return replace(motions, rotations=rotations)


def off_mm(one: MotionBatch, other: MotionBatch) -> float:
    return 1000 * float(np.linalg.norm(joint_positions(one) - joint_positions(other), axis=-1).max())


def jerk(motions: MotionBatch) -> float:
    return float(physical_errors(motions).jerk_m_s3[0])


def test_a_change_that_roughens_a_calm_motion_is_smoothed_and_no_other(walk: Motion) -> None:
    before = MotionBatch.stack([walk])
    hip = walk.skeleton.parts.index("left_hip")
    step = np.where(np.arange(len(walk)) < len(walk) // 2, 0.0, 0.25)
    rotations = before.rotations.copy()
    rotations[0, :, hip] = (
        Rotation.from_quat(rotations[0, :, hip]) * Rotation.from_rotvec(step[:, None] * [1.0, 0.0, 0.0])
    ).as_quat()
    rough = replace(before, rotations=rotations)
    calm = calmed(before, rough)
    assert jerk(rough) > POLISH.rougher * jerk(before)
    assert jerk(calm) < POLISH.rougher * jerk(before)
    np.testing.assert_allclose(calm.rotations[0, [0, -1], hip], rough.rotations[0, [0, -1], hip], atol=1e-12)
    slow = shaken(before, hip, 0.05, 0.5)
    np.testing.assert_array_equal(calmed(before, slow).rotations, slow.rotations)


def faster(motion: Motion, fps: float) -> Motion:
    """A motion with more frames per second, along splines of the fifth degree."""
    times_s = np.arange(len(motion)) / motion.fps
    finer_s = np.arange(int(times_s[-1] * fps + 1e-9) + 1) / fps
    rotations = make_interp_spline(times_s, continuous(motion.rotations), k=5)(finer_s)
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    root_m = make_interp_spline(times_s, motion.root_m, k=5)(finer_s)
    return replace(motion, root_m=root_m, rotations=rotations, fps=fps)


@pytest.fixture
def smooth(walk: Motion) -> MotionBatch:
    """A slow arm and a pelvis on its way, 120 frames per second."""
    rotations = np.tile([0.0, 0, 0, 1], (1, FRAMES, len(walk.skeleton), 1))
    root_m = np.tile([0.0, 0.9, 0.0], (1, FRAMES, 1)) + np.linspace(0, 1, FRAMES)[None, :, None] * [0.0, 0.0, 1.0]
    return shaken(MotionBatch(walk.skeleton, root_m, rotations, np.array([FRAMES]), FPS), 4, 0.4, 1.0)


def test_a_slow_correction_is_kept(smooth: MotionBatch) -> None:
    corrected = shaken(smooth, 1, 0.05, 1.5)
    assert off_mm(polished(smooth, corrected), corrected) < 0.02 * off_mm(smooth, corrected)


def test_what_is_fast_in_a_correction_goes(smooth: MotionBatch) -> None:
    corrected = shaken(shaken(smooth, 1, 0.05, 1.5), 6, 0.01, 25.0)
    result = polished(smooth, corrected)
    assert off_mm(result, shaken(smooth, 1, 0.05, 1.5)) < 0.1 * off_mm(corrected, shaken(smooth, 1, 0.05, 1.5))
    assert jerk(result) < 0.1 * jerk(corrected)


def test_a_correction_that_calms_is_kept_whole(smooth: MotionBatch) -> None:
    rough = shaken(smooth, 6, 0.01, 25.0)
    assert jerk(polished(rough, smooth)) == pytest.approx(jerk(smooth), rel=0.02)
    assert off_mm(polished(rough, smooth), smooth) < 0.1


def test_nothing_changes_nothing_and_short_motions_stay(smooth: MotionBatch) -> None:
    assert off_mm(polished(smooth, smooth), smooth) < 1e-6
    short = replace(smooth, root_m=smooth.root_m[:, :4], rotations=smooth.rotations[:, :4], lengths=np.array([4]))
    assert polished(short, short) is short


@pytest.mark.slow
@pytest.mark.parametrize("name", ["07_01", "35_01", "06_05"])
@pytest.mark.parametrize("fps", [60.0, 120.0])
def test_corrections_of_fast_recordings_are_no_rougher(cmu: Path, name: str, fps: float) -> None:
    recorded = upright(body_of(read_bvh(cmu / "train" / f"{name}.bvh"))).motion.frames(0, 75)
    motion = faster(recorded, fps)
    before = physical_errors(MotionBatch.stack([motion]))
    for corrector in (PhysicsCorrector(), KinematicCorrector()):
        after = physical_errors(MotionBatch.stack([corrector([motion])[0].motion]))
        assert after.jerk_m_s3[0] < 1.1 * before.jerk_m_s3[0]
        assert after.skate_m_s[0] < before.skate_m_s[0] + 0.005


def test_raw_states_are_those_of_the_simulation(walk: Motion) -> None:
    raw, kept = (
        PhysicsCorrector(precondition=PreconditionSettings(polish=polish))([walk])[0] for polish in (False, True)
    )
    assert raw.diagnostics["polished_m"] == 0.0
    assert 0.0 < kept.diagnostics["polished_m"] < 0.005
    assert 1000 * np.linalg.norm(joint_positions(raw.motion) - joint_positions(kept.motion), axis=-1).mean() < 5
