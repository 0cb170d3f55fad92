"""Standing feet are held, and sunken limbs come up.

Limbs and trunks bend if that raises them. Everything else stays.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from made_damages import add_noise
from made_motions import made_motion
from scipy.spatial.transform import Rotation
from turned_joints import pose_joint, turn_joint

from selfcorrect.motion.kinematics import forward_kinematics, joint_positions
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.measures.roughness import added_angular_speeds_rad_s
from selfcorrect.motion.measures.slip import measure_slip
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.clean import CleanupSettings, clean_motions
from selfcorrect.simulators.core.drift import furthest_in_stance_m, lock_share
from selfcorrect.simulators.core.foot_rotations import flattening_rotations, share_above
from selfcorrect.simulators.core.frame_planting import bridge_swings, lock_feet
from selfcorrect.simulators.core.lifting import raise_limbs, trunk_lift
from selfcorrect.simulators.corrector import KinematicCorrector


@pytest.mark.parametrize("label", ["crawl", "getup_facedown", "getup_faceup", "roll"])
def test_bodies_do_not_sink(clips, label):
    batch = MotionBatch.stack([clips[label]])
    mended = clean_motions(batch, CleanupSettings()).motions
    assert physical_errors(mended).penetration_m[0] < 0.001 < physical_errors(batch).penetration_m[0]


def test_motions_above_floor_stay(walk, adult):
    batch = MotionBatch.stack([walk])
    assert np.array_equal(raise_limbs(batch).rotations, batch.rotations)
    positions_m, _ = forward_kinematics(walk.skeleton, walk.root_m, walk.rotations)
    assert not trunk_lift(walk.skeleton, positions_m[None], walk.fps).any()


def test_hand_rises_and_trunk_stays(stand):
    """Hanging arms bend upwards at the shoulder.

    The shoulders are near the floor.
    """
    low = replace(stand, root_m=stand.root_m - [0.0, 1.2, 0.0])
    low = pose_joint(low, "left_shoulder", Rotation.from_rotvec([0.0, 0.0, -1.4]))
    before_m = joint_positions(low)
    after_m = joint_positions(raise_limbs(MotionBatch.stack([low]))[0])
    wrist = low.skeleton.joint("left_wrist")
    elbow = low.skeleton.joint("left_elbow")
    head = low.skeleton.joint("head")
    assert before_m[:, wrist, 1].max() < 0.0
    assert np.allclose(after_m[:, wrist, 1], 0.031)
    assert (after_m[:, elbow, 1] >= 0.031 - 1e-9).all()
    assert np.allclose(after_m[:, head], before_m[:, head])
    lengths_m = (np.linalg.norm(joints_m[:, wrist] - joints_m[:, elbow], axis=-1) for joints_m in (before_m, after_m))
    assert np.allclose(*lengths_m)


@pytest.mark.parametrize("spread_s", [0.0, 0.08])
@pytest.mark.parametrize("depth_m", [0.02, 0.05])
@pytest.mark.parametrize(
    ("limb", "lowest_m"), [(("hip", "knee", "ankle"), -1.0), (("shoulder", "elbow", "wrist"), 0.031)]
)
@pytest.mark.parametrize(("end_points", "follows"), [((0.0, 0.1, -1.0), False), ((0.0, 1.0, -0.02), True)])
def test_resting_ends_stay(stand, limb, lowest_m, depth_m, spread_s, end_points, follows):
    """A sunken joint rises alone over a resting end.

    The end of a knee or elbow is ankle or wrist; one that is upright above it rises, too.
    """
    upper, middle, end = (stand.skeleton.joint(f"left_{part}") for part in limb)
    slanted = Rotation.align_vectors([[0.0, -0.9, 0.4]], [stand.skeleton.offsets_m[middle]])[0]
    pointing = Rotation.align_vectors([end_points], [stand.skeleton.offsets_m[end]])[0]
    bent = pose_joint(pose_joint(stand, upper, slanted), middle, slanted.inv() * pointing)
    sunken = replace(bent, root_m=bent.root_m - [0.0, joint_positions(bent)[0, middle, 1] + depth_m, 0.0])
    raised = raise_limbs(MotionBatch.stack([sunken]), spread_s)[0]
    before_m = joint_positions(sunken)[..., 1]
    after_m = joint_positions(raised)[..., 1]
    rises_m = (after_m - before_m)[:, middle]
    assert rises_m.min() > depth_m
    expected_m = before_m[:, end] + rises_m if follows else np.maximum(before_m[:, end], lowest_m)
    assert np.allclose(after_m[:, end], expected_m, atol=0.003)


@pytest.mark.parametrize("fps", [24.0, 30.0, 60.0, 120.0])
def test_upright_forearm_does_not_snap(stand, fps):
    """An upright bone must not tilt at once.

    Its end rises by nothing at first: the control snaps.
    """
    adult = stand.skeleton
    frames = round(2 * fps) + 1
    rotations = np.tile(stand.rotations[:1], (frames, 1, 1))
    dipping = replace(stand, root_m=np.tile(stand.root_m[:1], (frames, 1)), rotations=rotations, fps=fps)
    for part, turn_rad in (("left_shoulder", -np.pi / 2), ("left_elbow", 0.0)):
        rotations[:, adult.joint(part)] = Rotation.from_rotvec([0.0, 0.0, turn_rad]).as_quat()
    height_m = 0.33 - 0.03 * np.sin(np.pi * np.linspace(0, 1, len(dipping))) ** 2
    wrist_m = joint_positions(replace(dipping, rotations=rotations))[0, adult.joint("left_wrist"), 1]
    root_m = dipping.root_m + np.outer(height_m - 0.29 - wrist_m, [0.0, 1.0, 0.0])
    batch = MotionBatch.stack([replace(dipping, root_m=root_m, rotations=rotations)])
    for spread_s, snaps in ((0.0, fps > 24), (0.08, False)):
        raised = raise_limbs(batch, spread_s)
        added_deg_s = np.degrees(added_angular_speeds_rad_s(batch, raised)[0])
        assert (added_deg_s[[adult.joint("left_shoulder"), adult.joint("left_elbow")]].max() > 150.0) == snaps
        assert joint_positions(raised)[0, :, adult.joint("left_wrist"), 1].min() > 0.025


def test_sunken_trunk_is_lifted(stand):
    positions_m = np.tile(joint_positions(stand)[None, :1] - [0.0, 0.93, 0.0], (1, 60, 1, 1))
    positions_m[0, :30] += [0.0, 0.5, 0.0]
    lift_m = trunk_lift(stand.skeleton, positions_m, stand.fps)[0, :, 1]
    depth_m = 0.086 - positions_m[0, 40, stand.skeleton.joint("pelvis"), 1]
    assert lift_m[40] >= depth_m > 0
    assert not lift_m[:20].any()
    assert (np.diff(lift_m)[20:40] >= -1e-12).all()


def test_rise_is_independent_of_company(clips):
    crawl = clips["crawl"].frames(0, 50)
    roll = clips["roll"].frames(0, 50)
    together = raise_limbs(MotionBatch.stack([crawl, roll]))
    for index, motion in enumerate((crawl, roll)):
        assert np.array_equal(together.rotations[index], raise_limbs(MotionBatch.stack([motion])).rotations[0])


def test_feet_of_noisy_bodies_hardly_slip(clips: Mapping[str, Motion]) -> None:
    crawls = [add_noise(clips["crawl"], 0.012, seed) for seed in range(4)]
    slips_m = [measure_slip(correction.motion).per_stance_m for correction in KinematicCorrector()(crawls)]
    assert np.mean(slips_m) < 0.026


@pytest.mark.parametrize(("pitch_deg", "seconds", "fps"), [(25.0, 0.15, 30.0), (25.0, 0.25, 30.0), (40.0, 0.25, 60.0)])
def test_toes_bend_before_knees_do(pitch_deg: float, seconds: float, fps: float) -> None:
    """Toes that dip for moments come up alone.

    This is as at toe-off.
    """
    standing = made_motion("idle", fps=fps, frames=round(3 * fps))
    times_s = np.arange(len(standing)) / fps
    share = np.clip(1 - np.abs(times_s - 1.5) / seconds, 0.0, 1.0)
    dip = Rotation.from_rotvec(np.outer(np.radians(pitch_deg) * share, [1.0, 0.0, 0.0]))
    root_m = standing.root_m + 0.02 * np.sin(7 * times_s)[:, None] * (1.0, 0.0, 0.0)
    dipping = replace(turn_joint(standing, "left_foot", dip), root_m=root_m)
    (correction,) = KinematicCorrector()([dipping])
    middle = np.abs(times_s - 1.5) < 0.2
    added_deg = np.abs(knee_angles_deg(correction.motion) - knee_angles_deg(dipping))[middle]
    assert correction.after["penetration_m"] < 0.001
    assert added_deg.max() < 4.8


def knee_angles_deg(motion: Motion) -> np.ndarray:
    """Return the left knee's angle (T,)."""
    joints = [motion.skeleton.parts.index(f"left_{part}") for part in ("hip", "knee", "ankle")]
    hips_m, knees_m, ankles_m = np.moveaxis(joint_positions(motion)[:, joints], 1, 0)
    cosines = ((hips_m - knees_m) * (ankles_m - knees_m)).sum(axis=1)
    lengths_m2 = np.linalg.norm(hips_m - knees_m, axis=1) * np.linalg.norm(ankles_m - knees_m, axis=1)
    return np.degrees(np.arccos(cosines / lengths_m2))


