"""Plans and simulations are combined where they gain.

How feet then stand, and what stays of corrections, is known.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_motions import resample_smoothly
from plain_contacts import foot_contacts
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation
from simulated_bodies import make_plan
from turned_joints import pose_joint, turn_joint

from selfcorrect.datasets.files.rigs.bvh import read_bvh
from selfcorrect.datasets.files.rigs.bvh_body import extract_body
from selfcorrect.datasets.files.skeletons.vertical import turn_upright
from selfcorrect.motion.kinematics import forward_kinematics, joint_positions
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.measures.roughness import jerk_by_part_m_s3
from selfcorrect.motion.measures.slip import measure_slip
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.body.soft_legs import ROUGHER
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector
from selfcorrect.simulators.postprocess.jerk_bounds import JerkBounds
from selfcorrect.simulators.postprocess.restoring import RestoreFeet, RevertHighJerk
from selfcorrect.simulators.postprocess.smoothing import SmoothFast, SmoothRough
from selfcorrect.simulators.postprocess.steps import BLEND_SIMULATION, KINEMATIC_POSTPROCESS
from selfcorrect.simulators.settings.tracker import EngineSettings, TrackerSettings

FPS = 120.0
FRAMES = 240


def shaken(motions: MotionBatch, joint: int, amplitude_rad: float, hertz: float) -> MotionBatch:
    """Swing a joint softly from and to rest."""
    times_s = np.arange(motions.root_m.shape[1]) / motions.fps
    swing = amplitude_rad * np.sin(2 * np.pi * hertz * times_s) * np.sin(np.pi * times_s / times_s[-1]) ** 2
    rotations = motions.rotations.copy()
    turns = Rotation.from_rotvec(swing[:, None] * [1.0, 0.0, 0.0])
    for joint_rotation in rotations:
        joint_rotation[:, joint] = (Rotation.from_quat(joint_rotation[:, joint]) * turns).as_quat()
    return replace(motions, rotations=rotations)


def off_mm(first: MotionBatch, second: MotionBatch) -> float:
    return 1000 * float(np.linalg.norm(joint_positions(first) - joint_positions(second), axis=-1).max())


def jerk(motions: MotionBatch) -> float:
    return float(physical_errors(motions).jerk_m_s3[0])


@pytest.mark.parametrize(
    ("amplitude_m", "hertz", "kept_share"), [(0.002, 0.5, 0.0), (0.002, 12.0, 1.0), (0.02, 0.5, 1.0)]
)
@pytest.mark.parametrize("fps", [30.0, FPS])
def test_small_slow_shifts_are_dropped(
    walk: Motion, amplitude_m: float, hertz: float, kept_share: float, fps: float
) -> None:
    """Only fast shifts explain forces.

    A second correction would shift the others again.
    """
    cleaned = replace(MotionBatch.stack([walk]), fps=fps)
    times_s = np.arange(walk.root_m.shape[0]) / fps
    shift_m = amplitude_m * np.sin(2 * np.pi * hertz * times_s)[:, None] * [1.0, 0.0, 0.0]
    planned = replace(cleaned, root_m=cleaned.root_m + shift_m)
    made_m = BLEND_SIMULATION.without_small_shifts(planned, cleaned).root_m[0] - cleaned.root_m[0]
    inner = slice(5, -5)
    assert np.abs(made_m - kept_share * shift_m)[inner].max() < 0.1 * amplitude_m


def test_roughening_change_is_smoothed(walk: Motion) -> None:
    before = MotionBatch.stack([walk])
    hip = walk.skeleton.parts.index("left_hip")
    step = np.where(np.arange(len(walk)) < len(walk) // 2, 0.0, 0.25)
    rough = MotionBatch.stack([turn_joint(walk, hip, Rotation.from_rotvec(step[:, None] * [1.0, 0.0, 0.0]))])
    calm = SmoothRough().smooth(JerkBounds.from_motions(before), rough)
    assert jerk(rough) > ROUGHER * jerk(before)
    assert jerk(calm) < ROUGHER * jerk(before)
    np.testing.assert_allclose(calm.rotations[0, [0, -1], hip], rough.rotations[0, [0, -1], hip], atol=1e-4)
    slow = shaken(before, hip, 0.05, 0.5)
    np.testing.assert_array_equal(SmoothRough().smooth(JerkBounds.from_motions(before), slow).rotations, slow.rotations)


def flipping(motion: Motion, most_rad: float, frames: int) -> Motion:
    """Flip the left knee to its other side every few frames, keeping its ankle."""
    hip = motion.skeleton.parts.index("left_hip")
    knee = motion.skeleton.parts.index("left_knee")
    ankle = motion.skeleton.parts.index("left_ankle")
    places_m, turned = forward_kinematics(motion.skeleton, motion.root_m, motion.rotations)
    side = np.where(np.arange(len(motion)) // frames % 2, 1.0, -1.0)[:, None]
    along = places_m[:, ankle] - places_m[:, hip]
    swivel = Rotation.from_rotvec(most_rad * side * along / np.linalg.norm(along, axis=1, keepdims=True))
    above = Rotation.from_quat(turned[:, motion.skeleton.parents[hip]])
    swivelled = pose_joint(motion, hip, above.inv() * swivel * Rotation.from_quat(turned[:, hip]))
    shank = Rotation.from_quat(turned[:, knee])
    return pose_joint(swivelled, ankle, (swivel * shank).inv() * Rotation.from_quat(turned[:, ankle]))


@pytest.mark.parametrize("most_rad", [0.3, 0.8, 1.4])
@pytest.mark.parametrize("frames", [2, 3, 5, 12])
def test_flipping_knees_keep_ankles(walk: Motion, most_rad: float, frames: int) -> None:
    sunk = replace(flipping(walk, most_rad, frames), root_m=walk.root_m - [0.0, 0.03, 0.0])
    before = MotionBatch.stack([sunk])
    after = MotionBatch.stack([KinematicCorrector()([sunk])[0].motion])
    speeds_m_s = [np.linalg.norm(np.diff(ankles_m(motions), axis=1), axis=-1) * walk.fps for motions in (before, after)]
    assert (speeds_m_s[1] - speeds_m_s[0]).max() < 0.5


@pytest.fixture
def smooth(walk: Motion) -> MotionBatch:
    """Return a slow arm and moving pelvis.

    The rate is 120 frames per second.
    """
    rotations = np.tile([0.0, 0, 0, 1], (1, FRAMES, len(walk.skeleton), 1))
    root_m = np.tile([0.0, 0.9, 0.0], (1, FRAMES, 1)) + np.linspace(0, 1, FRAMES)[None, :, None] * [0.0, 0.0, 1.0]
    return shaken(MotionBatch(walk.skeleton, root_m, rotations, np.array([FRAMES]), FPS), 4, 0.4, 1.0)


def test_a_slow_correction_is_kept(smooth: MotionBatch) -> None:
    corrected = shaken(smooth, 1, 0.05, 1.5)
    assert off_mm(SmoothFast().smooth(smooth, corrected), corrected) < 0.02 * off_mm(smooth, corrected)


def test_fast_part_is_removed(smooth: MotionBatch) -> None:
    corrected = shaken(shaken(smooth, 1, 0.05, 1.5), 6, 0.01, 25.0)
    result = SmoothFast().smooth(smooth, corrected)
    assert off_mm(result, shaken(smooth, 1, 0.05, 1.5)) < 0.1 * off_mm(corrected, shaken(smooth, 1, 0.05, 1.5))
    assert jerk(result) < 0.1 * jerk(corrected)


def test_calming_correction_is_kept(smooth: MotionBatch) -> None:
    rough = shaken(smooth, 6, 0.01, 25.0)
    assert jerk(SmoothFast().smooth(rough, smooth)) == pytest.approx(jerk(smooth), rel=0.02)
    assert off_mm(SmoothFast().smooth(rough, smooth), smooth) < 0.1


def test_nothing_changes_nothing(smooth: MotionBatch) -> None:
    assert off_mm(SmoothFast().smooth(smooth, smooth), smooth) < 1e-6
    short = replace(smooth, root_m=smooth.root_m[:, :4], rotations=smooth.rotations[:, :4], lengths=np.array([4]))
    assert SmoothFast().smooth(short, short) is short


@pytest.mark.slow
@pytest.mark.parametrize(("name", "fps"), [("07_01", 60.0), ("35_01", 120.0), ("06_05", 60.0)])
def test_fast_recordings_get_no_rougher(cmu: Path, name: str, fps: float) -> None:
    recorded = turn_upright(extract_body(read_bvh(cmu / "train" / f"{name}.bvh"))).motion.frames(0, 75)
    motion = resample_smoothly(recorded, fps)
    before = physical_errors(MotionBatch.stack([motion]))
    for corrector in (PhysicsCorrector(), KinematicCorrector()):
        after = physical_errors(MotionBatch.stack([corrector([motion])[0].motion]))
        assert after.jerk_m_s3[0] < 1.1 * before.jerk_m_s3[0]
        assert after.skate_m_s[0] < before.skate_m_s[0] + 0.005


def test_raw_states_are_simulated(walk: Motion) -> None:
    raw = PhysicsCorrector(postprocess=())([walk])[0]
    simulated = PhysicsCorrector()([walk])[0]
    assert raw.diagnostics["polished_m"] == 0.0
    assert 0.0 < simulated.diagnostics["polished_m"] < 0.008
    assert 1000 * np.linalg.norm(joint_positions(raw.motion) - joint_positions(simulated.motion), axis=-1).mean() < 8


def test_rough_frames_revert(walk: Motion) -> None:
    before = MotionBatch.stack([walk, walk])
    hip = walk.skeleton.parts.index("left_hip")
    milder = shaken(before, hip, 0.03, 0.5)
    rougher = replace(milder, rotations=milder.rotations.copy())
    rougher.rotations[1] = shaken(milder, hip, 0.05, 9.0).rotations[1]
    reverted, share = RevertHighJerk().revert(JerkBounds.from_motions(before), rougher, milder)
    assert np.array_equal(reverted.rotations[0], rougher.rotations[0])
    assert not share[0].any()
    assert share[1].max() > 0.9
    parts = ("left knee", "left foot")
    usual = jerk_by_part_m_s3(before)
    rough = jerk_by_part_m_s3(rougher)
    mild = jerk_by_part_m_s3(reverted)
    for part in parts:
        assert rough[part][1] > 1.5 * usual[part][1]
        assert mild[part][1] < max(1.05 * usual[part][1], usual[part][1] + 5.0)


@pytest.mark.parametrize("label", ["crawl", "spinkick", "getup_faceup", "run"])
def test_simulation_roughens_nothing(clips, label, engine) -> None:
    motion = clips[label]
    correction = PhysicsCorrector(TrackerSettings(engine=EngineSettings(name=engine)))([motion])[0]
    before = jerk_by_part_m_s3(motion)
    after = jerk_by_part_m_s3(correction.motion)
    rougher = [part for part in before if after[part] > max(1.2 * before[part], before[part] + 6.0)]
    assert not rougher, {part: (float(before[part]), float(after[part])) for part in rougher}


def shares(reference: MotionBatch, simulated: MotionBatch) -> np.ndarray:
    return BLEND_SIMULATION.shares(make_plan(reference[0]), simulated)


@pytest.fixture
def walking(walk: Motion) -> MotionBatch:
    return MotionBatch.stack([PhysicsCorrector()([walk])[0].motion])


def test_gainless_simulation_is_dropped(walking: MotionBatch) -> None:
    aside = replace(walking, root_m=walking.root_m + np.array([0.0, 0.001, 0.0]))
    assert shares(walking, aside).max() == 0.0


def test_calming_simulation_is_kept(walking: MotionBatch) -> None:
    times_s = np.arange(walking.root_m.shape[1]) / walking.fps
    shaken = replace(
        walking, root_m=walking.root_m + 0.1 * np.sin(15 * times_s)[None, :, None] * np.array([1.0, 0.0, 0.0])
    )
    assert shares(shaken, walking).mean() > 0.9


def test_share_limits(walking: MotionBatch, walk: Motion) -> None:
    others = MotionBatch.stack([walk])
    nothing = BLEND_SIMULATION.blend(walking, others, np.full((1, len(walk)), 0.0))
    blended = BLEND_SIMULATION.blend(walking, others, np.full((1, len(walk)), 1.0))
    np.testing.assert_allclose(joint_positions(blended), joint_positions(others), atol=1e-9)
    off_m = [
        np.linalg.norm(joint_positions(motions) - joint_positions(walking), axis=-1).mean()
        for motions in (nothing, others)
    ]
    assert off_m[0] < 0.2 * off_m[1]  # only what is fast between them


def test_lost_joint_leaves_no_trace(walking: MotionBatch) -> None:
    ankle = walking.skeleton.parts.index("left_ankle")
    frames = walking.root_m.shape[1]
    wound = walking.rotations.copy()
    turns = Rotation.from_rotvec(np.linspace(1.5, 6.0, frames)[:, None] * [0.0, 1.0, 0.0])
    wound[0, :, ankle] = (Rotation.from_quat(wound[0, :, ankle]) * turns).as_quat()
    blended = BLEND_SIMULATION.blend(walking, replace(walking, rotations=wound), np.zeros((1, frames)))
    np.testing.assert_allclose(joint_positions(blended), joint_positions(walking), atol=1e-9)


def test_second_correction_moves_less(walk: Motion) -> None:
    once = PhysicsCorrector()([walk])[0]
    twice = PhysicsCorrector()([once.motion])[0]
    first_m = np.linalg.norm(joint_positions(once.motion) - joint_positions(walk), axis=-1).mean()
    second_m = np.linalg.norm(joint_positions(twice.motion) - joint_positions(once.motion), axis=-1).mean()
    assert second_m < 0.003
    assert second_m < 0.55 * first_m


@pytest.fixture
def cleaned_walk(walk: Motion) -> MotionBatch:
    return MotionBatch.stack([KinematicCorrector()([walk])[0].motion])


def full_share(motions: MotionBatch) -> np.ndarray:
    """All of the motions is simulated."""
    return np.ones(motions.root_m.shape[:2])


def ankles_m(motions: MotionBatch) -> np.ndarray:
    return joint_positions(motions)[
        ..., [motions.skeleton.parts.index(f"{side}_ankle") for side in ("left", "right")], :
    ]


@pytest.mark.parametrize("simulated", [0.0, 1.0])
def test_swinging_feet_follow_their_source(cleaned_walk: MotionBatch, simulated: float) -> None:
    aside = replace(cleaned_walk, root_m=cleaned_walk.root_m + np.array([0.0, -0.01, 0.02]))
    swings = foot_contacts(cleaned_walk, longest_gap_s=0.6).sum(axis=(0, 1)) < len(cleaned_walk.root_m[0])
    assert swings.any()
    off_m = np.linalg.norm(
        ankles_m(RestoreFeet().restore(aside, cleaned_walk, cleaned_walk, simulated * full_share(aside)))
        - ankles_m(cleaned_walk),
        axis=-1,
    )
    assert (off_m.max() > 0.02) == bool(simulated)


def test_moved_feet_stand_again(cleaned_walk: MotionBatch) -> None:
    aside = replace(cleaned_walk, root_m=cleaned_walk.root_m + np.array([0.0, -0.01, 0.02]))
    result = RestoreFeet().restore(aside, cleaned_walk, cleaned_walk, full_share(aside))
    stands = foot_contacts(cleaned_walk)
    assert stands.any(axis=(0, 1)).all()
    ankles = [cleaned_walk.skeleton.parts.index(f"{side}_ankle") for side in ("left", "right")]
    for motions, most_m in ((aside, None), (result, 0.001)):
        places = forward_kinematics(motions.skeleton, motions.root_m, motions.rotations)
        expected = forward_kinematics(cleaned_walk.skeleton, cleaned_walk.root_m, cleaned_walk.rotations)
        off_m = np.linalg.norm(places[0][..., ankles, :] - expected[0][..., ankles, :], axis=-1)[stands]
        assert off_m.max() == pytest.approx(np.hypot(0.01, 0.02)) if most_m is None else off_m.max() < most_m
    above = [
        joint for joint, part in enumerate(cleaned_walk.skeleton.parts) if not part.endswith(("knee", "ankle", "foot"))
    ]
    np.testing.assert_allclose(joint_positions(result)[..., above, :], joint_positions(aside)[..., above, :], atol=5e-4)


def test_what_stands_already_stays(cleaned_walk: MotionBatch) -> None:
    assert (
        off_mm(RestoreFeet().restore(cleaned_walk, cleaned_walk, cleaned_walk, full_share(cleaned_walk)), cleaned_walk)
        < 1.0
    )


def test_physics_slides_no_more(walk: Motion) -> None:
    kinematic = physical_errors(MotionBatch.stack([KinematicCorrector()([walk])[0].motion])).skate_m_s[0]
    physical = physical_errors(MotionBatch.stack([PhysicsCorrector()([walk])[0].motion])).skate_m_s[0]
    assert physical < kinematic + 0.002


def wandering(motion: Motion, seed: int) -> Motion:
    """Let the root wander along the floor by 2 cm."""
    noise = np.random.default_rng(seed).normal(size=motion.root_m.shape) * [1.0, 0.0, 1.0]
    noise = gaussian_filter1d(noise, 0.125 * motion.fps, axis=0)
    return replace(motion, root_m=motion.root_m + 0.02 * noise / noise.std())


def test_smoothed_feet_are_planted_again(clips: Mapping[str, Motion]) -> None:
    dances = [wandering(clips["dance_b"], seed) for seed in range(4)]
    smoothed, planted = [], []
    for slips_m, steps in ((smoothed, (SmoothRough(),)), (planted, KINEMATIC_POSTPROCESS)):
        for correction in KinematicCorrector(postprocess=steps)(dances):
            slips_m.append(measure_slip(correction.motion).per_stance_m)
    assert np.less(planted, smoothed).all()
    assert np.mean(planted) < 0.9 * np.mean(smoothed)
