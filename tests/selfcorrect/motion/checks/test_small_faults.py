"""Small visible faults are found, each by its rule.

The motion is made up, and sound motion breaks none of them.
"""

from dataclasses import replace

import numpy as np
import pytest
from made_motions import KINDS, Kind, made_motion
from made_rigs import base_walk
from posed_motions import lying
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation
from turned_joints import bend_leg, pose_joint, shift, turn_joint

from selfcorrect import check
from selfcorrect.motion.checks.check import RuleChoice, check_with
from selfcorrect.motion.checks.floor import floor_tilt_deg
from selfcorrect.motion.kinematics import joint_positions, pose_joints
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.perception.motion_features import MotionFeatures
from selfcorrect.simulators.body.leg_ik import Legs, solve_leg_ik
from selfcorrect.simulators.corrector import KinematicCorrector
from selfcorrect.simulators.feasibility import infer_surroundings

RULES = ("F1", "F2", "F3", "F4", "F6", "F7", "F8", "F9", "B2", "B5", "B8", "S4", "S7")
UP = np.array([0.0, 1.0, 0.0])


def drift(motion: Motion, speed_m_s: float, angle_rad: float) -> Motion:
    times_s = np.arange(len(motion))[:, None] / motion.fps
    return shift(motion, speed_m_s * times_s * [np.cos(angle_rad), 0.0, np.sin(angle_rad)])


def tilt(motion: Motion, angle_deg: float, heading_rad: float) -> Motion:
    turn = Rotation.from_rotvec(np.radians(angle_deg) * np.array([np.cos(heading_rad), 0.0, np.sin(heading_rad)]))
    return replace(turn_joint(motion, 0, turn, outside=True), root_m=turn.apply(motion.root_m))


def broken(motion: Motion) -> set[str]:
    return {finding.code for finding in check(motion, RULES)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fps", [30.0, 60.0])
def test_motion_without_faults_breaks_none(kind: Kind, fps: float) -> None:
    """Made-up runs and hops slide when they land."""
    allowed = {"F3"} if kind in ("run", "hop") else set()
    assert broken(made_motion(kind, fps=fps, frames=round(5 * fps))) <= allowed


@pytest.mark.parametrize("sunk_m", [0.06, 0.08])
@pytest.mark.parametrize("kind", ["walk", "turn", "idle"])
def test_a_walk_in_the_floor(kind: Kind, sunk_m: float) -> None:
    assert "F4" in broken(shift(made_motion(kind, frames=150), -sunk_m * UP))


@pytest.mark.parametrize("direction", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.6, 0.0, 0.8)])
@pytest.mark.parametrize("kind", ["walk", "turn", "hop", "idle"])
def test_single_root_jump(kind: Kind, direction: tuple[float, float, float]) -> None:
    motion = made_motion(kind, frames=120)
    shift_m = np.zeros((120, 3))
    shift_m[70] = 0.11 * np.array(direction)
    (violation,) = [finding for finding in check(shift(motion, shift_m), ["S4"]) if finding.start <= 70 < finding.stop]
    assert violation.value == pytest.approx(0.11, abs=0.06)


@pytest.mark.parametrize("frames", [slice(0, 1), slice(0, 3), slice(40, 60), slice(119, 120), slice(118, 120)])
@pytest.mark.parametrize("part", ["left_shoulder", "right_hip", "right_knee"])
@pytest.mark.parametrize("kind", ["walk", "turn", "idle"])
def test_limb_elsewhere_is_found(kind: Kind, part: str, frames: slice) -> None:
    """A limb jumps there and back, at the first and the last frame as well."""
    motion = made_motion(kind, frames=120)
    elsewhere = turn_joint(motion, part, Rotation.from_euler("z", 60, degrees=True), frames)
    starts = {finding.start for finding in check(elsewhere, ["S7"])}
    edges = {edge for edge in (frames.start, frames.stop) if 0 < edge < 120}
    assert all(any(abs(start - edge) <= 1 for start in starts) for edge in edges)


