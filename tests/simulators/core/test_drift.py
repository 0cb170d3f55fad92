"""Sliding, rising floors are told from rolling feet.

Those that glide or sink are, too, and floors that stand still are left alone.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_motions import KINDS, Kind, made_motion, walk_with_stances
from scipy.spatial.transform import Rotation
from turned_joints import pose_joint, turn_joint

import selfcorrect as sc
from selfcorrect.core.errors import SettingError
from selfcorrect.datasets.load import load_motion
from selfcorrect.motion.body.surface import sole_points
from selfcorrect.motion.editing.transforms import turn
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.perception.gliding import estimate_standing_glide
from selfcorrect.motion.perception.observation import observe
from selfcorrect.motion.perception.sinking import find_steady_rise
from selfcorrect.simulators.clean import CleanupSettings
from selfcorrect.simulators.core import drift_estimate
from selfcorrect.simulators.core.drift import _is_root_swinging
from selfcorrect.simulators.core.drift_estimate import _remove_mean_along_travel, estimate_floor_drift
from selfcorrect.simulators.core.drift_evidence import SharedVelocity, StanceEvidence
from selfcorrect.simulators.core.stance import PosedMotions
from selfcorrect.simulators.corrector import KinematicCorrector
from selfcorrect.simulators.results.results import LARGE_MOVE_M, NoteKind


def drift_m_s(motion: Motion) -> np.ndarray:
    posed = PosedMotions.from_motions(MotionBatch.stack([motion]), sole_points(motion.skeleton))
    return estimate_floor_drift(motion, posed.feet_m[0])


def sliding(motion: Motion, velocity_m_s: np.ndarray) -> Motion:
    """Move the floor at a velocity (T − 1, 2)."""
    root_m = motion.root_m.copy()
    root_m[1:, [0, 2]] += np.cumsum(velocity_m_s, axis=0) / motion.fps
    return replace(motion, root_m=root_m)


def repeat_motion(motion: Motion, times: int) -> Motion:
    """Repeat a cycle from where the last ended."""
    stride_m = (motion.root_m[-1] - motion.root_m[0]) * (1.0, 0.0, 1.0)
    root_m = np.concatenate([motion.root_m[:-1] + turn * stride_m for turn in range(times)])
    return replace(motion, root_m=root_m, rotations=np.tile(motion.rotations[:-1], (times, 1, 1)))


def across(motion: Motion) -> np.ndarray:
    """Return the horizontal direction across the travel.

    The direction has the shape (2,) and is at right angles to the path.
    """
    x, _, z = motion.root_m[-1] - motion.root_m[0]
    return np.array([-z, x]) / np.hypot(x, z)


def test_drift_along_run_stays(clips):
    motion = repeat_motion(clips["run"], 3)
    forward = across(motion)[[1, 0]] * (1.0, -1.0)
    assert not drift_m_s(sliding(motion, np.tile(0.6 * forward, (len(motion) - 1, 1)))).any()


def test_swinging_drift_in_run_is_found(clips):
    motion = repeat_motion(clips["run"], 3)
    forward = across(motion)[[1, 0]] * (1.0, -1.0)
    swing_m_s = 0.6 * np.cos(np.pi * np.arange(len(motion) - 1) / motion.fps)[:, None] * forward
    left_m_s = swing_m_s - swing_m_s.mean(0) - drift_m_s(sliding(motion, swing_m_s))
    assert np.sqrt(np.mean(left_m_s**2)) < 0.5 * np.sqrt(np.mean(swing_m_s**2))


CLIPS = ["walk", "run", "dance_b", "jump", "kick", "cartwheel", "spinkick", "backflip", "roll", "crawl", "getup_faceup"]


@pytest.mark.parametrize("label", CLIPS)
def test_clean_motion_has_no_drift(clips, label):
    assert not drift_m_s(clips[label]).any()


@pytest.mark.parametrize("label", ["walk", "run"])
def test_steady_drift_in_run_is_found(clips, label):
    motion = repeat_motion(clips[label], 3)
    steady = np.tile(0.6 * across(motion), (len(motion) - 1, 1))
    assert np.linalg.norm(drift_m_s(sliding(motion, steady)) - steady, axis=1).mean() < 0.15


def test_changing_drift_is_found(clips):
    motion = repeat_motion(clips["walk"], 4)
    times_s = np.arange(len(motion) - 1)[:, None] / motion.fps
    changing = np.cos(np.pi * times_s) * [0.6, 0.0]
    off_m_s = np.linalg.norm(drift_m_s(sliding(motion, changing)) - changing, axis=1)
    assert off_m_s.mean() < 0.15 * np.linalg.norm(changing, axis=1).mean()


def test_drift_turns_with_the_world(clips):
    motion = repeat_motion(clips["walk"], 2)
    steady = np.tile([0.6, 0.0], (len(motion) - 1, 1))
    along_x = drift_m_s(sliding(motion, steady))
    along_z = drift_m_s(sliding(motion, steady[:, ::-1]))
    assert np.allclose(along_x.mean(0) - along_z.mean(0), (0.6, -0.6), atol=0.06)


def test_lying_bodies_do_not_drift(clips):
    slid = sliding(clips["crawl"], np.full((len(clips["crawl"]) - 1, 2), 0.5))
    assert not drift_m_s(slid).any()
    assert not drift_m_s(slid.frames(0, 8)).any()


def test_round_trip_run_has_finite_drift():
    there_and_back_m_s = np.array([[3.0, 0.0], [-3.0, 0.0]]).repeat(20, axis=0)
    drift_m_s, sure = _remove_mean_along_travel(0.5 * there_and_back_m_s, there_and_back_m_s)
    assert np.allclose(drift_m_s, 0.5 * there_and_back_m_s)
    assert sure == 1.0


def test_still_walks_skip_drift(clips, monkeypatch):
    monkeypatch.delattr(drift_estimate, "fit_drift")
    assert not drift_m_s(clips["walk"]).any()
    with pytest.raises(NameError):
        drift_m_s(sliding(clips["walk"], np.tile([0.6, 0.0], (len(clips["walk"]) - 1, 1))))


@pytest.mark.parametrize(("kind", "period_s"), [("idle", 0.7), ("turn", 0.7), ("turn", 1.2)])
def test_swaying_legs_do_not_move_root(kind: Kind, period_s: float) -> None:
    """Swaying legs do not move the root.

    Knees that bend to and fro swing both feet alike, as a swinging floor would.
    """
    motion = made_motion(kind, frames=120)
    times_s = np.arange(len(motion)) / motion.fps
    bends_rad = np.radians(12 + 8 * np.sin(2 * np.pi * times_s / period_s))
    swaying = motion
    for knee in ("left_knee", "right_knee"):
        swaying = turn_joint(swaying, knee, Rotation.from_rotvec(np.outer(bends_rad, [1.0, 0.0, 0.0])))
    (correction,) = KinematicCorrector()([swaying])
    moved_m = (correction.motion.root_m - motion.root_m)[:, [0, 2]]
    assert np.linalg.norm(moved_m - moved_m.mean(axis=0), axis=1).max() < 0.005


def shared_velocity(motion: Motion) -> SharedVelocity:
    feet_m = PosedMotions.from_motions(MotionBatch.stack([motion]), sole_points(motion.skeleton)).feet_m[0]
    standing = StanceEvidence.from_motion(motion, feet_m, np.ones(len(motion), dtype=bool))
    return SharedVelocity.from_stances(standing, motion.fps)


@pytest.mark.parametrize("speed_m_s", [0.15, 0.25])
def test_certain_drift_is_removed(walk: Motion, speed_m_s: float) -> None:
    steps = repeat_motion(walk, 3)
    drifting = sliding(steps, np.tile(speed_m_s * across(steps), (len(steps) - 1, 1)))
    corrected = KinematicCorrector()([drifting])[0].motion
    added_m, left_m = (np.linalg.norm((other.root_m - steps.root_m)[-1, [0, 2]]) for other in (drifting, corrected))
    assert left_m < 0.25 * added_m
    kept = sc.correct(drifting, kinematic=True, keep=["path"]).motion
    assert np.linalg.norm((kept.root_m - drifting.root_m)[-1, [0, 2]]) < 0.05


def test_shared_velocity_is_of_the_floor(walk: Motion) -> None:
    steps = repeat_motion(walk, 3)
    velocity_m_s = 0.15 * across(steps)
    drifting = sliding(steps, np.tile(velocity_m_s, (len(steps) - 1, 1)))
    seen = shared_velocity(drifting)
    assert seen.is_certain
    assert not shared_velocity(steps).is_certain
    np.testing.assert_allclose(seen.velocity_m_s, velocity_m_s, atol=0.05)
    turned = shared_velocity(turn(drifting, 1.0))
    assert turned.log_odds == pytest.approx(seen.log_odds, rel=0.05)
    assert np.linalg.norm(turned.velocity_m_s) == pytest.approx(np.linalg.norm(seen.velocity_m_s), rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["05_10", "06_14", "13_18", "35_09", "49_11", "60_15"])
def test_captures_share_no_velocity(cmu: Path, name: str) -> None:
    assert shared_velocity(load_motion(cmu / "train" / f"{name}.bvh")).log_odds < 1.0


LEVELLER = KinematicCorrector(CleanupSettings(level=True))


def rising(motion: Motion, rise_m: float) -> Motion:
    """Raise the floor from beginning to end."""
    return replace(motion, root_m=motion.root_m + np.linspace(0, rise_m, len(motion))[:, None] * np.array([0, 1, 0]))


@pytest.mark.parametrize("rise_m", [-0.12, -0.08, 0.07, 0.7, -0.6])
def test_rise_is_measured_and_levelled(rise_m: float) -> None:
    walk, _ = walk_with_stances(frames=180)
    risen = rising(walk, rise_m)
    assert np.ptp(observe(risen).rise_m) == pytest.approx(abs(rise_m), abs=0.015)
    (kept,) = KinematicCorrector()([risen])
    (levelled,) = LEVELLER([risen])
    assert [note.kind for note in kept.notes if note.kind.name.startswith("RISE")] == [NoteKind.RISES]
    assert [note.kind for note in levelled.notes if note.kind.name.startswith("RISE")] == [NoteKind.RISE_REMOVED]
    assert NoteKind.NOT_LEVELLED not in [note.kind for note in levelled.notes]
    risen_again_m = rising(levelled.motion, rise_m).root_m - kept.motion.root_m
    assert np.ptp(risen_again_m[:, 1]) < 0.02
    assert kept.figures["lost_contacts"] == 0
    assert kept.after["penetration_m"] < 0.003
    off_m = levelled.motion.root_m[:, 1] - walk.root_m[:, 1]
    assert np.ptp(off_m) < 0.02
    assert abs(np.median(off_m)) < 0.02


@pytest.mark.parametrize("rise_m", [-0.1, 0.1])
def test_certain_rise_is_removed(rise_m: float) -> None:
    """Feet that stay in place show that the floor rises and does not slope."""
    level = made_motion("idle", frames=180)
    (corrected,) = KinematicCorrector()([rising(level, rise_m)])
    assert [note.kind for note in corrected.notes if note.kind.name.startswith("RISE")] == [NoteKind.RISE_REMOVED]
    off_m = corrected.motion.root_m[:, 1] - KinematicCorrector()([level])[0].motion.root_m[:, 1]
    assert np.ptp(off_m) < 0.4 * abs(rise_m)
    (kept,) = KinematicCorrector(CleanupSettings(keep_level=True))([rising(level, rise_m)])
    assert NoteKind.RISE_REMOVED not in [note.kind for note in kept.notes]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("slope", [-0.1, 0.0, 0.1])
def test_slopes_do_not_rise(kind: Kind, slope: float) -> None:
    motion = made_motion(kind, frames=150)
    uphill_m = slope * (motion.root_m[:, 2] - motion.root_m[0, 2])
    on_slope = replace(motion, root_m=motion.root_m + uphill_m[:, None] * np.array([0, 1, 0]))
    assert not find_steady_rise(observe(on_slope)).is_certain


@pytest.mark.slow
@pytest.mark.parametrize("name", ["05_04", "05_05", "05_10", "05_17", "07_11", "35_09", "49_11", "60_15"])
def test_floors_of_captures_do_not_rise(cmu: Path, name: str) -> None:
    assert not find_steady_rise(observe(load_motion(cmu / "train" / f"{name}.bvh"))).is_certain


@pytest.mark.parametrize("rise_m", [0.0, 0.02])
def test_level_walks_do_not_rise(rise_m: float) -> None:
    walk, _ = walk_with_stances(frames=180)
    assert not observe(rising(walk, rise_m)).rise_m.any()


def test_stairs_are_no_rising_floor() -> None:
    """Stairs are no rising floor.

    The climb shows them, although its feet stand higher and higher.
    """
    walk, stands = walk_with_stances(frames=180)
    steps = np.cumsum(np.diff(stands.any(1).astype(int), prepend=0) > 0)
    climb = replace(walk, root_m=walk.root_m + 0.17 * steps[:, None] * np.array([0, 1, 0]))
    assert not observe(climb).rise_m.any()
    assert not find_steady_rise(observe(climb)).is_certain


def test_standing_points_on_sliding_floor(walk: Motion) -> None:
    """Standing points leave horizontal motion and swings alone.

    Standing points are evidence of height only, and a swinging foot is no evidence.
    """
    sliding = replace(walk, root_m=walk.root_m + np.outer(np.arange(len(walk)) / walk.fps, (0.3, 0.0, 0.0)))
    evidence = []
    for motion in (walk, sliding):
        posed = PosedMotions.from_motions(MotionBatch.stack([motion]), sole_points(motion.skeleton))
        evidence.append(StanceEvidence.from_motion(motion, posed.feet_m[0], np.ones(len(motion), dtype=bool)))
    still, slid = evidence
    assert np.abs(slid.weights - still.weights).mean() < 0.02
    faster_m_s = slid.velocity_m_s - still.velocity_m_s
    np.testing.assert_allclose(faster_m_s, np.broadcast_to((0.3, 0.0), faster_m_s.shape), atol=1e-6)
    assert still.weights.max() > 0.5
    assert still.weights.min() < 0.01


def ankles_m(motion: Motion) -> np.ndarray:
    return joint_positions(motion, [motion.skeleton.parts.index(f"{side}_ankle") for side in ("left", "right")])


def glide_m_s(motion: Motion) -> np.ndarray:
    return estimate_standing_glide(ankles_m(motion), motion.root_m, motion.fps)


def gliding(motion: Motion, speed_m_s: float, start: int = 0) -> Motion:
    """The motion, whose root glides from a frame on."""
    seconds = np.maximum(np.arange(len(motion)) - start, 0) / motion.fps
    return replace(motion, root_m=motion.root_m + speed_m_s * seconds[:, None] * np.array([0.8, 0.0, -0.6]))


def gesturing(frames: int) -> Motion:
    """Stand with arms that never come back, so that the motion is not a loop."""
    idle = made_motion("idle", frames=frames)
    bends = Rotation.from_rotvec(np.outer(np.linspace(0.0, 1.2, frames), [1.0, 0.0, 0.0]))
    return pose_joint(idle, "left_elbow", bends)


@pytest.mark.parametrize("speed_m_s", [0.03, 0.06, 0.1])
@pytest.mark.parametrize("is_loop", [False, True])
def test_standing_glide_is_removed(speed_m_s: float, is_loop: bool) -> None:
    stand = made_motion("idle", frames=181) if is_loop else gesturing(150)
    (correction,) = KinematicCorrector()([gliding(stand, speed_m_s)])
    (note,) = [note for note in correction.notes if note.kind is NoteKind.GLIDE_REMOVED]
    assert note.value == pytest.approx(speed_m_s, rel=0.1)
    feet_m_s = np.linalg.norm(np.diff(ankles_m(correction.motion), axis=0), axis=-1) * stand.fps
    assert feet_m_s.mean() < 0.005
    hips_m = correction.motion.root_m - stand.root_m
    assert np.ptp(hips_m[:, [0, 2]], axis=0).max() < 0.01  # over the feet all the time
    moved_far = [note for note in correction.notes if note.kind is NoteKind.MOVED_FAR]
    furthest_m = speed_m_s * stand.seconds
    assert ["--keep path" in str(note) for note in moved_far] == [True] * (furthest_m > LARGE_MOVE_M)
    assert [note.value for note in moved_far] == [pytest.approx(furthest_m, rel=0.1)] * len(moved_far)


@pytest.mark.parametrize(("speed_m_s", "is_removed"), [(0.0, False), (0.12, True), (0.2, True)])
def test_one_leg_stand_glides_alike(speed_m_s: float, is_removed: bool) -> None:
    """The other foot swings all the time."""
    stand = gesturing(150)
    swing_rad = 0.5 + 0.3 * np.sin(np.arange(150) / 8)
    balance = pose_joint(stand, "right_hip", Rotation.from_rotvec(np.outer(swing_rad, [-1.0, 0.0, 0.0])))
    (correction,) = KinematicCorrector()([gliding(balance, speed_m_s)])
    assert (NoteKind.GLIDE_REMOVED in {note.kind for note in correction.notes}) == is_removed
    left_m_s = np.linalg.norm(np.diff(ankles_m(correction.motion)[:, 0], axis=0), axis=-1) * stand.fps
    assert left_m_s.mean() < 0.005


def test_glide_lasts_as_long_as_stand() -> None:
    walk = made_motion("walk", frames=60)
    stand = gliding(gesturing(120), 0.08)
    path_m = np.concatenate([walk.root_m, stand.root_m + (walk.root_m[-1] - stand.root_m[0]) * (1.0, 0.0, 1.0)])
    both = replace(stand, root_m=path_m, rotations=np.concatenate([walk.rotations, stand.rotations]))
    glide = np.linalg.norm(glide_m_s(both), axis=1)
    assert not glide[:50].any()
    assert glide[90:].mean() == pytest.approx(0.08, rel=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_still_floor_has_no_glide(kind) -> None:
    assert not glide_m_s(made_motion(kind, frames=180)).any()


def test_swaying_and_riding_are_no_glides() -> None:
    stand = gesturing(180)
    swing_m = 0.1 * np.sin(np.arange(180) / 30)[:, None] * np.array([1.0, 0.0, 0.0])
    assert not glide_m_s(replace(stand, root_m=stand.root_m + swing_m)).any()
    assert not glide_m_s(gliding(stand, 0.8)).any()


@pytest.mark.parametrize(
    ("steps", "named"), [(gesturing(150), NoteKind.DRIFT_KEPT), (made_motion("walk", frames=150), NoteKind.FEET_GLIDE)]
)
def test_gliding_feet_are_kept(steps: Motion, named: NoteKind) -> None:
    """Stands on moving things and skaters' steps stay."""
    skater = gliding(replace(steps, root_m=steps.root_m * (0.0, 1.0, 0.0)), 1.5)
    (correction,) = KinematicCorrector()([skater])
    assert named in {note.kind for note in correction.notes}
    np.testing.assert_allclose(correction.motion.root_m, skater.root_m, atol=0.01)


