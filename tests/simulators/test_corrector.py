"""Corrections are physical, and nothing is silent.

The corrector takes real motions, as a user meets it.
"""

from dataclasses import replace
from math import ceil

import numpy as np
import pytest
from helpers import EITHER_ENGINE, mean_distance_m
from hypothesis import given, settings
from hypothesis import strategies as st
from made_motions import made_motion
from turned_joints import pose_joint

from selfcorrect.motion.editing.transforms import mirror, resample
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.runtime.processes import limit_threads
from selfcorrect.runtime.progress import report_progress, watch_progress
from selfcorrect.simulators import corrector as corrector_module
from selfcorrect.simulators.batching import SHORTEST_FRAMES, make_batches
from selfcorrect.simulators.choose import keep_feet_from_worsening
from selfcorrect.simulators.clean import CleanupSettings, FitSoles
from selfcorrect.simulators.core.pieces import split_into_pieces
from selfcorrect.simulators.corrector import (
    KinematicCorrector,
    PhysicsCorrector,
    correct_samples,
    correct_through_views,
)
from selfcorrect.simulators.presets import find_preset
from selfcorrect.simulators.results.comparison import MeasuredCorrection
from selfcorrect.simulators.results.motion_world import MotionWorld
from selfcorrect.simulators.results.results import CorrectedMotion, Failure, FailureKind, NoteKind
from selfcorrect.simulators.settings.tracker import DriveSettings, EngineSettings, TrackerSettings
from selfcorrect.simulators.view_table import SAMPLE_VIEWS
from selfcorrect.simulators.world import MotionOnFloor


def same(first: Motion, second: Motion) -> bool:
    return np.array_equal(first.root_m, second.root_m) and np.array_equal(first.rotations, second.rotations)


@pytest.mark.parametrize(
    ("label", "furthest_m", "most_help"),
    [("walk", 0.015, 0.11), ("jump", 0.018, 0.23), ("spinkick", 0.028, 0.32), ("punch", 0.05, 0.35)],
)
def test_real_motions_are_tracked(clips, label, furthest_m, most_help):
    """Bounds are half as much again as was measured."""
    correction = PhysicsCorrector()([clips[label]])[0]
    assert correction.accepted, correction.reason
    assert mean_distance_m(correction.motion, clips[label]) < furthest_m
    assert correction.diagnostics["residual_force_bodyweights"] < most_help


@pytest.mark.parametrize("fps", [20.0, 24.0, 60.0, 120.0])
def test_any_frame_rate_works(walk, fps):
    motion = resample(walk, fps)
    correction = PhysicsCorrector()([motion])[0]
    assert correction.accepted, correction.reason
    assert len(correction.motion) == len(motion)
    assert correction.motion.fps == fps
    assert mean_distance_m(correction.motion, motion) < 0.018


@pytest.mark.slow
@EITHER_ENGINE
def test_results_keep_order(walk, clips, engine):
    """Results keep order when one is lost.

    Several lengths and bodies of several sizes go together.
    """
    corrector = PhysicsCorrector(
        TrackerSettings(engine=EngineSettings(name=engine)), CleanupSettings().without_steps(FitSoles)
    )
    late_m = walk.root_m + np.where(np.arange(len(walk)) < 20, 0.0, 3.0)[:, None] * (0.0, 1.0, 0.0)
    tall = replace(walk.skeleton, offsets_m=1.1 * walk.skeleton.offsets_m)
    motions = [
        clips["kick"], walk, replace(walk, root_m=late_m, label="lost"), clips["kick"].frames(0, 30),
        replace(walk, skeleton=tall, root_m=1.1 * walk.root_m, label="tall"), clips["punch"].frames(0, 30), walk,
    ]  # fmt: skip
    together = corrector(motions)
    assert [correction.motion.label for correction in together] == [motion.label for motion in motions]
    assert [correction.accepted for correction in together] == [True, True, False, True, True, True, True]
    for motion, correction in zip(motions, together, strict=True):
        alone = corrector([motion])[0]
        assert same(alone.motion, correction.motion)
        assert alone.diagnostics == correction.diagnostics
        assert alone.reason == correction.reason
        assert np.array_equal(alone.forces.timeline.loads_bodyweights, correction.forces.timeline.loads_bodyweights)


def test_height_is_corrected(walk):
    clean = PhysicsCorrector()([walk])[0].motion
    for shift_m in (-0.05, 0.08):
        moved = replace(walk, root_m=walk.root_m + np.array([0.0, shift_m, 0.0]))
        assert mean_distance_m(PhysicsCorrector()([moved])[0].motion, clean) < 0.001


