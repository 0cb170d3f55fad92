"""The second engine: same body, same tracker, and an independent judge of the first."""

from __future__ import annotations

import numpy as np
import pytest

from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.simulators.body.frames import orientations_to_simulator
from selfcorrect.simulators.body.humanoid import GRAVITY_M_S2, humanoid
from selfcorrect.simulators.corrector import PhysicsCorrector
from selfcorrect.simulators.engines.table import ENGINES
from selfcorrect.simulators.engines.world import RootState
from selfcorrect.simulators.mending.precondition import PreconditionSettings
from selfcorrect.simulators.settings import EngineSettings, TrackerSettings

pytest.importorskip("mujoco")

STILL = (0.0, 0.0, 0.0)
STEP_S = 1 / 240


@pytest.fixture
def world(engine):
    return ENGINES.load(engine)(EngineSettings())


def poses(body) -> tuple[list, list]:
    joints = len(body) - 1
    turns = np.random.default_rng(0).normal(0, 0.1, (joints, 4)) + np.array([0.0, 0.0, 0.0, 1.0])
    turns /= np.linalg.norm(turns, axis=-1, keepdims=True)
    return turns.tolist(), [[0.0, 0.0, 0.0] for _ in range(joints)]


def test_both_engines_read_back_the_state_they_are_given(adult, world):
    body = humanoid(adult)
    rotations, still = poses(body)
    orientation = orientations_to_simulator(np.array([0.1, 0.2, -0.3, 0.9]) / np.linalg.norm([0.1, 0.2, -0.3, 0.9]))
    state = RootState((1.0, 2.0, 3.0), orientation.tolist(), (0.1, -0.2, 0.3), (0.5, 0.4, -0.6))
    world.build(body, STEP_S)
    world.reset(state, rotations, still)
    for given, got in zip(state, world.root(), strict=True):
        assert np.allclose(given, got, atol=1e-6)
    assert np.allclose(world.rotations(), rotations, atol=1e-6)


def test_both_engines_put_the_links_in_the_same_places(adult):
    body = humanoid(adult)
    rotations, still = poses(body)
    state = RootState((0.0, 0.0, 2.0), [0.0, 0.0, 0.0, 1.0], STILL, STILL)
    places = []
    for engine in ENGINES.names:
        world = ENGINES.load(engine)(EngineSettings())
        world.build(body, STEP_S)
        world.reset(state, rotations, still)
        places.append(world.positions_m(range(1, len(body))))
    assert np.allclose(places[0], places[1], atol=1e-5)


def test_free_fall_is_at_g(adult):
    body, world = humanoid(adult), ENGINES.load("mujoco")(EngineSettings())
    rotations, still = poses(body)
    world.build(body, STEP_S)
    world.reset(RootState((0.0, 0.0, 5.0), [0.0, 0.0, 0.0, 1.0], STILL, STILL), rotations, still)
    for _ in range(120):
        world.step(rotations, still, STILL, STILL)
    fallen_m = 5.0 - world.root().position_m[2]
    assert fallen_m == pytest.approx(0.5 * GRAVITY_M_S2 * 0.5**2, rel=0.02)


@pytest.mark.parametrize("label", ["walk", "kick", "jump"])
def test_the_engines_agree_about_a_motion(clips, label):
    """What PyBullet made of a motion is followed by MuJoCo closely and without penetration."""
    corrected = PhysicsCorrector()([clips[label]])[0].motion
    known_floor = PreconditionSettings(estimate_floor=False, estimate_drift=False, fit_soles=False)
    judged = PhysicsCorrector(TrackerSettings.at_strength(0.7, "mujoco"), known_floor)([corrected])[0]
    assert judged.accepted, judged.reason
    distance_m = np.linalg.norm(joint_positions(judged.motion) - joint_positions(corrected), axis=-1).mean()
    assert distance_m < 0.03
    assert judged.diagnostics["penetration_m_after"] < 0.003
