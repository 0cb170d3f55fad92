"""Supports are inferred and kept from floating motion.

The truth of the motions is known; both engines get them.
"""

import re
from dataclasses import replace

import numpy as np
import pytest
from ground_motions import posed_legs, stair_heights, stepping
from helpers import EITHER_ENGINE, mean_distance_m
from made_motions import remove_travel
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation
from simulated_bodies import UPRIGHT, no_torques, rest_points_m, rest_pose, state, step_one
from turned_joints import pose_joint

from selfcorrect.motion.checks.check import RuleChoice, check_with
from selfcorrect.motion.editing.transforms import raise_motion
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.perception.foot_frames import level_feet
from selfcorrect.motion.support import Support
from selfcorrect.simulators.body.contact_points import find_carried_points
from selfcorrect.simulators.body.humanoid import build_humanoid
from selfcorrect.simulators.clean import CleanupSettings, FitSoles, clean_motions
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector
from selfcorrect.simulators.engines.simulator_frame import rotation_error, to_simulator
from selfcorrect.simulators.feasibility import infer_surroundings
from selfcorrect.simulators.presets import find_preset
from selfcorrect.simulators.settings.engine_table import ENGINES
from selfcorrect.simulators.settings.tracker import EngineSettings, TrackerSettings

EYE = np.eye(3)
UP = EYE[1]
SEAT_M = 0.45


@pytest.fixture(scope="module")
def stairs(planted_walk: Motion) -> tuple[Motion, list[Support]]:
    return stepping(planted_walk, stair_heights(planted_walk))


def turn_joints(motion: Motion, turns_rad: dict[str, np.ndarray]) -> Motion:
    """Turn joints at rest about an axis (T, 3)."""
    for part, turn_rad in turns_rad.items():
        motion = pose_joint(motion, part, Rotation.from_rotvec(turn_rad))
    return motion


def hold_pose(stand: Motion, frames: int) -> Motion:
    """The adult standing with hanging arms."""
    arms = {f"{side}_shoulder": sign * 1.4 * EYE[[2] * frames] for side, sign in (("left", -1), ("right", 1))}
    return turn_joints(stand.select_frames(np.zeros(frames, dtype=int)), arms)


def sitting(stand: Motion, seat_m: float) -> Motion:
    """Sit down in a second, stay for two.

    The adult is upright, with both feet on the floor.
    """
    offsets_m = {part: stand.skeleton.offsets_m[stand.skeleton.parts.index(part)] for part in ("left_hip", "left_knee")}
    thigh_m = -offsets_m["left_knee"][1]
    hip_m = stand.root_m[0, 1] + offsets_m["left_hip"][1]
    share = np.clip(np.arange(120) / 30 - 1, 0, 1)
    bent_rad = share * share * (3 - 2 * share) * np.arccos((seat_m + 0.065 - hip_m + thigh_m) / thigh_m)
    legs = {f"{side}_hip": -bent_rad[:, None] * EYE[0] for side in ("left", "right")}
    legs |= {f"{side}_knee": bent_rad[:, None] * EYE[0] for side in ("left", "right")}
    still = hold_pose(stand, 120)
    back_m = thigh_m * np.stack([np.zeros(120), np.cos(bent_rad) - 1, -np.sin(bent_rad)], axis=-1)
    return replace(turn_joints(still, legs), root_m=still.root_m + back_m)


def leaning(sit: Motion, lean_rad: float) -> Motion:
    """Bend the trunk forward while sitting down."""
    share = np.clip(np.arange(len(sit)) / sit.fps - 1, 0, 1)
    return turn_joints(sit, {"spine1": lean_rad * share[:, None] * EYE[0]})


@pytest.fixture(scope="module")
def sit(stand: Motion) -> Motion:
    return sitting(stand, SEAT_M)


def infer_supports(motion: Motion) -> tuple[Support, ...]:
    return clean_motions(MotionBatch.stack([motion]), CleanupSettings()).supports[0]


def test_stairs_are_found(stairs):
    motion, truth = stairs
    supports = infer_supports(motion)
    high = [support for support in truth if support.top_m[1] > 0]
    assert [support.part for support in supports] == [support.part for support in high]
    for got, expected in zip(supports, high, strict=True):
        assert got.top_m[1] == pytest.approx(expected.top_m[1], abs=0.02)
        assert max(abs(got.first - expected.first), abs(got.last - expected.last)) <= 4


