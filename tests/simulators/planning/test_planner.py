"""Plans shift motions until forces explain them.

Feet tread on the corners that carry.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from simulated_bodies import clean_motion
from turned_joints import pose_joint

from selfcorrect.motion.kinematics import forward_kinematics
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.support import Support
from selfcorrect.simulators.body.contact_points import find_carried_points
from selfcorrect.simulators.body.humanoid import build_humanoid
from selfcorrect.simulators.clean import CleanupSettings, FitSoles, clean_motions
from selfcorrect.simulators.planning.contact_plan import inset_soles, plan_contacts
from selfcorrect.simulators.planning.planner import (
    CUSHION_M,
    Planner,
    add_cushions,
    heel_load_share,
    lift_swinging_feet_m,
    plan_motions,
    solve_centre_shift,
    solve_foot_moves,
    solve_turns,
)
from selfcorrect.simulators.settings.plan import PLAN, RESIDUAL_FREE_PLAN, FilterSettings
from selfcorrect.simulators.settings.tracker import TrackerSettings

FRICTION = 0.5


def test_centre_shift_solves_least_squares():
    generator = np.random.default_rng(0)
    count = 9
    mass = 70.0
    fps = 30.0
    unexplained = generator.normal(0, 50, (count, 6))
    contact_n = generator.normal(0, 300, (count, 3))
    second = np.zeros((count - 2, count))
    for row in range(count - 2):
        second[row, row : row + 3] = 1, -2, 1
    accelerate = mass * fps**2 * np.kron(second, np.eye(3))
    x, y, z = contact_n.T
    zero = np.zeros(count)
    arms = np.array([[zero, z, -y], [-z, zero, x], [y, -x, zero]])  # δ ↦ δ × f
    turn = np.zeros((3 * count, 3 * count))
    for t in range(count):
        turn[3 * t : 3 * t + 3, 3 * t : 3 * t + 3] = arms[..., t]
    matrix = np.concatenate([accelerate, 3 * turn, np.sqrt(FilterSettings().shift_weight) * np.eye(3 * count)])
    right = np.concatenate([-unexplained[1:-1, :3].ravel(), -3 * unexplained[:, 3:].ravel(), np.zeros(3 * count)])
    assert np.allclose(
        solve_centre_shift(unexplained, contact_n, mass, fps).ravel(), np.linalg.lstsq(matrix, right)[0], atol=1e-9
    )


@pytest.mark.parametrize("label", ["walk", "jump", "kick"])
def test_filtered_motion_is_explained_better(clips, label):
    body, links = clean_motion(clips[label])
    before = np.linalg.norm(plan_contacts(body, links, FRICTION).unexplained[..., :3], axis=-1).mean()
    after = np.linalg.norm(
        plan_contacts(body, Planner(body, FRICTION).filter_dynamics(links), FRICTION).unexplained[..., :3], axis=-1
    ).mean()
    assert after < 0.7 * before


def turn_joints(motion: Motion, angles_deg: dict[str, float]) -> Motion:
    """Turn joints about the body's left, x."""
    for part, angle_deg in angles_deg.items():
        motion = pose_joint(motion, part, Rotation.from_euler("x", angle_deg, degrees=True))
    return motion


def on_left_foot(stand: Motion, lean_deg: float) -> Motion:
    """Stand on the left foot, leaning about its ankle."""
    raised = turn_joints(stand, {"right_hip": -60.0, "right_knee": 90.0})
    lean = Rotation.from_euler("z", lean_deg, degrees=True)
    positions_m, _ = forward_kinematics(raised.skeleton, raised.root_m, raised.rotations)
    ankle_m = positions_m[:, raised.skeleton.joint("left_ankle")]
    leaning = pose_joint(pose_joint(raised, 0, lean), "left_ankle", lean.inv())
    return replace(leaning, root_m=ankle_m + lean.apply(raised.root_m - ankle_m))


