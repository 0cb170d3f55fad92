"""The problem of `contact_forces` for few bodies many times a second, each time from where the last one ended.

ADMM as there. Here the linear step is one product with a matrix that is made once for all rounds, which for few bodies
takes a third of the time.
"""

from __future__ import annotations

import numpy as np

from ..settings.plan import ContactSettings
from .contact_plan import onto_cones


def continued_forces(
    wrench: np.ndarray,
    arms_m: np.ndarray,
    activation: np.ndarray,
    friction: float,
    settings: ContactSettings,
    iterate: np.ndarray,
) -> np.ndarray:
    """Forces (N, C, 3) within friction cones (y up) that come close to the wrench.

    The wrench (N, 6) is force and moment about a point; arms_m (N, C, 3) are touching points seen from there. The
    activation (N, C) has weights in [0, 1]. The iterate (N, 2, 3, C) is where the solver begins, and is overwritten by
    where it ends.
    """
    count, points = activation.shape
    scale = np.sqrt(activation)
    weights = np.array([1.0] * 3 + [settings.moment_weight] * 3)
    to_wrench = _maps(arms_m, scale) * weights[:, None]
    from_wrench = np.swapaxes(to_wrench, 1, 2)
    squared = to_wrench @ from_wrench
    penalty = np.maximum(settings.penalty * np.trace(squared, axis1=1, axis2=2), 1e-3)[:, None, None]
    diagonal = settings.regularisation + penalty
    inner = from_wrench @ np.linalg.solve(squared + diagonal * np.eye(6), to_wrench)
    step = settings.over_relaxation * (np.eye(3 * points) - inner) / diagonal  # of (EᵀE + ε + ρ)⁻¹, by Woodbury
    constant = step @ (from_wrench @ (weights * wrench)[..., None])
    step *= penalty
    cone, dual = iterate[:, 0].reshape(count, -1, 1), iterate[:, 1].reshape(count, -1, 1)
    for _ in range(settings.iterations):
        relaxed = constant + step @ (cone - dual) + (1 - settings.over_relaxation) * cone + dual
        by_axis = relaxed.reshape(count, 3, points).swapaxes(0, 1)
        cone = onto_cones(by_axis, friction).swapaxes(0, 1).reshape(count, -1, 1)
        dual = relaxed - cone
    iterate[:, 0], iterate[:, 1] = (each.reshape(count, 3, points) for each in (cone, dual))
    return np.swapaxes(scale[:, None] * iterate[:, 0], 1, 2)


def _maps(arms_m: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Matrices E (N, 6, 3 C): from scaled forces, all along x first, to force and moment."""
    count, points = scale.shape
    maps = np.zeros((count, 6, 3, points))
    x, y, z = np.moveaxis(arms_m, -1, 0) * scale
    for axis in range(3):
        maps[:, axis, axis] = scale
    maps[:, 3, 1], maps[:, 3, 2] = -z, y
    maps[:, 4, 0], maps[:, 4, 2] = z, -x
    maps[:, 5, 0], maps[:, 5, 1] = -y, x
    return maps.reshape(count, 6, 3 * points)
