"""The root travels as the animator made it.

Motions are in place, loops or takes, or have feet that slide.
"""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from made_motions import made_motion, remove_travel, resample_smoothly
from scipy.spatial.transform import Rotation
from turned_joints import turn_joint

import selfcorrect as sc
from selfcorrect.datasets.collections.cmu import list_cmu_clips
from selfcorrect.motion.editing.loops import is_loop
from selfcorrect.motion.editing.transforms import canonicalise, close_cycle, heading_rad, repeat_cycle, turn
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.clean import CleanupSettings, JoinSplices, StabilizeFloor
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector
from selfcorrect.simulators.hypotheses.segments import Segment
from selfcorrect.simulators.hypotheses.views.lost_path import restore_lost_path
from selfcorrect.simulators.results.results import CorrectedMotion, CorrectMotions, Failure, FailureKind, NoteKind

KINEMATIC = KinematicCorrector()
SIMULATED = PhysicsCorrector()
BOTH = pytest.mark.parametrize("correct", [KINEMATIC, SIMULATED], ids=["kinematic", "simulated"])


@pytest.fixture(scope="module")
def cycles(clips: dict[str, Motion]) -> dict[str, Motion]:
    """Return a closed walk and run cycle."""
    return {label: close_cycle(clips[label]) for label in ("walk", "run")}


def correct_motion(correct: CorrectMotions, motion: Motion) -> CorrectedMotion:
    (correction,) = correct([motion])
    assert correction.accepted, correction.reason
    return correction


def measure_change(before: Motion, after: Motion) -> tuple[float, float]:
    """Return changes of net travel (m) and rotation (rad)."""
    ways_m = [motion.root_m[-1] - motion.root_m[0] for motion in (before, after)]
    turns_rad = [np.subtract(*heading_rad(motion.rotations[[-1, 0], 0])) for motion in (before, after)]
    turned_rad = (turns_rad[1] - turns_rad[0] + np.pi) % (2 * np.pi) - np.pi
    return float(np.linalg.norm((ways_m[1] - ways_m[0])[[0, 2]])), abs(float(turned_rad))


def gap_m(motion: Motion) -> float:
    """Return the gap between first and last joints over the same position."""
    first_m, last_m = joint_positions(motion)[[0, -1]]
    return float(np.linalg.norm(last_m - first_m - (motion.root_m[-1] - motion.root_m[0]) * (1, 0, 1), axis=-1).max())


def seam(motion: Motion) -> float:
    """Return the seam's change of velocity, relative to the largest between frames."""
    steps_m = np.diff(joint_positions(motion), axis=0)
    changes_m = np.linalg.norm(np.diff(steps_m, axis=0), axis=-1)
    return float(np.linalg.norm(steps_m[0] - steps_m[-1], axis=-1).max() / changes_m.max())


def kinds(correction: CorrectedMotion) -> list[NoteKind]:
    return [note.kind for note in correction.notes]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("correct", "fps", "place"),
    [
        *((KINEMATIC, fps, place) for fps in (15.0, 30.0, 60.0, 120.0) for place in ("travelling", "in place")),
        (SIMULATED, 30.0, "in place"),
        (SIMULATED, 60.0, "travelling"),
    ],
)
def test_loops_close_as_they_did(cycles: dict[str, Motion], correct: CorrectMotions, fps: float, place: str) -> None:
    walk = cycles["walk"]
    loop = (
        close_cycle(resample_smoothly(walk, fps)) if fps >= walk.fps else walk.select_frames(np.arange(0, len(walk), 2))
    )
    loop = replace(loop, fps=fps)
    loop = remove_travel(loop) if place == "in place" else loop
    correction = correct_motion(correct, loop)
    assert is_loop(correction.motion)
    assert gap_m(correction.motion) < gap_m(loop) + 1e-3
    assert max(measure_change(loop, correction.motion)) < 1e-3
    assert seam(correction.motion) < max(1.1, 1.1 * seam(loop))
    assert NoteKind.LOOP in kinds(correction)


@BOTH
def test_a_loop_that_turns_closes(cycles: dict[str, Motion], correct: CorrectMotions) -> None:
    walk = cycles["walk"]
    share = np.linspace(0, 0.5, len(cycles["walk"]))
    frames = [turn(canonicalise(walk.frames(index, index + 1)), turn_rad) for index, turn_rad in enumerate(share)]
    headings_rad = heading_rad(walk.rotations[:, 0])
    frames = [
        turn(frame, heading_rad - headings_rad[0]) for frame, heading_rad in zip(frames, headings_rad, strict=True)
    ]
    circling = replace(remove_travel(walk), rotations=np.concatenate([frame.rotations for frame in frames]))
    assert is_loop(circling)
    motion = correct_motion(correct, circling).motion
    assert is_loop(motion)
    assert max(measure_change(circling, motion)) < 0.01


