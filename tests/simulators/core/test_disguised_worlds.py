"""Corrections see through tilted floors and repeated frames."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_motions import KINDS, Kind, made_motion
from plain_contacts import standing_speeds_m_s
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation
from turned_joints import turn_joint

from selfcorrect import correct_files, save_motion
from selfcorrect.motion.checks.check import check
from selfcorrect.motion.geometry.rotations import quaternions
from selfcorrect.motion.geometry.vectors import UP
from selfcorrect.motion.kinematics import joint_positions, make_continuous
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.ground_plane import estimate_ground_plane
from selfcorrect.motion.perception.repeats import FrameRepeats
from selfcorrect.motion.views import TurnedFrames, TurnedWorld
from selfcorrect.simulators.clean import CleanupSettings
from selfcorrect.simulators.corrector import KinematicCorrector
from selfcorrect.simulators.hypotheses.views.repeated_frames import restore_frames_of_file
from selfcorrect.simulators.results.results import CorrectedMotion, NoteKind

from ...made_rigs import base_walk


def notes_of(correction: CorrectedMotion, kind: NoteKind) -> list[float | None]:
    return [note.value for note in correction.notes if note.kind is kind]


def turning_walk() -> Motion:
    """Return a walk along a curve, with stances apart along both axes of the floor."""
    return made_motion("turn", frames=180)


def tilt_world(motion: Motion, tilt_deg: float, direction_rad: float = 0.7) -> Motion:
    axis = np.array([np.cos(direction_rad), 0.0, np.sin(direction_rad)])
    return TurnedWorld(quaternions(np.radians(tilt_deg) * axis)).view(motion)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(
    walks_straight=st.booleans(),
    tilt_deg=st.floats(0.0, 15.0),
    direction_rad=st.floats(0.0, 6.28),
    height_m=st.floats(-1.0, 1.0),
)
def test_stances_show_tilted_floor(
    walks_straight: bool, tilt_deg: float, direction_rad: float, height_m: float
) -> None:
    """Stances show tilt along the path, posture across.

    The walk is straight, and the posture shows it from 2° on.
    """
    motion = tilt_world(base_walk() if walks_straight else turning_walk(), tilt_deg, direction_rad)
    plane = estimate_ground_plane(replace(motion, root_m=motion.root_m + np.array([0.0, height_m, 0.0])))
    assert plane.tilt_deg == pytest.approx(tilt_deg, abs=2.0)


def with_pitched_feet(motion: Motion, pitch_rad: float) -> Motion:
    """Pitch the feet at rest; the motion stays.

    The soles of the rig then seem inclined on level ground.
    """
    turns = Rotation.identity(len(motion.skeleton)).as_rotvec()
    for joint in (*(motion.skeleton.pair("ankle") or ()), *(motion.skeleton.pair("foot") or ())):
        turns[joint] = [pitch_rad, 0.0, 0.0]
    return TurnedFrames(quaternions(turns)).view(motion)


def leaning(motion: Motion, angle_rad: float) -> Motion:
    """Lean forward from the hips."""
    return turn_joint(motion, "spine1", Rotation.from_rotvec([angle_rad, 0.0, 0.0]), outside=True)


@pytest.mark.parametrize("direction_rad", [0.0, 0.8, 1.6, 2.4, 3.1])
@pytest.mark.parametrize("tilt_deg", [0.0, 6.0, 14.0])
def test_style_and_rig_hide_no_tilt(tilt_deg: float, direction_rad: float) -> None:
    motion = tilt_world(leaning(with_pitched_feet(base_walk(), -0.25), 0.2), tilt_deg, direction_rad)
    assert estimate_ground_plane(motion).tilt_deg == pytest.approx(tilt_deg, abs=1.0)


def with_growing_tilt(motion: Motion, axis: np.ndarray, *, about_a_point: bool) -> Motion:
    """Tilt the world by up to 8 degrees, about the origin or the body on standing feet."""
    turns = Rotation.from_rotvec(np.radians(8.0) * np.linspace(0, 1, len(motion))[:, None] * axis)
    rotations = turn_joint(motion, 0, turns, outside=True).rotations
    root_m = turns.apply(motion.root_m)
    if not about_a_point:
        upwards_m = motion.root_m * np.array([0.0, 1.0, 0.0])
        steps_m = turns[1:].apply(np.diff(motion.root_m - upwards_m, axis=0))
        root_m = motion.root_m[0] + np.cumsum([np.zeros(3), *steps_m], axis=0)
        root_m += turns.apply(upwards_m) - upwards_m[0]
    return replace(motion, root_m=root_m, rotations=rotations)


@pytest.mark.parametrize("about_a_point", [False, True])
@pytest.mark.parametrize("direction_rad", [0.0, 0.3, 3.0])
def test_growing_tilt_is_noted(direction_rad: float, about_a_point: bool) -> None:
    """Growing tilt is noted and adds no speed.

    Left as it is, feet stand beside the mean plane.
    """
    axis = np.array([np.cos(direction_rad), 0.0, np.sin(direction_rad)])
    walk = base_walk() if about_a_point else base_walk(6)
    motion = with_growing_tilt(walk, axis, about_a_point=about_a_point)
    assert check(motion, ["F6"])
    (correction,) = KinematicCorrector()([motion])
    assert notes_of(correction, NoteKind.TILT_CHANGES)
    assert correction.after["skate_m_s"] <= correction.before["skate_m_s"]
    (levelled,) = KinematicCorrector(CleanupSettings(level=True))([motion])
    given_m, levelled_m = (joint_positions(shown)[..., 1].min(axis=1) for shown in (motion, levelled.motion))
    assert np.ptp(levelled_m) < 0.5 * np.ptp(given_m)


def test_stairs_are_no_tilted_floor() -> None:
    """Stairs as steep as 15° are no tilt.

    Steps of 17 cm come every 0.65 m, but feet land on different heights.
    """
    walk = turning_walk()
    frames = np.arange(len(walk))
    climbed_m = 0.17 * np.floor(frames / 40)
    plane = estimate_ground_plane(replace(walk, root_m=walk.root_m + climbed_m[:, None] * np.array([0.0, 1.0, 0.0])))
    assert plane.tilt_deg < 1.0


@pytest.mark.parametrize("direction_rad", [0.7, 2.5])
@pytest.mark.parametrize(
    ("ahead_m", "is_on_plane", "is_tilted"), [(1.2, True, True), (-1.2, False, True), (1.2, False, False)]
)
def test_leap_refutes_tilt(direction_rad: float, ahead_m: float, is_on_plane: bool, is_tilted: bool) -> None:
    """A leap uphill that lands low refutes the tilt.

    Posture alone shows it under who stands still; the leap lands as low as it began.
    """
    standing = tilt_world(made_motion("idle", frames=60), 8.0, direction_rad)
    x, y, z = estimate_ground_plane(standing).normal
    uphill = np.array([-x, (x * x + z * z) / y * is_on_plane, -z]) / np.hypot(x, z)
    share = np.linspace(0.0, 1.0, 16)[:, None]
    leap_m = share * ahead_m * uphill + 4 * share * (1 - share) * np.array([0.0, 0.3, 0.0])
    root_m = np.concatenate([standing.root_m, standing.root_m[-1] + leap_m[1:]])
    rotations = np.concatenate([standing.rotations, np.repeat(standing.rotations[-1:], 15, axis=0)])
    leaping = replace(standing, root_m=root_m, rotations=rotations)
    assert estimate_ground_plane(standing).is_tilted
    assert estimate_ground_plane(leaping).is_tilted == is_tilted


@pytest.mark.parametrize("tilt_deg", [5.0, 8.0, 15.0])
def test_tilted_motion_is_corrected_on_plane(tilt_deg: float) -> None:
    level = turning_walk()
    motion = tilt_world(level, tilt_deg)
    (correction,) = KinematicCorrector()([motion])
    (on_level,) = KinematicCorrector()([level])
    (tilt,) = notes_of(correction, NoteKind.TILTED)
    assert tilt == pytest.approx(tilt_deg, abs=1.5)
    before_m_s, after_m_s = standing_speeds_m_s(motion, correction.motion)
    assert after_m_s < before_m_s + 0.005
    apart_m = joint_positions(correction.motion) - joint_positions(tilt_world(on_level.motion, tilt_deg))
    assert np.linalg.norm(apart_m, axis=-1).max() < 0.08
    assert not notes_of(on_level, NoteKind.TILTED)


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(tilt_deg=st.floats(4.0, 15.0), direction_rad=st.floats(0.0, 6.28), heading_rad=st.floats(0.0, 6.28))
def test_correction_commutes_with_tilt(tilt_deg: float, direction_rad: float, heading_rad: float) -> None:
    """Only the height differs.

    A tilted floor is at y = 0 where a foot stands first, not at the origin.
    """
    level = TurnedWorld(quaternions(np.array([0.0, heading_rad, 0.0]))).view(base_walk())
    (on_level,) = KinematicCorrector()([level])
    (on_plane,) = KinematicCorrector()([tilt_world(level, tilt_deg, direction_rad)])
    expected = tilt_world(on_level.motion, tilt_deg, direction_rad)
    apart_m = joint_positions(on_plane.motion) - joint_positions(expected)
    raised_m = np.median(apart_m[..., 1])
    assert np.linalg.norm(apart_m - raised_m * UP, axis=-1).max() < 0.05
    ankles = base_walk().skeleton.pair("ankle")
    begins = (motion.frames(0, 10) for motion in (on_plane.motion, on_level.motion))
    heights_m = [np.median(joint_positions(motion, ankles)[..., 1]) for motion in begins]
    away_m = 0.3  # of the ankles from where a foot stands first, at the beginning of a path that is 2 m long
    off_m = away_m * np.tan(np.radians(tilt_deg)) + np.tan(np.radians(1.5))
    assert heights_m[0] == pytest.approx(heights_m[1], abs=off_m)
    assert notes_of(on_plane, NoteKind.TILTED) == [pytest.approx(tilt_deg, abs=1.5)]


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(kind=st.sampled_from(KINDS), tilt_deg=st.floats(3.0, 15.0), direction_rad=st.floats(0.0, 6.28))
@example(kind="walk", tilt_deg=10.0, direction_rad=0.0)  # deep below zero, which is no reason to slide faster
def test_tilt_adds_no_sliding(kind: Kind, tilt_deg: float, direction_rad: float) -> None:
    """Levelling that slides feet is dropped with a note.

    The motion is kept.
    """
    motion = tilt_world(made_motion(kind), tilt_deg, direction_rad)
    (correction,) = KinematicCorrector()([motion])
    before_m_s = correction.before["skate_m_s"]
    after_m_s = correction.after["skate_m_s"]
    if np.isfinite(before_m_s):
        assert after_m_s <= 1.25 * before_m_s + 0.02
    if notes_of(correction, NoteKind.FEET_KEPT):
        np.testing.assert_allclose(joint_positions(correction.motion), joint_positions(motion), atol=1e-9)


@pytest.mark.parametrize("direction_rad", [0.0, 0.8, 1.6, 2.4])
def test_tilted_world_is_levelled(direction_rad: float) -> None:
    motion = tilt_world(base_walk(), 9.0, direction_rad)
    (correction,) = KinematicCorrector(CleanupSettings(level=True))([motion])
    (on_level,) = KinematicCorrector()([base_walk()])
    assert notes_of(correction, NoteKind.LEVELLED) == [pytest.approx(9.0, abs=1.5)]
    assert not notes_of(correction, NoteKind.TILTED)
    assert estimate_ground_plane(correction.motion).tilt_deg < 2.5
    heights_m = joint_positions(correction.motion)[..., 1]
    assert np.abs(heights_m - joint_positions(on_level.motion)[..., 1]).max() < 0.03


def test_level_world_stays() -> None:
    (levelled,) = KinematicCorrector(CleanupSettings(level=True))([base_walk()])
    (plain,) = KinematicCorrector()([base_walk()])
    assert not notes_of(levelled, NoteKind.LEVELLED)
    assert not notes_of(plain, NoteKind.NOT_LEVELLED)
    np.testing.assert_array_equal(levelled.motion.root_m, plain.motion.root_m)


@pytest.mark.parametrize("tilt_deg", [0.0, 2.0, 9.0])
@pytest.mark.parametrize("frames", [12, 33, 115])
def test_level_option_levels_or_explains(frames: int, tilt_deg: float) -> None:
    """Short walks may show no plane.

    One cycle, or less, often shows none.
    """
    motion = tilt_world(base_walk().frames(0, frames), tilt_deg)
    (correction,) = KinematicCorrector(CleanupSettings(level=True))([motion])
    is_levelled = bool(notes_of(correction, NoteKind.LEVELLED))
    is_level = is_levelled or bool(notes_of(correction, NoteKind.RISE_REMOVED))
    assert is_level != bool(notes_of(correction, NoteKind.NOT_LEVELLED))
    assert is_levelled == (estimate_ground_plane(motion).is_tilted)


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("first", [0, 1])
def test_kept_repeats_correct_alike(count: int, first: int) -> None:
    walk = made_motion("walk", frames=90)
    walk = replace(walk, root_m=walk.root_m + 0.04 * np.sin(np.arange(90) / 5)[:, None] * np.array([1.0, 0.0, 0.0]))
    sources = np.repeat(np.arange(90), count)[first:]
    repeated = replace(walk.select_frames(sources), fps=count * walk.fps)
    correction, alone = KinematicCorrector(CleanupSettings(frame_times="keep"))([repeated, walk])
    assert correction.motion.fps == repeated.fps
    np.testing.assert_array_equal(correction.motion.root_m, alone.motion.root_m[sources])
    np.testing.assert_array_equal(correction.motion.rotations, alone.motion.rotations[sources])
    assert notes_of(correction, NoteKind.REPEATED_FRAMES) == [count]


@pytest.mark.parametrize("fps", [15.0, 30.0])
@pytest.mark.parametrize("count", [2, 3])
def test_even_repeats_are_nearer_to_motion(count: int, fps: float) -> None:
    """Frames between samples of a walk are where the body was, though its samples lie on frames."""
    walk = made_motion("walk", fps=count * fps, frames=count * 60)
    repeated = walk.select_frames(np.arange(len(walk)) // count * count)
    expected, even = KinematicCorrector()([walk, repeated])
    (kept,) = KinematicCorrector(CleanupSettings(frame_times="keep"))([repeated])
    inside = slice(0, 1 - count)  # nothing is known after the last sample
    errors_m = []
    for correction in (even, kept):
        apart_m = joint_positions(correction.motion)[inside] - joint_positions(expected.motion)[inside]
        errors_m.append(np.linalg.norm(apart_m, axis=-1).mean())
    assert errors_m[0] < 0.5 * errors_m[1]
    assert notes_of(even, NoteKind.COPIES_REPLACED)


def resample(motion: Motion, times: np.ndarray) -> Motion:
    """Resample at times on straight lines.

    The times are in frames, the lines between frames.
    """
    rows = np.minimum(times.astype(int), len(motion) - 2)
    share = (times - rows)[:, None]
    before, after = motion.select_frames(rows), motion.select_frames(rows + 1)
    root_m = (1 - share) * before.root_m + share * after.root_m
    rotations = (1 - share[..., None]) * before.rotations + share[..., None] * after.rotations
    return replace(before, root_m=root_m, rotations=rotations / np.linalg.norm(rotations, axis=-1, keepdims=True))


def add_noise(motion: Motion, noise_m: float, noise_rad: float) -> Motion:
    stream = np.random.default_rng(0)
    turns = Rotation.from_rotvec(stream.normal(0, noise_rad, (motion.rotations.size // 4, 3)))
    rotations = (Rotation.from_quat(motion.rotations.reshape(-1, 4)) * turns).as_quat()
    root_m = motion.root_m + stream.normal(0, noise_m, motion.root_m.shape)
    return replace(motion, root_m=root_m, rotations=rotations.reshape(motion.rotations.shape))


@settings(max_examples=12, deadline=None)
@given(
    rates=st.sampled_from([(25, 30), (24, 60), (50, 60), (24, 30), (30, 60), (12, 60)]),
    kind=st.sampled_from(["walk", "run", "turn"]),
    phase=st.sampled_from([0.0, 0.3, 0.7]),
    noise=st.sampled_from([0.0, 1.0, 3.0]),
)
@example(rates=(25, 30), kind="run", phase=0.7, noise=1.0)  # few joints move: noise alone turns the others
@example(rates=(24, 30), kind="walk", phase=0.0, noise=3.0)
def test_repeats_are_evened(rates: tuple[int, int], kind: Kind, phase: float, noise: float) -> None:
    """Evened repeats are nearer to the motion.

    Motions whose copies are kept are further from it. Noise on top of copies is smaller in their mean.
    """
    real, stored = rates
    fine = made_motion(kind, fps=300.0, frames=1500)
    shown_s = np.floor(np.arange(4 * stored) * real / stored + phase + 1e-9) / real
    repeated = replace(resample(fine, 300 * shown_s), fps=float(stored))
    noisy = add_noise(repeated, 0.001 * noise, np.radians(0.1) * noise)
    repeats = FrameRepeats.from_motion(noisy)
    assert repeats.has_repeats
    assert repeats.spacing == pytest.approx(stored / real)
    jerks = [
        np.linalg.norm(np.diff(motion.root_m, 3, axis=0), axis=1).mean() for motion in (noisy, repeats.fill(noisy))
    ]
    assert jerks[1] < 0.5 * jerks[0]
    samples = repeats.drop(noisy)
    assert samples.fps == pytest.approx(real)
    starts = repeats.find_bounds()[:-1]
    true_m = repeated.root_m[starts]
    first_m = noisy.root_m[starts]
    largest_share = 1 - 0.2 * (1 - real / stored)
    assert np.abs(samples.root_m - true_m).mean() <= largest_share * np.abs(first_m - true_m).mean()
    kept = CorrectedMotion(repeats.prepare(noisy, "keep"))
    restored = restore_frames_of_file(repeats, noisy, kept, "keep").motion
    if repeats.are_alone("keep"):
        np.testing.assert_array_equal(restored.root_m, samples.root_m[repeats.sources])
    assert np.abs(restored.root_m - noisy.root_m).max() < 0.01 * noise + 1e-9


@pytest.mark.parametrize("fps", [30.0, 60.0])
@pytest.mark.parametrize("kind", ["walk", "run", "turn", "idle"])
def test_noise_alone_repeats_no_frames(kind: Kind, fps: float) -> None:
    noisy = add_noise(made_motion(kind, fps=fps, frames=round(5 * fps)), 0.005, np.radians(0.5))
    assert not FrameRepeats.from_motion(noisy).has_repeats


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), kind=st.sampled_from(["walk", "run", "turn"]))
def test_lost_frames_are_filled(seed: int, kind: Kind) -> None:
    motion = made_motion(kind)
    is_copy = np.random.default_rng(seed).random(len(motion)) < 0.15
    is_copy[[0, 1, 2, 3, -4, -3, -2, -1]] = False
    sources = np.maximum.accumulate(np.where(is_copy, 0, np.arange(len(motion))))
    repeated = motion.select_frames(sources)
    repeats = FrameRepeats.from_motion(repeated)
    filled = repeats.fill(repeated)
    is_sample = sources == np.arange(len(motion))
    np.testing.assert_array_equal(filled.root_m[is_sample], motion.root_m[is_sample])
    np.testing.assert_array_equal(filled.rotations[is_sample], motion.rotations[is_sample])
    held_m = joint_positions(repeated)
    filled_m = joint_positions(filled)
    true_m = joint_positions(motion)
    assert np.abs(filled_m - true_m).mean() < 0.7 * np.abs(held_m - true_m).mean()
    restored = restore_frames_of_file(repeats, repeated, CorrectedMotion(filled), "keep").motion
    np.testing.assert_array_equal(restored.root_m, repeated.root_m)


@pytest.mark.parametrize("period", [5, 6, 7])
@pytest.mark.parametrize("kind", ["walk", "run", "turn"])
def test_regular_losses_keep_rate(kind: Kind, period: int) -> None:
    """Regular losses keep the rate.

    Of every few frames one is lost and repeats the frame before; all others are samples at their times.
    """
    motion = made_motion(kind, frames=16 * period)
    is_copy = np.arange(len(motion)) % period == 3
    repeats = FrameRepeats.from_motion(motion.select_frames(np.arange(len(motion)) - is_copy))
    np.testing.assert_array_equal(repeats.times, np.flatnonzero(~is_copy))


def test_findings_ignore_copies(tmp_path: Path) -> None:
    """The jerks of copies are no finding.

    Such jerks are not in the motion.
    """
    shown_s = np.floor(np.arange(140) * 24 / 60) / 24
    repeated = replace(resample(base_walk(2), 30 * shown_s), fps=60.0)
    assert check(repeated, ["F5"])
    save_motion(tmp_path / "repeated.bvh", repeated)
    (result,) = correct_files(tmp_path / "repeated.bvh", tmp_path / "corrected", kinematic=True)
    assert not result.content.checked.failed_checks


def test_replaced_copies_count_as_change() -> None:
    """Put-back copies restore the unchanged motion."""
    repeated = made_motion("walk", frames=120).select_frames(np.arange(120) * 5 // 6)
    for frame_times, is_unchanged in (("even", False), ("keep", True)):
        repeats = FrameRepeats.from_motion(repeated)
        samples = repeats.prepare(repeated, frame_times)
        correction = CorrectedMotion(samples, figures={"furthest_m": 0.0})
        assert restore_frames_of_file(repeats, repeated, correction, frame_times).is_unchanged == is_unchanged


@pytest.mark.parametrize("count", [2, 3, 4])
def test_linear_frames_become_curves(count: int) -> None:
    motion = made_motion("turn")
    times = np.arange(len(motion)) / count
    linear = resample(motion.select_frames(slice(None, None, count)), times[: len(motion) - count])
    repeats = FrameRepeats.from_motion(linear)
    assert repeats.is_linear
    assert repeats.spacing == count
    truth = motion.frames(0, len(linear))
    before_m = np.abs(linear.root_m - truth.root_m).mean()
    assert np.abs(repeats.fill(linear).root_m - truth.root_m).mean() < 0.6 * before_m
    assert repeats.prepare(linear, "keep") is linear


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("is_curved", [False, True])
@pytest.mark.parametrize("extra", [0, 1])
def test_interpolation_changes_no_correction(count: int, is_curved: bool, extra: int) -> None:
    """Frames on lines or curves between noisy frames hide their noise, so the frames between are left out."""
    noisy = add_noise(base_walk(), 0.004, 0.026)
    times = np.minimum(np.arange(count * (len(noisy) - 1) + 1 + extra) / count, len(noisy) - 1)
    interpolated = replace(resample(noisy, times), fps=count * noisy.fps)
    if is_curved:
        curves = CubicSpline(np.arange(len(noisy)), make_continuous(noisy.rotations))(times)
        root_m = CubicSpline(np.arange(len(noisy)), noisy.root_m)(times)
        rotations = curves / np.linalg.norm(curves, axis=-1, keepdims=True)
        interpolated = replace(interpolated, root_m=root_m, rotations=rotations)
    corrections = KinematicCorrector()([noisy])[0], KinematicCorrector()([interpolated])[0]
    alone_m, between_m = (joint_positions(correction.motion) for correction in corrections)
    assert np.abs(alone_m - joint_positions(noisy)).max() > 0.01
    np.testing.assert_allclose(between_m[: len(times) - extra : count], alone_m, atol=1e-6)
    assert len(between_m) == len(times)
    assert notes_of(corrections[1], NoteKind.LINEAR_FRAMES) == ([] if is_curved else [count])


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(KINDS), pace=st.floats(0.5, 2.0), fps=st.sampled_from([24.0, 30.0, 120.0]), noise=st.booleans()
)
@example(kind="turn", pace=1.75, fps=120.0, noise=True)
@example(kind="hop", pace=1.859375, fps=24.0, noise=False)
@example(kind="hop", pace=1.9875, fps=24.0, noise=False)
@example(kind="hop", pace=1.9945, fps=24.0, noise=True)
def test_motions_without_repeats_have_none(kind: Kind, pace: float, fps: float, noise: bool) -> None:
    motion = made_motion(kind, pace=pace, fps=fps)
    motion = add_noise(motion, 0.003, 0.02) if noise else motion
    repeats = FrameRepeats.from_motion(motion)
    assert not repeats.has_repeats
    assert repeats.prepare(motion, "auto") is motion


def test_held_pose_is_no_repeat() -> None:
    walk = made_motion("walk", frames=60)
    paused = walk.select_frames(np.r_[:30, np.full(40, 30), 30:60])
    assert not FrameRepeats.from_motion(paused).has_repeats