def test_mirrored_motions_match(walk):
    corrector = PhysicsCorrector()
    plain = corrector([walk])[0].motion
    mirrored = corrector([mirror(walk)])[0].motion
    assert mean_distance_m(mirror(plain), mirrored) < 0.004


def test_broken_input_is_rejected(walk):
    corrections = PhysicsCorrector()([pose_joint(walk, 3, np.nan, 7), walk.frames(0, 1), walk])
    assert [correction.accepted for correction in corrections] == [False, False, True]
    assert corrections[0].reason == "not finite at frame 7; repair the file there"
    assert "too short" in corrections[1].reason


def test_settings_are_checked():
    with pytest.raises(ValueError, match=r"rate_hz .*-1"):
        EngineSettings(rate_hz=-1)
    with pytest.raises(ValueError, match="workers"):
        PhysicsCorrector(workers=0)([])


def test_strength_trades_closeness_for_independence(walk):
    corrections = [
        PhysicsCorrector(find_preset(strength).tracker, postprocess=())([walk])[0].diagnostics
        for strength in (0.0, 0.7, 1.0)
    ]
    help_needed = [figures["residual_force_bodyweights"] for figures in corrections]
    assert help_needed == sorted(help_needed, reverse=True)
    assert corrections[0]["moved_m"] < corrections[2]["moved_m"]
    with pytest.raises(ValueError, match=r"strength.*\[0, 1\].*2"):
        DriveSettings.at_strength(2)


@pytest.mark.slow
def test_captures_are_tracked_closely(cmu):
    """Four captured clips are tracked closely.

    Two walks, a kick, a dance. The bounds are a fifth above what was measured.
    """
    from selfcorrect.datasets.collections.cmu import load_cmu

    names = ("09_12", "10_01", "135_04", "94_06")
    clips = [clip for clip in load_cmu(cmu, "subjects=9,10,94,135") if any(name in clip.source for name in names)]
    assert len(clips) == 4
    corrections = PhysicsCorrector(find_preset(0.0).tracker, workers=2)(clips)
    assert all(correction.accepted for correction in corrections)
    distances_m = [mean_distance_m(c.motion, clip) for c, clip in zip(corrections, clips, strict=True)]
    forces = [correction.diagnostics["residual_force_bodyweights"] for correction in corrections]
    assert np.mean(distances_m) < 0.0115
    assert np.mean(forces) < 0.25


def alike(first: Motion, second: Motion) -> bool:
    """Whether two motions differ by rounding only."""
    is_near = np.allclose(first.root_m, second.root_m, atol=1e-9)
    return is_near and np.array_equal(first.rotations, second.rotations)


def assert_moved_as_one(correction: CorrectedMotion, given: Motion, frames: slice) -> None:
    """Check that frames keep their poses and move with the floor to 0."""
    moved_m = (correction.motion.root_m - given.root_m)[frames]
    np.testing.assert_allclose(moved_m, np.broadcast_to(moved_m[0] * (0.0, 1.0, 0.0), moved_m.shape), atol=1e-9)
    np.testing.assert_array_equal(correction.motion.rotations[frames], given.rotations[frames])


@pytest.mark.parametrize(
    ("corrector", "kind", "frames"),
    [
        *((KinematicCorrector(), kind, frames) for kind in ("walk", "hop", "turn") for frames in (1, 3)),
        (PhysicsCorrector(), "walk", 1),
        (PhysicsCorrector(), "hop", 3),
    ],
)
def test_opening_rig_pose_stays(corrector, kind, frames):
    """A rig pose at the origin stays.

    Exporters write it: a splice of everything, which the simulation could not follow.
    """
    motion = made_motion(kind, fps=60.0, frames=90)
    opened = motion.select_frames(np.r_[np.zeros(frames, dtype=int), :90])
    opened.root_m[:frames] *= (0.0, 1.0, 0.0)
    opened.rotations[:frames] = (0.0, 0.0, 0.0, 1.0)
    correction = corrector([opened])[0]
    alone = corrector([motion])[0]
    assert correction.accepted, correction.reason
    assert_moved_as_one(correction, opened, slice(frames))
    assert alike(correction.motion.frames(frames, len(opened)), alone.motion)
    assert correction.before == pytest.approx(alone.before)
    assert correction.after == pytest.approx(alone.after)
    assert [note.value for note in correction.notes if note.kind is NoteKind.T_POSE] == [frames]
    assert correction.forces.timeline is None or len(correction.forces.timeline) == len(opened)