def test_loops_open_without_care(cycles: dict[str, Motion]) -> None:
    careless = KinematicCorrector(CleanupSettings(close_loops=False))
    assert gap_m(correct_motion(careless, cycles["walk"]).motion) > 2e-3


@pytest.mark.parametrize(
    ("correct", "label", "fps"),
    [
        *((KINEMATIC, label, fps) for label in ("walk", "run") for fps in (30.0, 60.0)),
        (SIMULATED, "walk", 30.0),
        (SIMULATED, "run", 30.0),
    ],
)
def test_walk_in_place_has_treadmill(
    cycles: dict[str, Motion], correct: CorrectMotions, label: str, fps: float
) -> None:
    row = resample_smoothly(repeat_cycle(cycles[label], 4), fps)
    row = row.frames(0, len(row) - 3)  # no loop
    treadmill = remove_travel(row)
    speed_m_s = np.linalg.norm((row.root_m[-1] - row.root_m[0])[[0, 2]]) / row.seconds
    on_treadmill = correct_motion(correct, treadmill)
    on_floor = correct_motion(correct, row)
    assert max(measure_change(treadmill, on_treadmill.motion)) < 0.012
    assert np.abs(on_treadmill.motion.root_m - treadmill.root_m)[:, [0, 2]].max() < 0.05
    (note,) = [note for note in on_treadmill.notes if note.kind is NoteKind.IN_PLACE]
    assert note.value == pytest.approx(speed_m_s, rel=0.15)
    if label == "walk":
        assert on_treadmill.before["skate_m_s"] < 0.3
        belt_error_m_s = 0.05 * speed_m_s  # of the belt, whose speed is estimated
        assert on_treadmill.after["skate_m_s"] < 1.2 * on_floor.after["skate_m_s"] + belt_error_m_s


@pytest.mark.parametrize("label", ["walk", "dance_b", "jump", "spinkick", "crawl", "kick"])
def test_travel_is_not_in_place(clips: dict[str, Motion], label: str) -> None:
    assert NoteKind.IN_PLACE not in kinds(correct_motion(KINEMATIC, clips[label]))


@pytest.mark.parametrize("count", [1, 4])
def test_walk_in_place_travels_on_request(cycles: dict[str, Motion], count: int) -> None:
    row = repeat_cycle(cycles["walk"], count)
    corrector = KinematicCorrector(CleanupSettings().with_steps(StabilizeFloor(remove=True)))
    motion = correct_motion(corrector, remove_travel(row)).motion
    assert measure_change(remove_travel(row), motion)[0] > 0.75 * count
    assert measure_change(row, motion)[0] < 0.25 * np.linalg.norm(row.root_m[-1] - row.root_m[0])
    assert is_loop(motion)


@pytest.mark.parametrize(("correct", "share"), [(KINEMATIC, 0.3), (KINEMATIC, 0.7), (KINEMATIC, 1.5), (SIMULATED, 0.7)])
def test_sliding_body_ends_in_place(cycles: dict[str, Motion], correct: CorrectMotions, share: float) -> None:
    row = repeat_cycle(cycles["walk"], 3)
    pushing = replace(row, root_m=row.root_m * (share, 1.0, share))
    displaced_m, turned_rad = measure_change(pushing, correct_motion(correct, pushing).motion)
    assert displaced_m < 0.05
    assert turned_rad < np.radians(2.0)


@pytest.mark.parametrize("share", [0.3, 0.5, 1.6, 2.0])
def test_sliding_feet_are_no_belt(share: float) -> None:
    """A body that outruns its steps is no belt.

    On a belt it stays where it is, and a rider goes along. At twice the speed of its steps, legs may not reach far
    enough to hold the feet, which is noted.
    """
    walk = made_motion("walk", frames=90)
    sliding = replace(walk, root_m=walk.root_m * [share, 1.0, share])
    correction = correct_motion(KINEMATIC, sliding)
    assert NoteKind.IN_PLACE not in kinds(correction)
    is_calmer = correction.after["skate_m_s"] < 0.75 * correction.before["skate_m_s"]
    assert is_calmer or (share == 2.0 and NoteKind.CONTACTS_KEPT in kinds(correction))


@pytest.fixture
def takes(clips: dict[str, Motion]) -> Motion:
    """Join four takes by cuts, each with its own position and heading."""
    places = {"walk": (0, 0, 0), "kick": (2, 1, 1.0), "dance_a": (-1, 3, -2.0), "punch": (0.5, -2, 3.0)}
    moved = []
    for label, (x, z, angle_rad) in places.items():
        take = turn(canonicalise(clips[label]), angle_rad)
        moved.append(replace(take, root_m=take.root_m + np.array([x, 0.0, z])))
    root_m = np.concatenate([take.root_m for take in moved])
    rotations = np.concatenate([take.rotations for take in moved])
    return replace(moved[0], root_m=root_m, rotations=rotations)


