"""Curves that leave their path are repaired or named; motion stays."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import mean_distance_m
from hypothesis import given, settings
from hypothesis import strategies as st
from made_motions import KINDS, Kind, made_motion
from made_rigs import base_walk
from posed_motions import cartwheeling, crawling, jumping, lying
from scipy.spatial.transform import Rotation, Slerp
from turned_joints import pose_joint, turn_joint

from selfcorrect.motion.kinematics import forward_kinematics, joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.body.leg_ik import Legs, solve_leg_ik
from selfcorrect.simulators.core.curve_faults import repair_curves


def mend(motion: Motion) -> Motion:
    return repair_curves(motion)[0]


def measure_furthest_m(motion: Motion, other: Motion) -> float:
    return float(np.linalg.norm(joint_positions(motion) - joint_positions(other), axis=-1).max())


def take_long_way(motion: Motion, joint: int, frames: slice, axes: str, channel: int) -> Motion:
    """Interpolate Euler angles of a joint over frames, one of them by a whole turn more."""
    ends = [frames.start - 1, frames.stop]
    angles_deg = Rotation.from_quat(motion.rotations[ends, joint]).as_euler(axes, degrees=True)
    angles_deg = np.unwrap(angles_deg, period=360.0, axis=0)
    angles_deg[1, channel] += 360.0
    shares = np.linspace(0.0, 1.0, frames.stop - frames.start + 2)[1:-1, None]
    between_deg = angles_deg[0] + shares * (angles_deg[1] - angles_deg[0])
    return pose_joint(motion, joint, Rotation.from_euler(axes, between_deg, degrees=True), frames)


PARTS = ("pelvis", "spine1", "neck", "left_shoulder", "right_elbow", "left_hip", "right_knee")
SLOW_KINDS: tuple[Kind, ...] = ("walk", "turn", "idle")


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(SLOW_KINDS),
    part=st.sampled_from(PARTS),
    frame=st.integers(12, 90),
    count=st.integers(2, 8),
    fps=st.sampled_from([30.0, 60.0]),
    axes=st.sampled_from(["xyz", "zyx", "YXZ", "ZXY"]),
    channel=st.integers(0, 2),
)
def test_long_way_round_is_undone(
    kind: Kind, part: str, frame: int, count: int, fps: float, axes: str, channel: int
) -> None:
    clean = made_motion(kind, fps=fps)
    frames = slice(frame, frame + count)
    faulty = take_long_way(clean, clean.skeleton.parts.index(part), frames, axes, channel)
    assert measure_furthest_m(mend(faulty), clean) < max(0.1, 0.2 * measure_furthest_m(faulty, clean))


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(SLOW_KINDS),
    frame=st.integers(2, 100),
    count=st.integers(1, 8),
    size_m=st.floats(1.0, 1e5),
    seed=st.integers(0, 99),
    whole=st.booleans(),
)
def test_lost_frames_are_interpolated(
    kind: Kind, frame: int, count: int, size_m: float, seed: int, whole: bool
) -> None:
    clean = made_motion(kind)
    frames = slice(frame, frame + count)
    root_m = clean.root_m.copy()
    rotations = clean.rotations.copy()
    root_m[frames] = size_m * np.random.default_rng(seed).choice([-1.0, 1.0], (count, 3))
    if whole:
        rotations[frames] = [0.0, 0.0, 0.0, 1.0]
    repaired = mend(replace(clean, root_m=root_m, rotations=rotations))
    assert measure_furthest_m(repaired, clean) < 0.15


@settings(max_examples=20, deadline=None)
@given(kind=st.sampled_from(KINDS), pace=st.floats(0.6, 1.6), fps=st.sampled_from([24.0, 30.0, 120.0]))
def test_sound_motion_is_returned(kind: Kind, pace: float, fps: float) -> None:
    motion = made_motion(kind, pace=pace, fps=fps, frames=round(4 * fps))
    assert mend(motion) is motion


@pytest.mark.parametrize("held", [2, 3, 6, 10])
def test_held_paths_and_poses_are_no_faults(held: int) -> None:
    """A stair has a sharp bend at each step, but no path from which it departs."""
    walk = base_walk()
    shown = np.arange(len(walk)) // held * held
    assert repair_curves(replace(walk, root_m=walk.root_m[shown]))[1] == ()
    poses = Rotation.random(len(walk), random_state=held).as_quat()[shown]
    assert repair_curves(pose_joint(walk, "left_shoulder", poses))[1] == ()


def test_repair_is_exact_elsewhere() -> None:
    walk = base_walk()
    faulty = take_long_way(walk, walk.skeleton.parts.index("right_shoulder"), slice(30, 36), "xyz", 0)
    repaired, (fault,) = repair_curves(faulty)
    assert (fault.start, fault.stop) == (30, 36)
    others = np.delete(np.arange(len(walk)), np.arange(30, 36))
    np.testing.assert_array_equal(repaired.rotations[others], walk.rotations[others])
    np.testing.assert_array_equal(repaired.root_m, walk.root_m)
    assert mend(repaired) is repaired


def test_capture_spike_is_bridged(walk):
    spiked = pose_joint(walk, "left_elbow", Rotation.from_rotvec([2.5, 0.0, 1.0]), 15)
    spiked = pose_joint(spiked, "left_shoulder", Rotation.from_rotvec([0.0, 0.0, 3.0]), 15)
    bridged = mend(spiked)
    assert mean_distance_m(bridged, walk) < 0.1 * mean_distance_m(spiked, walk)


def test_interpolated_kinks_are_no_spikes(walk):
    """A fast arm whip is no spike.

    At 3 m/s it is back within a tenth of a second, at 30 fps or linearly at 120.
    """
    angles_rad = 0.2 * np.array([0, 1, 2, 1, 0])
    whip = Rotation.from_rotvec(angles_rad[:, None] * [0.0, 0.0, 1.0])
    fast = turn_joint(walk, "left_shoulder", whip, slice(13, 18))
    slerps = [Slerp(np.arange(len(fast)), Rotation.from_quat(quats)) for quats in np.moveaxis(fast.rotations, 1, 0)]
    times = np.arange(4 * len(fast) - 3) / 4
    rotations = np.stack([slerp(times).as_quat() for slerp in slerps], axis=1)
    root_m = np.stack([np.interp(times, np.arange(len(fast)), axis) for axis in fast.root_m.T], axis=1)
    for batch in (fast, replace(fast, root_m=root_m, rotations=rotations, fps=4 * fast.fps)):
        assert np.allclose(joint_positions(mend(batch)), joint_positions(batch), atol=1e-9)


def test_jerking_pelvis_is_no_spike(walk):
    """A jerking pelvis needs no bridge for its legs.

    Seen from it the legs spike, in the world their feet do not, and a bridge would make them.
    """
    legs = Legs.from_skeleton(walk.skeleton)
    ankles_m = joint_positions(walk)[:, Legs.from_skeleton(walk.skeleton).ankles]
    tilted = turn_joint(walk, 0, Rotation.from_rotvec([0.3, 0.0, 0.0]), 15, outside=True)
    places = forward_kinematics(walk.skeleton, walk.root_m, tilted.rotations)
    still_m = np.zeros_like(walk.root_m)
    upright = np.broadcast_to([0.0, 0.0, 0.0, 1.0], (len(walk), 2, 4))
    rotations = solve_leg_ik(walk.skeleton, *places, still_m, ankles_m, upright)
    jerked = replace(walk, rotations=rotations)
    off_m = np.linalg.norm(joint_positions(mend(jerked)) - joint_positions(jerked), axis=-1)
    assert off_m[..., legs.ankles].max() < 1e-9


def test_knee_flip_throws_no_leg(walk):
    """A knee flip in a swing throws no leg.

    The leg turns about the line from hip to ankle, as bent knees of dancers do in captures.
    """
    hip = walk.skeleton.joint("left_hip")
    knee = walk.skeleton.joint("left_knee")
    ankle = walk.skeleton.joint("left_ankle")
    positions_m, orientations = forward_kinematics(walk.skeleton, walk.root_m, walk.rotations)
    thighs_m = positions_m[:, knee] - positions_m[:, hip]
    legs_m = positions_m[:, ankle] - positions_m[:, hip]
    directions = legs_m / np.linalg.norm(legs_m, axis=-1, keepdims=True)
    most_bent = int(np.linalg.norm(np.cross(thighs_m, directions), axis=-1)[6:-6].argmax()) + 6
    flipped = slice(most_bent - 2, most_bent + 3)
    turns = Rotation.from_rotvec(np.pi * directions[flipped])
    above = walk.skeleton.parents[hip]
    local = (
        Rotation.from_quat(orientations[flipped, above]).inv() * turns * Rotation.from_quat(orientations[flipped, hip])
    )
    flipping = pose_joint(walk, hip, local, flipped)
    off_m = np.linalg.norm(joint_positions(flipping) - joint_positions(walk), axis=-1)
    assert off_m[:, ankle].max() < 1e-9 < 0.15 < off_m[:, knee].max()
    repaired_m = joint_positions(mend(flipping))
    bridged_m = np.linalg.norm(repaired_m - joint_positions(walk), axis=-1)
    assert bridged_m[:, ankle].max() < 0.05


@settings(max_examples=20, deadline=None)
@given(
    kind=st.sampled_from(["walk", "turn", "idle"]),
    length=st.integers(1, 2),
    frame=st.integers(30, 80),
    is_root=st.booleans(),
)
def test_two_frame_jump_is_bridged(kind: Kind, length: int, frame: int, is_root: bool) -> None:
    clean = made_motion(kind)
    root_m = clean.root_m.copy()
    rotations = clean.rotations.copy()
    frames = slice(frame, frame + length)
    if is_root:
        root_m[frames] += (0.0, 0.2, 0.2)
    else:
        joint = clean.skeleton.joint("right_shoulder")
        turn = Rotation.from_rotvec([0.0, 1.0, 0.5])
        rotations[frames, joint] = (turn * Rotation.from_quat(rotations[frames, joint])).as_quat()
    repaired = mend(replace(clean, root_m=root_m, rotations=rotations))
    assert np.linalg.norm(joint_positions(repaired) - joint_positions(clean), axis=-1).max() < 0.05
    others = np.delete(np.arange(len(clean)), np.arange(frame - 1, frame + length + 1))
    np.testing.assert_array_equal(repaired.root_m[others], clean.root_m[others])
    np.testing.assert_array_equal(repaired.rotations[others], clean.rotations[others])


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize("angle_deg", [35, 180])
def test_brief_turn_is_undone(frames: int, axis: str, angle_deg: float) -> None:
    walk = base_walk()
    turn = Rotation.from_euler(axis, angle_deg, degrees=True)
    repaired = mend(turn_joint(walk, 0, turn, slice(40, 40 + frames), outside=True))
    distances_m = np.linalg.norm(joint_positions(repaired) - joint_positions(walk), axis=-1)
    assert distances_m.max() < 0.05
    assert not distances_m[:40].any()
    assert not distances_m[40 + frames :].any()


@pytest.mark.parametrize("pose", [base_walk, cartwheeling, crawling, jumping, lying])
def test_motion_has_no_spikes(pose) -> None:
    assert repair_curves(pose())[1] == ()


@pytest.mark.parametrize("speed_deg_s", [360, 1500])
def test_spins_are_motion(speed_deg_s: float) -> None:
    walk = base_walk()
    angles = np.arange(len(walk)) * speed_deg_s / walk.fps
    for degrees in (angles, np.where(np.arange(len(walk)) > 40, 140.0, 0.0)):
        turns = Rotation.from_euler("y", degrees[:, None], degrees=True)
        assert repair_curves(turn_joint(walk, 0, turns, outside=True))[1] == ()


@pytest.mark.parametrize("frames", [1, 2, 3])
@pytest.mark.parametrize("angle_deg", [10, 20, 30])
def test_compensating_trunk_is_not_bridged(frames: int, angle_deg: float) -> None:
    walk = base_walk()
    spine = walk.skeleton.path_between(0, walk.skeleton.parts.index("spine3"))[0]
    turn = Rotation.from_euler("x", angle_deg, degrees=True)
    jerks = slice(40, 40 + frames)
    jerking = turn_joint(turn_joint(walk, 0, turn, jerks), spine, turn.inv(), jerks, outside=True)
    repaired = mend(jerking)
    assert measure_mean_jerk(repaired) <= measure_mean_jerk(jerking)


@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize("angles_deg", [(60, -50), (40, -40, 40, -40), (90, -60, 80)])
@pytest.mark.parametrize("share", [0.8, 0.0])
def test_compensating_limbs_are_bridged(axis: str, angles_deg: tuple[int, ...], share: float) -> None:
    """Thighs and spine undo the root's turns.

    They undo a share of each turn, and every second turn completely.
    """
    walk = base_walk()
    rotations = walk.rotations.copy()
    branches = [joint for joint, parent in enumerate(walk.skeleton.parents) if parent == 0]
    stop = 40 + len(angles_deg)
    for frame, angle_deg in enumerate(angles_deg, start=40):
        turn = Rotation.from_euler(axis, angle_deg, degrees=True)
        undone = Rotation.from_euler(axis, -angle_deg * (1.0 if frame % 2 else share), degrees=True)
        rotations[frame, 0] = (Rotation.from_quat(rotations[frame, 0]) * turn).as_quat()
        rotations[frame, branches] = (undone * Rotation.from_quat(rotations[frame, branches])).as_quat()
    repaired = mend(replace(walk, rotations=rotations))
    distances_m = np.linalg.norm(joint_positions(repaired) - joint_positions(walk), axis=-1)
    assert distances_m[39 : stop + 1].max() < 0.05
    assert not distances_m[:39].any()
    assert not distances_m[stop + 1 :].any()


def measure_mean_jerk(motion: Motion) -> float:
    return float(np.linalg.norm(np.diff(joint_positions(motion), 3, axis=0), axis=-1).mean())
