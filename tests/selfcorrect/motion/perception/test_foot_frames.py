"""Stances show where soles are.

Rest poses of the rigs show something else.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import root_scalar
from scipy.spatial.transform import Rotation
from turned_joints import turn_joint

from selfcorrect.motion.body.surface import world_sole_points
from selfcorrect.motion.kinematics import forward_kinematics, joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.foot_frames import estimate_foot_frames, level_feet
from selfcorrect.motion.skeleton import FootFrames, Quaternion
from selfcorrect.motion.views import LevelFeet, ScaledBody

SEEN_WITHIN_DEG = 2.5
SEEN_WITHIN_M = 0.005


def turn(axis: str, angle_deg: float) -> Quaternion:
    x, y, z, w = Rotation.from_euler(axis, angle_deg, degrees=True).as_quat().tolist()
    return x, y, z, w


def tilt_feet(motion: Motion, axis: str, angle_deg: float, toes_deg: float | None = None) -> Motion:
    """Tilt feet and toes at rest by two angles, without moving a joint."""
    toes_deg = angle_deg if toes_deg is None else toes_deg
    ankle = turn(axis, angle_deg)
    toe = turn(axis, toes_deg)
    feet = FootFrames(ankles=(ankle, ankle), toes=(toe, toe))
    return replace(LevelFeet(feet).view(motion), feet=None)


def standing_on(motion: Motion, depth_m: float, floor_m: float = 0.0, size: float = 1.0) -> Motion:
    """Return a scaled body whose toes are this high.

    The lowest toe joint is `depth_m` above a floor at `floor_m`.
    """
    sized = ScaledBody(size).view(motion)
    toes_m = joint_positions(sized)[:, [sized.skeleton.parts.index(f"{side}_foot") for side in ("left", "right")], 1]
    return replace(sized, root_m=sized.root_m + np.array([0.0, depth_m + floor_m - toes_m.min(), 0.0]))


def angles_deg(feet: FootFrames, axis: str) -> np.ndarray:
    """Return rotations (4,) of both ankles and toe joints about an axis."""
    rotations = Rotation.from_quat(np.array([*feet.ankles, *feet.toes]))
    return np.degrees(rotations.as_rotvec()[:, "xyz".index(axis)])


@pytest.mark.parametrize("angle_deg", [-25.0, -12.0, 5.0, 15.0, 25.0])
@pytest.mark.parametrize("axis", ["x", "z"])
@pytest.mark.parametrize("size", [0.5, 1.0])
def test_tilt_is_found(stepping: Motion, axis: str, angle_deg: float, size: float):
    motion = tilt_feet(standing_on(stepping, 0.02, size=size), axis, angle_deg)
    np.testing.assert_allclose(angles_deg(estimate_foot_frames([motion]), axis), -angle_deg, atol=SEEN_WITHIN_DEG)


def test_toes_are_hinges(stepping: Motion):
    angles = angles_deg(estimate_foot_frames([tilt_feet(standing_on(stepping, 0.02), "x", 20.0, toes_deg=-8.0)]), "x")
    np.testing.assert_allclose(angles, (-20.0, -20.0, 8.0, 8.0), atol=SEEN_WITHIN_DEG)


@pytest.mark.parametrize("depth_m", [0.0, 0.01, 0.025, 0.04, 0.05])
@pytest.mark.parametrize("angle_deg", [0.0, 23.0])
def test_depth_is_found(stepping: Motion, depth_m: float, angle_deg: float):
    motion = tilt_feet(standing_on(stepping, depth_m), "x", angle_deg)
    np.testing.assert_allclose(estimate_foot_frames([motion]).soles_m or np.nan, depth_m, atol=SEEN_WITHIN_M)


@pytest.mark.parametrize("short", ["left", "right"])
def test_foot_on_step_shares_shoe(stepping: Motion, short: str):
    """A foot on a step shares the shoe.

    Its own height does not show the sole; the usual depth would put it elsewhere than its neighbour.
    """
    offsets_m = stepping.skeleton.offsets_m.copy()
    offsets_m[stepping.skeleton.joint(f"{short}_ankle")] *= 0.94
    lame = standing_on(replace(stepping, skeleton=replace(stepping.skeleton, offsets_m=offsets_m)), 0.048)
    np.testing.assert_allclose(estimate_foot_frames([lame]).soles_m or np.nan, 0.048, atol=2 * SEEN_WITHIN_M)


@pytest.mark.parametrize("depth_m", [0.0, 0.025, 0.04])
def test_clips_reveal_rig_depth(stepping: Motion, depth_m: float):
    floors_m = (0.0, 0.0, 0.003, -0.002, 0.04, -0.3)
    motions = [standing_on(stepping, depth_m, floor_m) for floor_m in floors_m]
    np.testing.assert_allclose(estimate_foot_frames(motions).soles_m or np.nan, depth_m, atol=SEEN_WITHIN_M)


def test_far_floor_tells_no_sole(stepping: Motion):
    assert estimate_foot_frames([standing_on(stepping, 0.025, -0.2)]).soles_m == pytest.approx((0.025, 0.025), abs=1e-3)


def test_calibrated_rig_is_level(stepping: Motion):
    motion = tilt_feet(standing_on(stepping, 0.0), "x", 23.0)
    heights_m = []
    for compared in (motion, level_feet(motion)):
        poses = forward_kinematics(compared.skeleton, compared.root_m, compared.rotations)
        feet_m = world_sole_points(compared.skeleton, *poses)[..., 1].reshape(len(compared), 2, -1)
        heights_m.append(np.abs(feet_m).max(-1).min(-1))  # of the furthest corner of the foot that stands
    assert np.median(heights_m[0]) > 0.02
    assert np.median(heights_m[1]) < 0.003


def test_feet_without_toe_joints(walk: Motion):
    assert walk.skeleton.joint("left_foot") is None
    plain = estimate_foot_frames([walk])
    tilt = estimate_foot_frames([tilt_feet(walk, "x", 18.0)])
    np.testing.assert_allclose(angles_deg(tilt, "x") - angles_deg(plain, "x"), -18.0, atol=SEEN_WITHIN_DEG)
    assert tilt.soles_m == plain.soles_m is not None


@pytest.mark.parametrize("label", ["crawl", "run"])
def test_never_flat_feet_are_at_rest(clips: dict[str, Motion], label: str):
    assert estimate_foot_frames([clips[label]]) == FootFrames()


@pytest.mark.parametrize("heel_deg", [35.0, 50.0])
def test_tiptoe_has_no_high_heels(stepping: Motion, heel_deg: float):
    for ankle in ("left_ankle", "right_ankle"):
        stepping = turn_joint(stepping, ankle, Rotation.from_euler("x", heel_deg, degrees=True))
    assert estimate_foot_frames([standing_on(stepping, 0.03)]) == FootFrames()


def test_tiptoe_foot_mirrors_flat_one(stepping: Motion):
    parts = stepping.skeleton.parts
    leg = [parts.index(f"right_{part}") for part in ("hip", "knee", "ankle")]

    def standing(bent_rad: float) -> Motion:
        """Stand on the left foot and the right toes, with a bent right knee."""
        rotations = np.tile([0.0, 0.0, 0.0, 1.0], (45, len(parts), 1))
        angles_rad = (-bent_rad, 2 * bent_rad, np.radians(25.0) - bent_rad)
        rotations[:, leg] = Rotation.from_euler("x", np.array(angles_rad)[:, None]).as_quat()
        return standing_on(replace(stepping, rotations=rotations), 0.02)

    def higher_m(bent_rad: float) -> float:
        """Return how much higher the right toes are than the left ones."""
        left = parts.index("left_foot")
        right = parts.index("right_foot")
        heights_m = joint_positions(standing(bent_rad))[0, :, 1]
        return float(heights_m[right] - heights_m[left])

    feet = estimate_foot_frames([standing(root_scalar(higher_m, bracket=(0.0, 1.0)).root)])
    np.testing.assert_allclose(angles_deg(feet, "x"), 0.0, atol=SEEN_WITHIN_DEG)


def test_ankleless_skeleton_is_usual(stepping: Motion):
    skeleton = replace(stepping.skeleton, parts=("pelvis",) + ("",) * (len(stepping.skeleton) - 1))
    assert level_feet(replace(stepping, skeleton=skeleton)).skeleton is skeleton