@pytest.mark.parametrize("frames", [1, 3, 30])
def test_closing_rig_pose_stays(frames):
    motion = made_motion("walk", fps=60.0, frames=90)
    closed = motion.select_frames(np.r_[:90, np.full(frames, 89)])
    closed.root_m[90:] *= (0.0, 1.0, 0.0)
    closed.rotations[90:] = (0.0, 0.0, 0.0, 1.0)
    correction, alone = KinematicCorrector()([closed, motion])
    assert_moved_as_one(correction, closed, slice(90, None))
    assert alike(correction.motion.frames(0, 90), alone.motion)
    assert [note.value for note in correction.notes if note.kind is NoteKind.T_POSE_AT_END] == [frames]


@pytest.mark.parametrize("is_at_end", [False, True])
def test_blended_rig_pose_stays(is_at_end):
    """A held and blended rig pose stays.

    The pose is held for half a second, then blended linearly into a sunken walk within another half.
    """
    motion = made_motion("walk", fps=30.0, frames=120)
    motion = replace(motion, root_m=motion.root_m - np.array([0.0, 0.06, 0.0]))
    opened = motion.select_frames(np.r_[np.zeros(15, dtype=int), :120])
    share = np.clip((np.arange(135) - 14) / 15, 0.0, 1.0)[:, None, None]
    opened.root_m[:] *= 1 - (1 - share[:, 0]) * (1.0, 0.0, 1.0)
    mixed = (1 - share) * np.array([0.0, 0.0, 0.0, 1.0]) + share * opened.rotations
    opened.rotations[:] = mixed / np.linalg.norm(mixed, axis=-1, keepdims=True)
    if is_at_end:
        opened = replace(opened, root_m=opened.root_m[::-1].copy(), rotations=opened.rotations[::-1].copy())
    ends = slice(-15, None) if is_at_end else slice(15)
    (correction,) = KinematicCorrector()([opened])
    assert_moved_as_one(correction, opened, ends)
    steps_m = np.linalg.norm(np.diff(correction.motion.root_m - opened.root_m, axis=0), axis=1)
    assert steps_m.max() < 0.02  # the correction comes in smoothly
    kind = NoteKind.T_POSE_AT_END if is_at_end else NoteKind.T_POSE
    assert [note.value for note in correction.notes if note.kind is kind] == [15]


@pytest.mark.parametrize("kind", [KinematicCorrector, PhysicsCorrector])
def test_sample_batch_equals_single(walk, kind):
    """Sample batches equal single samples.

    One of a model that diverged is rejected without the others.
    """
    corrector = kind(cleanup=CleanupSettings.for_samples(), postprocess=())
    windows = [walk.frames(start, start + 12) for start in range(0, 10, 2)]
    broken = replace(windows[2], root_m=np.full_like(windows[2].root_m, np.nan))
    batch = MotionBatch.stack([*windows[:2], broken, *windows[3:]])
    corrections = [correction for some in correct_samples(corrector.pipeline, batch) for correction in some]
    assert [correction.accepted for correction in corrections] == [True, True, False, True, True]
    assert corrections[2].failure == Failure(FailureKind.NOT_FINITE, 0, joint=walk.skeleton.names[0])
    for window, together in zip([*windows[:2], *windows[3:]], [*corrections[:2], *corrections[3:]], strict=True):
        (alone,) = corrector([window])
        assert same(together.motion, alone.motion)
        assert together.forces.residual == alone.forces.residual


@settings(deadline=None)
@given(
    kinds=st.lists(st.tuples(st.integers(1, 12), st.sampled_from([30.0, 60.0]), st.booleans()), max_size=12),
    largest=st.integers(1, 4),
    together=st.integers(1, 6),
    workers=st.integers(1, 3),
)
def test_batches_partition_motions(kinds, largest, together, workers):
    """Batches partition motions by tree, rate and length.

    A task has one tree and frame rate, a batch one skeleton and length, too.
    """
    small = made_motion("idle")
    tall = replace(small, skeleton=replace(small.skeleton, offsets_m=1.1 * small.skeleton.offsets_m))
    motions = [replace((small, tall)[is_tall].frames(0, frames), fps=fps) for frames, fps, is_tall in kinds]
    tasks = make_batches(motions, largest, together, workers)
    sound = [index for index, motion in enumerate(motions) if len(motion) >= SHORTEST_FRAMES]
    assert sorted(index for task in tasks for batch in task for index in batch) == sound
    for task in tasks:
        assert sum(map(len, task)) <= min(together, ceil(len(motions) / workers))
        assert len({motions[index].fps for batch in task for index in batch}) == 1
        for batch in task:
            assert len(batch) <= largest
            MotionBatch.stack([motions[index] for index in batch])
            assert len({len(motions[index]) for index in batch}) == 1


