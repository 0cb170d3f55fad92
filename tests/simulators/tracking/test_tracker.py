"""Controls drive simulated bodies along motions.

Several go at a time, and they are given up when lost.
"""

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from made_motions import Kind, made_motion
from scipy.spatial.transform import Rotation
from simulated_bodies import make_plan
from turned_joints import pose_joint

from selfcorrect.motion.geometry import compiled
from selfcorrect.motion.geometry.vectors import GRAVITY_M_S2
from selfcorrect.motion.kinematics import forward_kinematics
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.body.humanoid import build_humanoid
from selfcorrect.simulators.body.leg_ik import Legs
from selfcorrect.simulators.engines import simulator_frame
from selfcorrect.simulators.engines.simulator_frame import rotate_inverse, rotation_error, small_rotation
from selfcorrect.simulators.engines.world import (
    Reference,
    RootState,
    interpolate_frames,
    rotation_velocities,
    velocities_m_s,
)
from selfcorrect.simulators.planning.contact_plan import plan_contacts
from selfcorrect.simulators.settings.engine_table import ENGINES
from selfcorrect.simulators.settings.tracker import DriveSettings, EngineSettings, TrackerSettings
from selfcorrect.simulators.stages.scene import PLAIN, Scene
from selfcorrect.simulators.stages.values import MotionPlan, SimulatedMotion
from selfcorrect.simulators.tracking import tracker
from selfcorrect.simulators.tracking.control_sequence import compute_leg_jacobians, make_control_sequence
from selfcorrect.simulators.tracking.tracker import LegFeedback, RootWrench, track_motions


def follow_plans(engine: str, *plans: MotionPlan, scene: Scene = PLAIN) -> list[list[SimulatedMotion]]:
    settings = TrackerSettings(engine=EngineSettings(name=engine))
    return track_motions(ENGINES.load(engine)(settings.engine), plans, settings, scene)


@pytest.fixture
def leaving(stand: Motion) -> Motion:
    """Stand for half a second, then move 2 m in a frame."""
    away_m = 2.0 * (np.arange(len(stand)) >= 15)[:, None] * [1.0, 0.0, 0.0]
    return replace(stand, root_m=stand.root_m + away_m)


def test_standing_body_stays(stand, engine):
    ((track,),) = follow_plans(engine, make_plan(stand))
    assert track.lost_at is None
    assert np.abs(track.motion.root_m - stand.root_m).max() < 0.02
    steps = (len(stand) - 1) * round(120 / stand.fps)
    assert track.wrench.shape == (steps, 6)
    assert len(track.loads_n) == len(stand) - 1
    weight_n = build_humanoid(stand.skeleton).weight_n
    assert track.loads_n[10:].sum(axis=1).mean() == pytest.approx(weight_n, rel=0.1)


@pytest.mark.parametrize("kind", ["walk", "run", "turn"])
def test_mean_forces_bear_weight(kind: Kind, engine: str):
    """Mean forces bear the weight over seconds.

    Momentum at both ends is a tiny part of that. In single steps of landings it is not so.
    """
    motion = made_motion(kind)
    ((track,),) = follow_plans(engine, make_plan(motion))
    weight_n = build_humanoid(motion.skeleton).weight_n
    borne_n = track.loads_n.sum(axis=1).mean() + track.wrench[:, 1].mean()
    assert borne_n == pytest.approx(weight_n, rel=0.06)


def test_lost_body_holds_pose(leaving, engine):
    ((track,),) = follow_plans(engine, make_plan(leaving))
    lost_at = track.lost_at
    assert lost_at is not None
    assert lost_at >= 13  # the spline turns towards the jump a little before it
    assert (track.motion.root_m[lost_at:] == track.motion.root_m[lost_at - 1]).all()
    assert len(track.loads_n) == lost_at
    assert len(track.wrench) == lost_at * round(120 / leaving.fps)


