"""The height of a motion changes no correction.

The floor that its feet show is put at y = 0.
"""

from dataclasses import replace

import numpy as np
import pytest
from ground_motions import repeat_walk
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_damages import add_noise
from made_motions import KINDS, Kind, dip_toes, made_motion, walk_with_stances
from scipy.spatial.transform import Rotation as R

from selfcorrect.datasets.collections.deepmimic import load_deepmimic
from selfcorrect.motion.body.surface import sole_corners_m, sole_points
from selfcorrect.motion.editing.transforms import raise_motion
from selfcorrect.motion.ground import Ground
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.perception.observation import observe
from selfcorrect.motion.perception.observed_ground import observe_ground
from selfcorrect.simulators.clean import CleanupSettings
from selfcorrect.simulators.core.stance import PosedMotions
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector
from selfcorrect.simulators.results.results import FailureKind, NoteKind

from ...posed_motions import Pose

MAX_CHANGED_M = 0.001

STANDING_KINDS: tuple[Kind, ...] = ("walk", "turn", "idle")
"""Kinds of motions in which a foot always stands and shows the floor."""


def without_toes(motion: Motion) -> Motion:
    """Return a body with boxes on its ankles as feet."""
    parts = tuple("" if part.endswith("_foot") else part for part in motion.skeleton.parts)
    return replace(motion, skeleton=replace(motion.skeleton, parts=parts))


def sliding(motion: Motion) -> Motion:
    """Swing the root over the floor and sink a stance."""
    times_s = np.arange(len(motion)) / motion.fps
    swing_m = 0.05 * np.sin(2 * np.pi * 0.7 * times_s)
    sunk_m = -0.02 * np.sin(2 * np.pi * 0.4 * times_s) ** 2
    return replace(motion, root_m=motion.root_m + np.stack([swing_m, sunk_m, 0.5 * swing_m], axis=1))


def largest_change_of_pose_m(first: Motion, second: Motion) -> float:
    """Return the largest joint distance of two motions after a constant upward shift."""
    apart_m = joint_positions(second) - joint_positions(first)
    apart_m[..., 1] -= np.median(apart_m[..., 1])
    return float(np.linalg.norm(apart_m, axis=-1).max())


@settings(max_examples=12, deadline=None)
@given(kind=st.sampled_from(KINDS), height_m=st.floats(-0.1, 0.1), pace=st.floats(0.6, 1.2), is_sliding=st.booleans())
@example(kind="hop", height_m=-0.09, pace=0.75, is_sliding=False)  # in the floor for longer than it stands
def test_height_does_not_change_poses(kind: Kind, height_m: float, pace: float, is_sliding: bool) -> None:
    motion = made_motion(kind, pace, frames=60)
    motion = sliding(motion) if is_sliding else motion
    low, there = KinematicCorrector()([motion, raise_motion(motion, height_m)])
    assert largest_change_of_pose_m(low.motion, there.motion) < MAX_CHANGED_M


@pytest.mark.slow
@pytest.mark.parametrize("height_m", [-0.1, 0.03])
def test_height_keeps_simulated_poses(height_m: float) -> None:
    motion = sliding(made_motion("walk", frames=90))
    low, there = PhysicsCorrector()([motion, raise_motion(motion, height_m)])
    assert low.accepted
    assert there.accepted
    assert largest_change_of_pose_m(low.motion, there.motion) < MAX_CHANGED_M


@settings(max_examples=8, deadline=None)
@given(kind=st.sampled_from(STANDING_KINDS), height_m=st.floats(-0.3, 0.3), has_toes=st.booleans())
def test_body_reaches_floor_from_any_height(kind: Kind, height_m: float, *, has_toes: bool) -> None:
    motion = made_motion(kind, frames=60)
    motion = motion if has_toes else without_toes(motion)
    motion = raise_motion(motion, -observe(motion).floor_m)
    far, there = KinematicCorrector()([raise_motion(motion, 0.15), raise_motion(motion, height_m)])
    offset_m = float(np.median((there.motion.root_m - far.motion.root_m)[:, 1]))
    assert offset_m == pytest.approx(0.0, abs=1e-6)
    if has_toes:  # the height of ankles over soles depends on their pitch
        assert observe(there.motion).floor_m == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("dip_m", [0.01, 0.03, 0.05])
def test_dipping_toes_do_not_raise_walk(dip_m: float) -> None:
    """The floor is where feet stand.

    A few frames that are lower do not count.
    """
    motion, stands = walk_with_stances()
    dipping = dip_toes(motion, stands, dip_m)
    (correction,) = KinematicCorrector()([dipping])
    assert abs(float(np.median((correction.motion.root_m - motion.root_m)[:, 1]))) < max(0.005, 0.2 * dip_m)


