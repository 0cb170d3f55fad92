"""Motions are compared in one stance on one ground.

The stance is the motion's: lifting a foot cures nothing.
"""

from dataclasses import replace

import numpy as np
import pytest
from made_motions import KINDS, Kind, made_motion
from scipy.spatial.transform import Rotation
from turned_joints import bend_leg, turn_joint

from selfcorrect.commands.correct.demonstration import walk as captured_walk
from selfcorrect.commands.correct.describe import describe_correction
from selfcorrect.commands.correct.file_result import FileResult
from selfcorrect.commands.correct.options import CorrectionOptions
from selfcorrect.motion.editing.transforms import raise_motion
from selfcorrect.motion.measures.physical import ERRORS, is_worse
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import SIDES
from selfcorrect.simulators.corrector import KinematicCorrector
from selfcorrect.simulators.results.comparison import MotionComparison, measure_correction
from selfcorrect.simulators.results.motion_world import FloorDecision, MotionWorld
from selfcorrect.simulators.results.results import CorrectedMotion, Forces
from selfcorrect.simulators.results.timeline import Timeline
from selfcorrect.simulators.world import MotionOnFloor

UP = np.array([0.0, 1.0, 0.0])


def slide_body(motion: Motion, speed_m_s: float) -> Motion:
    """Swing the motion over the floor at up to this speed."""
    times_s = np.arange(len(motion))[:, None] / motion.fps
    return replace(motion, root_m=motion.root_m + speed_m_s / np.pi * np.sin(np.pi * times_s) * [1.0, 0.0, 0.0])


def bouncing_walk() -> Motion:
    """Return a bouncing walk with sliding feet.

    The body bounces by 76 mm into the floor, and the feet slide at 1.5 m/s.
    """
    walk = made_motion("walk", frames=180)
    times_s = np.arange(len(walk)) / walk.fps
    slides = replace(walk, root_m=walk.root_m + 1.5 * times_s[:, None] * [1.0, 0.0, 0.0])
    return raise_motion(slides, -0.038 * (1 - np.cos(2 * np.pi * times_s / 0.8)))


def compare(before: Motion, after: Motion) -> MotionComparison:
    return MotionComparison.from_correction(before, CorrectedMotion(after))


def find_lost_contacts(before: Motion, after: Motion) -> tuple[float, float]:
    return compare(before, after).lost_contacts


