"""The root wrench, re-anchored legs, references: what acts at every step."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from simulated_bodies import make_plan
from turned_joints import pose_joint

from selfcorrect.motion.kinematics import forward_kinematics
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.simulators.body import frames
from selfcorrect.simulators.body.frames import rotate_inverse, rotation_error, small_rotation
from selfcorrect.simulators.body.humanoid import GRAVITY_M_S2, build_humanoid
from selfcorrect.simulators.body.leg_ik import Legs
from selfcorrect.simulators.contacts.contact_plan import plan_contacts
from selfcorrect.simulators.engines.world import (
    Reference,
    RootState,
    interpolate_frames,
    rotation_velocities,
    velocities_m_s,
)
from selfcorrect.simulators.settings.engine_table import ENGINES
from selfcorrect.simulators.settings.tracker import DriveSettings, EngineSettings, TrackerSettings
from selfcorrect.simulators.tracking.control_sequence import compute_leg_jacobians, make_control_sequence
from selfcorrect.simulators.tracking.tracker import LegFeedback, RootWrench

STILL = (0.0, 0.0, 0.0)
NO_TURN = (0.0, 0.0, 0.0, 1.0)
SPHERE = 2.0 * np.eye(3)[None]
NO_REST = np.zeros((1, 6))


def root(position_m=STILL, orientation=NO_TURN, velocity_m_s=STILL, angular_rad_s=STILL) -> RootState:
    """The state of one body."""
    columns = (position_m, orientation, velocity_m_s, angular_rad_s)
    return RootState(*(np.array([column]) for column in columns))


def test_frames_convert_back_and_keep_hands():
    vectors = np.random.default_rng(0).normal(size=(5, 3))
    assert np.array_equal(frames.from_simulator(frames.to_simulator(vectors)), vectors)
    assert np.allclose(frames.to_simulator(np.array([0.0, 1.0, 0.0])), [0.0, 0.0, 1.0])
    first, second = np.random.default_rng(1).normal(size=(2, 3))
    product = np.cross(frames.to_simulator(first), frames.to_simulator(second))
    assert np.allclose(product, frames.to_simulator(np.cross(first, second)))


def test_orientations_convert_with_vectors():
    rotation = Rotation.from_rotvec([0.3, -1.0, 0.5])
    vector = np.array([0.2, 0.7, -0.4])
    turned_in_simulator = Rotation.from_quat(frames.orientations_to_simulator(rotation.as_quat())).apply(vector)
    assert np.allclose(turned_in_simulator, frames.to_simulator(rotation.apply(vector)))
    back = frames.orientations_from_simulator(frames.orientations_to_simulator(rotation.as_quat()))
    assert np.allclose(Rotation.from_quat(back).as_matrix(), rotation.as_matrix())


def test_no_error_and_no_rest_mean_no_wrench():
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


def test_heavy_bodies_get_more_and_each_its_own():
    wrench = RootWrench(DriveSettings(), np.array([50.0, 100.0]))
    both = RootState(*(np.repeat(column, 2, axis=0) for column in root((0.01, 0.02, 0.03))))
    still = RootState(*(np.repeat(column, 2, axis=0) for column in root()))
    force_n = wrench.force_n(both, still, np.zeros((2, 6)))
    assert np.allclose(force_n[1], 2 * force_n[0])


def test_the_wrench_is_bounded_whatever_happens():
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


def test_rotation_error_is_the_rotation_vector_for_small_angles():
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


def test_leg_jacobians_move_ankles_where_they_should(stand):
    """In a crouch: knees bent by 70°, thighs by 35°."""
    for part, degrees in (("hip", -35), ("knee", 70), ("ankle", -35)):
        for side in ("left", "right"):
            stand = pose_joint(stand, f"{side}_{part}", Rotation.from_euler("x", degrees, True))
    body = build_humanoid(stand.skeleton)
    links = body.select_links(MotionBatch.stack([stand.frames(0, 5)]))
    jacobians = compute_leg_jacobians(body, links, plan_contacts(body, links, 0.5))
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


def test_velocities_lead_to_where_a_body_is():
    """So that velocities before positions, as simulators advance them, come out where the reference is."""
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
    """The controls of a walk with as many steps as frames, its body, and a frame in which the left foot swings."""
    plan = make_plan(clips["walk"])
    fps = clips["walk"].fps
    settings = TrackerSettings(engine=EngineSettings(name=engine, rate_hz=fps))
    world = ENGINES.load(engine)(settings.engine)
    world.build([plan.body], 1 / fps, [()])
    controls = make_control_sequence(world, plan, settings)
    left, right = controls.loaded[:, 0].T
    return plan.body, controls, int(np.flatnonzero((left == 0) & (right == 1))[0])


def moved_targets(striding, sag_m: float) -> dict[str, float]:
    """Angles by which the joints of both legs are turned, the whole body being `sag_m` too low, after a while."""
    body, controls, frame = striding
    feedback = LegFeedback(Legs.from_skeleton(body.tree), controls, step_s=1 / 30)
    ankles_m = controls.ankles_m[frame] - [0.0, 0.0, sag_m]
    sagging = root(position_m=(0.0, 0.0, -sag_m))
    for _ in range(20):
        moved = feedback.move(frame, frame, root(), sagging, np.zeros((1, 3)), ankles_m)[0]
    turned_back = Rotation.from_quat(controls.targets[frame, 0]).inv() * Rotation.from_quat(moved)
    return dict(zip(body.tree.parts[1:], turned_back.magnitude(), strict=True))


def test_a_swinging_foot_of_a_sagging_body_is_lifted(striding):
    angles = moved_targets(striding, sag_m=0.02)
    assert angles["left_knee"] > 0.02
    assert angles["right_knee"] == pytest.approx(0.0, abs=1e-9)


def test_a_swinging_foot_of_a_body_that_is_too_high_is_left_alone(striding):
    assert max(moved_targets(striding, sag_m=-0.02).values()) == pytest.approx(0.0, abs=1e-9)