def test_stairs_carry_who_climbs_them(stairs):
    motion, _ = stairs
    on_stairs = PhysicsCorrector()([motion])[0]
    pulled_down = PhysicsCorrector(cleanup=CleanupSettings(support="floor"))([motion])[0]
    assert on_stairs.accepted, on_stairs.reason
    assert mean_distance_m(on_stairs.motion, motion) < 0.012
    help_needed = [correction.diagnostics["residual_force_bodyweights"] for correction in (on_stairs, pulled_down)]
    assert help_needed[0] < 0.3 < 0.4 < help_needed[1]
    assert pulled_down.contacts.supports == ()


def test_stairs_are_no_floating(stairs):
    motion, _ = stairs
    correction = KinematicCorrector()([motion])[0]
    corrected = MotionBatch.stack([level_feet(correction.motion)])
    on_stairs = float(physical_errors(corrected, [correction.contacts.supports]).floating_m[0])
    above_the_floor = float(physical_errors(corrected).floating_m[0])
    assert on_stairs < 0.02 < 0.15 < above_the_floor
    assert correction.diagnostics["floating_m_after"] < 0.02


def test_uneven_ground_is_recognised(planted_walk):
    flat = infer_supports(planted_walk)
    raised = infer_supports(raise_motion(planted_walk, 0.08))
    uneven, truth = stepping(planted_walk, [0.10, 0.0, 0.12, 0.0, 0.09, 0.0])
    assert flat == raised == ()
    supports = infer_supports(uneven)
    assert [support.part for support in supports] == ["right foot"] * 3
    heights_m = [support.top_m[1] for support in supports]
    assert heights_m == pytest.approx([support.top_m[1] for support in truth if support.top_m[1] > 0], abs=0.02)


def test_height_changes_give_two_supports(stand):
    """Two steps stood on equally give two supports.

    No frame is at the median then.
    """
    still = hold_pose(stand, 70)
    supports = infer_supports(raise_motion(still, np.repeat([0.0, 0.2, 0.5], [30, 20, 20])))
    assert sorted({round(support.top_m[1], 2) for support in supports}) == [0.2, 0.5]
    assert {support.part for support in supports} == {"left foot", "right foot"}


@pytest.mark.parametrize("settings", [CleanupSettings(), CleanupSettings().without_steps(FitSoles)])
def test_supports_are_per_motion(stairs, planted_walk, settings):
    """Supports in a batch are as alone.

    The walk on the floor beside the stairs needs none.
    """
    corrector = KinematicCorrector(settings)
    alone = corrector([stairs[0]])[0]
    together = corrector([planted_walk, stairs[0]])
    assert together[0].contacts.supports == ()
    assert together[1].contacts.supports == alone.contacts.supports != ()
    assert np.array_equal(together[1].motion.root_m, alone.motion.root_m)


@pytest.mark.parametrize("riser_m", [0.15, 0.19])
def test_climb_may_begin_on_step(stairs, riser_m):
    """A climb may begin a step above the floor.

    The motion shows no lower ground.
    """
    climb = raise_motion(stairs[0], riser_m)
    (correction,) = KinematicCorrector()([climb])
    assert float(np.median((correction.motion.root_m - climb.root_m)[:, 1])) == pytest.approx(0.0, abs=0.01)


@pytest.mark.slow
def test_raised_walk_and_stairs_come_down(planted_walk, stairs):
    for motion in (planted_walk, stairs[0]):
        low = PhysicsCorrector()([motion])[0]
        high = PhysicsCorrector()([raise_motion(motion, 0.1)])[0]
        assert mean_distance_m(low.motion, high.motion) < 0.002
        assert high.diagnostics["floating_m_before"] > 0.09
        assert [support.top_m[1] for support in high.contacts.supports] == pytest.approx(
            [support.top_m[1] for support in low.contacts.supports], abs=0.001
        )


def test_far_stairs_stay(stairs):
    """The file may not show what leads to them."""
    (correction,) = KinematicCorrector()([raise_motion(stairs[0], 1.2)])
    assert mean_distance_m(correction.motion, raise_motion(stairs[0], 1.2)) < 0.02
    assert list(map(str, correction.notes)) == ["the lowest ground is at 1.20 m"]