@pytest.mark.parametrize("kind", STANDING_KINDS)
@pytest.mark.parametrize("is_sliding", [False, True])
@pytest.mark.parametrize("has_toes", [False, True])
def test_corrected_body_keeps_height(kind: Kind, *, is_sliding: bool, has_toes: bool) -> None:
    motion = made_motion(kind, frames=60)
    motion = sliding(motion) if is_sliding else motion
    motion = motion if has_toes else without_toes(motion)
    (first,) = KinematicCorrector()([motion])
    (second,) = KinematicCorrector()([first.motion])
    assert abs(float(np.median((second.motion.root_m - first.motion.root_m)[:, 1]))) < MAX_CHANGED_M


def test_floor_rises_with_motion() -> None:
    motion = made_motion("walk", frames=60)
    low = observe_ground(motion).feet
    high = observe_ground(raise_motion(motion, 0.37)).feet
    assert high.floor_m - low.floor_m == pytest.approx(0.37, abs=1e-9)
    assert high.soles_m == pytest.approx(low.soles_m, abs=1e-9)


@pytest.mark.parametrize("toes_up_deg", [30, 40])
def test_heel_stands_show_floor(toes_up_deg: int) -> None:
    """Toe joints are far above the floor on heels.

    The body stands on them.
    """
    pose = Pose()
    for side in ("left", "right"):
        pose.turn(f"{side}_ankle", "x", -np.deg2rad(toes_up_deg))
    motion = pose.motion()
    heels_m = float(np.median(sole_corners_m(motion)[..., 1].min(axis=-1)))
    ground = observe_ground(motion)
    by_toes_m = ground.feet_seen.floor_m
    assert abs(ground.floor_to_zero_m - heels_m) < 0.6 * (by_toes_m - heels_m)
    assert observe_ground(raise_motion(motion, 0.06)).floor_to_zero_m - ground.floor_to_zero_m == pytest.approx(
        0.06, abs=1e-9
    )


@pytest.mark.parametrize("height_m", [-0.3, -0.15, 0.0, 0.1, 0.2])
def test_endless_flight_is_not_lowered(height_m: float) -> None:
    """Passing feet bound the floor from above only.

    Such feet show that the floor is not higher, but not where it is.
    """
    motion = made_motion("run", frames=24)
    times_s = np.arange(len(motion)) / motion.fps
    root_m = motion.root_m * [1.0, 0.0, 1.0]
    root_m[:, 1] = motion.root_m[0, 1] + height_m + 3.5 * times_s - 4.905 * times_s**2
    flying = replace(motion, root_m=root_m)
    (correction,) = KinematicCorrector()([flying])
    raised_m = (correction.motion.root_m - root_m)[:, 1]
    assert np.ptp(raised_m) < MAX_CHANGED_M
    assert raised_m[0] == pytest.approx(max(-observe(flying).floor_m, 0.0), abs=0.005)


@pytest.mark.parametrize("raised_m", [-0.05, 0.0, 0.05, 0.1])
def test_lowest_level_is_found(stand: Motion, raised_m: float) -> None:
    """A short stance shows the lowest level.

    The level is near y = 0 or far from it, with other levels between.
    """
    keys = [0, 60, 72, 132, 144, 158, 170, 240]
    levels_m = np.interp(np.arange(240), keys, [0.0, 0.0, -0.12, -0.12, -0.24, -0.24, -0.12, -0.12])
    ahead_m = np.interp(np.arange(240), keys, [0.0, 0.0, 0.4, 0.4, 0.8, 0.8, 1.2, 1.2])
    root_m = stand.root_m[0] + np.stack([0 * ahead_m, raised_m + levels_m, ahead_m], axis=1)
    steps = replace(stand, root_m=root_m, rotations=np.tile(stand.rotations[:1], (len(root_m), 1, 1)))
    posed = PosedMotions.from_motions(MotionBatch.stack([steps]), sole_points(stand.skeleton))
    lowest_m = posed.feet_m[..., 1].min()
    assert observe_ground(posed.motions[0]).find_height_below_m(posed.feet_m[0], lowest=True) == pytest.approx(
        lowest_m, abs=0.01
    )


CLIPS = {clip.label: clip for clip in load_deepmimic()}
TOLD = {NoteKind.FLOOR_MOVED, NoteKind.FLOOR_UNKNOWN, NoteKind.CARRIED}


@pytest.mark.parametrize("height_m", [-0.9, -0.3, 0.3, 1.0])
@pytest.mark.parametrize("label", ["crawl", "dance_b", "getup_facedown", "run", "walk"])
def test_far_floor_moves_or_is_noted(label: str, height_m: float) -> None:
    motion = raise_motion(add_noise(CLIPS[label], 0.012), height_m)
    (correction,) = KinematicCorrector()([motion])
    kinds = {note.kind for note in correction.notes}
    assert len(kinds & TOLD) == 1
    assert correction.after.get("penetration_m", 0.0) < 0.05
    if height_m < 0:
        assert NoteKind.FLOOR_MOVED in kinds
        assert correction.floor.moved_m == pytest.approx(height_m, abs=0.1)


