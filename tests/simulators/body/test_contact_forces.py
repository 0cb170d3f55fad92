"""Contact forces come as close to a wrench as friction allows."""

import numpy as np
from scipy.optimize import minimize

from selfcorrect.simulators.body.contact_forces import solve_contact_forces
from selfcorrect.simulators.settings.plan import ContactSettings

FRICTION = 0.5


def test_forces_match_general_solver():
    generator = np.random.default_rng(3)
    arms_m = generator.normal(0, 0.2, (4, 3)) - [0.0, 0.9, 0.0]
    wrench = np.array([60.0, 700.0, -40.0, 20.0, 5.0, -30.0])
    weights = np.array([1.0] * 3 + [4.0] * 3)

    def loss(force_n: np.ndarray) -> float:
        forces = force_n.reshape(4, 3)
        resulting_wrench = np.concatenate([forces.sum(0), np.cross(arms_m, forces).sum(0)])
        return float(np.sum((weights * (resulting_wrench - wrench)) ** 2))

    def cones(force_n: np.ndarray) -> np.ndarray:
        x, y, z = force_n.reshape(4, 3).T
        return FRICTION * y - np.sqrt(x**2 + z**2 + 1e-9)

    best = minimize(
        loss, np.tile([0.0, 175.0, 0.0], 4), constraints={"type": "ineq", "fun": cones}, options={"maxiter": 500}
    )
    ours = solve_contact_forces(
        wrench[None, None], arms_m[None, None], np.ones((1, 1, 4)), FRICTION, ContactSettings(iterations=400)
    )
    assert loss(ours.ravel()) <= best.fun + 0.002 * float(np.sum((weights * wrench) ** 2))


def test_forces_are_independent_of_company():
    draw = np.random.default_rng(0)
    wrench = draw.normal(size=(3, 1, 6)) * [100, 100, 100, 30, 30, 30] + [0, 700, 0, 0, 0, 0]
    arms_m = 0.15 * draw.normal(size=(3, 1, 8, 3)) - [0, 1, 0]
    activation = draw.uniform(size=(3, 1, 8)) * (draw.uniform(size=(3, 1, 8)) > 0.3)
    together_n = solve_contact_forces(wrench, arms_m, activation, 0.8)
    alone_n = solve_contact_forces(wrench[1:2], arms_m[1:2], activation[1:2], 0.8)
    assert np.array_equal(together_n[1], alone_n[0])
    assert np.all(together_n[activation == 0] == 0)