def test_ground_stays_where_stood_most(planted_walk):
    """Who comes up a step is not moved up.

    The step comes from below to y = 0.
    """
    step, _ = stepping(planted_walk, [0.0, 0.17, 0.17, 0.17, 0.17, 0.17])
    correction = KinematicCorrector()([raise_motion(step, -0.17)])[0]
    assert mean_distance_m(correction.motion, raise_motion(step, -0.17)) < 0.005
    assert [support.top_m[1] for support in correction.contacts.supports] == pytest.approx([0.0] * 5, abs=0.02)
    assert list(map(str, correction.notes)) == ["the lowest ground is at -0.17 m"]


def test_seat_is_found(sit):
    (seat,) = infer_supports(sit)
    assert seat.part == "seat"
    assert seat.top_m[1] == pytest.approx(SEAT_M, abs=0.025)
    assert 45 <= seat.first <= 62
    assert seat.last == len(sit) - 1
    assert seat.top_m[2] == pytest.approx(sit.root_m[-1, 2], abs=0.08)


@pytest.mark.parametrize(("stool_m", "lean_rad"), [(0.6, 0.0), (0.6, 0.3), (0.7, 0.3)])
def test_stool_is_found_under_load(stand, stool_m, lean_rad):
    (seat,) = infer_supports(leaning(sitting(stand, stool_m), lean_rad))
    assert seat.part == "seat"
    assert seat.top_m[1] == pytest.approx(stool_m, abs=0.025)


def test_brief_crouch_shows_no_stool(stand):
    assert infer_supports(sitting(stand, 0.6).frames(0, 90)) == ()


@pytest.mark.parametrize("depth_m", [0.2, 0.35, 0.5])
def test_balanced_crouch_needs_no_stool(stand, depth_m):
    share = np.clip(np.arange(120) / 30 - 0.5, 0, 1)[:, None]
    assert infer_supports(posed_legs(hold_pose(stand, 120), -depth_m * share * UP, np.zeros((120, 2, 3)))) == ()


def test_stool_carries_sitter(stand):
    sit = leaning(sitting(stand, 0.6), 0.3)
    correction = PhysicsCorrector(TrackerSettings.without_residual())([sit])[0]
    assert correction.accepted, correction.reason
    assert mean_distance_m(correction.motion, sit) < 0.06


def test_a_seat_carries_who_sits(sit, engine):
    tracker = find_preset(0.7, engine).tracker
    seated = PhysicsCorrector(tracker, CleanupSettings(support="infer"))([sit])[0]
    fallen = PhysicsCorrector(tracker, CleanupSettings(support="floor"))([sit])[0]
    assert seated.accepted, seated.reason
    assert abs(seated.motion.root_m[-1, 1] - sit.root_m[-1, 1]) < 0.01
    for name, most in (("residual_force_bodyweights", 0.7), ("unexplained_force_bodyweights", 0.3)):
        assert seated.diagnostics[name] < most * fallen.diagnostics[name]
    pelvis = seated.forces.timeline.parts.index("pelvis")
    thighs = [seated.forces.timeline.parts.index(f"{side} thigh") for side in ("left", "right")]
    assert seated.forces.timeline.loads_bodyweights[90:, [pelvis, *thighs]].sum(axis=1).mean() > 0.6


@pytest.mark.parametrize("label", ["walk", "run", "jump", "spinkick", "cartwheel", "dance_b", "crawl", "roll"])
def test_sound_motion_gets_no_support(clips, label):
    assert infer_supports(clips[label]) == ()


def test_keep_leaves_height(planted_walk):
    raised = raise_motion(planted_walk, 0.3)
    for corrector in (KinematicCorrector, PhysicsCorrector):
        correction = corrector(cleanup=CleanupSettings(support="off"))([raised])[0]
        assert correction.accepted, correction.reason
        assert abs(correction.motion.root_m[:, 1] - raised.root_m[:, 1]).mean() < 0.01
        assert correction.contacts.supports == ()
        assert "height left unchanged" in map(str, correction.notes)


def lying(stand: Motion) -> Motion:
    """The adult on its back on the floor."""
    still = turn_joints(hold_pose(stand, 60), {"pelvis": np.tile(-np.pi / 2 * EYE[0], (60, 1))})
    return replace(still, root_m=np.tile([0.0, 0.1, 0.0], (60, 1)))


def sitting_on_the_floor(stand: Motion) -> Motion:
    """The adult, upright, with its legs straight ahead."""
    legs = {f"{side}_hip": -np.pi / 2 * EYE[[0] * 60] for side in ("left", "right")}
    return replace(turn_joints(hold_pose(stand, 60), legs), root_m=np.tile([0.0, 0.155, 0.0], (60, 1)))