def test_tracks_keep_order(stand, leaving, engine):
    """Tracks keep their order beside lost ones.

    A shorter motion is first.
    """
    short = stand.frames(0, 12)
    together = follow_plans(engine, make_plan(short), make_plan(stand, leaving))
    alone = [*follow_plans(engine, make_plan(short))[0], *follow_plans(engine, make_plan(stand))[0]]
    tracks = [track for batch in together for track in batch]
    assert [len(track.motion) for track in tracks] == [12, len(stand), len(leaving)]
    for first, second in zip(tracks, alone, strict=False):
        assert np.array_equal(first.motion.root_m, second.motion.root_m)
        assert np.array_equal(first.wrench, second.wrench)


@pytest.mark.skipif(compiled.find_kernel("steer") is None, reason="the kernels are not compiled here")
def test_compiled_control_matches_numpy(stand, leaving, monkeypatch):
    """Compiled controls agree with NumPy's.

    Bodies walk, stand and are lost, pushed, of two lengths.
    """
    scene = Scene(push_n=(40.0, 0.0, -30.0), push_from_s=0.2)
    plans = [make_plan(stand, leaving), make_plan(made_motion("walk"))]
    fast = follow_plans("mujoco", *plans, scene=scene)
    monkeypatch.setattr(tracker, "find_kernel", lambda name: None)
    slow = follow_plans("mujoco", *plans, scene=scene)
    for first, second in zip(chain(*fast), chain(*slow), strict=True):
        assert first.lost_at == second.lost_at
        assert np.array_equal(first.wrench, second.wrench)
        assert np.array_equal(first.motion.rotations, second.motion.rotations)
        assert np.array_equal(first.loads_n, second.loads_n)


def test_selected_plans_match_motions(stand, leaving):
    some = make_plan(stand, leaving).select([1])
    assert len(some) == 1
    assert np.array_equal(some.motions.root_m[0], make_plan(leaving).motions.root_m[0])
    assert np.array_equal(some.contacts.force_n, make_plan(leaving).contacts.force_n)


STILL = (0.0, 0.0, 0.0)
NO_TURN = (0.0, 0.0, 0.0, 1.0)
SPHERE = 2.0 * np.eye(3)[None]
NO_REST = np.zeros((1, 6))


def root(position_m=STILL, orientation=NO_TURN, velocity_m_s=STILL, angular_rad_s=STILL) -> RootState:
    """The state of one body."""
    columns = (position_m, orientation, velocity_m_s, angular_rad_s)
    return RootState(*(np.array([column]) for column in columns))


def test_conversion_round_trips():
    vectors = np.random.default_rng(0).normal(size=(5, 3))
    assert np.array_equal(simulator_frame.from_simulator(simulator_frame.to_simulator(vectors)), vectors)
    assert np.allclose(simulator_frame.to_simulator(np.array([0.0, 1.0, 0.0])), [0.0, 0.0, 1.0])
    first, second = np.random.default_rng(1).normal(size=(2, 3))
    product = np.cross(simulator_frame.to_simulator(first), simulator_frame.to_simulator(second))
    assert np.allclose(product, simulator_frame.to_simulator(np.cross(first, second)))


def test_orientations_convert_with_vectors():
    rotation = Rotation.from_rotvec([0.3, -1.0, 0.5])
    vector = np.array([0.2, 0.7, -0.4])
    turned_in_simulator = Rotation.from_quat(simulator_frame.orientations_to_simulator(rotation.as_quat())).apply(
        vector
    )
    assert np.allclose(turned_in_simulator, simulator_frame.to_simulator(rotation.apply(vector)))
    back = simulator_frame.orientations_from_simulator(simulator_frame.orientations_to_simulator(rotation.as_quat()))
    assert np.allclose(Rotation.from_quat(back).as_matrix(), rotation.as_matrix())


def test_no_error_means_no_wrench():
    wrench = RootWrench(DriveSettings(), np.array([70.0]))
    assert not np.any(wrench.force_n(root(), root(), NO_REST))
    assert not np.any(wrench.moment_nm(np.zeros((1, 3)), np.zeros((1, 3)), NO_REST, SPHERE))


