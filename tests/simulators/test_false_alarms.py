"""Lookalikes of faults raise no alarm.

Rises look tilted, sways like flights, jumps as on treadmills.
"""

from dataclasses import replace

import numpy as np
import pytest
from ground_motions import repeat_walk
from made_jumps import STYLES, Style, jumps
from made_motions import Kind, made_motion, wander
from scipy.ndimage import gaussian_filter1d

import selfcorrect as sc
from selfcorrect.motion.checks.check import check
from selfcorrect.motion.geometry.vectors import UP
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.choose import keep_feet_from_worsening
from selfcorrect.simulators.results.comparison import MeasuredCorrection
from selfcorrect.simulators.results.motion_world import MotionWorld
from selfcorrect.simulators.results.results import Beliefs, CorrectedMotion, Forces, MotionChanges, Note, NoteKind
from selfcorrect.simulators.world import MotionOnFloor


def find_kinds(correction: CorrectedMotion) -> set[NoteKind]:
    return {note.kind for note in correction.notes}


def rise(motion: Motion, rise_m: float) -> Motion:
    return replace(motion, root_m=motion.root_m + np.linspace(0.0, rise_m, len(motion))[:, None] * UP)


def wander_up_and_down(motion: Motion, seed: int, smoothed_s: float) -> Motion:
    """Let the height wander by 10 cm."""
    random = np.random.default_rng(seed).normal(size=len(motion))
    path_m = gaussian_filter1d(random, smoothed_s * motion.fps)
    return replace(motion, root_m=motion.root_m + (0.1 * path_m / path_m.std())[:, None] * UP)


@pytest.mark.parametrize("kind", ["walk", "turn", "idle"])
@pytest.mark.parametrize("rise_m", [-1.0, -0.7, 0.7, 1.0])
def test_a_body_that_rises_or_sinks_upright_stands_on_no_tilted_floor(kind: Kind, rise_m: float) -> None:
    risen = rise(made_motion(kind, frames=240), rise_m)
    assert not check(risen, ["F6"])
    assert check(risen, ["F4"])


@pytest.mark.parametrize("rise_m", [-0.9, -0.65, 0.65, 0.9])
def test_who_stands_on_ground_that_rises_is_named_and_level_on_request(rise_m: float) -> None:
    """Rising is treated as sinking; no loop closes."""
    true = made_motion("idle", frames=240)
    correction = sc.correct(rise(true, rise_m), kinematic=True)
    (note,) = [note for note in correction.notes if note.kind is NoteKind.RISES]
    assert note.value == pytest.approx(rise_m, abs=0.02)
    assert not correction.beliefs.loops_s
    assert NoteKind.LOOP not in find_kinds(correction)
    level = sc.correct(rise(true, rise_m), kinematic=True, level=True)
    assert np.abs(joint_positions(level.motion) - joint_positions(true)).max() < 0.02


@pytest.mark.parametrize(("seed", "smoothed_s"), [(3, 0.2), (9, 0.3), (13, 0.2), (15, 0.3), (35, 0.2)])
def test_bodies_that_wander_up_and_down_do_not_fly(walk: Motion, seed: int, smoothed_s: float) -> None:
    """Parabolas without a push are no flights.

    No legs push off, and feet stay in their place.
    """
    for motion in (made_motion("idle", frames=150), repeat_walk(walk, 4)):
        assert not check(wander_up_and_down(motion, seed, smoothed_s), ["P1"])


@pytest.mark.parametrize("fps", [30.0, 60.0])
def test_jumps_that_are_played_too_fast_are_found(fps: float) -> None:
    motion = jumps("straight", 0.4, fps=fps)
    assert not check(motion, ["P1"])
    (finding,) = check(replace(motion, fps=1.4 * fps), ["P1"])
    assert finding.value == pytest.approx(0.4, abs=0.1)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("height_m", [0.1, 0.3])
@pytest.mark.parametrize("is_spoiled", [False, True])
def test_jumps_on_the_spot_are_on_no_treadmill_and_no_skates(style: Style, height_m: float, is_spoiled: bool) -> None:
    motion = jumps(style, height_m)
    correction = sc.correct(wander(motion, 3) if is_spoiled else motion, kinematic=True)
    assert not find_kinds(correction) & {NoteKind.IN_PLACE, NoteKind.FEET_GLIDE, NoteKind.DRIFT_KEPT}


def test_a_correction_that_is_dropped_says_nothing_of_its_changes() -> None:
    motion = made_motion("walk")
    view = MotionOnFloor(motion, MotionWorld())
    sliding = CorrectedMotion(
        motion,
        before={"skate_m_s": 0.0},
        after={"skate_m_s": 1.0},
        remarks=(Note(NoteKind.IN_PLACE, 1.0),),
        changes=MotionChanges(removed_glide_m_s=0.1, kept_stretches=((3, 9),)),
        forces=Forces(is_simulation_dropped=True),
        beliefs=Beliefs(is_carried=True),
    )
    kept = keep_feet_from_worsening(view, MeasuredCorrection(sliding), lambda parts: [sliding for _ in parts])
    assert kept.is_unchanged
    assert find_kinds(kept) == {NoteKind.IN_PLACE, NoteKind.FEET_KEPT}
    assert kept.beliefs.is_carried, "whatever carries the body does so in the given motion, too"


def test_swings_that_are_removed_beside_a_drift_that_stays_are_named_so() -> None:
    motion = made_motion("walk", frames=240)
    times_s = np.arange(len(motion)) / motion.fps
    path_m = np.stack([0.6 * times_s + 0.25 * np.sin(2.5 * times_s), 0 * times_s, 0 * times_s], axis=1)
    correction = sc.correct(replace(motion, root_m=motion.root_m + path_m), kinematic=True)
    assert NoteKind.DRIFT_KEPT in find_kinds(correction)
    assert {move.repair.name for move in correction.changes.large_moves} <= {"SWING"}
