"""Legs reach ankles without snapping knees.

Every frame rate is tried, and knees that need not change do not.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from turned_joints import turn_joint

from selfcorrect.motion.body.surface import world_sole_points
from selfcorrect.motion.inverse_kinematics import MAXIMUM_REACH
from selfcorrect.motion.kinematics import forward_kinematics, joint_positions
from selfcorrect.motion.measures.roughness import added_angular_speeds_rad_s, jerk_by_part_m_s3
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.simulators.body.leg_ik import Legs, solve_leg_ik
from selfcorrect.simulators.body.soft_legs import SOFT_LEGS, move_ankles_to, solve_soft_legs
from selfcorrect.simulators.corrector import KinematicCorrector

MAX_DEG_S = 150.0
"""What an animator does not see as a snap."""

RATES = (5.0, 24.0, 60.0, 240.0)


def pose_legs(
    skeleton: Skeleton, fps: float, seconds: float, angles: Callable[[np.ndarray], dict[str, np.ndarray]]
) -> Motion:
    """Bend the legs; the lower sole is grounded.

    Hips, knees and ankles bend by angles; the sole is on the floor on average.
    """
    times_s = np.arange(round(seconds * fps) + 1) / fps
    rotations = np.tile([0.0, 0, 0, 1], (len(times_s), len(skeleton), 1))
    for part, angle_rad in angles(times_s).items():
        rotations[:, skeleton.parts.index(part)] = Rotation.from_rotvec(np.outer(angle_rad, [1.0, 0, 0])).as_quat()
    positions_m, orientations = forward_kinematics(skeleton, np.zeros((len(times_s), 3)), rotations)
    lowest_m = world_sole_points(skeleton, positions_m, orientations)[..., 1].min()
    root_m = np.zeros((len(times_s), 3)) - [0.0, lowest_m, 0.0]
    return Motion(skeleton, root_m, rotations, fps)


def swing(times_s: np.ndarray, hertz: float, phase: float = 0.0) -> np.ndarray:
    return np.maximum(np.sin(2 * np.pi * hertz * times_s + phase), 0.0) ** 2


def stepping(times_s: np.ndarray) -> dict[str, np.ndarray]:
    """Step on the spot with almost straight stance legs."""
    sides = (("left", swing(times_s, 0.9)), ("right", swing(times_s, 0.9, np.pi)))
    return {
        f"{side}_{part}": factor * lift + (0.03 if part == "knee" else 0.0)
        for side, lift in sides
        for part, factor in (("hip", -0.5), ("knee", 1.0), ("ankle", -0.5))
    }


def kicking(times_s: np.ndarray) -> dict[str, np.ndarray]:
    """High kicks with a straight knee."""
    return {"right_hip": -1.7 * swing(times_s, 1.0), "right_knee": 0.05 + 0.6 * swing(times_s, 2.0)}


def squatting(times_s: np.ndarray) -> dict[str, np.ndarray]:
    """Squat from and to straight legs.

    The hips go with them so that feet stay flat.
    """
    deep = swing(times_s, 0.4)
    return {
        f"{side}_{part}": f * deep
        for side in ("left", "right")
        for part, f in (("hip", -0.6), ("knee", 1.2), ("ankle", -0.6))
    }


def standing(times_s: np.ndarray) -> dict[str, np.ndarray]:
    """Overstretched knees that quiver."""
    return {f"{side}_knee": -0.03 + 0.02 * np.sin(9 * times_s) for side in ("left", "right")}


MOTIONS = {make.__name__: make for make in (stepping, kicking, squatting, standing)}


def disturb(motion: Motion, kind: str) -> Motion:
    """A motion that slides, hovers, is sunk or bounces."""
    times_s = np.arange(len(motion))[:, None] / motion.fps
    shift_m = {
        "slides": 0.06 * times_s * (1.0, 0.0, 0.5),
        "hovers": np.full_like(times_s, 0.02) * (0.0, 1.0, 0.0),
        "is sunk": np.full_like(times_s, -0.03) * (0.0, 1.0, 0.0),
        "bounces": 0.015 * np.sin(7 * times_s) * (0.0, 1.0, 0.0),
    }[kind]
    return replace(motion, root_m=motion.root_m + shift_m)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "fps"), [(name, RATES[number - far]) for number, name in enumerate(MOTIONS) for far in (0, 2)]
)
def test_joints_neither_snap_nor_roughen(adult: Skeleton, name: str, fps: float) -> None:
    clean = pose_legs(adult, fps, 2.0, MOTIONS[name])
    for kind in ("slides", "hovers", "is sunk", "bounces"):
        disturbed_motion = disturb(clean, kind)
        (correction,) = KinematicCorrector()([disturbed_motion])
        added = np.degrees(added_angular_speeds_rad_s(disturbed_motion, correction.motion))
        assert added.max() < MAX_DEG_S, f"{kind}: {adult.parts[int(added.argmax())]} gains {added.max():.0f} degrees/s"
        before = jerk_by_part_m_s3(disturbed_motion)
        after = jerk_by_part_m_s3(correction.motion)
        worse = {part: (before[part], after[part]) for part in before if after[part] > 1.05 * before[part] + 20.0}
        assert not worse, f"{kind}: {worse}"


@pytest.mark.parametrize("fps", RATES)
def test_hard_reach_snaps_knees(adult: Skeleton, fps: float) -> None:
    """Frame-by-frame legs snap; soft ones reach as near.

    This is the control.
    """
    motion = MotionBatch.stack([pose_legs(adult, fps, 4.0, stepping)])
    legs = Legs.from_skeleton(adult)
    positions_m, orientations = forward_kinematics(adult, motion.root_m, motion.rotations)
    ankles_m = positions_m[..., legs.ankles, :]
    still = np.zeros_like(motion.root_m)
    low = 0.012 * swing(np.arange(motion.root_m.shape[1]) / fps, 3.0)
    targets_m = ankles_m - low[None, :, None, None] * (0.0, 1.0, 0.0)
    level = np.broadcast_to([0.0, 0, 0, 1], (*ankles_m.shape[:-1], 4))
    hard = solve_leg_ik(adult, positions_m, orientations, still, targets_m, level)
    rises_m, soft = solve_soft_legs(
        adult, positions_m, orientations, targets_m, level, np.ones(ankles_m.shape[:-1]), fps
    )
    knees = added_angular_speeds_rad_s(motion, replace(motion, rotations=soft))[0, legs.knees]
    assert np.degrees(knees.max()) < MAX_DEG_S
    if fps >= 24:
        assert (
            added_angular_speeds_rad_s(motion, replace(motion, rotations=hard))[0, legs.knees].max() > 1.5 * knees.max()
        )
    raised = replace(motion, root_m=motion.root_m + rises_m[..., None] * (0.0, 1.0, 0.0), rotations=soft)
    missed_m = np.linalg.norm(joint_positions(raised)[..., legs.ankles, :] - targets_m, axis=-1)
    assert missed_m.max() < 0.012
    assert np.abs(rises_m).max() < 0.012


@pytest.mark.parametrize("name", MOTIONS)
def test_legs_that_reach_already_stay(adult: Skeleton, name: str) -> None:
    motion = MotionBatch.stack([pose_legs(adult, 30.0, 3.0, MOTIONS[name])])
    legs = Legs.from_skeleton(adult)
    positions_m, orientations = forward_kinematics(adult, motion.root_m, motion.rotations)
    feet = orientations[..., legs.ankles, :]
    ankles_m = positions_m[..., legs.ankles, :]
    result = move_ankles_to(motion, motion, ankles_m, feet, np.ones(ankles_m.shape[:-1]))
    np.testing.assert_allclose(joint_positions(result), positions_m, atol=1e-4)


def test_body_gives_way_to_legs(adult: Skeleton) -> None:
    """The pelvis gives way to straight legs.

    The ankles are wanted 2 cm lower, and it gives most of it.
    """
    motion = MotionBatch.stack([pose_legs(adult, 30.0, 3.0, lambda times_s: {"left_knee": 0.02 + 0 * times_s})])
    legs = Legs.from_skeleton(adult)
    positions_m, orientations = forward_kinematics(adult, motion.root_m, motion.rotations)
    targets_m = positions_m[..., legs.ankles, :] - (0.0, 0.02, 0.0)
    feet = np.broadcast_to([0.0, 0, 0, 1], (*targets_m.shape[:-1], 4))
    rises_m, _ = solve_soft_legs(adult, positions_m, orientations, targets_m, feet, np.ones(targets_m.shape[:-1]), 30.0)
    assert -0.02 < rises_m.max() < -0.01


def test_knees_do_not_snap_at_ends(adult: Skeleton) -> None:
    fps = 30.0
    motion = pose_legs(adult, fps, 1.0, stepping)
    batch = MotionBatch.stack([motion])
    legs = Legs.from_skeleton(adult)
    positions_m, orientations = forward_kinematics(adult, batch.root_m, batch.rotations)
    ankles_m = positions_m[:, :, legs.ankles].copy()
    late = np.clip((np.arange(len(motion)) - (len(motion) - 1) + 0.1 * fps) / (0.1 * fps), 0.0, 1.0)
    ankles_m[0, :, :, 1] += 0.3 * late[:, None]
    unturned = np.tile([0.0, 0, 0, 1], (1, len(motion), 2, 1))
    firm = np.ones((1, len(motion), 2))
    gained = {}
    for braking in (0.0, SOFT_LEGS.braking):
        settings = replace(SOFT_LEGS, braking=braking)
        _, rotations = solve_soft_legs(adult, positions_m, orientations, ankles_m, unturned, firm, fps, settings)
        added = np.degrees(added_angular_speeds_rad_s(batch, replace(batch, rotations=rotations)))
        gained[braking] = added[0, legs.knees].max()
    assert gained[SOFT_LEGS.braking] < 0.95 * gained[0.0]
    assert gained[SOFT_LEGS.braking] < MAX_DEG_S


def knee_speeds_deg_s(motion: Motion | MotionBatch) -> np.ndarray:
    """Return knee speeds (..., T − 1, 2).

    The angles are between thighs and shanks.
    """
    legs = Legs.from_skeleton(motion.skeleton)
    hips_m, knees_m, ankles_m = (joint_positions(motion)[..., part, :] for part in (legs.hips, legs.knees, legs.ankles))
    thighs_m, shanks_m = knees_m - hips_m, ankles_m - knees_m
    lengths_m2 = np.linalg.norm(thighs_m, axis=-1) * np.linalg.norm(shanks_m, axis=-1)
    angles = np.degrees(np.arccos(np.clip((thighs_m * shanks_m).sum(axis=-1) / lengths_m2, -1.0, 1.0)))
    return np.abs(np.diff(angles, axis=-2)) * motion.fps


def crouching(times_s: np.ndarray) -> dict[str, np.ndarray]:
    bend = 0.5 + 0.1 * np.sin(3 * times_s)
    return {f"{side}_{part}": sign * bend for side in ("left", "right") for part, sign in (("hip", -0.5), ("knee", 1))}


@pytest.mark.parametrize("bend_rad", [0.4, 0.7])
def test_flips_of_thighs_snap_no_knees(adult: Skeleton, bend_rad: float) -> None:
    """Flipped thighs move no joint and snap none.

    A thigh turns by half about its length, and the shank back, whatever axis it has then.
    """
    fps = 30.0
    motion = pose_legs(
        adult, fps, 2.0, lambda times_s: {"left_hip": -0.3 + 0 * times_s, "left_knee": bend_rad + 0 * times_s}
    )
    legs = Legs.from_skeleton(adult)
    thigh = adult.offsets_m[legs.knees[0]]
    half_turn = Rotation.from_rotvec(np.pi * thigh / np.linalg.norm(thigh))
    flipped = turn_joint(motion, "left_hip", half_turn, slice(25, None))
    flipped = turn_joint(flipped, "left_knee", half_turn.inv(), slice(25, None), outside=True)
    np.testing.assert_allclose(joint_positions(flipped), joint_positions(motion), atol=1e-9)
    batch = MotionBatch.stack([flipped])
    positions_m, orientations = forward_kinematics(adult, batch.root_m, batch.rotations)
    targets_m = positions_m[..., legs.ankles, :] + [0.0, 0.04, 0.03]
    firm = np.ones(targets_m.shape[:-1])
    unturned = np.broadcast_to([0.0, 0, 0, 1], (*targets_m.shape[:-1], 4))
    _, rotations = solve_soft_legs(adult, positions_m, orientations, targets_m, unturned, firm, fps)
    added_deg_s = knee_speeds_deg_s(replace(batch, rotations=rotations)) - knee_speeds_deg_s(batch)
    assert added_deg_s.max() < MAX_DEG_S


def test_second_reach_gains_no_further_speed(adult: Skeleton) -> None:
    """A second reach gains no further speed.

    Knees may gain speed over the reference, not over the legs that already gained some.
    """
    given = MotionBatch.stack([pose_legs(adult, 30.0, 2.0, crouching)])
    legs = Legs.from_skeleton(adult)
    firm = np.ones((1, given.root_m.shape[1], 2))
    unturned = np.tile([0.0, 0, 0, 1], (*firm.shape, 1))
    late = np.clip((np.arange(firm.shape[1])[:, None, None] - 30) / 4.0, 0.0, 1.0)

    def lift_ankles(motion: MotionBatch, reference_m: np.ndarray | None) -> MotionBatch:
        positions_m, orientations = forward_kinematics(adult, motion.root_m, motion.rotations)
        targets_m = positions_m[..., legs.ankles, :] + late * [0.0, 0.06, 0.0]
        _, rotations = solve_soft_legs(
            adult, positions_m, orientations, targets_m, unturned, firm, motion.fps, reference_m=reference_m
        )
        return replace(motion, rotations=rotations)

    once = lift_ankles(given, None)
    added_deg_s = []
    for reference_m in (joint_positions(given), None):
        twice = lift_ankles(once, reference_m)
        added_deg_s.append((knee_speeds_deg_s(twice) - knee_speeds_deg_s(given)).max())
    assert added_deg_s[0] < 0.85 * added_deg_s[1]


def test_legs_reach_targets(adult):
    generator = np.random.default_rng(4)
    rotations = Rotation.from_rotvec(generator.normal(0, 0.3, (5, 22, 3))).as_quat()
    positions_m, orientations = forward_kinematics(adult, np.zeros((5, 3)), rotations)
    legs = Legs.from_skeleton(adult)
    shift_m = generator.normal(0, 0.03, (5, 3))
    targets_m = positions_m[:, legs.ankles] + [0.0, 0.12, 0.0] + generator.normal(0, 0.03, (5, 2, 3))
    still = np.tile([0.0, 0.0, 0.0, 1.0], (5, 2, 1))
    bent = solve_leg_ik(adult, positions_m, orientations, shift_m, targets_m, still)
    new_m, new_orientations = forward_kinematics(adult, shift_m, bent)
    far_m = np.linalg.norm(targets_m - new_m[:, legs.hips], axis=-1)
    before_m = np.linalg.norm(positions_m[:, legs.ankles] - positions_m[:, legs.hips], axis=-1)
    off_m = np.linalg.norm(new_m[:, legs.ankles] - targets_m, axis=-1)
    assert off_m[far_m <= before_m].max() < 1e-9
    assert off_m.max() < 0.001  # legs that grow longer hold back a little
    head = adult.joint("head")
    assert np.allclose(new_m[:, head], positions_m[:, head] + shift_m)
    assert np.allclose(np.abs(np.sum(new_orientations[:, legs.ankles] * orientations[:, legs.ankles], -1)), 1.0)


def test_legs_stretch_to_far_targets(adult):
    rotations = np.tile([0.0, 0.0, 0.0, 1.0], (1, 22, 1))
    rotations[0, [adult.joint("left_knee"), adult.joint("right_knee")]] = Rotation.from_rotvec([0.5, 0, 0]).as_quat()
    positions_m, orientations = forward_kinematics(adult, np.zeros((1, 3)), rotations)
    legs = Legs.from_skeleton(adult)
    far_m = positions_m[:, legs.hips] + [0.0, -2.0, 0.0]
    still = np.tile([0.0, 0.0, 0.0, 1.0], (1, 2, 1))
    bent = solve_leg_ik(adult, positions_m, orientations, np.zeros((1, 3)), far_m, still)
    new_m, _ = forward_kinematics(adult, np.zeros((1, 3)), bent)
    length_m = sum(np.linalg.norm(adult.offsets_m[adult.joint(f"left_{part}")]) for part in ("knee", "ankle"))
    reach_m = np.linalg.norm(new_m[0, legs.ankles] - new_m[0, legs.hips], axis=-1)
    assert np.allclose(reach_m, MAXIMUM_REACH * length_m, rtol=1e-6)