def test_one_leg_stand_is_balanced(stand):
    body = build_humanoid(stand.skeleton)
    links = body.select_links(MotionBatch.stack([on_left_foot(stand, -2.0)]))
    beside_m = []
    for settings in (PLAN, RESIDUAL_FREE_PLAN):
        contacts = plan_contacts(body, Planner(body, FRICTION, settings=settings).filter_dynamics(links), FRICTION)
        left_m = contacts.points_m[0, :, : len(body.soles) // 2, 0]
        beside_m.append(np.abs(contacts.demand.centre_m[0, :, 0] - left_m.mean(-1))[5:-5].max())
    half_width_m = np.ptp(left_m, axis=-1).min() / 2
    assert beside_m[0] > half_width_m
    assert beside_m[1] < 0.9 * half_width_m


@pytest.mark.parametrize(("speed_m_s", "shifted"), [(0.3, True), (1.3, False)])
def test_moving_bodies_are_not_shifted(stand, speed_m_s, shifted):
    on_left = on_left_foot(stand, -2.0)
    motion = replace(on_left, root_m=np.tile(on_left.root_m, (3, 1)), rotations=np.tile(on_left.rotations, (3, 1, 1)))
    glide_m = speed_m_s * np.arange(len(motion))[:, None] / stand.fps * [0.0, 0.0, 1.0]
    body = build_humanoid(stand.skeleton)
    links = body.select_links(MotionBatch.stack([replace(motion, root_m=motion.root_m + glide_m)]))
    plain = Planner(body, FRICTION, settings=PLAN).filter_dynamics(links)
    more = Planner(body, FRICTION, settings=RESIDUAL_FREE_PLAN).filter_dynamics(links)
    middle_m = (plain.root_m - more.root_m)[0, 31:62]
    assert (np.abs(middle_m).max() > 0.005) == shifted


def test_inset_forces_act_inwards():
    generator = np.random.default_rng(0)
    points_m = generator.normal(size=(1, 3, 10, 3))
    activation = np.ones((1, 3, 10))
    activation[..., 0] = 0.0
    moved_m = inset_soles(points_m, activation, 8, 0.7)
    middle_m = points_m[:, :, 4:8].mean(2, keepdims=True)
    assert np.allclose(moved_m[:, :, 4:8] - middle_m, 0.3 * (points_m[:, :, 4:8] - middle_m))
    assert np.allclose(moved_m[:, :, 1:4].mean(2), points_m[:, :, 1:4].mean(2))
    assert np.array_equal(moved_m[:, :, [0, 8, 9]], points_m[:, :, [0, 8, 9]])


def make_load(corners: list[float], frames: int) -> np.ndarray:
    """Return loads (1, 60, 2, 6) on some corners of left feet, heels first.

    The loads act for some frames in the middle.
    """
    load = np.zeros((1, 60, 2, 6))
    load[0, 30 - frames // 2 : 30 + (frames + 1) // 2, 0] = corners
    return load


@pytest.mark.parametrize(
    ("corners", "frames", "flat"),
    [
        ([1.5, 1.5, 0, 0, 0, 0], 30, True),  # a stand on a heel
        ([1.5, 1.5, 0, 0, 0, 0], 4, False),  # a step that lands on it
        ([0, 0, 0, 0, 1.5, 1.5], 30, False),  # a stand on tiptoe
        ([0.5, 0.5, 0.5, 0.5, 0.5, 0.5], 30, False),  # on the whole foot
        ([0.3, 0.3, 0, 0, 0, 0], 30, False),  # a heel that hardly carries
    ],
)
def test_long_heel_stance_is_flattened(corners, frames, flat):
    share = heel_load_share(make_load(corners, frames), 30.0)
    assert share[0, 30, 0] == pytest.approx(1.0 if flat else 0.0, abs=1e-6)
    assert not share[:, :, 1].any()
    assert share[0, 0, 0] == 0.0


def test_heel_stand_is_planned_flat(stand):
    on_heels = turn_joints(stand, {"left_ankle": -12.0, "right_ankle": -12.0})
    body = build_humanoid(stand.skeleton)
    links = body.select_links(MotionBatch.stack([on_heels]))
    sunk_m = body.contact_points.lowest_points(*forward_kinematics(body.tree, links.root_m, links.rotations))[
        0, :, :, 1
    ].min()
    on_heels = replace(on_heels, root_m=on_heels.root_m - [0.0, sunk_m, 0.0])
    cleaned = clean_motions(MotionBatch.stack([stand]), CleanupSettings().without_steps(FitSoles))
    cleaned = replace(cleaned, motions=MotionBatch.stack([on_heels]))
    highest_m = [
        plan_motions(cleaned, body, settings).contacts.points_m[0, 5:-5, : len(body.soles), 1].max()
        for settings in (TrackerSettings(), TrackerSettings.without_residual())
    ]
    assert highest_m[0] > 0.03
    assert highest_m[1] < 0.015


def test_sunken_body_is_lifted(clips):
    lying = clips["getup_facedown"].frames(0, 20)
    body = build_humanoid(lying.skeleton)
    sunk = replace(lying, root_m=lying.root_m - [0.0, 0.08, 0.0])
    lifted = Planner(body, FRICTION).lift_above_floor(body.select_links(MotionBatch.stack([sunk])))
    raised_m = lifted.root_m[0, :, 1] - sunk.root_m[:, 1]
    assert (raised_m > 0.05).all()
    plan = plan_contacts(body, lifted, FRICTION)
    assert np.median(np.linalg.norm(plan.unexplained[..., :3], axis=-1)) < 0.01 * body.weight_n


FRAMES = 20
CORNERS = 4


ARMS_M = np.tile(
    [[0.04, -0.08, -0.05], [-0.04, -0.08, -0.05], [0.04, -0.08, 0.13], [-0.04, -0.08, 0.13]], (1, 20, 2, 1, 1)
)


def press_corners(heights_m: list[float], load: list[float]) -> np.ndarray:
    """Return heights of the heel and toe pair after pressing a still foot down."""
    heights = np.tile(np.array(heights_m), (1, FRAMES, 2, 1))
    loads = np.tile(np.array(load), (1, FRAMES, 2, 1))
    rise_m, turns_rad = solve_foot_moves(heights, ARMS_M, loads, fps=30.0)
    turned = Rotation.from_rotvec(turns_rad[0, 10, 0]).apply(ARMS_M[0, 10, 0])
    return np.array(heights_m) + (turned - ARMS_M[0, 10, 0])[:, 1] + rise_m[0, 10, 0]


def test_loaded_toe_is_pressed_down():
    before = [0.0, 0.0, 0.01, 0.01]
    after = press_corners(before, [1.0, 1.0, 1.0, 1.0])
    assert after[2:].max() < 0.005
    assert after.min() > -1e-4


@pytest.mark.parametrize(("before", "load"), [([0.02, 0.02, 0.05, 0.05], 0.0), ([0.0] * CORNERS, 1.0)])
def test_unloaded_foot_stays(before, load):
    assert np.allclose(press_corners(before, [load] * CORNERS), before)


def test_mirrored_feet_turn_alike():
    left = press_corners([0.0, 0.01, 0.0, 0.01], [1.0] * CORNERS)
    right = press_corners([0.01, 0.0, 0.01, 0.0], [1.0] * CORNERS)
    assert np.allclose(left[[1, 0, 3, 2]], right)


@pytest.mark.parametrize("label", ["walk", "run", "jump"])
def test_loads_lower_and_body_stays(clips, label):
    mended = clean_motions(MotionBatch.stack([clips[label]]), CleanupSettings())
    body = build_humanoid(mended.motions.skeleton, soles=mended.soles)
    links = body.select_links(mended.motions)
    trodden = Planner(body, FRICTION).place_feet(links)
    before = hovering_m(body, links)
    after = hovering_m(body, trodden)
    assert after < before
    positions_m = [forward_kinematics(body.tree, motions.root_m, motions.rotations)[0] for motions in (links, trodden)]
    hip = body.tree.joint("left_hip")
    assert np.allclose(positions_m[0][..., hip, :], positions_m[1][..., hip, :])


def hovering_m(body, motions) -> float:
    """Return the soles' mean height, weighted by load.

    Corners weigh by what they are to carry.
    """
    plan = plan_contacts(body, motions, FRICTION)
    corners = slice(len(body.soles))
    load_n = plan.force_n[:, :, corners, 1]
    return float(np.sum(load_n * np.abs(plan.points_m[:, :, corners, 1])) / load_n.sum())


@pytest.mark.parametrize(
    ("height_m", "speed_m_s", "corner_load", "clear_m"),
    [(0.0, 2, 0.0, 0.02), (0.015, 2, 0.0, 0.005), (0.03, 2, 0.0, 0.0), (0.0, 0.2, 0.0, 0.0), (0.0, 2, 0.5, 0.0)],
    ids=["grazing", "low", "high", "slow", "carrying"],
)
def test_swinging_foot_clears_ground(height_m, speed_m_s, corner_load, clear_m):
    heights_m = np.full((1, 30, 2, 6), height_m)
    points_m = np.zeros((1, 30, 2, 6, 3))
    points_m[..., 2] = speed_m_s * np.arange(30)[:, None, None] / 30
    load = np.full(heights_m.shape, corner_load)
    rise_m = lift_swinging_feet_m(heights_m, points_m, load, 30.0, RESIDUAL_FREE_PLAN.placement)
    assert np.allclose(rise_m, clear_m, atol=1e-9)


@pytest.mark.parametrize(("gap_m", "is_near"), [(-0.01, True), (0.01, True), (0.2, False)])
def test_cushions_touch_body(stand, gap_m, is_near):
    """Cushions touch level thighs.

    The last gap is as that of a body that stands over a seat.
    """
    lying = turn_joints(stand, {"pelvis": -90.0})
    body = build_humanoid(stand.skeleton)
    links = body.select_links(MotionBatch.stack([lying]))[0]
    positions_m, orientations = forward_kinematics(links.skeleton, links.root_m, links.rotations)
    lowest_m = body.contact_points.lowest_points(positions_m, orientations)[0, :, 1]
    parts = ("pelvis", "left thigh", "right thigh")
    bottoms_m = {part: lowest_m[find_carried_points(body, part)].mean() for part in parts}
    seat = Support("seat", (0.0, min(bottoms_m.values()) - gap_m, 0.0), (1.0, 1.0), 0, len(stand) - 1)
    floor = replace(seat, part="left foot")
    cushions = add_cushions(body, links, [seat, floor])
    assert cushions.pop() == floor
    if not is_near:
        assert cushions == [seat]
        return
    assert [cushion.part for cushion in cushions] == list(parts)
    for cushion in cushions:
        assert -1e-9 <= bottoms_m[cushion.part] - cushion.top_m[1] < 0.02


def test_thigh_stays_out_of_cushion(stand):
    """Sloping thighs stay out of cushions.

    Such thighs are lower at the cushion's edge than at the hip.
    """
    body = build_humanoid(stand.skeleton)
    for slope_deg in (-120.0, -90.0, -60.0):
        links = body.select_links(MotionBatch.stack([turn_joints(stand, {"left_hip": slope_deg})]))[0]
        positions_m, orientations = forward_kinematics(links.skeleton, links.root_m, links.rotations)
        hip_m, knee_m = positions_m[0, [body.tree.joint("left_hip"), body.tree.joint("left_knee")]]
        thigh = find_carried_points(body, "left thigh")
        seat_m = body.contact_points.lowest_points(positions_m, orientations)[0, thigh, 1].mean() - 0.01
        seat = Support("seat", (0.0, seat_m, 0.0), (1.0, 1.0), 0, len(stand) - 1)
        cushion = next(each for each in add_cushions(body, links, [seat]) if each.part == "left thigh")
        along = (knee_m - hip_m) / np.linalg.norm(knee_m - hip_m)
        reach_m = CUSHION_M / 2 / np.hypot(along[0], along[2])
        radius_m = body.contact_points.radii_m[thigh].max()
        lowest_m = (hip_m + np.clip(reach_m, 0, 0.3) * along)[1] - radius_m / np.hypot(along[0], along[2])
        assert cushion.top_m[1] <= min(lowest_m, hip_m[1] - radius_m) + 1e-6


def test_turns_solve_least_squares():
    generator = np.random.default_rng(0)
    fps = 30.0
    moment_nm = generator.normal(0, 1, (1, 9, 3))
    inertia_kgm2 = np.array([8.0, 2.0, 8.0]) * np.eye(3) + np.zeros((1, 9, 3, 3))
    second = fps**2 * np.diff(np.eye(9), 2, axis=0)
    rate = RESIDUAL_FREE_PLAN.filter.turn_rad_s
    wanted = np.concatenate([-moment_nm[0, 1:-1] / [8.0, 2.0, 8.0], np.zeros((9, 3))])
    expected_rad = np.linalg.lstsq(np.concatenate([second, rate**2 * np.eye(9)]), wanted, rcond=None)[0]
    turns_rad = solve_turns(moment_nm, inertia_kgm2, fps, RESIDUAL_FREE_PLAN.filter)
    assert np.allclose(turns_rad[0], expected_rad, atol=1e-9)
    bounded = solve_turns(1e4 * moment_nm, inertia_kgm2, fps, RESIDUAL_FREE_PLAN.filter)
    assert np.linalg.norm(bounded, axis=-1).max() == pytest.approx(RESIDUAL_FREE_PLAN.filter.turn_limit_rad)


@pytest.mark.parametrize("label", ["jump", "run"])
def test_flight_keeps_angular_momentum(clips, label):
    body, links = clean_motion(clips[label])
    missing_nm = []
    for rate_rad_s in (0.0, RESIDUAL_FREE_PLAN.filter.turn_rad_s):
        filter_settings = replace(RESIDUAL_FREE_PLAN.filter, turn_rad_s=rate_rad_s)
        planner = Planner(body, FRICTION, settings=replace(RESIDUAL_FREE_PLAN, filter=filter_settings))
        planned = planner.filter_dynamics(links)
        missing_nm.append(np.abs(plan_contacts(body, planned, FRICTION).unexplained[..., 3:]).mean())
        assert soles_m(body, planned) == pytest.approx(soles_m(body, links), abs=0.05)
    assert missing_nm[1] < 0.85 * missing_nm[0]


def soles_m(body, motions: MotionBatch) -> np.ndarray:
    points_m = body.contact_points.lowest_points(
        *forward_kinematics(motions.skeleton, motions.root_m, motions.rotations)
    )
    return points_m[0, :, : len(body.soles)]