@BOTH
def test_joined_takes_stay(takes: Motion, correct: CorrectMotions) -> None:
    correction = correct_motion(correct, takes)
    assert np.abs(correction.motion.root_m - takes.root_m)[:, [0, 2]].max() < 0.1
    (note,) = [note for note in correction.notes if note.kind is NoteKind.TAKES]
    starts = [0, *note.frames, len(takes)]
    assert len(starts) == 5
    alone = correct([takes.frames(*span) for span in pairwise(starts)])
    joints_m = np.concatenate([joint_positions(correction.motion) for correction in alone])
    off_m = joint_positions(correction.motion) - joints_m
    for start, stop in pairwise(starts):  # each alone is put on a floor of its own
        off_m[start:stop, :, 1] -= np.median(off_m[start:stop, :, 1])
    # Alike and not the same: what all takes show of the feet is known to each.
    assert np.linalg.norm(off_m, axis=-1).mean() < 0.01
    assert correction.forces.timeline is None or len(correction.forces.timeline) == len(takes)


def test_takes_join_on_request(takes: Motion) -> None:
    correction = correct_motion(KinematicCorrector(CleanupSettings().with_steps(JoinSplices(join_takes=True))), takes)
    steps_m = np.linalg.norm(np.diff(correction.motion.root_m[:, [0, 2]], axis=0), axis=1)
    assert steps_m.max() < 0.15
    assert any("spliced" in str(note) for note in correction.notes)
    assert NoteKind.TAKES not in kinds(correction)


def lift_from(motion: Motion, frame: int) -> Motion:
    """Lift the motion by 4 m from a frame on, where no simulated body follows."""
    is_late = np.arange(len(motion))[:, None] > frame
    return replace(motion, root_m=motion.root_m + is_late * np.array([0.0, 4.0, 0.0]))


@pytest.mark.parametrize("share", [0.3, pytest.param(0.75, marks=pytest.mark.slow)])
def test_failed_take_is_kept(takes: Motion, share: float) -> None:
    leap = round(share * len(takes))
    given = lift_from(takes, leap)
    correction = correct_motion(SIMULATED, given)
    kept = np.zeros(len(given), dtype=bool)
    for first, last in correction.changes.kept_stretches:
        kept[first : last + 1] = True
    assert kept[leap]
    assert kept.mean() < 0.5
    moved_m = correction.motion.root_m - given.root_m
    assert np.ptp(moved_m[kept], axis=0).max() < 0.1  # with its leap
    turned = np.abs(correction.motion.rotations - given.rotations).max(axis=(1, 2))
    assert np.median(turned[~kept]) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("shares", [(0.1, 0.3, 0.5, 0.7, 0.9), tuple(np.arange(0.1, 1.0, 0.1))], ids=len)
def test_mostly_failed_motion_is_rejected(takes: Motion, shares: tuple[float, ...]) -> None:
    leaps = [round(share * len(takes)) for share in shares]
    given = takes
    for leap in leaps:
        given = lift_from(given, leap)
    (correction,) = SIMULATED([given])
    assert correction.failure is not None
    assert correction.failure.frame is not None
    assert min(abs(correction.failure.frame - leap) for leap in leaps) < 30
    np.testing.assert_array_equal(correction.motion.root_m, given.root_m)


@BOTH
def test_loop_figures_use_own_frames(cycles: dict[str, Motion], correct: CorrectMotions) -> None:
    (correction,) = correct([cycles["walk"]])
    if correction.forces.timeline is not None:
        assert len(correction.forces.timeline) == len(cycles["walk"])
        force = correction.forces.timeline.residual_force_bodyweights[1:].mean()
        assert correction.forces.residual["residual_force_bodyweights"] == pytest.approx(float(force))
    (error,) = physical_errors(MotionBatch.stack([cycles["walk"]])).jerk_m_s3
    assert correction.before["jerk_m_s3"] == pytest.approx(float(error), rel=0.1)


@pytest.mark.parametrize(
    ("frame", "last", "expected"), [(3, None, (18, None)), (50, None, (5, None)), (40, 90, (15, 20))]
)
def test_loop_failure_names_frames(stand_frames, frame, last, expected) -> None:
    part = Segment(0, stand_frames, margin=45)
    failed = CorrectedMotion(part.motion, Failure(FailureKind.FELL, frame, last))
    failure = part.restore(failed, same_travel=True).failure
    assert failure is not None
    assert (failure.frame, failure.last_frame) == expected


@pytest.fixture
def stand_frames(walk: Motion) -> Motion:
    """One pose of a walk for 21 frames."""
    return walk.select_frames(np.zeros(21, dtype=int))