def test_lifting_feet_gains_nothing() -> None:
    clean = made_motion("idle", frames=120)
    slides = slide_body(clean, 0.3)
    before, lifted = compare(slides, raise_motion(slides, 0.02)).errors
    _, stopped = compare(slides, clean).errors
    assert lifted["skate_m_s"] == pytest.approx(before["skate_m_s"], rel=1e-6)
    assert lifted["floating_m"] == pytest.approx(before["floating_m"] + 0.02, abs=0.005)
    assert stopped["skate_m_s"] < 0.1 * before["skate_m_s"]
    assert stopped["floating_m"] == before["floating_m"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("height_m", [-0.04, 0.0, 0.02, 0.3])
def test_unmoved_motion_gains_nothing(kind: Kind, height_m: float) -> None:
    motion = raise_motion(made_motion(kind, frames=120), height_m)
    correction = measure_correction(motion, CorrectedMotion(motion))
    assert correction.before == correction.after
    assert correction.is_unchanged
    assert not measure_correction(motion, CorrectedMotion(raise_motion(motion, 0.002))).is_unchanged


@pytest.mark.parametrize("moved_m", [-0.06, -0.02, 0.02, 0.06])
def test_heights_follow_feet(moved_m: float) -> None:
    """Penetration or floating equals the height moved.

    The ground is one, and the body stands.
    """
    motion = made_motion("idle", frames=120)
    before, after = compare(motion, raise_motion(motion, moved_m)).errors
    assert after["penetration_m"] - before["penetration_m"] == pytest.approx(max(-moved_m, 0.0), abs=0.005)
    assert after["floating_m"] - before["floating_m"] == pytest.approx(max(moved_m, 0.0), abs=0.005)


@pytest.mark.parametrize("kind", KINDS)
def test_small_floor_move_changes_nothing(kind: Kind) -> None:
    """Soles explain small moves of the floor only.

    Soles explain at most the distance by which the floor was moved.
    """
    motion = made_motion(kind, frames=120)
    after = motion
    for side in SIDES:
        after = turn_joint(after, f"{side}_ankle", Rotation.from_rotvec([0.15, 0.0, 0.0]))
    figures = [
        MotionComparison.from_correction(motion, CorrectedMotion(after, floor=FloorDecision(moved_m=floor_m))).errors
        for floor_m in (0.0, 1e-5, -1e-5)
    ]
    for errors in figures[1:]:
        for seen, expected in zip(errors, figures[0], strict=True):
            assert seen == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("moved_m", [0.01, -0.02, -0.03])
def test_lowered_body_stands(moved_m: float) -> None:
    motion = made_motion("idle", frames=120)
    (on_floor,) = KinematicCorrector()([motion])
    off_floor = raise_motion(on_floor.motion, moved_m)
    (correction,) = KinematicCorrector()([off_floor])
    assert correction.floor.moved_m == pytest.approx(moved_m, abs=0.001)
    assert correction.after["penetration_m"] < 0.003
    assert correction.after["floating_m"] < 0.003


@pytest.mark.parametrize("height_m", [0.06, 0.3])
def test_lowered_motion_is_not_worse(height_m: float) -> None:
    """Feet slide on the floor as in the air."""
    slides = slide_body(made_motion("idle", frames=120), 0.05)
    before, after = compare(raise_motion(slides, height_m), slides).errors
    assert before["skate_m_s"] > 0.01
    assert not any(is_worse(figure, before, after) for figure in ERRORS)


def test_hanging_feet_bear_nothing() -> None:
    clean = made_motion("idle", frames=120)
    lifted = bend_leg(clean, "left", 0.06, slice(60, None))
    parts = ("left foot", "right foot")
    timeline = Timeline(clean.fps, np.zeros(120), np.zeros(120), parts, np.full((120, 2), 0.5))
    correction = measure_correction(clean, CorrectedMotion(lifted, forces=Forces(timeline=timeline)))
    assert correction.forces.timeline is not None
    loads = correction.forces.timeline.loads_bodyweights
    assert (loads[:58] == 0.5).all()
    assert not loads[62:, 0].any()
    assert (loads[:, 1] == 0.5).all()


def test_lifted_walk_loses_contacts() -> None:
    bouncing = bouncing_walk()
    lifted = raise_motion(bouncing, 0.085)
    correction = measure_correction(bouncing, CorrectedMotion(lifted))
    assert correction.figures["lost_contacts"] > 0.5
    assert 0.03 < correction.figures["lost_contacts_height_m"] < 0.09
    result = describe_correction(FileResult("a", "a", "failed"), (), bouncing, correction, CorrectionOptions())
    assert any("contacts lost: feet float" in words for words in result.worse)
    assert result.figures.ground.lost_contacts == correction.figures["lost_contacts"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sunk_m", [0.0, 0.02, 0.05, 0.1])
def test_lowered_body_keeps_contacts(kind: Kind, sunk_m: float) -> None:
    """Lowered bodies fall in flight.

    This holds for one that runs or hops, too.
    """
    clean = made_motion(kind, fps=60.0, frames=240)
    assert find_lost_contacts(raise_motion(clean, -sunk_m), clean)[0] == 0.0


@pytest.mark.parametrize("height_m", [0.06, 0.17, 0.6])
def test_landing_body_loses_no_contacts(height_m: float) -> None:
    clean = made_motion("walk", frames=120)
    raised = raise_motion(clean, height_m)
    assert find_lost_contacts(raised, clean)[0] == 0.0
    assert find_lost_contacts(raised, raised)[0] == 0.0


@pytest.mark.parametrize("height_m", [0.04, 0.08])
def test_hanging_foot_is_counted(height_m: float) -> None:
    """A hanging foot is counted beside a standing one.

    The standing foot carries the body, so the body does not float.
    """
    clean = made_motion("idle", frames=120)
    lost_share, lost_height_m = find_lost_contacts(clean, bend_leg(clean, "left", height_m, slice(60, None)))
    assert lost_share == pytest.approx(0.25, abs=0.1)
    assert lost_height_m == pytest.approx(height_m, abs=0.02)


def test_belt_feet_stand() -> None:
    """Corrections may keep a belt or restore travel.

    A walk on the spot slides in the world.
    """
    walk = captured_walk()
    belt_m = (walk.root_m[-1] - walk.root_m[0]) * [1.0, 0.0, 1.0] * np.linspace(0.0, 1.0, len(walk))[:, None]
    on_the_spot = replace(walk, root_m=walk.root_m - belt_m)
    _, expected = compare(walk, walk).errors
    for corrected in (on_the_spot, walk):
        before, after = compare(on_the_spot, corrected).errors
        assert before["skate_m_s"] == pytest.approx(expected["skate_m_s"], abs=0.05)
        assert after["skate_m_s"] == pytest.approx(expected["skate_m_s"], abs=0.05)


@pytest.mark.parametrize("height_m", [0.03, 0.045, 0.06])
def test_feet_are_judged_on_their_ground(height_m: float) -> None:
    """Feet are judged on their own ground.

    Who keeps a height that soles hardly explain floats no more than somebody at zero, and loses nothing.
    """
    motion = raise_motion(made_motion("walk"), height_m)
    kept = MotionOnFloor(motion, MotionWorld()).restore(CorrectedMotion(motion))
    comparison = MotionComparison.from_correction(motion, kept)
    before, after = comparison.errors
    assert max(before["floating_m"], after["floating_m"]) < 0.012
    assert comparison.lost_contacts == (0.0, 0.0)


@pytest.mark.parametrize(("shake_m", "is_clear"), [(0.0, False), (1e-5, False), (0.01, True)])
def test_gain_in_two_seconds_is_clear(shake_m: float, *, is_clear: bool) -> None:
    """Half a second of shaking counts in its window.

    In twenty it hardly changes the mean over all.
    """
    still = made_motion("idle", frames=600)
    root_m = still.root_m.copy()
    root_m[300:315] += shake_m * np.random.default_rng(0).standard_normal((15, 3))
    comparison = MotionComparison.from_correction(replace(still, root_m=root_m), CorrectedMotion(still))
    assert (comparison.clear_gains["jerk_m_s3"] >= 1.0) == is_clear
    worse = MotionComparison.from_correction(still, CorrectedMotion(replace(still, root_m=root_m)))
    assert worse.clear_gains["jerk_m_s3"] < 1.0


@pytest.mark.parametrize(("calmed_count", "is_clear"), [(1, False), (10, True)])
def test_small_whole_gain_is_clear(calmed_count: int, *, is_clear: bool) -> None:
    """A fifth less shaking counts.

    The shaking goes in the whole motion, or in a tenth of it, as in a second correction.
    """
    still = made_motion("idle", frames=600)
    shake_m = np.zeros_like(still.root_m)
    rng = np.random.default_rng(0)
    for start in range(30, 600, 60):
        shake_m[start : start + 15] = 0.01 * rng.standard_normal((15, 3))
    calmed_m = shake_m.copy()
    calmed_m[: 60 * calmed_count] *= 0.8
    shaken, calmed = (replace(still, root_m=still.root_m + shift_m) for shift_m in (shake_m, calmed_m))
    comparison = MotionComparison.from_correction(shaken, CorrectedMotion(calmed))
    assert (comparison.clear_gains["jerk_m_s3"] >= 1.0) == is_clear


def test_corrections_share_ground() -> None:
    """Two corrections share one ground.

    Of a sunk body, the one that stays in the floor penetrates the ground of the other.
    """
    sunk = raise_motion(made_motion("walk", frames=90), -0.03)
    comparison = MotionComparison.from_correction(sunk, CorrectedMotion(raise_motion(sunk, 0.03)))
    same = comparison.measure_other(comparison.after.given)
    assert same.errors == comparison.measures_after.errors
    assert comparison.measure_other(sunk).penetration_m > same.penetration_m + 0.02
