"""PyBullet, driven as by the corrector, agrees with known closed forms."""

import subprocess
import sys

import numpy as np
import pybullet
import pytest
from scipy.spatial.transform import Rotation
from simulated_bodies import STILL, UPRIGHT, no_torques, rest_points_m, rest_pose, state, step_one

from selfcorrect.motion.geometry.vectors import GRAVITY_M_S2
from selfcorrect.simulators.body.humanoid import Humanoid, build_humanoid
from selfcorrect.simulators.engines.pybullet_world import PyBulletWorld
from selfcorrect.simulators.settings.tracker import EngineSettings

STEP_S = 1 / 120


@pytest.fixture(scope="module")
def body(adult) -> Humanoid:
    return build_humanoid(adult).with_minimum_inertia(0.06)


@pytest.fixture
def world():
    return PyBulletWorld(EngineSettings(sole_lowering_m=1e-9))


def place(world: PyBulletWorld, body: Humanoid, height_m: float, velocity_m_s=STILL, orientation=UPRIGHT) -> None:
    world.build([body], STEP_S, [()])
    world.reset(state((0.0, 0.0, height_m), orientation, velocity_m_s), rest_pose(body), no_torques(body))


def ids(world: PyBulletWorld) -> tuple[int, int]:
    """Return PyBullet's numbers of body and simulation."""
    return world.simulations[0].body_id, world.simulations[0].bullet.number


def sole_height_m(body: Humanoid) -> float:
    """Return the root's height in the rest pose with soles on the floor."""
    return -float(rest_points_m(body)[: len(body.soles), 1].min())


def floor_force_n(world: PyBulletWorld) -> float:
    """Return the floor's last vertical force on the body."""
    body, client = ids(world)
    return sum(contact[9] * contact[7][2] for contact in pybullet.getContactPoints(body, physicsClientId=client))


def test_impulse_changes_momentum(world, body):
    place(world, body, height_m=5.0)
    push_n = (300.0, -200.0, body.weight_n)
    for _ in range(30):
        step_one(world, rest_pose(body), no_torques(body), push_n, STILL)
    links = list(range(len(body) - 1))
    states = pybullet.getLinkStates(ids(world)[0], links, computeLinkVelocity=1, physicsClientId=ids(world)[1])
    velocities_m_s = np.array([world.root().velocity_m_s[0], *(state[6] for state in states)])
    momentum = body.mass_kg @ velocities_m_s
    assert np.allclose(momentum, [300 * 30 * STEP_S, -200 * 30 * STEP_S, 0.0], atol=1.0)


def test_root_torque_is_in_world(world, body):
    """Root torques are about the world's axes.

    A body turned on its side still spins about the vertical.
    """
    lying = (Rotation.from_euler("y", 90, degrees=True) * Rotation.from_quat(UPRIGHT)).as_quat().tolist()
    place(world, body, height_m=5.0, orientation=lying)
    for _ in range(3):
        step_one(world, rest_pose(body), no_torques(body), STILL, (0.0, 0.0, 200.0))
    spin = world.root().angular_velocity_rad_s[0]
    assert spin[2] > 0.1
    assert spin[2] > 1.5 * np.abs(spin[:2]).max()


def test_joint_torque_is_in_link(world, body):
    """Joint torques are about the link's own axes.

    An elbow bent forward by 90° turns about its own x axis, not the parent's.
    """
    place(world, body, height_m=5.0)
    elbow = body.tree.joint("left_elbow")
    bent = Rotation.from_euler("y", -90, degrees=True)
    rotations = rest_pose(body)
    torques = no_torques(body)
    rotations[0, elbow - 1] = bent.as_quat()
    world.reset(state((0.0, 0.0, 5.0)), rotations, no_torques(body))
    torques[0, elbow - 1] = [5.0, 0.0, 0.0]
    for joint in range(len(body) - 1):  # motors off: torque alone moves the joints
        pybullet.setJointMotorControlMultiDof(
            ids(world)[0], joint, pybullet.POSITION_CONTROL, targetPosition=[0, 0, 0, 1],
            positionGain=0, velocityGain=0, force=[0, 0, 0], physicsClientId=ids(world)[1],
        )  # fmt: skip
    pybullet.setJointMotorControlMultiDofArray(
        ids(world)[0], range(len(body) - 1), pybullet.TORQUE_CONTROL, forces=torques[0], physicsClientId=ids(world)[1]
    )
    pybullet.stepSimulation(physicsClientId=ids(world)[1])
    moved = (bent.inv() * Rotation.from_quat(world.rotations()[0, elbow - 1])).as_rotvec()
    assert moved[0] > 0
    assert moved[0] > 5 * np.abs(moved[1:]).max()


def test_joint_velocities_are_in_link(world, body):
    place(world, body, height_m=5.0)
    elbow = body.tree.joint("left_elbow")
    bent = Rotation.from_euler("xyz", [20, -70, 30], degrees=True)
    rotations = rest_pose(body)
    velocities = no_torques(body)
    rotations[0, elbow - 1], velocities[0, elbow - 1] = bent.as_quat(), [0.0, 0.0, 2.0]
    world.reset(state((0.0, 0.0, 5.0)), rotations, velocities)
    pybullet.stepSimulation(physicsClientId=ids(world)[1])
    moved = (bent.inv() * Rotation.from_quat(world.rotations()[0, elbow - 1])).as_rotvec()
    assert np.allclose(moved, [0.0, 0.0, 2.0 * STEP_S], atol=3e-3)