@pytest.mark.parametrize("gap_rad", [0.01, 0.04, 0.08])
def test_near_loops_open_no_further(cycles: dict[str, Motion], gap_rad: float) -> None:
    walk = cycles["walk"]
    bend = Rotation.from_rotvec(gap_rad * np.linspace(0.0, 1.0, len(walk))[:, None] * [1.0, 0.0, 0.0])
    motion = correct_motion(KinematicCorrector(), turn_joint(walk, "left_knee", bend)).motion
    for joint in range(1, len(walk.skeleton)):
        ends = Rotation.from_quat(motion.rotations[[0, -1], joint])
        assert (ends[0].inv() * ends[1]).magnitude() < 1e-3


@pytest.fixture(scope="module")
def strides(walk: Motion) -> Motion:
    """Four cycles of a real walk."""
    return repeat_cycle(walk, 4)


def hold_root(motion: Motion, first: int, last: int) -> Motion:
    """Hold the root over the floor; later frames continue from there."""
    root_m = motion.root_m.copy()
    way_m = root_m[last, [0, 2]] - root_m[first, [0, 2]]
    root_m[first:last, [0, 2]] = root_m[first, [0, 2]]
    root_m[last:, [0, 2]] -= way_m
    return replace(motion, root_m=root_m)


@pytest.mark.parametrize(("first", "last"), [(60, 90), (30, 110), (80, 120), (1, 60)])
def test_lost_path_follows_feet(strides: Motion, first: int, last: int) -> None:
    lost = hold_root(strides, first, last)
    restored, frames = restore_lost_path(lost)
    assert frames == pytest.approx((first, last), abs=1)
    lost_m = np.linalg.norm(strides.root_m[last] - lost.root_m[last])
    assert np.linalg.norm((restored.root_m - strides.root_m)[:, [0, 2]], axis=1).max() < 0.05 * lost_m
    np.testing.assert_array_equal(restored.root_m[:, 1], lost.root_m[:, 1])


@pytest.mark.parametrize(("first", "last"), [(60, 90), (30, 110)])
def test_found_path_is_joined(strides: Motion, first: int, last: int) -> None:
    """A root that jumps to its body is joined.

    All that follows stays.
    """
    root_m = strides.root_m.copy()
    root_m[first:last, [0, 2]] = root_m[first, [0, 2]]
    restored, frames = restore_lost_path(replace(strides, root_m=root_m))
    assert frames == pytest.approx((first, last - 1), abs=1)
    np.testing.assert_allclose(restored.root_m[last:], strides.root_m[last:], atol=1e-9)
    lost_m = np.linalg.norm(strides.root_m[last] - strides.root_m[first])
    assert np.linalg.norm((restored.root_m - strides.root_m)[:, [0, 2]], axis=1).max() < 0.05 * lost_m
    root_m[last:, 0] += 3 * lost_m
    assert restore_lost_path(replace(strides, root_m=root_m))[1] == ()


def test_other_motions_keep_their_way(strides: Motion, clips: dict[str, Motion]) -> None:
    in_place = replace(strides, root_m=strides.root_m * (0.0, 1.0, 0.0))
    stands_still = hold_root(made_motion("idle", frames=90), 20, 60)
    for motion in (strides, in_place, stands_still, *clips.values()):
        assert restore_lost_path(motion) == (motion, ())


def test_path_is_restored_unless_kept(strides: Motion) -> None:
    lost = hold_root(strides, 60, 100)
    correction = sc.correct(lost, kinematic=True)
    (note,) = [note for note in correction.notes if note.kind is NoteKind.PATH_RESTORED]
    assert note.stretches == ((60, 100),)
    assert sc.measure(correction.motion).slip_m < 0.1 * sc.measure(lost).slip_m
    kept = sc.correct(lost, kinematic=True, keep=["path"])
    np.testing.assert_allclose(kept.motion.root_m[:, [0, 2]], lost.root_m[:, [0, 2]], atol=0.05)


@pytest.mark.parametrize("name", ["13_11", "13_19", "13_40"])
def test_single_jump_needs_no_treadmill(cmu: Path, name: str) -> None:
    """A jump on the spot is no treadmill walk.

    Legs bend and stretch beneath a root that stays, so the feet slide, but they never step forward again.
    """
    clip = next(clip for clip in list_cmu_clips(cmu, "train") if clip.name == name).read()[0]
    top = int(clip.root_m[:, 1].argmax())
    jump = clip.frames(top - 12, top + 12)
    pinned = replace(jump, root_m=np.where([False, True, False], jump.root_m, jump.root_m[0]))
    assert NoteKind.IN_PLACE not in kinds(correct_motion(KINEMATIC, pinned))