@pytest.mark.parametrize("frame", [0, 119])
@pytest.mark.parametrize("kind", KINDS)
def test_root_elsewhere_at_an_end(kind: Kind, frame: int) -> None:
    motion = made_motion(kind, frames=120)
    shift_m = np.zeros((120, 3))
    shift_m[frame] = [0.0, 0.1, 0.1]
    (violation,) = check(shift(motion, shift_m), ["S4"])
    assert violation.value == pytest.approx(0.14, abs=0.07)


@pytest.mark.parametrize("side", ["left", "right"])
def test_ankle_that_never_turns(side: str) -> None:
    """The ankle is found after the correction, too, which turns it a little."""
    walk = base_walk()
    stiff = pose_joint(walk, f"{side}_ankle", Rotation.identity())
    stiff = pose_joint(stiff, f"{side}_foot", Rotation.identity())
    (corrected,) = KinematicCorrector()([stiff])
    assert not check(walk, ["B8"])
    for motion in (stiff, corrected.motion):
        assert [finding.things for finding in check(motion, ["B8"])] == [(f"{side} ankle",)]


@pytest.mark.parametrize(
    ("part", "axis", "degrees", "is_found"),
    [
        ("left_hip", "x", 100, True), ("right_hip", "x", 100, True), ("left_hip", "x", -120, False),
        ("left_hip", "z", -80, True), ("right_hip", "z", 80, True), ("left_hip", "z", 80, False),
        ("spine1", "x", 140, True), ("spine1", "x", 40, False),
    ],
)  # fmt: skip
def test_range_of_hips(part: str, axis: str, degrees: float, is_found: bool) -> None:
    """Thighs go up ahead and to their own side, but neither far behind nor across, and the trunk does not fold."""
    motion = made_motion("idle", frames=90)
    posed = turn_joint(motion, part, Rotation.from_euler(axis, degrees, degrees=True), slice(30, 50))
    for shown in (posed, turn_joint(posed, 0, Rotation.from_euler("y", 70, degrees=True), outside=True)):
        assert bool(check(shown, ["B2"])) == is_found


def hover(motion: Motion, first: int, stop: int) -> Motion:
    """Raise frames by 6 cm, smoothly up and down."""
    amount = np.zeros(len(motion))
    amount[first:stop] = 1.0
    return shift(motion, 0.06 * gaussian_filter1d(amount, 0.06 * motion.fps)[:, None] * UP)


@pytest.mark.parametrize("fps", [30.0, 60.0])
def test_hovering_stand(fps: float) -> None:
    motion = made_motion("idle", fps=fps, frames=round(6 * fps))
    findings = check(hover(motion, round(2 * fps), round(3 * fps)), ["F9"])
    assert findings
    assert all(1.8 * fps < finding.start < finding.stop < 3.2 * fps for finding in findings)
    assert findings[0].value == pytest.approx(0.06, abs=0.01)


@pytest.mark.parametrize("first", range(30, 60, 5))
def test_hover_within_walk(first: int) -> None:
    walk = base_walk()
    stop = first + round(walk.fps)
    assert not check(walk, ["F9"])
    findings = check(hover(walk, first, stop), ["F9"])
    assert findings
    assert all(first - 6 < finding.start < finding.stop < stop + 6 for finding in findings)
    assert findings[0].value == pytest.approx(0.06, abs=0.01)


@pytest.mark.parametrize(("kind", "speed_m_s"), [("idle", 0.1), ("walk", 0.2), ("turn", 0.2)])
@pytest.mark.parametrize("angle_rad", [0.0, 1.0, 2.0, 3.0])
def test_feet_that_slide_slowly(kind: Kind, angle_rad: float, speed_m_s: float) -> None:
    assert {"F3", "F8"} & broken(drift(made_motion(kind, frames=180), speed_m_s, angle_rad))


