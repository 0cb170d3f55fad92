"""Reports agree with the files they describe.

Read again, each figure before is the figure after.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_motions import KINDS, Kind, made_motion
from plain_contacts import foot_contacts, standing_speeds_m_s
from scipy.spatial.transform import Rotation
from turned_joints import turn_joint

import selfcorrect as sc
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.clean import CleanupSettings
from selfcorrect.simulators.corrector import KinematicCorrector

REPEATABLE = {"penetration_m": 0.0012, "floating_m": 0.005, "skate_m_s": 0.005, "jerk_m_s3": 0.05}
"""Largest growth of figures: feet stand in slightly other frames after a correction than before it."""


def spoil(motion: Motion, sunk_m: float, drift_m_s: float) -> Motion:
    """Sink a motion; let it drift and sway."""
    times_s = np.arange(len(motion))[:, None] / motion.fps
    away_m = [drift_m_s, -sunk_m, 0.0] * np.hstack([times_s, np.ones_like(times_s), times_s])
    return replace(motion, root_m=motion.root_m + away_m + 0.01 * np.sin(5 * times_s) * [1.0, 0.0, 1.0])


FORMATS = {"bvh": ".bvh", "amass": ".npz", "gltf": ".glb", "joints": ".npy", "humanml3d": ".npy"}


@pytest.mark.parametrize(
    ("kind", "pace", "fps", "kinematic", "name"),
    [
        ("walk", 1.0, 30.0, False, "bvh"),
        ("walk", 1.0, 30.0, False, "humanml3d"),
        ("run", 0.8, 60.0, True, "amass"),
        ("run", 0.8, 60.0, True, "gltf"),
        ("turn", 1.2, 24.0, True, "joints"),
        ("turn", 1.2, 24.0, True, "bvh"),
        ("idle", 1.0, 120.0, True, "humanml3d"),
        ("idle", 1.0, 120.0, True, "gltf"),
    ],
)
def test_figures_match_written_file(kind: Kind, pace: float, fps: float, kinematic: bool, name: str, tmp_path: Path):
    suffix = FORMATS[name]
    motion = spoil(made_motion(kind, pace, fps, round(3 * fps)), 0.035, 0.03)
    sc.save_motion(tmp_path / f"in{suffix}", motion, name)
    (first,) = sc.correct_files([tmp_path / f"in{suffix}"], tmp_path / "one", kinematic=kinematic)
    (repeated,) = sc.correct_files([tmp_path / "one" / f"in{suffix}"], tmp_path / "two", kinematic=kinematic)
    assert first.verdict == "accepted"
    for column, most in REPEATABLE.items():
        assert repeated.figures.before[column] <= 1.01 * first.figures.after[column] + most, column
    if repeated.verdict == "unchanged":
        rel = 0.02 if name == "humanml3d" else 1e-3  # feature rows that are written again change figures by 1.2 %
        assert repeated.figures.after == pytest.approx(repeated.figures.before, rel=rel, abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_rigid_ends_never_turn(kind: Kind):
    """Corrections count only what a file can hold.

    Figures without it would be those of another motion.
    """
    motion = spoil(resample(made_motion(kind), 30.0), 0.03, 0.0)
    rigid = replace(motion.skeleton, rigid=frozenset({"left_foot", "right_foot"}))
    ends = [motion.skeleton.joint("left_foot"), motion.skeleton.joint("right_foot")]
    (correction,) = KinematicCorrector()([replace(motion, skeleton=rigid)])
    assert correction.accepted
    turned = np.abs(np.sum(correction.motion.rotations[:, ends] * motion.rotations[:, ends], axis=-1))
    np.testing.assert_allclose(turned, 1.0, atol=1e-12)


@pytest.mark.parametrize("kind", ["walk", "idle"])
@pytest.mark.parametrize(("fps", "speed_m_s"), [(30.0, 0.3), (60.0, 0.3), (120.0, 0.3), (30.0, 0.6)])
def test_fast_slides_are_planted(kind: Kind, fps: float, speed_m_s: float):
    """Fast slides are mostly removed from standing feet.

    The root sways, as a generator's may, and ends where it did.
    """
    clean = made_motion(kind, 0.8, fps, round(4 * fps))
    times_s = np.arange(len(clean))[:, None] / fps
    slides = replace(clean, root_m=clean.root_m + speed_m_s / np.pi * np.sin(np.pi * times_s) * [1.0, 0.0, 0.7])
    (correction,) = KinematicCorrector()([slides])
    stands = foot_contacts(clean)
    ankles = [clean.skeleton.joint(f"{side}_ankle") for side in ("left", "right")]
    speeds_m_s = [
        np.linalg.norm(np.gradient(joint_positions(motion)[:, ankles], 1 / fps, axis=0)[..., [0, 2]], axis=-1)[
            stands
        ].mean()
        for motion in (slides, correction.motion)
    ]
    assert speeds_m_s[1] < 0.5 * speeds_m_s[0]
    assert correction.figures["lost_contacts"] < 0.05
    assert np.linalg.norm((correction.motion.root_m - slides.root_m)[-1, [0, 2]]) < 0.01
    told_m_s = standing_speeds_m_s(slides, correction.motion)
    assert told_m_s[0] > 0.3 * speed_m_s > 0.15 * speed_m_s > told_m_s[1]


@pytest.mark.parametrize("fps", [30.0, 60.0, 120.0])
def test_locked_toes_stay(fps: float):
    """Locked toes stay below a moving heel.

    The heel rises and sinks over them, as after a foot lock, 2 cm too high. Toes do not slide, but are displaced by 12
    mm as a whole, and rise by 11 mm while their tips dip.
    """
    clean = made_motion("idle", 1.0, fps, round(4 * fps))
    skeleton = clean.skeleton
    times_s = np.arange(len(clean))[:, None] / fps
    toe = skeleton.parts.index("left_foot")
    pitch = Rotation.from_rotvec(0.25 * np.sin(2 * np.pi * times_s) ** 2 * [1.0, 0.0, 0.0])
    rolled = turn_joint(clean, "left_ankle", pitch)
    locked_m = joint_positions(rolled, [toe])[:, 0]
    rolled = replace(rolled, root_m=rolled.root_m + locked_m[0] - locked_m + [[0.0, 0.02, 0.0]])
    (correction,) = KinematicCorrector()([rolled])
    assert np.linalg.norm(np.diff(joint_positions(rolled, [toe]), axis=0), axis=-1).max() < 1e-9
    made_m = joint_positions(correction.motion, [toe])[:, 0]
    assert (np.linalg.norm(np.diff(made_m[:, [0, 2]], axis=0), axis=-1) * fps).mean() < 0.006
    assert np.ptp(made_m[:, 1]) < 0.012
    assert np.linalg.norm((made_m - joint_positions(rolled, [toe])[:, 0])[:, [0, 2]], axis=-1).max() < 0.015


def test_input_fixes_stances():
    """The input decides which feet stand.

    Those that are raised slide on, and joints that are slow for a moment do not stand.
    """
    clean = made_motion("idle")
    times_s = np.arange(len(clean))[:, None] / clean.fps
    slides = replace(clean, root_m=clean.root_m + 0.2 * times_s * [1.0, 0.0, 0.0])
    raised = replace(slides, root_m=slides.root_m + np.array([0.0, 0.3, 0.0]))
    assert standing_speeds_m_s(slides, raised) == pytest.approx((0.2, 0.2), abs=0.02)
    fast = replace(clean, root_m=clean.root_m + 0.2 * np.sin(3 * np.pi * times_s) * [1.0, 0.0, 0.0])
    assert standing_speeds_m_s(fast, clean)[0] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("kind", ["walk", "hop", "idle"])
@pytest.mark.parametrize("fps", [30.0, 120.0])
def test_second_correction_changes_little(kind: Kind, fps: float):
    clean = made_motion(kind, 0.9, fps, round(4 * fps))
    (first,) = KinematicCorrector()([spoil(clean, 0.02, 0.03)])
    (second,) = KinematicCorrector()([first.motion])
    (third,) = KinematicCorrector()([second.motion])
    assert first.figures["moved_m"] > 0.002
    # A walk at 30 fps is moved by 19.4 mm, and once more by 4.4 mm, mostly upwards.
    share = 0.25 if (kind, fps) == ("walk", 30.0) else 0.01
    assert second.figures["moved_m"] < max(0.0005, share * first.figures["moved_m"])
    assert third.figures["moved_m"] == 0.0


@pytest.mark.parametrize("fps", [30.0, 60.0, 120.0])
def test_hopping_body_lands_on_floor(fps: float):
    """Hopping feet do not stand in the air.

    Such feet move up and down, which shows that they do not stand.
    """
    clean = made_motion("hop", 0.9, fps, round(4 * fps))
    (correction,) = KinematicCorrector()([replace(clean, root_m=clean.root_m - [0.0, 0.02, 0.0])])
    assert -0.002 < correction.figures["raised_m"] < 0.022


@pytest.mark.parametrize("pitch_deg", [20.0, 30.0])
def test_heel_stand_does_not_sink(pitch_deg: float) -> None:
    """The report sees the heel that was placed.

    Dancers raise their toes for long.
    """
    standing = made_motion("idle", frames=90)
    angles_rad = -np.radians(pitch_deg) * np.clip((np.arange(90) - 30) / 10, 0.0, 1.0)
    pitch = Rotation.from_rotvec(np.outer(angles_rad, [1.0, 0.0, 0.0]))
    corrector = KinematicCorrector(CleanupSettings(keep_level=True))
    (correction,) = corrector([spoil(turn_joint(standing, "right_ankle", pitch), 0.0, 0.0)])
    # The sole that is flat at first is on the floor, so the heel is 5.4 mm deep: 1.9 mm on average over all frames.
    assert correction.before["penetration_m"] > 0.0015
    assert correction.after["penetration_m"] < correction.before["penetration_m"]  # 4 mm are left, as in soft soles