def test_floor_carries_weight(world, body):
    place(world, body, height_m=sole_height_m(body))
    forces = []
    for _ in range(60):
        step_one(world, rest_pose(body), no_torques(body))
        forces.append(floor_force_n(world))
    assert np.mean(forces[20:]) == pytest.approx(body.weight_n, rel=0.02)


@pytest.mark.parametrize(("share", "slides"), [(0.8, False), (1.3, True)])
def test_friction_holds_within_cone(world, body, share, slides):
    """Friction holds a pushed body within its cone.

    The push is sideways at the height of the soles, so the body does not tip over.
    """
    height_m = sole_height_m(body)
    place(world, body, height_m)
    ankle = [body.tree.joint("left_ankle")]
    start_m = world.positions_m(ankle)[0, 0, 0]
    push_n = share * world.settings.friction * body.weight_n
    for count in range(40):
        push = push_n if count > 10 else 0.0
        step_one(world, rest_pose(body), no_torques(body), (push, 0.0, 0.0), (0.0, -height_m * push, 0.0))
    moved_m = abs(world.positions_m(ankle)[0, 0, 0] - start_m)
    assert (moved_m > 0.2) == slides  # legs that are pushed yield by centimetres before the soles do


def test_energy_does_not_grow(world, body):
    place(world, body, height_m=3.0, velocity_m_s=(1.0, 0.5, 0.0))
    heights = []
    for _ in range(240):
        step_one(world, rest_pose(body), no_torques(body))
        root = world.root()
        heights.append(root.position_m[0, 2] + np.square(root.velocity_m_s).sum() / (2 * GRAVITY_M_S2))
    assert max(heights) <= 3.0 + 1.25 / (2 * GRAVITY_M_S2) + 0.02


def test_mass_properties_arrive(world, body):
    place(world, body, height_m=2.0)
    for link in range(len(body)):
        dynamics = pybullet.getDynamicsInfo(ids(world)[0], link - 1, physicsClientId=ids(world)[1])
        assert dynamics[0] == pytest.approx(body.mass_kg[link])
        assert np.allclose(dynamics[2], body.inertia_kgm2[link], rtol=1e-5)
        assert np.allclose(dynamics[3], body.centre_m[link], atol=1e-6)
        assert dynamics[1] == pytest.approx(world.settings.friction)


def test_body_is_not_reused(world, adult):
    for mass_kg in (50.0, 90.0):
        body = build_humanoid(adult, mass_kg)
        place(world, body, height_m=2.0)
        assert pybullet.getDynamicsInfo(ids(world)[0], -1, physicsClientId=ids(world)[1])[0] == pytest.approx(
            body.mass_kg[0]
        )


def test_loading_leaves_no_file(world, body, monkeypatch):
    monkeypatch.setattr("tempfile.TemporaryDirectory", None)
    place(world, body, height_m=2.0)


def swing(world: PyBulletWorld, body: Humanoid) -> np.ndarray:
    """A body that stumbles about on the floor."""
    place(world, body, height_m=sole_height_m(body))
    targets = rest_pose(body)
    trace = []
    for count in range(60):
        angle = 0.3 * np.sin(count / 10)
        targets[0, [0, 3]] = Rotation.from_rotvec([angle, 0, 0.1]).as_quat()
        step_one(world, targets, no_torques(body), (20.0, 5.0, 0.0), STILL)
        trace.append([*world.root().position_m[0], *np.ravel(world.rotations())])
    return np.array(trace)


def test_reused_world_repeats(world, body):
    first = swing(world, body)
    place(world, body, height_m=0.2)
    for _ in range(30):
        step_one(world, rest_pose(body), no_torques(body), (500.0, 0.0, 0.0), (0.0, 300.0, 0.0))
    assert np.array_equal(swing(world, body), first)
    fresh = PyBulletWorld(world.settings)
    assert np.array_equal(swing(fresh, body), first)


@pytest.mark.slow
def test_processes_agree():
    program = (
        "from selfcorrect.datasets.collections.deepmimic import load_deepmimic\n"
        "from selfcorrect.simulators.corrector import PhysicsCorrector\n"
        "import hashlib\n"
        "clip = next(clip for clip in load_deepmimic() if clip.label == 'kick').frames(0, 20)\n"
        "motion = PhysicsCorrector()([clip])[0].motion\n"
        "print(hashlib.sha256(motion.root_m.tobytes() + motion.rotations.tobytes()).hexdigest())\n"
    )
    runs = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True) for _ in range(2)
    ]
    digests = {run.stdout.splitlines()[-1] for run in runs}
    assert len(digests) == 1


def test_forgotten_worlds_free_their_simulation(body):
    world = PyBulletWorld(EngineSettings())
    place(world, body, height_m=1.0)
    _, client = ids(world)
    assert pybullet.isConnected(client)
    del world
    assert not pybullet.isConnected(client)


def test_simulations_print_nothing():
    program = (
        "from selfcorrect.simulators.engines.pybullet_world import Simulation\n"
        "from selfcorrect.simulators.settings.tracker import EngineSettings\n"
        "simulations = [Simulation(EngineSettings()) for _ in range(2)]\n"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert process.stdout + process.stderr == ""