def test_swings_are_bridged_smoothly():
    stands = np.zeros((1, 32, 2), dtype=bool)
    stands[0, [3, 4, 24, 25], 0] = True
    anchors_m = np.zeros((1, 32, 2, 3))
    anchors_m[0, 3:5, 0] = 0.02
    anchors_m[0, 24:26, 0] = 0.06
    moves_m = bridge_swings(anchors_m, stands, fps=30.0)
    assert np.allclose(moves_m[0, [3, 4], 0], 0.02)
    assert np.allclose(moves_m[0, [24, 25], 0], 0.06)
    assert (np.diff(moves_m[0, 4:25, 0, 1]) >= 0).all()
    assert np.allclose(moves_m[0, 10:19, 0, 0], 0.0)
    assert (np.abs(np.diff(moves_m[0, :, 0, 0])) < 0.016).all()
    assert np.allclose(moves_m[0, :3, 0, 1], 0.02)
    assert not moves_m[:, :, 1].any()


def test_sunken_toes_bend_up():
    normals = np.tile([0.0, np.cos(0.4), np.sin(0.4)], (1, 30, 2, 1))
    below_m = np.full((1, 30, 2), -0.03)
    above_m = np.full((1, 30, 2), 0.03)
    share = share_above(below_m, above_m, normals, fps=30.0)
    assert np.allclose(share, 0.5)
    turned = Rotation.from_quat(flattening_rotations(normals, share)).apply(normals)
    assert np.allclose(np.arccos(turned[..., 1]), 0.2)
    assert not share_above(-below_m, above_m, normals, fps=30.0).any()