@pytest.mark.parametrize("corrector", [KinematicCorrector(), PhysicsCorrector()])
def test_piecewise_equals_whole(walk, monkeypatch, corrector):
    there_and_back = walk.select_frames(np.abs(np.arange(100) % 76 - 38))
    releases = []
    monkeypatch.setattr(corrector_module, "release_freed_memory", lambda: releases.append(1))
    views = (lambda part, pipeline: split_into_pieces(part, pipeline, 60), *SAMPLE_VIEWS)
    motions = []
    for together, is_split in ((1000, False), (60, True)):
        monkeypatch.setattr(corrector_module, "MAX_FRAMES_TOGETHER", together)
        (correction,) = correct_through_views([there_and_back], corrector.pipeline, views=views)
        motions.append(correction.motion)
        assert (len(releases) >= 3) == is_split
    np.testing.assert_array_equal(motions[0].root_m, motions[1].root_m)
    np.testing.assert_array_equal(motions[0].rotations, motions[1].rotations)


@pytest.mark.slow
def test_progress_grows_over_pieces(walk, monkeypatch):
    def half_way(pipeline, batches):
        report_progress(0.5)
        return [[CorrectedMotion(motion) for motion in batch] for batch in batches]

    monkeypatch.setattr("selfcorrect.simulators.corrector.correct_batches", half_way)
    shares = list[float]()
    motions = [walk.select_frames(np.arange(frames) % (len(walk) - 7)) for frames in (1000, 3000, 9000)]
    with watch_progress(shares.append):
        corrections = KinematicCorrector()(motions)
    assert [len(correction.motion) for correction in corrections] == [1000, 3000, 9000]
    assert shares == sorted(shares)
    assert len(shares) > 4
    assert shares[-1] == 1.0


@pytest.mark.parametrize(
    ("after_m_s", "lost_share", "calmed", "reason"),
    [
        (0.03, 0.1, 1.0, None),
        (0.1, 0.0, 1.0, NoteKind.FEET_KEPT),
        (0.02, 0.4, 1.0, NoteKind.CONTACTS_KEPT),
        (0.02, 0.4, 0.5, None),
    ],
)
def test_worse_correction_is_dropped(
    walk: Motion, after_m_s: float, lost_share: float, calmed: float, reason: NoteKind | None
) -> None:
    moved = replace(walk, root_m=walk.root_m + np.array([0.0, 0.01, 0.0]))
    before = {"skate_m_s": 0.02, "jerk_m_s3": 100.0}
    after = {"skate_m_s": after_m_s, "jerk_m_s3": 100.0 * calmed}
    correction = CorrectedMotion(moved, before=before, after=after, figures={"lost_contacts": lost_share})
    view = MotionOnFloor(walk, MotionWorld())
    result = keep_feet_from_worsening(view, MeasuredCorrection(correction), KinematicCorrector())
    np.testing.assert_array_equal(result.motion.root_m, walk.root_m if reason else moved.root_m)
    assert [note.kind for note in result.notes] == ([reason] if reason else [])
    if reason:
        assert result.is_unchanged
        assert result.after == result.before


def test_short_take_rejects_nothing(walk):
    """A short take at the end rejects nothing.

    The take is a moment left by the cut.
    """
    root_m = np.concatenate([walk.root_m, walk.root_m[:3] + np.array([3.0, 0.0, 2.0])])
    rotations = np.concatenate([walk.rotations, walk.rotations[:3]])
    (correction,) = KinematicCorrector()([replace(walk, root_m=root_m, rotations=rotations)])
    assert correction.accepted, correction.reason


@pytest.mark.slow
def test_cores_change_no_sample(walk: Motion, engine: str, monkeypatch):
    """Also those beside a sample that is not finite."""
    monkeypatch.setattr(corrector_module, "MIN_SAMPLES", 1)
    samples = [walk.frames(start, start + 12) for start in range(7)]
    samples[2] = replace(samples[2], root_m=samples[2].root_m * np.nan)
    batch = MotionBatch.stack(samples)
    runs = []
    for cores in (1, 2, 3):
        with limit_threads(cores):
            groups = list(correct_samples(find_preset("simulated", engine), batch))
        assert len(groups) == cores
        runs.append([correction for group in groups for correction in group])
    for corrections in runs[1:]:
        for expected, correction in zip(runs[0], corrections, strict=True):
            assert correction.motion.root_m.tobytes() == expected.motion.root_m.tobytes()
            assert correction.motion.rotations.tobytes() == expected.motion.rotations.tobytes()
            assert correction.failure == expected.failure
            assert correction.forces.residual == expected.forces.residual
