"""The preconditioner: noise, spikes, floor, drift, feet, legs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import mean_distance_m
from scipy.spatial.transform import Rotation, Slerp

from selfcorrect.motion.body.flesh import sole_points
from selfcorrect.motion.kinematics import forward_kinematics, joint_positions
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.body.curves import whittaker
from selfcorrect.simulators.body.leg_ik import MAXIMUM_REACH, Legs, bend_legs, shortest_turn
from selfcorrect.simulators.body.soles import fit_soles, held_velocities, velocities
from selfcorrect.simulators.mending import floor, foot_lock
from selfcorrect.simulators.mending.despike import despike
from selfcorrect.simulators.mending.precondition import PreconditionSettings
from selfcorrect.simulators.pipeline import precondition

KNOWN_FLOOR = PreconditionSettings(estimate_floor=False, estimate_drift=False, fit_soles=False)


def mend(motion: Motion, settings: PreconditionSettings = PreconditionSettings()) -> Motion:  # noqa: B008
    return precondition(MotionBatch.stack([motion]), settings).motions[0]


def test_whittaker_solves_its_least_squares_problem():
    generator = np.random.default_rng(0)
    values, weights = generator.normal(size=(12, 2)), generator.uniform(0.1, 2.0, 12)
    second = np.diff(np.eye(12), 2, axis=0)
    expected = np.linalg.solve(np.diag(weights) + 5.0 * second.T @ second, weights[:, None] * values)
    assert np.allclose(whittaker(values, 5.0, weights), expected)


def test_a_spike_of_capture_is_bridged(walk):
    elbow = walk.skeleton.joint("left_elbow")
    spiked = walk.rotations.copy()
    spiked[15, elbow] = Rotation.from_rotvec([2.5, 0.0, 1.0]).as_quat()
    shoulder = walk.skeleton.joint("left_shoulder")
    spiked[15, shoulder] = Rotation.from_rotvec([0.0, 0.0, 3.0]).as_quat()
    bridged = despike(MotionBatch.stack([replace(walk, rotations=spiked)]))[0]
    assert mean_distance_m(bridged, walk) < 0.1 * mean_distance_m(replace(walk, rotations=spiked), walk)


def test_kinks_of_a_fast_limb_between_frames_that_were_put_in_are_no_spikes(walk):
    """Whipped at 3 m/s and back within a tenth of a second, an arm is no spike at 30 fps, nor linearly at 120."""
    shoulder = walk.skeleton.joint("left_shoulder")
    whipped = walk.rotations.copy()
    angles_rad = 0.2 * np.array([0, 1, 2, 1, 0])
    whip = Rotation.from_rotvec(angles_rad[:, None] * [0.0, 0.0, 1.0])
    whipped[13:18, shoulder] = (Rotation.from_quat(whipped[13:18, shoulder]) * whip).as_quat()
    fast = replace(walk, rotations=whipped)
    slerps = [Slerp(np.arange(len(fast)), Rotation.from_quat(own)) for own in np.moveaxis(whipped, 1, 0)]
    times = np.arange(4 * len(fast) - 3) / 4
    rotations = np.stack([own(times).as_quat() for own in slerps], axis=1)
    root_m = np.stack([np.interp(times, np.arange(len(fast)), axis) for axis in fast.root_m.T], axis=1)
    for batch in (fast, replace(fast, root_m=root_m, rotations=rotations, fps=4 * fast.fps)):
        stacked = MotionBatch.stack([batch])
        assert np.allclose(joint_positions(despike(stacked)), joint_positions(stacked), atol=1e-9)


def test_legs_that_hold_feet_still_while_the_pelvis_jerks_are_no_spike(walk):
    """Seen from the pelvis the legs spike, in the world their feet do not, and a bridge would make them."""
    legs, ankles_m = Legs.of(walk.skeleton), joint_positions(walk)[:, Legs.of(walk.skeleton).ankles]
    tilted = walk.rotations.copy()
    tilted[15, 0] = (Rotation.from_rotvec([0.3, 0.0, 0.0]) * Rotation.from_quat(tilted[15, 0])).as_quat()
    places = forward_kinematics(walk.skeleton, walk.root_m, tilted)
    still_m, upright = np.zeros_like(walk.root_m), np.broadcast_to([0.0, 0.0, 0.0, 1.0], (len(walk), 2, 4))
    rotations = bend_legs(walk.skeleton, *places, still_m, ankles_m, upright)
    batch = MotionBatch.stack([replace(walk, rotations=rotations)])
    off_m = np.linalg.norm(joint_positions(despike(batch)) - joint_positions(batch), axis=-1)
    assert off_m[..., legs.ankles].max() < 1e-9


def test_short_gaps_in_stances_close_and_short_stances_go():
    height_m = np.zeros((1, 20, 2))
    speed_m_s = np.ones((1, 20, 2))
    speed_m_s[0, 2:8, 0] = 0.0
    speed_m_s[0, 4, 0] = 1.0
    speed_m_s[0, 12:14, 0] = 0.0
    stands = foot_lock.standing(height_m, speed_m_s, fps=30.0)
    assert np.flatnonzero(stands[0, :, 0]).tolist() == list(range(2, 8))
    assert not stands[..., 1].any()


def test_swings_are_bridged_smoothly():
    stands = np.zeros((1, 32, 2), dtype=bool)
    stands[0, [3, 4, 24, 25], 0] = True
    anchors_m = np.zeros((1, 32, 2, 3))
    anchors_m[0, 3:5, 0], anchors_m[0, 24:26, 0] = 0.02, 0.06
    moves_m = foot_lock.bridge_swings(anchors_m, stands, fps=30.0)
    assert np.allclose(moves_m[0, [3, 4], 0], 0.02)
    assert np.allclose(moves_m[0, [24, 25], 0], 0.06)
    assert (np.diff(moves_m[0, 4:25, 0, 1]) >= 0).all()
    assert np.allclose(moves_m[0, 10:19, 0, 0], 0.0)
    assert (np.abs(np.diff(moves_m[0, :, 0, 0])) < 0.016).all()
    assert np.allclose(moves_m[0, :3, 0, 1], 0.02)
    assert not moves_m[:, :, 1].any()


def test_legs_reach_their_targets_and_keep_the_rest(adult):
    generator = np.random.default_rng(4)
    rotations = Rotation.from_rotvec(generator.normal(0, 0.3, (5, 22, 3))).as_quat()
    positions_m, orientations = forward_kinematics(adult, np.zeros((5, 3)), rotations)
    legs = Legs.of(adult)
    shift_m = generator.normal(0, 0.03, (5, 3))
    targets_m = positions_m[:, legs.ankles] + [0.0, 0.12, 0.0] + generator.normal(0, 0.03, (5, 2, 3))
    still = np.tile([0.0, 0.0, 0.0, 1.0], (5, 2, 1))
    bent = bend_legs(adult, positions_m, orientations, shift_m, targets_m, still)
    new_m, new_orientations = forward_kinematics(adult, shift_m, bent)
    far_m, before_m = (
        np.linalg.norm(ankles_m - hips_m, axis=-1)
        for ankles_m, hips_m in (
            (targets_m, new_m[:, legs.hips]),
            (positions_m[:, legs.ankles], positions_m[:, legs.hips]),
        )
    )
    off_m = np.linalg.norm(new_m[:, legs.ankles] - targets_m, axis=-1)
    assert off_m[far_m <= before_m].max() < 1e-9
    assert off_m.max() < 0.001  # legs that grow longer hold back a little
    head = adult.joint("head")
    assert np.allclose(new_m[:, head], positions_m[:, head] + shift_m)
    assert np.allclose(np.abs(np.sum(new_orientations[:, legs.ankles] * orientations[:, legs.ankles], -1)), 1.0)


def test_legs_stretch_towards_what_they_cannot_reach(adult):
    rotations = np.tile([0.0, 0.0, 0.0, 1.0], (1, 22, 1))
    rotations[0, [adult.joint("left_knee"), adult.joint("right_knee")]] = Rotation.from_rotvec([0.5, 0, 0]).as_quat()
    positions_m, orientations = forward_kinematics(adult, np.zeros((1, 3)), rotations)
    legs = Legs.of(adult)
    far_m = positions_m[:, legs.hips] + [0.0, -2.0, 0.0]
    still = np.tile([0.0, 0.0, 0.0, 1.0], (1, 2, 1))
    bent = bend_legs(adult, positions_m, orientations, np.zeros((1, 3)), far_m, still)
    new_m, _ = forward_kinematics(adult, np.zeros((1, 3)), bent)
    length_m = sum(np.linalg.norm(adult.offsets_m[adult.joint(f"left_{part}")]) for part in ("knee", "ankle"))
    reach_m = np.linalg.norm(new_m[0, legs.ankles] - new_m[0, legs.hips], axis=-1)
    assert np.allclose(reach_m, MAXIMUM_REACH * length_m, rtol=1e-6)


def test_shortest_turn_turns_one_vector_into_the_other():
    before, after = np.random.default_rng(5).normal(size=(2, 7, 3))
    turned = Rotation.from_quat(shortest_turn(before, after)).apply(before)
    assert np.allclose(np.cross(turned, after), 0.0, atol=1e-9)
    assert (np.sum(turned * after, -1) > 0).all()


def test_the_floor_is_found_wherever_it_is(walk):
    sunk, raised = (mend(replace(walk, root_m=walk.root_m + np.array([0.0, up_m, 0.0]))) for up_m in (-0.05, 0.08))
    assert mean_distance_m(sunk, raised) < 1e-9


def test_a_body_whose_floor_is_next_to_zero_is_left_where_it_is(walk):
    level = mend(replace(walk, root_m=walk.root_m + np.array([0.0, 0.05, 0.0])))
    for up_m, least_m, most_m in ((-0.003, 0.0, 0.001), (-0.02, 0.015, 0.025)):
        off = replace(level, root_m=level.root_m + np.array([0.0, up_m, 0.0]))
        head = walk.skeleton.parts.index("neck")
        moved_m = np.abs(joint_positions(mend(off)) - joint_positions(off))[:, head, 1].mean()
        assert least_m <= moved_m <= most_m


def test_a_known_floor_is_left_alone(walk):
    raised = replace(walk, root_m=walk.root_m + np.array([0.0, 0.3, 0.0]))
    assert mean_distance_m(mend(raised, replace(KNOWN_FLOOR, support="floor")), raised) < 1e-5


def test_constant_drift_is_taken_out(clips):
    clean = clips["spin"]
    drift_m = np.outer(np.arange(len(clean)) / clean.fps, [0.6, 0.0, 0.3])
    still = replace(
        clean,
        root_m=np.repeat(clean.root_m[:1], len(clean), 0),
        rotations=np.repeat(clean.rotations[:1], len(clean), 0),
    )
    drifting = replace(still, root_m=still.root_m + drift_m)
    assert mean_distance_m(mend(drifting), mend(still)) < 1e-9
    assert mean_distance_m(mend(drifting, KNOWN_FLOOR), still) > 0.1


@pytest.mark.parametrize("label", ["walk", "jump", "kick", "spin", "dance_b"])
def test_feet_neither_sink_nor_slide_afterwards(clips, label):
    before = physical_errors(MotionBatch.stack([clips[label]]))
    after = physical_errors(MotionBatch.stack([mend(clips[label])]))
    assert after.penetration_m[0] < 0.002
    assert after.skate_m_s[0] < 0.75 * before.skate_m_s[0] + 0.02
    assert mean_distance_m(mend(clips[label]), clips[label]) < 0.04


def test_mending_twice_changes_little(walk):
    once = mend(walk)
    assert mean_distance_m(mend(once), once) < 0.005


def test_batches_are_mended_like_single_motions(clips):
    motions = [clips["spin"].frames(start, start + 40) for start in (0, 30, 60)]
    together = precondition(MotionBatch.stack(motions), KNOWN_FLOOR).motions
    for index, motion in enumerate(motions):
        assert np.array_equal(together.rotations[index], mend(motion, KNOWN_FLOOR).rotations)


def test_soles_are_fitted_to_flat_stances(adult):
    soles = sole_points(adult)
    heights_m = np.tile(np.repeat([0.0, 0.012, 0.004], 2), (20, 2, 1))
    fitted = fit_soles(soles, heights_m, np.ones((20, 2), dtype=bool), 30.0)
    lowered_m = (soles.offsets_m - fitted.offsets_m)[:, 1]
    assert np.allclose(lowered_m, np.tile(np.repeat([0.0, 0.012, 0.004], 2), 2))
    assert fit_soles(soles, heights_m, np.zeros((20, 2), dtype=bool), 30.0) is soles


def test_a_leg_that_is_stretched_evenly_does_not_snap_its_knee(adult, stand):
    """Straight to the end, the last millimetres would turn the knee by as much as the centimetres before."""
    bent = stand.rotations.copy()[:1]
    for part, angle in (("left_hip", -0.25), ("left_knee", 0.5)):
        bent[0, adult.parts.index(part)] = Rotation.from_rotvec([angle, 0.0, 0.0]).as_quat()
    positions_m, orientations = forward_kinematics(adult, np.zeros((1, 3)), bent)
    legs = Legs.of(adult)
    targets_m = np.repeat(positions_m[:, legs.ankles], 60, axis=0)
    targets_m[:, 0, 1] -= np.linspace(0.0, 0.04, 60)
    still = np.tile([0.0, 0.0, 0.0, 1.0], (60, 2, 1))
    pose = (np.repeat(each, 60, axis=0) for each in (positions_m, orientations))
    rotations = bend_legs(adult, *pose, np.zeros((60, 3)), targets_m, still)
    knee_rad = Rotation.from_quat(rotations[:, adult.parts.index("left_knee")]).magnitude()
    steps_rad = np.abs(np.diff(knee_rad))
    assert knee_rad[-1] < 0.25
    assert steps_rad.max() < 2 * steps_rad[0]


def test_skeletons_without_legs_are_refused(adult, stand):
    legless = replace(adult, parts=tuple("" if part == "right_ankle" else part for part in adult.parts))
    with pytest.raises(ValueError, match="ankle"):
        mend(replace(stand, skeleton=legless))


def swinging(motion: Motion) -> Motion:
    """The motion on a floor that slides to and fro at up to 0.6 m/s."""
    times_s = np.arange(len(motion)) / motion.fps
    return replace(motion, root_m=motion.root_m + np.outer(0.6 / np.pi * np.sin(np.pi * times_s), [1.0, 0.0, 0.0]))


@pytest.mark.parametrize(("label", "left"), [("walk", 0.1), ("cartwheel", 0.4), ("spinkick", 0.6), ("kick", 0.8)])
def test_changing_drift_is_taken_out(clips, label, left):
    clean = mend(clips[label])
    assert mean_distance_m(mend(swinging(clips[label])), clean) < left * mean_distance_m(swinging(clips[label]), clean)


@pytest.mark.parametrize("label", ["roll", "crawl", "getup_facedown", "walk", "run", "dance_b", "jump"])
def test_motions_that_travel_rightly_do_not_drift(clips, label):
    assert mean_distance_m(mend(clips[label]), clips[label]) < 0.05


def test_toes_that_dip_do_not_raise_the_body():
    """Toes of either foot in turn go through the floor; the floor is where the feet stand flat."""
    soles_m = np.tile([0.0, 0.0], (60, 1))
    soles_m[:20, 0], soles_m[30:50, 1] = -0.05, -0.05
    flat = soles_m == 0.0
    assert floor.floor_height(soles_m, np.zeros((60, 2)), flat) == 0.0
    assert floor.floor_height(soles_m, np.zeros((60, 2)), np.zeros((60, 2), dtype=bool)) == -0.05


def test_sunken_toes_are_turned_up_as_far_as_needed():
    normals = np.tile([0.0, np.cos(0.4), np.sin(0.4)], (1, 30, 2, 1))
    below_m, above_m = np.full((1, 30, 2), -0.03), np.full((1, 30, 2), 0.03)
    share = foot_lock.share_above(below_m, above_m, normals, fps=30.0)
    assert np.allclose(share, 0.5)
    turned = Rotation.from_quat(foot_lock.flattening(normals, share)).apply(normals)
    assert np.allclose(np.arccos(turned[..., 1]), 0.2)
    assert not foot_lock.share_above(-below_m, above_m, normals, fps=30.0).any()


def test_feet_of_who_kneels_are_not_laid_flat():
    """They point back beyond the vertical; flat, they would stand beside the knees."""
    back = np.tile([0.0, np.cos(1.7), np.sin(1.7)], (1, 30, 2, 1))
    assert not foot_lock.share_above(np.full((1, 30, 2), -0.03), np.full((1, 30, 2), 0.03), back, fps=30.0).any()


def test_the_ball_of_a_foot_that_rolls_is_held_and_not_its_tip():
    """The tip of the stiff sole is lowest and slides back while the ball, a centimetre higher, stands still."""
    feet_m = np.zeros((1, 10, 2, 6, 3))
    feet_m[..., :2, 1], feet_m[..., 2:4, 1] = 0.1, 0.01
    feet_m[..., 4:, 2] = -0.01 * np.arange(10)[:, None, None]
    assert np.abs(velocities(feet_m, 30.0)[..., 1]).min() > 0.2
    assert np.abs(held_velocities(feet_m, 30.0)[..., 1]).max() < 0.05


def test_the_corner_that_stands_is_held_and_not_a_slow_one_high_above():
    feet_m = np.zeros((1, 10, 2, 6, 3))
    feet_m[..., :4, 1] = 0.1
    feet_m[..., 4:, 2] = 0.003 * np.arange(10)[:, None, None]
    assert np.allclose(held_velocities(feet_m, 30.0)[..., 1], 0.09, atol=0.01)


def test_swinging_feet_do_not_drag():
    stands = np.ones((1, 40, 2), dtype=bool)
    stands[0, 10:30, 0] = False
    soles_m, speed_m_s = np.zeros((1, 40, 2)), np.where(stands, 0.0, 0.5)
    moves_m = foot_lock.lock(soles_m, np.zeros((1, 39, 2, 2)), speed_m_s, stands, fps=30.0)
    assert (moves_m[0, 10:30, 0, 1] > 0.005).all()
    assert moves_m[..., 1].max() < 0.012
    assert np.allclose(moves_m[0, :, 1], 0.0)