@pytest.mark.parametrize("keep", ["path", "feet"])
@pytest.mark.parametrize("kinematic", [True, False])
def test_walkway_path_is_kept(keep: str, *, kinematic: bool) -> None:
    """Body and feet keep to a walkway together.

    Neither leaves it, or the other.
    """
    stand = gliding(gesturing(150), 0.08)
    correction = sc.correct(stand, kinematic=kinematic, keep=[keep])
    assert correction.accepted
    assert NoteKind.GLIDE_KEPT in {note.kind for note in correction.notes}
    np.testing.assert_allclose(correction.motion.root_m, stand.root_m, atol=0.01)
    np.testing.assert_allclose(ankles_m(correction.motion), ankles_m(stand), atol=0.01)


@pytest.mark.parametrize(
    ("options", "named"), [({"remove_drift": True}, "remove_drift"), ({"strength": "simulated"}, "simulated")]
)
def test_contradicting_path_option_raises(options: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingError, match=named):
        sc.correct(gesturing(60), **options, keep=["path"])


def test_glides_on_either_foot_count_alike() -> None:
    """Glides on either foot count alike.

    A body glides on the left foot for some seconds, then on the right foot; the other foot swings meanwhile.
    """
    times_s = np.arange(181) / 30.0
    root_m = np.outer(0.12 * times_s, [0.0, 0.0, 1.0])
    swing_m = np.outer(0.2 * np.sin(6 * times_s), [0.0, 1.0, 0.0])
    is_left = times_s < 3.0
    feet_m = np.stack([root_m + ~is_left[:, None] * swing_m, root_m + is_left[:, None] * swing_m], axis=1)
    glide_m_s = estimate_standing_glide(feet_m, root_m, 30.0)
    np.testing.assert_allclose(estimate_standing_glide(feet_m[:, ::-1], root_m, 30.0), glide_m_s, atol=1e-12)
    assert (glide_m_s[[45, 135], 1] > 0.1).all()


@pytest.mark.parametrize("size", [0.1, 1.0, 2.5])
@pytest.mark.parametrize(("cosine", "swings"), [(-0.9, False), (0.0, False), (0.25, False), (0.55, True), (0.95, True)])
def test_swing_of_root_is_alike(size: float, cosine: float, swings: bool) -> None:
    """A swing of the root is removed from dancers as well.

    Their path contains some of any swing, even of one that only bent knees show.
    """
    phase = 2 * np.pi * 0.5 * np.arange(300) / 30
    root_m = np.stack([0.2 * np.sin(phase), np.ones(300), np.zeros(300)], axis=1)
    turned = cosine * np.sin(phase) + np.sqrt(1 - cosine**2) * np.cos(phase)
    swing_m = 0.2 * size * np.stack([turned, np.zeros(300)], axis=1)
    is_large = cosine < 0.3 * size  # a swing of which the root makes less than a third
    assert _is_root_swinging(np.diff(swing_m, axis=0) * 30, root_m, 30.0) == (swings and not is_large)
