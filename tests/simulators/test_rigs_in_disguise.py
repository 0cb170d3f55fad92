"""Corrections do not depend on feet at rest.

Nor do they depend on where in the foot its toe joints lie.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from turned_joints import with_toes_at

from selfcorrect.motion.checks.check import check
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.pictures.drawing import animate
from selfcorrect.motion.pictures.figure import SUNK
from selfcorrect.motion.pictures.panels import PicturePanel
from selfcorrect.motion.skeleton import FootFrames, Quaternion
from selfcorrect.motion.views import LevelFeet
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector


def turn(angles_deg: tuple[float, float, float]) -> Quaternion:
    x, y, z, w = Rotation.from_euler("xyz", angles_deg, degrees=True).as_quat().tolist()
    return x, y, z, w


def tilt_rig(motion: Motion, pitch_deg: float, roll_deg: float = 0.0) -> Motion:
    """Tilt the feet at rest; no joint moves."""
    both = turn((pitch_deg, 0.0, roll_deg)), turn((pitch_deg, 0.0, -roll_deg))
    return LevelFeet(FootFrames(ankles=both, toes=both)).view(motion)


def corrected_m(motion: Motion, corrector: KinematicCorrector | PhysicsCorrector) -> np.ndarray:
    correction = corrector([motion])[0]
    assert correction.accepted, correction.reason
    assert correction.motion.skeleton is motion.skeleton
    return joint_positions(correction.motion)


@pytest.mark.parametrize("corrector", [KinematicCorrector(), PhysicsCorrector()])
@pytest.mark.parametrize("tilt", [(5.0, 0.0), (25.0, 0.0), (-15.0, 6.0)])
def test_tilt_at_rest_changes_nothing(walk: Motion, tilt: tuple[float, float], corrector):
    off_m = np.abs(corrected_m(tilt_rig(walk, *tilt), corrector) - corrected_m(walk, corrector))
    assert off_m.mean() < 1e-3


def test_rest_tilt_changes_nothing(stepping: Motion):
    motion = with_toes_at(stepping, 0.03)
    corrector = KinematicCorrector()
    off_m = np.abs(corrected_m(tilt_rig(motion, 23.0), corrector) - corrected_m(motion, corrector))
    assert off_m.max() < 1e-3


@pytest.mark.parametrize(("corrector", "depth_m"), [(KinematicCorrector(), 0.02), (PhysicsCorrector(), 0.05)])
def test_height_changes_nothing(stepping: Motion, corrector, depth_m: float):
    off_m = corrected_m(with_toes_at(stepping, depth_m), corrector) - corrected_m(
        with_toes_at(stepping, 0.03), corrector
    )
    assert np.abs(off_m).max() < 1e-3


def test_height_is_told_apart(stepping: Motion):
    correction = KinematicCorrector()([with_toes_at(stepping, -0.1)])[0]
    assert correction.figures["raised_m"] == pytest.approx(0.125, abs=0.01)
    assert correction.figures["moved_m"] >= correction.figures["raised_m"] - 0.005


def test_still_feet_stay_still(stepping: Motion):
    correction = PhysicsCorrector()([tilt_rig(with_toes_at(stepping, 0.01), 20.0)])[0]
    assert correction.after["skate_m_s"] < correction.before["skate_m_s"] + 0.005


@pytest.mark.parametrize("corrector", [KinematicCorrector(), PhysicsCorrector()])
def test_fixed_ankles_stay(stepping: Motion, corrector):
    """Fixed ankles stay while feet tilt.

    The body stands with bent knees and sways its trunk.
    """
    parts = stepping.skeleton.parts
    times = 0.3 * np.arange(60)[:, None]
    rotations = np.tile([0.0, 0.0, 0.0, 1.0], (60, len(parts), 1))
    for part, angle_rad in (("hip", -0.3), ("knee", 0.6), ("ankle", -0.3)):
        wobble = np.radians(3.0) * np.sin(3 * times) * [1.0, 0.0, 1.0] * (part == "ankle")
        turned = Rotation.from_rotvec(wobble) * Rotation.from_euler("x", angle_rad)
        for side in ("left", "right"):
            rotations[:, parts.index(f"{side}_{part}")] = turned.as_quat()
    rotations[:, parts.index("spine1")] = Rotation.from_rotvec(0.1 * np.sin(times) * [1.0, 0.0, 1.0]).as_quat()
    root_m = np.zeros((60, 3))
    motion = with_toes_at(replace(stepping, root_m=root_m, rotations=rotations), 0.015)
    correction = corrector([motion])[0]
    assert correction.accepted
    ankles = [parts.index(f"{side}_ankle") for side in ("left", "right")]
    joints_m = joint_positions(correction.motion)[:, ankles]
    speeds_m_s = np.linalg.norm(np.diff(joints_m, axis=0), axis=-1) * motion.fps
    assert speeds_m_s.mean() < 0.005


@pytest.mark.parametrize("pitch_deg", [-15.0, 23.0])
def test_clean_feet_on_tilted_rig(stepping: Motion, pitch_deg: float):
    clean = with_toes_at(stepping, 0.01)
    rules = ("F", "X")
    assert [(finding.code, finding.start) for finding in check(tilt_rig(clean, pitch_deg), rules)] == [
        (finding.code, finding.start) for finding in check(clean, rules)
    ]
    assert not is_red(tilt_rig(clean, pitch_deg))
    assert is_red(replace(tilt_rig(clean, pitch_deg), feet=FootFrames()))  # as the rest pose has them


def is_red(motion: Motion) -> bool:
    """Whether feet are drawn as sunk."""
    return bool(np.all(animate([PicturePanel(motion)], size_px=120) == np.array(SUNK), axis=-1).any())
