"""The second engine judges the first independently.

The body and the tracker are the same.
"""

from dataclasses import replace
from threading import current_thread

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from simulated_bodies import no_torques, rest_points_m, rest_pose, state, step_one

from selfcorrect.motion.geometry.rotations import compose, invert, rotation_vectors
from selfcorrect.motion.geometry.vectors import GRAVITY_M_S2
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.support import CARRIED_PARTS, Support
from selfcorrect.runtime.processes import limit_threads
from selfcorrect.simulators.body.humanoid import build_humanoid
from selfcorrect.simulators.clean import CleanupSettings, FitSoles, LevelFloor, StabilizeFloor
from selfcorrect.simulators.corrector import PhysicsCorrector
from selfcorrect.simulators.engines.simulator_frame import orientations_to_simulator
from selfcorrect.simulators.engines.support_colliders import SupportColliders
from selfcorrect.simulators.engines.world import Reference
from selfcorrect.simulators.presets import find_preset
from selfcorrect.simulators.settings.engine_table import ENGINES
from selfcorrect.simulators.settings.tracker import EngineSettings, TrackerSettings

pytest.importorskip("mujoco")

from selfcorrect.simulators.engines import mujoco_world
from selfcorrect.simulators.engines.mujoco_world import BODIES_PER_THREAD

STEP_S = 1 / 240


@pytest.fixture
def world(engine):
    return ENGINES.load(engine)(EngineSettings())


