"""Rules of the body accept any joint frames, and poses that open a take."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_motions import Kind, made_motion
from scipy.spatial.transform import Rotation
from turned_joints import pose_joint, turn_joint

from selfcorrect import check
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.views import TurnedFrames

FLIPPED = Rotation.from_euler("xyz", [[180, 0, 0], [0, 180, 0], [0, 0, 180], [90, 0, 180]], degrees=True)


def knees(motion: Motion) -> list[tuple[int, int, tuple[str, ...]]]:
    return [(finding.start, finding.stop, finding.things) for finding in check(motion, ["B2"])]


def with_frames(motion: Motion, turn: Rotation, sides: tuple[str, ...] = ("right",)) -> Motion:
    """Give the joints of these sides other frames, keeping the motion."""
    turns = np.tile([0.0, 0.0, 0.0, 1.0], (len(motion.skeleton), 1))
    turns[[part.startswith(sides) for part in motion.skeleton.parts]] = turn.as_quat()
    return TurnedFrames(turns).view(motion)


def bend_joint(motion: Motion, part: str, degrees: float, span: slice) -> Motion:
    return pose_joint(motion, part, Rotation.from_euler("x", degrees, degrees=True), span)


@pytest.mark.parametrize("flip", range(len(FLIPPED)))
def test_flipped_axes_bend_alike(flip: int) -> None:
    walk = made_motion("walk", frames=150, bend_rad=0.9)
    rig = with_frames(walk, FLIPPED[flip])
    assert knees(walk) == knees(rig) == []
    for side in ("left", "right"):
        broken = bend_joint(walk, f"{side}_knee", -60, slice(60, 70))
        assert knees(with_frames(broken, FLIPPED[flip])) == knees(broken) == [(60, 70, (f"{side}_knee",))]


@settings(max_examples=25, deadline=None)
@given(
    angles=st.tuples(*[st.floats(-np.pi, np.pi)] * 3),
    hips=st.tuples(st.floats(-100, 30), st.floats(-60, 60), st.floats(-30, 30)),
    knee=st.floats(0, 140),
)
def test_knees_are_sound_everywhere(angles: tuple[float, ...], hips: tuple[float, ...], knee: float) -> None:
    motion = bend_joint(
        bend_joint(made_motion("idle", frames=60), "left_knee", knee, slice(None)), "right_knee", knee, slice(None)
    )
    for side, mirrored in (("left", 1), ("right", -1)):
        x, y, z = hips
        pose = Rotation.from_euler("yzx", [mirrored * y, mirrored * z, x], degrees=True).as_quat()
        motion.rotations[:, motion.skeleton.joint(f"{side}_hip")] = pose
    rig = with_frames(motion, Rotation.from_rotvec(angles), ("left", "right"))
    assert knees(rig) == []
    broken = with_frames(bend_joint(motion, "right_knee", -60, slice(20, 30)), Rotation.from_rotvec(angles))
    assert knees(broken) == [(20, 30, ("right_knee",))]


def test_footless_legs_use_hips() -> None:
    walk = made_motion("walk", frames=150, bend_rad=0.9)
    parts = tuple("" if part.endswith("foot") else part for part in walk.skeleton.parts)
    walk = replace(walk, skeleton=replace(walk.skeleton, parts=parts))
    assert knees(with_frames(walk, FLIPPED[1])) == []
    assert knees(with_frames(bend_joint(walk, "right_knee", -60, slice(60, 70)), FLIPPED[1])) == [
        (60, 70, ("right_knee",))
    ]


def t_posed(motion: Motion, share: np.ndarray) -> Motion:
    """Bend towards a T-pose by `share` (T,)."""
    rotations = Rotation.from_quat(motion.rotations[:, 1:].reshape(-1, 4)).as_rotvec().reshape(len(motion), -1, 3)
    turned = Rotation.from_rotvec(((1 - share[:, None, None]) * rotations).reshape(-1, 3)).as_quat()
    rotations_with_pose = motion.rotations.copy()
    rotations_with_pose[:, 1:] = turned.reshape(len(motion), -1, 4)
    return replace(motion, rotations=rotations_with_pose)


@pytest.mark.parametrize("fps", [25.0, 60.0, 120.0])
def test_rig_poses_are_told_from_peoples(fps: float) -> None:
    frames = round(4 * fps)
    times_s = np.arange(frames) / fps
    motion = made_motion("idle", fps=fps, frames=frames)
    lowering = np.clip(2.0 - times_s, 0.0, 1.0)
    for share in (lowering, lowering[::-1]):
        assert check(t_posed(motion, share), ["B4"]) == []
    jump = (times_s < 1.0).astype(float)
    (finding,) = check(t_posed(motion, jump), ["B4"])
    assert (finding.start, finding.stop) == (0, int(jump.sum()))
    assert len(check(t_posed(motion, np.ones(frames)), ["B4"])) == 1
    dancing = np.clip(np.minimum(times_s - 1.0, 3.0 - times_s), 0.0, 1.0)
    assert check(t_posed(motion, dancing), ["B4"]) == []
    swinging = 1.0 + 0.8 * np.sin(7 * times_s)  # through a T and beyond it
    assert check(t_posed(motion, swinging), ["B4"]) == []
    blend = np.clip(2 * dancing, 0.0, 1.0)
    assert len(check(t_posed(motion, blend), ["B4"])) == 1
    both_ends = np.clip(np.maximum(1.5 - times_s, times_s - 2.5), 0.0, 0.5) * 2
    findings = check(t_posed(motion, both_ends), ["B4"])
    assert [finding.start == 0 or finding.stop == frames for finding in findings] == [True, True]


@pytest.mark.parametrize(("beyond_deg", "is_found"), [(-20, False), (1, False), (8, True), (-70, True)])
def test_tiptoe_feet_are_pitched(beyond_deg: float, is_found: bool) -> None:
    """Toes turned up beyond the ankles never touch.

    Toes are higher above the floor than ankles are above toes.
    """
    idle = made_motion("idle", frames=60)
    _, down_m, ahead_m = idle.skeleton.offsets_m[idle.skeleton.joint("left_foot")]
    up_deg = np.degrees(np.arctan2(-down_m, ahead_m)) + beyond_deg
    one_foot = bend_joint(idle, "left_ankle", -up_deg, slice(None))
    assert not check(one_foot, ["B6"])
    assert len(check(bend_joint(one_foot, "right_ankle", -up_deg, slice(None)), ["B6"])) == is_found


def raise_heels(motion: Motion, degrees: float) -> Motion:
    """The motion on toes that stay where they are."""
    raised = motion
    for side in ("left", "right"):
        raised = turn_outside(turn_outside(raised, f"{side}_ankle", degrees), f"{side}_foot", -degrees)
    toes = motion.skeleton.pair("foot")
    assert toes is not None
    lifts_m = (joint_positions(motion) - joint_positions(raised))[:, list(toes), 1].max(axis=1)
    return replace(raised, root_m=motion.root_m + np.outer(lifts_m, [0.0, 1.0, 0.0]))


def turn_outside(motion: Motion, part: str, degrees: float) -> Motion:
    """Turn a joint further about its parent's x axis."""
    return turn_joint(motion, part, Rotation.from_euler("x", degrees, degrees=True), outside=True)


@pytest.mark.parametrize(("degrees", "is_found"), [(0, False), (10, False), (40, True)])
@pytest.mark.parametrize("kind", ["walk", "idle"])
def test_raised_heels_are_pitched(kind: Kind, degrees: float, is_found: bool) -> None:
    assert len(check(raise_heels(made_motion(kind, frames=90), degrees), ["B6"])) == is_found