@pytest.mark.parametrize("pose", [lying, sitting_on_the_floor])
def test_floor_carries_sitter(stand, pose):
    motion = pose(stand)
    correction = PhysicsCorrector()([motion])[0]
    assert correction.accepted, correction.reason
    assert correction.contacts.supports == ()
    assert mean_distance_m(correction.motion, motion) < 0.06
    assert correction.diagnostics["unexplained_force_bodyweights"] < 0.01
    loads = dict(
        zip(
            correction.forces.timeline.parts,
            correction.forces.timeline.loads_bodyweights[30:].mean(axis=0),
            strict=True,
        )
    )
    assert loads["left foot"] + loads["right foot"] < 0.4
    assert sum(loads.values()) > 0.8


def hovering(stand: Motion) -> Motion:
    """Rise by half a metre and paddle.

    The adult rises within a second and paddles for three.
    """
    times_s = np.arange(150) / 30
    share = np.clip(times_s - 1, 0, 1)
    paddle = {"left_hip": 0, "right_hip": np.pi, "left_shoulder": 1, "right_shoulder": 2}
    turns_rad = {
        part: (0.5 * share * np.sin(3 * np.pi * times_s + phase))[:, None] * [1.0, 0.0, 0.3]
        for part, phase in paddle.items()
    }
    return raise_motion(turn_joints(hold_pose(stand, 150), turns_rad), 0.5 * share * share * (3 - 2 * share))


def test_who_hovers_is_told_so(stand):
    motion = hovering(stand)
    correction = PhysicsCorrector()([motion])[0]
    assert not correction.accepted
    assert correction.motion is motion
    first, last = map(int, re.findall(r"frame (\d+)", correction.reason))
    assert 30 <= first <= 60
    assert last >= 140
    assert PhysicsCorrector(cleanup=CleanupSettings(support="off"))([motion])[0].accepted


def hanging(stand: Motion) -> Motion:
    """Lift off and hang by still hands.

    The adult is up within a second, arms up, legs swinging.
    """
    times_s = np.arange(120) / 30
    share = np.clip(times_s - 1, 0, 1)
    swing_rad = (0.6 * share * np.sin(3 * np.pi * times_s))[:, None] * EYE[0]
    arms_up = {f"{side}_shoulder": sign * 1.5 * EYE[[2] * 120] for side, sign in (("left", 1), ("right", -1))}
    pose = turn_joints(hold_pose(stand, 120), {"left_hip": swing_rad, "right_hip": -swing_rad, **arms_up})
    return raise_motion(pose, 0.4 * share * share * (3 - 2 * share))


def test_who_hangs_holds_on(stand):
    motion = hanging(stand)
    correction = PhysicsCorrector()([motion])[0]
    assert correction.accepted, correction.reason
    assert {support.part for support in correction.contacts.supports} == {"left grip", "right grip"}
    wrist_m = joint_positions(motion)[-1, motion.skeleton.parts.index("left_wrist")]
    for support in correction.contacts.supports:
        assert support.top_m[1] == pytest.approx(wrist_m[1], abs=0.12)
        assert 50 <= support.first <= 62
        assert support.last >= len(motion) - 2
    assert correction.diagnostics["unexplained_force_bodyweights"] < 0.25  # nothing carries while it rises
    assert abs(correction.motion.root_m[-1, 1] - motion.root_m[-1, 1]) < 0.005
    assert correction.diagnostics["floating_m_after"] < 0.06


@pytest.mark.parametrize("name", ["stairs", "stool", "treadmill"])
def test_check_finds_same_carriers(stairs, planted_walk, name):
    """Climbers do not hover; treadmill walkers do not slide."""
    stances = len(stair_heights(planted_walk))
    motion = {
        "stairs": lambda: stairs[0],
        "stool": lambda: stepping(planted_walk, [0.35 * (1 < stance < 4) for stance in range(stances)])[0],
        "treadmill": lambda: remove_travel(planted_walk),
    }[name]()
    rules = RuleChoice(("F1", "F2", "F3"))
    assert check_with(motion, rules).findings
    assert check_with(motion, rules, infer_surroundings).findings == ()


def test_hanging_body_hovers_before_grip(stand):
    (finding,) = check_with(hanging(stand), RuleChoice(("F2",)), infer_surroundings).findings
    assert finding.stop <= 62 < check_with(hanging(stand), RuleChoice(("F2",))).findings[0].stop


