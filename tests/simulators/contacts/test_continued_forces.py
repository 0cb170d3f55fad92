"""Forces that continue from the last ones are those of the plan's solver, and get closer with every call."""

from __future__ import annotations

import numpy as np
import pytest

from selfcorrect.simulators.contacts.contact_plan import contact_forces, continued_forces, net_wrench
from selfcorrect.simulators.settings.plan import ContactSettings

FRICTION = 0.8
FEW = ContactSettings(iterations=5)
Problem = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Wrench (N, 6), arms (N, C, 3) and activation (N, C)."""


@pytest.fixture
def problem() -> Problem:
    """That of three bodies, some of whose points are in the air."""
    draw = np.random.default_rng(0)
    wrench = draw.normal(size=(3, 6)) * [100, 100, 100, 30, 30, 30] + [0, 700, 0, 0, 0, 0]
    arms_m = 0.15 * draw.normal(size=(3, 8, 3)) - [0, 1, 0]
    return wrench, arms_m, draw.uniform(size=(3, 8)) * (draw.uniform(size=(3, 8)) > 0.3)


def planned_forces(problem: Problem, iterations: int) -> np.ndarray:
    wrench, arms_m, activation = (each[:, None] for each in problem)
    return contact_forces(wrench, arms_m, activation, FRICTION, ContactSettings(iterations=iterations))[:, 0]


def test_the_first_call_is_that_of_the_plan(problem: Problem):
    forces_n = continued_forces(*problem, FRICTION, FEW, np.zeros((3, 2, 3, 8)))
    assert np.allclose(forces_n, planned_forces(problem, 5), atol=1e-6)


def test_calls_continue_each_other(problem: Problem):
    iterate = np.zeros((3, 2, 3, 8))
    for calls in (1, 2, 3):
        forces_n = continued_forces(*problem, FRICTION, FEW, iterate)
        assert np.allclose(forces_n, planned_forces(problem, 5 * calls), atol=1e-6)


def test_forces_stay_in_their_cones_and_come_from_points_that_carry(problem: Problem):
    wrench, arms_m, activation = problem
    forces_n = continued_forces(*problem, FRICTION, ContactSettings(iterations=1000), np.zeros((3, 2, 3, 8)))
    assert np.all(np.hypot(forces_n[..., 0], forces_n[..., 2]) <= FRICTION * forces_n[..., 1] + 1e-9)
    assert np.all(forces_n[activation == 0] == 0)
    off = np.linalg.norm(net_wrench(arms_m, forces_n) - wrench, axis=1)
    assert np.all(off < 0.6 * np.linalg.norm(wrench, axis=1))


def test_a_body_has_the_same_forces_in_any_company(problem: Problem):
    together = continued_forces(*problem, FRICTION, FEW, np.zeros((3, 2, 3, 8)))
    wrench, arms_m, activation = (each[1:2] for each in problem)
    alone = continued_forces(wrench, arms_m, activation, FRICTION, FEW, np.zeros((1, 2, 3, 8)))
    assert np.array_equal(together[1], alone[0])