def poses(body, bodies: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return different rotations per body, no velocities."""
    shape = (bodies, len(body) - 1)
    turns = np.random.default_rng(0).normal(0, 0.1, (*shape, 4)) + np.array([0.0, 0.0, 0.0, 1.0])
    return turns / np.linalg.norm(turns, axis=-1, keepdims=True), np.zeros((*shape, 3))


def test_engines_read_back_state(adult, world):
    body = build_humanoid(adult)
    rotations, still = poses(body, bodies=3)
    velocities_rad_s = np.random.default_rng(1).normal(0, 1, still.shape)
    orientation = orientations_to_simulator(np.array([0.1, 0.2, -0.3, 0.9]) / np.linalg.norm([0.1, 0.2, -0.3, 0.9]))
    states = state((1.0, 2.0, 3.0), orientation, (0.1, -0.2, 0.3), (0.5, 0.4, -0.6), bodies=3)
    world.build([body] * 3, STEP_S, [()] * 3)
    world.reset(states, rotations, velocities_rad_s)
    for expected, got in zip(states, world.root(), strict=True):
        assert np.allclose(expected, got, atol=1e-6)
    assert np.allclose(world.velocities_rad_s(), velocities_rad_s, atol=1e-6)
    assert np.allclose(world.rotations(), rotations, atol=1e-6)


def test_engines_agree_on_links(adult):
    body = build_humanoid(adult)
    rotations, still = poses(body)
    places = []
    for engine in ENGINES.names:
        world = ENGINES.load(engine)(EngineSettings())
        world.build([body], STEP_S, [()])
        world.reset(state((0.0, 0.0, 2.0)), rotations, still)
        places.append(world.positions_m(range(1, len(body))))
    assert np.allclose(places[0], places[1], atol=1e-5)


def test_free_fall_is_g(adult, world):
    body = build_humanoid(adult)
    rotations, still = poses(body, bodies=3)
    world.build([body] * 3, STEP_S, [()] * 3)
    world.reset(state((0.0, 0.0, 5.0), bodies=3), rotations, still)
    for _ in range(120):
        world.step([0, 2], rotations, still, np.zeros((3, 3)), np.zeros((3, 3)))
    fallen_m = 5.0 - world.root().position_m[:, 2]
    assert fallen_m == pytest.approx([0.5 * GRAVITY_M_S2 * 0.5**2, 0.0, 0.5 * GRAVITY_M_S2 * 0.5**2], rel=0.02)


def test_joint_reaches_target(adult, world):
    """Joints reach targets across half a turn.

    They reach them from either of the two quaternions of a rotation.
    """
    body = build_humanoid(adult).with_minimum_inertia(0.06)
    bent = rest_pose(body, 2)
    still = no_torques(body, 2)
    elbow = body.tree.joint("left_elbow") - 1
    bent[:, elbow] = [0.0, -np.sin(0.5), 0.0, np.cos(0.5)]
    bent[1] *= -1.0
    world.build([body] * 2, STEP_S, [()] * 2)
    world.reset(state((0.0, 0.0, 5.0), bodies=2), rest_pose(body, 2), still)
    for _ in range(60):
        world.step([0, 1], bent, still, np.zeros((2, 3)), np.zeros((2, 3)))
    assert np.allclose(np.abs(world.rotations()[:, elbow] @ bent[0, elbow]), 1.0, atol=2e-3)


def test_joints_follow_without_lag(adult, world, engine):
    """A forearm in free fall follows without lag.

    4 ms of lag or lead would be 25 mrad where it is fastest.
    """
    body = build_humanoid(adult).with_minimum_inertia(0.06)
    elbow = body.tree.joint("left_elbow") - 1
    frames_s = np.arange(31) / 30
    bends_rad = 0.5 * np.sin(2 * np.pi * 2.0 * frames_s)
    rotations = np.tile([0.0, 0.0, 0.0, 1.0], (31, 1, len(body), 1))
    rotations[:, 0, elbow + 1] = Rotation.from_euler("y", bends_rad[:, None]).as_quat()
    reference = Reference.from_frames(np.zeros((31, 1, 3)), rotations, 30.0)
    times_s = np.arange(120) * STEP_S
    world.build([body], STEP_S, [()])
    targets, torques_nm = world.drive(body, reference, times_s, np.zeros((120, 1, len(body) - 1, 3)))
    expected = reference.rotations(np.append(times_s, 1.0))[:, :, 1:]
    start_rad_s = rotation_vectors(compose(invert(expected[0]), expected[1])) / STEP_S
    world.reset(state((0.0, 0.0, 9.0)), expected[0], start_rad_s)
    off_rad = []
    for step in range(120):
        step_one(world, targets[step], torques_nm[step])
        error_rad = compose(invert(expected[step + 1]), world.rotations())
        off_rad.append(np.linalg.norm(rotation_vectors(error_rad)[0, elbow]))
    assert max(off_rad) < {"pybullet": 0.004, "mujoco": 0.012}[engine]


@pytest.mark.parametrize("label", ["walk", "kick", "jump"])
def test_engines_agree_on_motion(clips, label):
    """MuJoCo follows PyBullet's motion closely.

    Its bodies penetrate the floor no deeper.
    """
    corrected = PhysicsCorrector()([clips[label]])[0].motion
    known_floor = CleanupSettings().without_steps(LevelFloor, StabilizeFloor, FitSoles)
    judged = PhysicsCorrector(find_preset(0.7, "mujoco").tracker, known_floor)([corrected])[0]
    assert judged.accepted, judged.reason
    distance_m = np.linalg.norm(joint_positions(judged.motion) - joint_positions(corrected), axis=-1).mean()
    assert distance_m < 0.03
    assert judged.diagnostics["penetration_m_after"] < max(0.008, judged.diagnostics["penetration_m_before"] + 1e-6)


@pytest.mark.parametrize("count", [0, 8])
def test_small_state_has_contact_room(adult, count):
    """Many small bodies leave room for contacts.

    All are in memory at once; all links of this one are in the floor, or near supports.
    """
    body = build_humanoid(adult)
    supports = [Support(part, (0.0, 0.0, 0.0), (1.0, 1.0), 0, 9) for part in CARRIED_PARTS] * count
    world = ENGINES.load("mujoco")(EngineSettings())
    world.build([body], STEP_S, [supports])
    rotations, still = poses(body)
    for height_m in (-3.0, 0.1):
        world.reset(
            state((0.0, 0.0, height_m), orientations_to_simulator(np.array([0.7, 0, 0, 0.714]))), rotations, still
        )
        world.show(0, range(len(supports)))
        step_one(world, rotations, still)
    (data,) = world._data
    assert data.maxuse_efc >= 3 * len(body)  # rows of each contact
    assert data.maxuse_arena < data.narena / 4
    assert data.narena < 3 * 2**20


def test_exploding_bodies_leave_no_file(adult, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    body = build_humanoid(adult)
    rotations, still = poses(body)
    world = ENGINES.load("mujoco")(EngineSettings())
    world.build([body], STEP_S, [()])
    world.reset(state((0.0, 0.0, 1.0)), rotations, still)
    step_one(world, rotations, np.full_like(still, 1e30))
    assert not list(tmp_path.iterdir())
    assert "WARNING" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(("push_nm", "steps"), [(0.0, 30), (1e30, 3)])
def test_threads_change_no_byte(adult, monkeypatch, push_nm, steps):
    """Threads change no byte of falling bodies.

    The bodies fall to the floor or explode, each in its own way.
    """
    body = build_humanoid(adult)
    count = 3 * BODIES_PER_THREAD
    rotations, still = poses(body, count)
    pushes_nm = push_nm * np.random.default_rng(2).normal(size=still.shape)
    runs = []
    callers = set()
    step = mujoco_world.mujoco.mj_step
    monkeypatch.setattr(mujoco_world.mujoco, "mj_step", lambda *all: (callers.add(current_thread()), step(*all)))
    for threads in (1, 3):
        world = ENGINES.load("mujoco")(EngineSettings())
        world.build([body] * count, STEP_S, [()] * count)
        world.reset(state((0.0, 0.0, 1.0), bodies=count), rotations, still)
        for _ in range(steps):
            with limit_threads(threads):
                world.step(range(count), rotations, still + pushes_nm, np.zeros((count, 3)), np.zeros((count, 3)))
        runs.append([*world.root(), world.rotations(), world.velocities_rad_s(), world.loads_n()])
    assert all(np.array_equal(first, second, equal_nan=True) for first, second in zip(*runs, strict=True))
    assert len(callers) > 1


def test_solver_stays_dense(adult):
    """The solver stays dense beyond 60 degrees of freedom.

    MuJoCo's own choice is the sparse one from there on.
    """
    body = build_humanoid(adult, 70.0)
    xml = mujoco_world.write_mjcf(body, EngineSettings(), STEP_S, SupportColliders.from_supports(body, ()))
    assert not mujoco_world.mujoco.mj_isSparse(mujoco_world.mujoco.MjModel.from_xml_string(xml))
    hinges = "".join(f'<joint axis="{axis}"/>' for axis in ("1 0 0", "0 1 0", "0 0 1"))
    large = f'<body>{hinges}<inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/></body>' * 30
    both = [text.replace("</worldbody>", f"{large}</worldbody>") for text in (xml, xml.replace('jacobian="dense"', ""))]
    sparse = [mujoco_world.mujoco.mj_isSparse(mujoco_world.mujoco.MjModel.from_xml_string(text)) for text in both]
    assert sparse == [0, 1]


def test_hard_friction_reduces_creep(adult):
    """Hard friction reduces creep under a push.

    The push is a twentieth of what friction holds, at the height of the soles.
    """
    body = build_humanoid(adult).with_minimum_inertia(0.06)
    firm = TrackerSettings.without_residual().engine
    soft = replace(firm, mujoco=replace(firm.mujoco, cone="pyramidal", friction_hardness=1.0))
    height_m = -rest_points_m(body)[:, 1].min() + body.centre_m[0, 1]
    ankles = [body.tree.joint(f"{side}_ankle") for side in ("left", "right")]
    creeps_m = []
    for settings in (firm, soft):
        world = ENGINES.load("mujoco")(settings)
        world.build([body], 1 / 120, [()])
        world.reset(state((0.0, 0.0, height_m)), rest_pose(body), no_torques(body))
        push_n = 0.05 * settings.friction * body.weight_n
        places_m = []
        loads_n = []
        for step in range(60):
            push = push_n if step >= 12 else 0.0
            step_one(world, rest_pose(body), no_torques(body), (push, 0.0, 0.0), (0.0, -height_m * push, 0.0))
            places_m.append(world.positions_m(ankles)[0, :, 0].mean())
            loads_n.append(world.loads_n().sum())
        creeps_m.append(places_m[-1] - places_m[11])
        assert np.mean(loads_n[12:]) == pytest.approx(body.weight_n, rel=0.02)
    assert 0.0 < creeps_m[0] < 0.6 * creeps_m[1]