def test_springs_have_their_natural_frequency():
    settings = DriveSettings(horizontal_rad_s=10.0, vertical_rad_s=5.0, angular_rad_s=3.0, yaw_rad_s=4.0)
    wrench = RootWrench(settings, np.array([70.0]))
    force_n = wrench.force_n(root((0.01, 0.0, 0.01)), root(), NO_REST)
    assert force_n[0] == pytest.approx((70 * 100 * 0.01, 0.0, 70 * 25 * 0.01))
    moment_nm = wrench.moment_nm(np.array([[0.01, 0.0, 0.02]]), np.zeros((1, 3)), NO_REST, SPHERE)
    assert moment_nm[0] == pytest.approx((2 * 9 * 0.01, 0.0, 2 * 16 * 0.02), rel=1e-3)


def test_heavy_bodies_get_more():
    wrench = RootWrench(DriveSettings(), np.array([50.0, 100.0]))
    both = RootState(*(np.repeat(column, 2, axis=0) for column in root((0.01, 0.02, 0.03))))
    still = RootState(*(np.repeat(column, 2, axis=0) for column in root()))
    force_n = wrench.force_n(both, still, np.zeros((2, 6)))
    assert np.allclose(force_n[1], 2 * force_n[0])


def test_wrench_is_bounded():
    settings = DriveSettings()
    far = root((3.0, -2.0, 1.0), Rotation.from_rotvec([2.0, 0, 0]).as_quat(), (50.0, 0, 0), (90.0, 0, 0))
    wrench = RootWrench(settings, np.array([70.0]))
    rest = np.full((1, 6), 1e5)
    force_n = wrench.force_n(far, root(), rest)[0]
    moment_nm = wrench.moment_nm(np.array([[2.0, 0.0, 0.0]]), np.array([[90.0, 0.0, 0.0]]), rest, SPHERE)[0]
    limit_n = settings.force_limit_bodyweights * 70.0 * GRAVITY_M_S2
    assert np.hypot(force_n[0], force_n[1]) <= limit_n * (1 + 1e-9)
    assert abs(force_n[2]) <= limit_n
    assert np.linalg.norm(moment_nm) <= settings.torque_limit_nm * (1 + 1e-9)


def test_small_rotation_errors():
    actual = Rotation.from_rotvec([1.0, 2.0, -0.5])
    goal = Rotation.from_rotvec([0.02, -0.01, 0.03]) * actual
    for sign in (1, -1):
        error = rotation_error(sign * goal.as_quat(), actual.as_quat())
        assert np.allclose(error, [0.02, -0.01, 0.03], atol=1e-5)


def test_vector_arithmetic_agrees_with_scipy():
    turns, vectors = np.random.default_rng(2).normal(size=(2, 50, 3))
    rotations = Rotation.from_rotvec(turns)
    assert np.allclose(rotate_inverse(rotations.as_quat(), vectors), rotations.inv().apply(vectors))
    small = small_rotation(0.01 * vectors)
    assert np.allclose(small, Rotation.from_rotvec(0.01 * vectors).as_quat(), atol=1e-6)


def test_leg_jacobians_move_ankles(stand):
    """Jacobians move the ankles in a crouch.

    Knees are bent by 70°, thighs by 35°.
    """
    for part, degrees in (("hip", -35), ("knee", 70), ("ankle", -35)):
        for side in ("left", "right"):
            stand = pose_joint(stand, f"{side}_{part}", Rotation.from_euler("x", degrees, True))
    body = build_humanoid(stand.skeleton)
    links = body.select_links(MotionBatch.stack([stand.frames(0, 5)]))
    jacobians = compute_leg_jacobians(body, plan_contacts(body, links, 0.5))
    legs = Legs.from_skeleton(body.tree)
    before_m, before = forward_kinematics(body.tree, links.root_m, links.rotations)
    for side, offset_m in ((0, [0.01, -0.005, 0.008]), (1, [0.006, 0.01, -0.01])):
        bent = links.rotations.copy()
        for place, joint in enumerate((legs.hips[side], legs.knees[side], legs.ankles[side])):
            turn = Rotation.from_rotvec(jacobians[:, :, side, place] @ offset_m)
            bent[:, :, joint] = (Rotation.from_quat(bent[:, :, joint]) * turn).as_quat()
        after_m, after = forward_kinematics(body.tree, links.root_m, bent)
        ankle = legs.ankles[side]
        assert np.allclose((after_m - before_m)[:, :, ankle], offset_m, atol=5e-4)
        assert np.allclose(np.abs(np.sum(after[:, :, ankle] * before[:, :, ankle], -1)), 1.0, atol=1e-5)


