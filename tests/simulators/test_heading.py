"""A correction commutes with a turn about the vertical: no result depends on the heading of a capture."""

from dataclasses import replace

import numpy as np
import pytest

from selfcorrect.motion.geometry.rotations import from_euler_angles
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.views import TurnedWorld
from selfcorrect.simulators.corrector import PhysicsCorrector
from selfcorrect.simulators.presets import find_preset
from selfcorrect.simulators.settings.tracker import RESIDUAL_FREE, STRENGTHS

HEADING_DEG = 137.0


def assert_commutes(corrector: PhysicsCorrector, motion: Motion) -> None:
    """Joints agree within 1 mm, and figures within 1 %."""
    (expected,) = corrector([motion])
    assert expected.accepted
    assert expected.residual
    world = TurnedWorld(from_euler_angles("Y", np.array([HEADING_DEG])))
    (turned,) = corrector([world.view(motion)])
    positions_m = joint_positions(world.restore(turned.motion))
    assert np.allclose(positions_m, joint_positions(expected.motion), atol=1e-3)
    for figures, expected_figures in ((turned.residual, expected.residual), (turned.after, expected.after)):
        assert figures == pytest.approx(dict(expected_figures), rel=0.01, abs=1e-6)


@pytest.mark.parametrize("strength", [*STRENGTHS, "simulated"])
def test_simulated_states_do_not_depend_on_the_heading(walk: Motion, engine: str, strength: str):
    corrector = replace(find_preset(strength).corrector(engine), postprocess=(), simulate="always")
    assert_commutes(corrector, walk)


def test_corrections_do_not_depend_on_the_heading(walk: Motion, engine: str):
    assert_commutes(replace(find_preset("balanced").corrector(engine), simulate="always"), walk)


@pytest.mark.slow
def test_neither_does_a_body_without_residual_force(walk: Motion):
    pytest.importorskip("mujoco")
    assert_commutes(find_preset(RESIDUAL_FREE).corrector("mujoco"), walk)