def test_absent_floor_folds_no_limbs() -> None:
    """Feet hardly stand in a short run.

    The run is far below y = 0.
    """
    run = add_noise(CLIPS["run"], 0.012)
    moved_m = []
    for height_m in (0.0, -0.9):
        motion = raise_motion(run, height_m)
        (correction,) = KinematicCorrector()([motion])
        moves_m = joint_positions(correction.motion) - joint_positions(motion)
        moved_m.append(np.linalg.norm(moves_m - np.median(moves_m, axis=(0, 1)), axis=-1).max())
    assert moved_m[1] == pytest.approx(moved_m[0], abs=0.02)


def test_repeated_levels_count_once() -> None:
    levels_m = observe(add_noise(CLIPS["dance_b"], 0.012)).levels_m
    assert len(set(levels_m)) == len(levels_m)


def rise_by_a_step(stand: Motion, low_frames: int) -> Motion:
    """Stand on the floor, glide onto a step of 0.3 m within 20 frames, and stand there for 80 frames."""
    frames = low_frames + 100
    keys = [0, low_frames, low_frames + 20, frames]
    rises_m = np.interp(np.arange(frames), keys, [0.0, 0.0, 0.3, 0.3])
    ahead_m = np.interp(np.arange(frames), keys, [0.0, 0.0, 0.4, 0.4])
    root_m = stand.root_m[0] + np.stack([0 * rises_m, rises_m, ahead_m], axis=1)
    return replace(stand, root_m=root_m, rotations=np.tile(stand.rotations[:1], (frames, 1, 1)))


def test_far_steps_show_no_floor(stand: Motion) -> None:
    steps = rise_by_a_step(stand, 80)
    assert observe_ground(steps).floor_to_zero_m == pytest.approx(0.0, abs=0.03)
    assert observe_ground(raise_motion(steps, 1.0)).floor_to_zero_m is None


@pytest.mark.parametrize("height_m", [-0.9, -0.15, 1.0])
def test_lowest_level_of_most_of_a_motion_is_floor(stand: Motion, height_m: float) -> None:
    """In the second case, both levels are equally far from y = 0."""
    steps = raise_motion(rise_by_a_step(stand, 200), height_m)
    assert observe_ground(steps).floor_to_zero_m == pytest.approx(height_m, abs=0.03)


def test_level_at_zero_stays(stand: Motion) -> None:
    steps = raise_motion(rise_by_a_step(stand, 200), -0.3)
    assert observe_ground(steps).floor_to_zero_m == pytest.approx(0.0, abs=0.03)


@pytest.mark.parametrize("depth_m", [0.6, 1.2])
def test_deep_sinking_fails(depth_m: float) -> None:
    walk = made_motion("walk", frames=60)
    (shallow,) = KinematicCorrector()([replace(walk, ground=Ground(floor_m=0.3))])
    (deep,) = KinematicCorrector()([replace(walk, ground=Ground(floor_m=depth_m))])
    assert shallow.accepted
    assert deep.failure is not None
    assert deep.failure.kind is FailureKind.SUNK
    assert deep.failure.value == pytest.approx(depth_m, abs=0.1)
    assert np.array_equal(deep.motion.root_m, walk.root_m)


@pytest.mark.parametrize("tilt_deg", [-15.0, 15.0])
def test_tilted_floor_moves_vertically(walk: Motion, tilt_deg: float) -> None:
    tilt = R.from_euler("x", tilt_deg, degrees=True)
    walks = repeat_walk(walk, 3)
    rotations = walks.rotations.copy()
    rotations[:, 0] = (tilt * R.from_quat(rotations[:, 0])).as_quat()
    tilted = replace(walks, root_m=tilt.apply(walks.root_m) + np.array([0.0, 0.1, 0.0]), rotations=rotations)
    kept, moved = (CleanupSettings(keep_level=keep_level) for keep_level in (True, False))
    (at_its_height,) = KinematicCorrector(kept)([tilted])
    (at_zero,) = KinematicCorrector(moved)([tilted])
    assert at_zero.world.plane.is_tilted
    moves_m = at_zero.motion.root_m - at_its_height.motion.root_m
    assert moves_m[:, 1].mean() == pytest.approx(-at_zero.floor.moved_m / np.cos(np.deg2rad(tilt_deg)), rel=0.05)
    assert abs(at_zero.floor.moved_m) > 0.03
    assert np.ptp(moves_m, axis=0).max() < 0.001
    np.testing.assert_allclose(moves_m[:, [0, 2]], 0.0, atol=0.001)