def test_kneeling_feet_stay():
    """Kneeling feet point back beyond the vertical.

    Flat, they would stand beside the knees.
    """
    back = np.tile([0.0, np.cos(1.7), np.sin(1.7)], (1, 30, 2, 1))
    assert not share_above(np.full((1, 30, 2), -0.03), np.full((1, 30, 2), 0.03), back, fps=30.0).any()


def test_swinging_feet_do_not_drag():
    stands = np.ones((1, 40, 2), dtype=bool)
    stands[0, 10:30, 0] = False
    soles_m = np.zeros((1, 40, 2))
    speed_m_s = np.where(stands, 0.0, 0.5)
    moves_m = lock_feet(soles_m, np.zeros((1, 39, 2, 2)), speed_m_s, stands, fps=30.0)
    assert (moves_m[0, 10:30, 0, 1] > 0.005).all()
    assert moves_m[..., 1].max() < 0.012
    assert np.allclose(moves_m[0, :, 1], 0.0)


def test_long_stance_keeps_short_locks() -> None:
    """Longer stances slide longer on a drifting floor.

    Where both feet stand, the longer slide counts.
    """
    stands = np.zeros((1, 100, 2), dtype=bool)
    stands[0, 5:15, 0] = stands[0, 20:90, 1] = stands[0, 60:70, 0] = True
    drift_m = np.arange(100)[None, :, None] * np.array([0.008, 0.0, 0.006])
    slides_m = furthest_in_stance_m(drift_m, stands)
    np.testing.assert_allclose(slides_m[0, 5:15], 0.09)
    np.testing.assert_allclose(slides_m[0, 20:90], 0.69)
    assert not slides_m[0, [0, 17, 95]].any()
    shares = lock_share(slides_m[0])
    np.testing.assert_allclose(shares[5:15], 1.0)
    assert 0.0 < shares[60] < 0.5


@pytest.mark.parametrize("roll_deg", [-55.0, 48.0, 62.0])
@pytest.mark.parametrize("frames", [slice(None), slice(60, 120)])
def test_rolled_foot_is_flattened(roll_deg: float, frames: slice) -> None:
    """A rolled foot turns without moving joints.

    The foot turns about the line from ankle to toe.
    """
    motion = made_motion("idle", frames=180)
    ankle, toe = motion.skeleton.joint("left_ankle"), motion.skeleton.joint("left_foot")
    axis = motion.skeleton.offsets_m[toe] / np.linalg.norm(motion.skeleton.offsets_m[toe])
    angles_rad = np.zeros(180)
    angles_rad[frames] = np.deg2rad(roll_deg)
    rolled = turn_joint(motion, ankle, Rotation.from_rotvec(np.outer(angles_rad, axis)))
    (correction,) = KinematicCorrector()([rolled])
    rises_m = (joint_positions(correction.motion) - joint_positions(motion))[:, [ankle, toe], 1]
    assert np.abs(rises_m).max() < 0.01
    turned_back = Rotation.from_quat(motion.rotations[90, ankle]).inv()
    turn = turned_back * Rotation.from_quat(correction.motion.rotations[90, ankle])
    assert np.rad2deg(turn.magnitude()) < 10.0