def move_foot(motion: Motion, path_m: np.ndarray, lower_m: float = 0.08) -> Motion:
    """Move the left foot by (T, 3), and lower the body by `lower_m`."""
    legs = Legs.from_skeleton(motion.skeleton)
    batch = MotionBatch.stack([motion])
    positions_m, orientations = pose_joints(batch)
    targets_m = positions_m[:, :, legs.ankles].copy()
    targets_m[0, :, 0] += path_m
    lowered_m = np.broadcast_to(-lower_m * UP, batch.root_m.shape)
    rotations = solve_leg_ik(motion.skeleton, positions_m, orientations, lowered_m, targets_m)
    return replace(motion, root_m=motion.root_m - lower_m * UP, rotations=rotations[0])


@pytest.mark.parametrize("fps", [30.0, 120.0])
@pytest.mark.parametrize("along", [(0.0, 0.0, 0.2), (0.2, 0.0, 0.0), (0.0, 0.0, -0.2)])
def test_foot_drawn_beside_a_standing_one(along: tuple[float, float, float], fps: float) -> None:
    """Steps and shuffling feet are not drawn along.

    The step goes the same way; the foot shuffles 3 cm above the floor.
    """
    motion = made_motion("idle", fps=fps, frames=round(4 * fps))
    share = np.clip((np.arange(len(motion)) / fps - 1.5) / 0.5, 0.0, 1.0)[:, None]
    (finding,) = check(move_foot(motion, share * along), ["F3"])
    assert finding.value == pytest.approx(0.4, abs=0.08)
    assert 1.2 * fps < finding.start < finding.stop < 2.3 * fps
    for height_m in (0.03, 0.12):
        lift_m = height_m * np.sin(np.pi * share) * UP
        assert not check(move_foot(motion, share * along + lift_m), ["F3"])


@pytest.mark.parametrize("speed_m_s", [0.03, 0.06, 0.1])
@pytest.mark.parametrize("fps", [30.0, 120.0])
def test_gliding_stand(fps: float, speed_m_s: float) -> None:
    (finding,) = check(drift(made_motion("idle", fps=fps, frames=round(5 * fps)), speed_m_s, 0.7), ["F7"])
    assert finding.value == pytest.approx(speed_m_s, rel=0.3)


@pytest.mark.parametrize("angle_deg", [4.0, 5.0, 8.0])
@pytest.mark.parametrize("heading_rad", [0.0, 1.0, 2.0])
def test_a_tilted_world(heading_rad: float, angle_deg: float) -> None:
    """Walking in a circle shows a tilt.

    The axis may be any.
    """
    (finding,) = check(tilt(made_motion("turn", frames=400), angle_deg, heading_rad), ["F6"])
    assert finding.value == pytest.approx(angle_deg, rel=0.25)


@pytest.mark.parametrize("frames", [24, 30, 150])
@pytest.mark.parametrize("kind", ["run", "walk", "turn", "idle"])
def test_hidden_tilt_is_found(kind: Kind, frames: int) -> None:
    """Short motions show neither a tilt nor a floor.

    The floor would be level.
    """
    motion = made_motion(kind, frames=frames)
    for heading_rad in (0.0, 0.8, 1.6):
        if floor_tilt_deg(MotionFeatures(motion)) is None:
            break
        assert check(tilt(motion, 8.0, heading_rad), ["F6"])


def bend_legs(motion: Motion, height_m: float, *, pauses: bool = True) -> tuple[Motion, np.ndarray]:
    """Bend the legs, with or without pauses.

    Legs bend for a second and pause, or bend all the time. Also returns the rise of the flat feet.
    """
    times_s = np.arange(len(motion)) / motion.fps
    rises_m = 0.5 * height_m * (1 - np.cos(2 * np.pi * times_s / (1.0 if pauses else 2.0)))
    rises_m[pauses & (times_s % 2.0 <= 1.0)] = 0.0
    return bend_leg(bend_leg(motion, "left", rises_m), "right", rises_m), rises_m