def test_references_pass_through_the_frames(walk):
    root_m = np.stack([walk.root_m, walk.root_m[::-1]], axis=1)
    rotations = np.stack([walk.rotations, walk.rotations[::-1]], axis=1)
    reference = Reference.from_frames(root_m, rotations, walk.fps)
    times_s = np.arange(len(walk)) / walk.fps
    assert np.allclose(reference.positions_m(times_s), root_m)
    dots = np.abs(np.sum(reference.rotations(times_s) * rotations, axis=-1))
    assert np.allclose(dots, 1.0, atol=1e-9)
    late = reference.positions_m(np.array([reference.seconds + 1.0]))
    assert np.allclose(late, root_m[-1])


def test_velocities_of_a_steady_spin():
    times_s = np.arange(5) / 120
    rotations = Rotation.from_rotvec(np.outer(times_s, [0.0, 3.0, 0.0])).as_quat()
    assert np.allclose(rotation_velocities(rotations, 1 / 120), [0.0, 3.0, 0.0])


def test_velocities_lead_to_positions():
    """Velocities before positions reach the reference.

    Simulators advance them so.
    """
    positions_m = np.random.default_rng(0).normal(size=(6, 2, 3))
    velocity_m_s = velocities_m_s(positions_m, 0.1)
    assert np.allclose(positions_m[:1] + 0.1 * np.cumsum(velocity_m_s[1:], axis=0), positions_m[1:])
    assert np.array_equal(velocity_m_s[0], velocity_m_s[1])


def test_values_between_frames_are_linear():
    values = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    assert np.allclose(
        interpolate_frames(values, 10.0, np.array([0.05, 0.1, 0.2])), [[1.0, 2.0], [2.0, 3.0], [4.0, 5.0]]
    )


@pytest.fixture
def striding(clips, engine):
    """Return a walk's controls in a left swing.

    There are as many steps as frames; the body and the frame come, too.
    """
    plan = make_plan(clips["walk"])
    fps = clips["walk"].fps
    settings = TrackerSettings(engine=EngineSettings(name=engine, rate_hz=fps))
    world = ENGINES.load(engine)(settings.engine)
    world.build([plan.body], 1 / fps, [()])
    controls = make_control_sequence(world, plan, settings)
    left, right = controls.leg_loads[:, 0].T
    return plan.body, controls, int(np.flatnonzero((left == 0) & (right == 1))[0])


def moved_targets(striding, sag_m: float) -> dict[str, float]:
    """Return leg joints' turns after sagging.

    The whole body is `sag_m` too low, after a while.
    """
    body, controls, frame = striding
    feedback = LegFeedback(Legs.from_skeleton(body.tree), controls, step_s=1 / 30)
    ankles_m = controls.ankles_m[frame] - [0.0, 0.0, sag_m]
    sagging = root(position_m=(0.0, 0.0, -sag_m))
    for _ in range(20):
        moved = feedback.move(frame, frame, root(), sagging, np.zeros((1, 3)), ankles_m)[0]
    turned_back = Rotation.from_quat(controls.targets[frame, 0]).inv() * Rotation.from_quat(moved)
    return dict(zip(body.tree.parts[1:], turned_back.magnitude(), strict=True))


def test_sagging_swing_foot_is_lifted(striding):
    angles = moved_targets(striding, sag_m=0.02)
    assert angles["left_knee"] > 0.02
    assert angles["right_knee"] == pytest.approx(0.0, abs=1e-9)


def test_high_swing_foot_stays(striding):
    assert max(moved_targets(striding, sag_m=-0.02).values()) == pytest.approx(0.0, abs=1e-9)
