"""The residual force of docs/tools/cone_residual.py: known answers, Newton's law, and places that do not matter."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.motion.geometry.kinematics import pose_joints
from selfcorrect.motion.geometry.rotations import rotate
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.body.humanoid import build_humanoid

TOOLS = Path(__file__).resolve().parents[2] / "docs" / "tools"
GRAVITY_M_S2 = 9.81


@pytest.fixture
def cone_residual(monkeypatch: pytest.MonkeyPatch) -> Any:
    pytest.importorskip("mujoco")
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("cone_residual")


def move_root(motion: Motion, root_m: np.ndarray) -> Motion:
    return replace(motion, root_m=motion.root_m + root_m)


def accelerate(motion: Motion, acceleration_m_s2: tuple[float, float, float]) -> Motion:
    times_s = np.arange(len(motion)) / motion.fps
    return move_root(motion, times_s[:, None] ** 2 / 2 * np.array(acceleration_m_s2))


def sizes(cone_residual: Any, motion: Motion) -> np.ndarray:
    return np.linalg.norm(cone_residual.measure_residual_force(MotionBatch.stack([motion]))[0], axis=-1)


def test_standing_still_needs_nothing_and_hovering_the_whole_weight(stand: Motion, cone_residual: Any) -> None:
    assert sizes(cone_residual, stand) == pytest.approx(0.0, abs=1e-6)
    hovering = move_root(stand, np.array([0.0, 0.1, 0.0]))
    assert sizes(cone_residual, hovering) == pytest.approx(1.0, abs=1e-6)


def test_only_a_body_whose_centre_is_over_its_feet_stands_still(stand: Motion, cone_residual: Any) -> None:
    def bend(degrees: float) -> Motion:
        rotations = stand.rotations.copy()
        rotations[:, stand.skeleton.joint("spine1")] = Rotation.from_euler("x", degrees, degrees=True).as_quat()
        return replace(stand, rotations=rotations)

    assert sizes(cone_residual, bend(40)) == pytest.approx(0.0, abs=1e-6)
    assert sizes(cone_residual, bend(-60)).min() > 0.01


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0, 2.0])
def test_a_flight_needs_what_its_gravity_lacks(stand: Motion, cone_residual: Any, share: float) -> None:
    falling = accelerate(move_root(stand, np.array([0.0, 20.0, 0.0])), (0.0, -share * GRAVITY_M_S2, 0.0))
    assert sizes(cone_residual, falling) == pytest.approx(abs(1 - share), abs=1e-6)


def test_the_floor_pushes_and_does_not_pull(stand: Motion, cone_residual: Any) -> None:
    few_frames = stand.frames(0, 4)  # in which the soles stay near the floor
    pushed = accelerate(few_frames, (0.0, 0.5 * GRAVITY_M_S2, 0.0))
    pulled = accelerate(few_frames, (0.0, -2.0 * GRAVITY_M_S2, 0.0))
    assert sizes(cone_residual, pushed) == pytest.approx(0.0, abs=1e-6)
    assert sizes(cone_residual, pulled) == pytest.approx(1.0, abs=1e-6)


def test_friction_and_the_size_of_the_feet_bound_what_the_floor_gives(stand: Motion, cone_residual: Any) -> None:
    slow = sizes(cone_residual, accelerate(stand, (0.05 * GRAVITY_M_S2, 0.0, 0.0)))
    fast = sizes(cone_residual, accelerate(stand, (2.0 * GRAVITY_M_S2, 0.0, 0.0)))
    assert slow == pytest.approx(0.0, abs=1e-6)
    friction = cone_residual.FRICTION
    outside_the_cone = (2.0 - friction) / np.hypot(1.0, friction)
    assert fast.min() >= outside_the_cone - 1e-6
    # Friction would allow this acceleration, but the body would tip over.
    tipping = sizes(cone_residual, accelerate(stand, (0.5 * GRAVITY_M_S2, 0.0, 0.0)))
    assert tipping.min() > 0.05


def test_without_a_floor_it_is_what_newton_demands_of_the_centre_of_mass(walk: Motion, cone_residual: Any) -> None:
    flying = move_root(walk, np.array([0.0, 5.0, 0.0]))
    body = build_humanoid(flying.skeleton)
    positions_m, orientations = pose_joints(body.select_links(MotionBatch.stack([flying])))
    centres_m = positions_m[0] + rotate(orientations[0], body.centre_m)
    centre_m = np.einsum("l,tlx->tx", body.mass_kg, centres_m) / body.total_mass_kg
    acceleration_m_s2 = np.diff(centre_m, n=2, axis=0) * flying.fps**2 + [0.0, GRAVITY_M_S2, 0.0]
    expected = acceleration_m_s2[:, [0, 2, 1]] * [1, -1, 1] / GRAVITY_M_S2
    residual = cone_residual.measure_residual_force(MotionBatch.stack([flying]))[0]
    np.testing.assert_allclose(residual, expected, atol=0.05)
    assert np.ptp(expected) > 0.5


def test_neither_place_nor_heading_matters(walk: Motion, cone_residual: Any) -> None:
    turn = Rotation.from_euler("y", 90, degrees=True)
    rotations = walk.rotations.copy()
    rotations[:, 0] = (turn * Rotation.from_quat(rotations[:, 0])).as_quat()
    elsewhere = replace(walk, root_m=turn.apply(walk.root_m) + np.array([3.0, 0.0, -2.0]), rotations=rotations)
    np.testing.assert_allclose(sizes(cone_residual, elsewhere), sizes(cone_residual, walk), atol=1e-6)


def test_every_motion_is_measured_alone(stand: Motion, cone_residual: Any) -> None:
    hovering = move_root(stand, np.array([0.0, 0.1, 0.0]))
    together = MotionBatch.stack([stand, hovering])
    assert cone_residual.mean_residual_force(together) == pytest.approx(0.5, abs=1e-6)
