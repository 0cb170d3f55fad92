"""Without a clear gain, motions stay.

Stretches that cannot be corrected are kept, and all around is corrected.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_motions import made_motion

from selfcorrect.motion.editing.transforms import raise_motion
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.choose import (
    KeptStretch,
    fade_where_feet_slide,
    keep_failed_stretch,
    keep_feet_from_worsening,
    measure_on_floor,
)
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector
from selfcorrect.simulators.results.motion_world import MotionWorld
from selfcorrect.simulators.results.results import CorrectedMotion, Failure, FailureKind, NoteKind, Stage
from selfcorrect.simulators.results.view import Part
from selfcorrect.simulators.settings.tracker import AcceptanceSettings, TrackerSettings
from selfcorrect.simulators.world import MotionOnFloor

WALK = made_motion("walk", frames=240)
UP = np.array([0.0, 1.0, 0.0])


def move(motion: Motion, raised_m: float, sideways_m: float = 0.1) -> CorrectedMotion:
    root_m = motion.root_m + np.array([sideways_m, raised_m, 0.0])
    return CorrectedMotion(replace(motion, root_m=root_m), before={"jerk_m_s3": 2.0}, after={"jerk_m_s3": 1.0})


@settings(max_examples=40, deadline=None)
@given(first=st.integers(0, 239), frames=st.integers(10, 90), raised_m=st.floats(-1.0, 1.0))
def test_kept_stretch_is_smooth(first: int, frames: int, raised_m: float) -> None:
    last = min(first + frames, len(WALK)) - 1
    stretch = KeptStretch.from_failure(WALK, Failure(FailureKind.FLOATING, first, last))
    assert stretch is not None
    corrected = stretch.restore([move(WALK.frames(*span), raised_m) for span in stretch.spans])
    assert corrected is not None
    change_m = corrected.motion.root_m - WALK.root_m - raised_m * UP
    (note,) = corrected.notes
    ((kept_first, kept_last),) = note.stretches
    assert note.kind is NoteKind.STRETCH_KEPT
    assert kept_first >= first or first < 30 or first > len(WALK) - 30
    assert kept_last <= last or last < 30 or last >= len(WALK) - 30
    outside = np.r_[:kept_first, kept_last + 1 : len(WALK)]
    np.testing.assert_allclose(change_m[outside, 0], 0.1, atol=1e-12)
    assert np.abs(np.diff(change_m[:, 0])).max() < 0.05
    kept = slice(kept_first, kept_last + 1)
    np.testing.assert_allclose(corrected.motion.rotations[kept], WALK.rotations[kept], atol=1e-12)
    assert corrected.before == {"jerk_m_s3": 2.0}


@pytest.mark.parametrize(
    "failure",
    [
        None,
        Failure(FailureKind.NOT_FINITE, 100),
        Failure(FailureKind.OFF, 100),
        Failure(FailureKind.FLOATING, 20, 170),
        Failure(FailureKind.LOST),
    ],
    ids=["none", "not finite", "off", "most of it", "unknown place"],
)
def test_other_failures_reject(failure: Failure | None) -> None:
    assert KeptStretch.from_failure(WALK, failure) is None


def test_failed_parts_are_kept() -> None:
    halves = KeptStretch.from_failure(WALK, Failure(FailureKind.LOST, 120))
    assert halves is not None
    before, after = (WALK.frames(*span) for span in halves.spans)
    assert halves.restore([move(before, 0.0), move(after, 0.05)]) is not None
    assert halves.restore([move(before, 0.0), move(after, 0.5)]) is None
    assert halves.restore([move(before, 0.0), CorrectedMotion(after, Failure(FailureKind.LOST, 3))]) is None
    stretch = KeptStretch.from_failure(WALK, Failure(FailureKind.LOST, 60))
    assert stretch is not None
    before, after = (WALK.frames(*span) for span in stretch.spans)
    for correction in (move(before, 2.0), CorrectedMotion(before, Failure(FailureKind.LOST, 3))):
        restored = stretch.restore([correction, move(after, 0.0)])
        assert restored is not None
        assert restored.notes[0].frames[0] == 0
        np.testing.assert_array_equal(restored.motion.root_m[:50], WALK.root_m[:50])
        np.testing.assert_allclose(restored.motion.root_m[-50:], move(after, 0.0).motion.root_m[-50:])


@pytest.mark.parametrize(("first", "frames"), [(100, 65), (70, 55), (5, 60), (190, 50)])
def test_untrackable_motion_is_kept(first: int, frames: int) -> None:
    """Flying bodies are lost or put on the floor.

    One is lost where it takes off and lands; one that flies all the time is put down.
    """
    is_flying = (np.arange(len(WALK)) >= first) & (np.arange(len(WALK)) < first + frames)
    numbered = replace(WALK, root_m=WALK.root_m + np.arange(len(WALK))[:, None] * [1.0, 0.0, 0.0])

    def correct(parts: Sequence[Part]) -> list[CorrectedMotion]:
        corrections = []
        for motion in (part.motion for part in parts):
            flies = is_flying[np.round(motion.root_m[:, 0] - WALK.root_m[:, 0].mean()).astype(int)]
            changes = np.flatnonzero(np.diff(flies))
            failure = Failure(FailureKind.LOST, int(changes[0])) if 12 < flies.sum() < len(flies) - 12 else None
            correction = move(motion, -2.0 if flies.mean() > 0.5 else 0.0)
            corrections.append(replace(correction, motion=motion, failure=failure) if failure else correction)
        return corrections

    (failed,) = correct([Part(numbered)])
    kept = keep_failed_stretch(Part(numbered), failed, correct)
    assert kept.accepted
    is_kept = np.zeros(len(WALK), dtype=bool)
    for kept_first, kept_last in kept.changes.kept_stretches:
        is_kept[kept_first : kept_last + 1] = True
    assert is_kept[is_flying].mean() > 0.9
    assert is_kept[~is_flying].sum() < 60
    moved_m = np.abs(kept.motion.root_m - numbered.root_m)
    np.testing.assert_allclose(moved_m[~is_kept, 0], 0.1)
    assert moved_m[:, 1].max() < 1e-6


def test_correction_fades_at_slides() -> None:
    standing = made_motion("idle", frames=120)
    shift_m = np.full(120, 0.02)
    assert fade_where_feet_slide(standing, replace(standing, root_m=standing.root_m + 0.02)) is None
    shift_m[60:63] += [0.05, 0.1, 0.05]
    corrected = replace(standing, root_m=standing.root_m + shift_m[:, None] * [1.0, 0.0, 0.0])
    faded = fade_where_feet_slide(standing, corrected)
    assert faded is not None
    motion, ((first, last),) = faded
    assert first in range(50, 60)
    assert last in range(63, 73)
    np.testing.assert_allclose(motion.root_m[first : last + 1], standing.root_m[first : last + 1])
    outside = np.r_[: first - 10, last + 11 : 120]
    np.testing.assert_allclose(motion.root_m[outside], corrected.root_m[outside])
    assert np.abs(np.diff(motion.root_m[:, 0] - standing.root_m[:, 0])).max() < 0.004
    jumping = replace(standing, root_m=standing.root_m + 0.1 * (np.arange(120) % 8 == 0)[:, None])
    assert fade_where_feet_slide(standing, jumping) is None


@pytest.mark.slow
@pytest.mark.parametrize(("height_m", "left_m"), [(0.1, 0.0), (0.3, 0.3), (1.5, 1.5)])
def test_lifted_stretch_is_bounded(height_m: float, left_m: float) -> None:
    """It comes down, unless it may be somewhere else."""
    frames = np.arange(len(WALK))
    lifted_m = height_m * np.clip(np.minimum(frames - 100, 140 - frames) / 3, 0.0, 1.0)
    lifted = replace(WALK, root_m=WALK.root_m + (lifted_m - 0.03)[:, None] * UP)
    (correction,) = PhysicsCorrector()([lifted])
    assert correction.accepted
    rises_m = (correction.motion.root_m - WALK.root_m)[:, 1]
    assert np.abs(np.delete(rises_m, np.s_[90:160])).max() < 0.02
    assert rises_m[120] == pytest.approx(left_m, abs=0.02)


def test_diverged_simulation_falls_back() -> None:
    """Diverged simulations fall back to the plan.

    Raw states are rejected; what else is followed has a note.
    """
    walk = made_motion("walk", frames=40)
    never = TrackerSettings(acceptance=AcceptanceSettings(lost_body_m=1e-9))
    (followed,) = PhysicsCorrector(never)([walk])
    assert followed.accepted
    assert NoteKind.NOT_FOLLOWED in {note.kind for note in followed.notes}
    (rejected,) = PhysicsCorrector(never, postprocess=())([walk])
    assert rejected.failure is not None
    assert rejected.failure.kind is FailureKind.OFF


@pytest.mark.parametrize("pace", [1.0, 1.19])
def test_gainless_motion_is_kept(pace: float) -> None:
    """Second corrections of a run gain nothing.

    That of a shaken run does.
    """
    run = made_motion("run", pace, frames=90)
    shake_m = 0.01 * np.random.default_rng(0).standard_normal(run.root_m.shape)
    first, calmed = KinematicCorrector()([run, replace(run, root_m=run.root_m + shake_m)])
    (second,) = KinematicCorrector()([first.motion])
    assert second.is_unchanged
    np.testing.assert_allclose(second.motion.root_m, first.motion.root_m, atol=1e-6)
    assert calmed.figures["clear_gain"] > 1.0
    assert not calmed.is_unchanged


@pytest.mark.parametrize(("raised_m", "is_better"), [(0.02, True), (0.04, False)])
def test_equal_float_is_no_gain(raised_m: float, *, is_better: bool) -> None:
    sunk = raise_motion(made_motion("walk", frames=90), -0.02)
    view = MotionOnFloor(sunk, MotionWorld())
    candidate = measure_on_floor(view, CorrectedMotion(raise_motion(sunk, raised_m), stage=Stage.CLEANED))
    assert candidate.correction.after["penetration_m"] < candidate.correction.before["penetration_m"]
    chosen = keep_feet_from_worsening(view, candidate, KinematicCorrector())
    assert chosen.is_unchanged != is_better


def test_plans_alone_move_nothing() -> None:
    """Without a simulation, forces are reported, and the motion is that of the clean-up.

    Hips that sway by a centimetre four times a second demand more than contacts give.
    """
    stand = made_motion("idle", frames=90)
    sway_m = 0.01 * np.sin(2 * np.pi * 4.0 * np.arange(len(stand)) / stand.fps)
    swaying = replace(stand, root_m=stand.root_m + np.outer(sway_m, [1.0, 0.0, 0.0]))
    corrector = PhysicsCorrector(simulate="auto")
    planned = corrector([stand, swaying])
    for motion, planned_correction in zip((stand, swaying), planned, strict=True):
        (cleaned,) = KinematicCorrector()([motion])
        assert planned_correction.forces.residual["simulated_share"] == 0.0
        np.testing.assert_array_equal(planned_correction.motion.root_m, cleaned.motion.root_m)
        np.testing.assert_array_equal(planned_correction.motion.rotations, cleaned.motion.rotations)
    unexplained = [correction.forces.residual["unexplained_force_bodyweights"] for correction in planned]
    assert unexplained[1] > unexplained[0]