@pytest.mark.parametrize("height_m", [0.3, 0.5])
def test_lifted_body_always_hovers(planted_walk, height_m):
    up = gaussian_filter1d(np.where(np.abs(np.arange(len(planted_walk)) - 40) < 14, height_m, 0.0), 2.0)
    motion = raise_motion(planted_walk, up)
    assert {finding.code for finding in check_with(motion, RuleChoice(("F2",)), infer_surroundings).findings} == {"F2"}


def test_drifting_floor_is_no_treadmill(planted_walk):
    along_m = np.outer(np.arange(len(planted_walk)) / planted_walk.fps, 0.6 * EYE[0])
    motion = replace(planted_walk, root_m=planted_walk.root_m + along_m)
    assert {finding.code for finding in check_with(motion, RuleChoice(("F3",)), infer_surroundings).findings} == {"F3"}


def test_hold_keeps_hand(adult, engine):
    body = build_humanoid(adult).with_minimum_inertia(0.06)
    world = ENGINES.load(engine)(EngineSettings())
    elbows = [body.tree.parts.index(f"{side}_elbow") for side in ("left", "right")]
    hands_m = {side: rest_points_m(body)[find_carried_points(body, f"{side} grip")][0] for side in ("left", "right")}
    grips = [Support(f"{side} grip", tuple(hand_m + 2.1 * UP), (0.1, 0.1), 0, 9) for side, hand_m in hands_m.items()]
    world.build([body], 1 / 240, [grips])
    start(world, body, 2.0)
    before_m = world.positions_m(elbows)[0]
    for _ in range(60):
        world.show(0, (0, 1))
        fall(world, body, 8)
    assert np.abs(world.positions_m(elbows)[0] - before_m - [0.0, 0.0, 0.1]).max() < 0.08
    world.show(0, ())
    fall(world, body, 72)
    assert world.positions_m(elbows)[0, 0, 2] < before_m[0, 2] - 0.2


@pytest.mark.slow
@EITHER_ENGINE
def test_supports_are_independent_of_company(stairs, sit, stand, clips, engine):
    """Supports do not depend on the other motions.

    On one tree each: who climbs stairs and who walks; who sits, who hangs and who stands.
    """
    corrector = PhysicsCorrector(TrackerSettings(engine=EngineSettings(name=engine)))
    motions = [sit, stairs[0], hanging(stand), clips["walk"], stairs[0], stand]
    for motion, together in zip(motions, corrector(motions), strict=True):
        alone = corrector([motion])[0]
        assert alone.contacts.supports == together.contacts.supports
        assert np.array_equal(alone.motion.root_m, together.motion.root_m)
        assert np.array_equal(alone.motion.rotations, together.motion.rotations)


def test_the_choice_is_checked():
    with pytest.raises(ValueError, match=r"support.*'chair'"):
        CleanupSettings(support="chair")  # type: ignore[arg-type]


def test_slab_holds_its_part_only(adult, engine):
    """Slabs bear only their own part.

    Soles land on one for feet, fall through one for hands, and fall when theirs is taken away.
    """
    body = build_humanoid(adult).with_minimum_inertia(0.06)
    world = ENGINES.load(engine)(EngineSettings())
    feet = [Support(f"{side} foot", (0.0, 0.5, 0.05), (0.6, 0.6), 0, 9) for side in ("left", "right")]
    hands = Support("left hand", (0.0, 0.5, 0.05), (0.6, 0.6), 0, 9)
    sole_m = -min(point_m[1] for point_m in rest_points_m(body))
    for supports, shown, lands_m in ((feet, (0, 1), 0.5), ([hands], (0,), 0.0), (feet, (), 0.0)):
        world.build([body], 1 / 240, [supports])
        start(world, body, sole_m + 0.52)
        world.show(0, shown)
        fall(world, body, 240)
        assert world.root().position_m[0, 2] - body.centre_m[0][1] == pytest.approx(lands_m + sole_m, abs=0.02)
        assert world.loads_n().sum() == pytest.approx(body.weight_n, rel=0.15)


def start(world, body, height_m: float) -> None:
    centre_m = to_simulator(body.centre_m[0] + height_m * UP)
    world.reset(state(centre_m), rest_pose(body), no_torques(body))


def fall(world, body, steps: int) -> None:
    """Drop the body, joints held, root upright."""
    for _ in range(steps):
        root = world.root()
        upright = np.array([UPRIGHT])
        torque_nm = 2000 * rotation_error(upright, root.orientation) - 200 * root.angular_velocity_rad_s
        step_one(world, rest_pose(body), no_torques(body), torque_nm=torque_nm)