@pytest.mark.parametrize("pauses", [True, False])
@pytest.mark.parametrize("height_m", [0.15, 0.3])
def test_hips_that_lost_their_height(height_m: float, pauses: bool) -> None:
    """Hips must sink in a squat, or feet rise.

    Hips that rise with the feet climb or leap.
    """
    stays, rises_m = bend_legs(made_motion("idle", frames=240), height_m, pauses=pauses)
    sinks = replace(stays, root_m=stays.root_m - np.outer(rises_m, UP))
    rises = replace(stays, root_m=stays.root_m + np.outer(rises_m, UP))
    findings = check_with(stays, RuleChoice(("B5",)), infer_surroundings).findings
    assert {finding.code for finding in findings} == {"B5"}
    assert findings[0].value == pytest.approx(height_m, abs=0.04)
    assert "B5" not in broken(sinks) | broken(rises)


def test_rolling_hips_lost_nothing() -> None:
    motion = lying()
    motion = shift(motion, 0.1 * UP)
    angles_rad = np.linspace(0, 2 * np.pi, len(motion))
    rolls = Rotation.from_rotvec(angles_rad[:, None] * [0, 0, 1]) * Rotation.from_quat(motion.rotations[:, 0])
    rotations = np.concatenate([rolls.as_quat()[:, None], motion.rotations[:, 1:]], axis=1)
    assert "B5" not in broken(replace(motion, rotations=rotations))


def test_sideways_feet_are_planted() -> None:
    """Feet slide sideways below hips that stay."""
    idle = made_motion("idle", frames=120, sway_rad=0.1)
    stays = replace(idle, root_m=idle.root_m * [0.0, 1.0, 1.0])
    (correction,) = KinematicCorrector()([stays])
    assert correction.before["skate_m_s"] > 0.05
    assert correction.after["skate_m_s"] < 0.3 * correction.before["skate_m_s"]


def test_rolling_feet_do_not_glide() -> None:
    """Heels rise over resting toes without gliding.

    The hips walk on until the toes leave the floor.
    """
    idle = made_motion("idle", frames=64)
    skeleton = idle.skeleton
    pitch_rad = np.linspace(0.8, 2.0, len(idle))
    rolled = idle
    for side in ("left", "right"):
        rolled = pose_joint(rolled, f"{side}_ankle", Rotation.from_rotvec(np.outer(pitch_rad, [1.0, 0, 0])))
        rolled = pose_joint(rolled, f"{side}_foot", Rotation.from_rotvec(np.outer(-pitch_rad, [1.0, 0, 0])))
    toes_m = joint_positions(rolled, [skeleton.joint("left_foot")])[:, 0]
    rolled = replace(rolled, root_m=rolled.root_m + toes_m[0] - toes_m)
    assert np.ptp(joint_positions(rolled, [skeleton.joint("left_ankle")])[:, 0, 2]) > 0.04
    assert not check(rolled, ["F7"])
    assert check(drift(idle, 0.05, 0.7), ["F7"])


@pytest.mark.parametrize("is_level", [False, True])
def test_leaning_body_is_not_tilted(is_level: bool) -> None:
    """A lean of 3.8° is no tilt.

    Body and soles lean so in a tilted world only if one foot stands higher, too.
    """
    leaning = tilt(made_motion("idle", frames=150), 3.8, np.pi / 2)
    if is_level:
        apart_m = float(np.diff(joint_positions(leaning)[:, [11, 10], 1]).mean())
        bent_rad = np.arccos(1 - apart_m / 1.3)  # of the right leg, which lifts its foot to the height of the left
        for joint, angle_rad in (("hip", -bent_rad), ("knee", 2 * bent_rad), ("ankle", -bent_rad)):
            leaning = turn_joint(leaning, f"right_{joint}", Rotation.from_rotvec([angle_rad, 0.0, 0.0]), slice(0, 150))
        assert abs(np.diff(joint_positions(leaning)[:, [11, 10], 1]).mean()) < 0.004
    assert bool(check(leaning, ["F6"])) != is_level
