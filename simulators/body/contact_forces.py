"""Contact forces that come closest to a wrench.

In each frame, forces f on the body's contact points minimise ‖W (G f − u)‖² + ε ‖f‖² within friction cones. Here u is
the wrench, G f the wrench of the forces, and W weights moments. Points that can carry only little need more effort: the
problem is solved in forces divided by each point's contact activation. The solver is ADMM with over-relaxation (Boyd et
al. 2011, §3.4.3), whose linear step shrinks to a 6 × 6 inverse by the Woodbury identity.
"""

import numpy as np

from selfcorrect.motion.geometry.vectors import cross, sum_points

from ..settings.plan import PLAN, ForceSettings

_OVER_RELAXATION = 1.6
"""Over-relaxation factor of ADMM. Boyd et al. 2011 (§3.4.3) advise 1.5 to 1.8."""

_PENALTY = 0.003
"""Penalty parameter of ADMM, as a share of the trace of the problem's matrix."""

_REGULARISATION = 1e-5
"""Weight ε of the size of forces. It spreads forces over the points that can carry."""


def solve_contact_forces(
    wrench: np.ndarray,
    arms_m: np.ndarray,
    activation: np.ndarray,
    friction: float,
    settings: ForceSettings = PLAN.contacts,
) -> np.ndarray:
    """Solve forces within friction cones that come closest to a wrench.

    Args:
        wrench: (N, T, 6) force, and moment about a point, y up.
        arms_m: (N, T, C, 3) contact points relative to that point.
        activation: (N, T, C) weights in [0, 1], 0 for points that cannot carry.
        friction: Coulomb friction coefficient.
        settings: Weight of moments, and the solver's iterations.

    Returns:
        (N, T, C, 3) in N.
    """
    active = activation.reshape(-1, activation.shape[-1])
    carrying_counts = (active > 0).sum(-1)
    most = max(1, int(carrying_counts.max()))
    carrying = np.argsort(active == 0, axis=-1, kind="stable")[:, :most]
    all_arms_m = arms_m.reshape(*active.shape, 3)
    arms = np.take_along_axis(all_arms_m, carrying[..., None], axis=1)
    carrying_activation = np.take_along_axis(active, carrying, axis=1)
    scale = _move_frames_last(np.sqrt(carrying_activation))
    levers = settings.moment_weight * _move_frames_last(arms) * scale
    weights = np.array([1.0] * 3 + [settings.moment_weight] * 3)
    weighted = _move_frames_last(weights * wrench.reshape(-1, 6))
    scaled_n = _solve_scaled_forces(weighted, scale, levers, friction, settings)
    force_n = np.zeros((*active.shape, 3))
    frames = np.arange(len(active))[:, None]
    carrying_n = scale * scaled_n
    force_n[frames, carrying] = carrying_n.T
    return force_n.reshape(arms_m.shape)


def _move_frames_last(values: np.ndarray) -> np.ndarray:
    """Reverse the axes of values (F, ...), so that frames are neighbours in memory."""
    return np.ascontiguousarray(values.T)


def _solve_scaled_forces(
    wrench: np.ndarray, scale: np.ndarray, levers: np.ndarray, friction: float, settings: ForceSettings
) -> np.ndarray:
    """Solve scaled forces within friction cones that come closest to weighted wrenches.

    Let E map scaled forces to weighted wrenches, c be the copy of the forces within
    the cones, and u the scaled dual variable. The unconstrained forces of an iteration are (Eᵀ(w − v) + ρ (c − u)) / (ε
    + ρ), with v = (E Eᵀ + ε + ρ)⁻¹ (E Eᵀ w + ρ E (c − u)).

    Args:
        wrench: (6, F) weighted wrenches w.
        scale: (C, F) divisors of forces.
        levers: (3, C, F) weighted levers.
        friction: Coulomb friction coefficient.
        settings: The solver's iterations.

    Returns:
        (3, C, F).
    """
    squared = _gram_matrices(scale, levers)
    penalty = np.maximum(_PENALTY * np.trace(squared), 1e-3)
    diagonal = _REGULARISATION + penalty
    damped = np.moveaxis(squared, -1, 0) + diagonal[:, None, None] * np.eye(6)
    inverse = np.moveaxis(np.linalg.inv(damped), 0, -1)
    rate = _OVER_RELAXATION / diagonal
    gain = np.ascontiguousarray(inverse) * rate
    constant = rate * wrench - _multiply(gain, _multiply(squared, wrench))
    gain *= penalty
    retained = _OVER_RELAXATION * penalty / diagonal + 1 - _OVER_RELAXATION
    cone = np.zeros_like(levers)
    dual = np.zeros_like(levers)
    for _ in range(settings.iterations):
        difference = cone - dual
        difference_wrench = _wrench_of(difference, scale, levers)
        free_wrench = constant - _multiply(gain, difference_wrench)
        relaxed = _forces_of(free_wrench, scale, levers)
        relaxed += retained * difference + (2 - _OVER_RELAXATION) * dual
        cone = project_onto_cones(relaxed, friction)
        dual = relaxed - cone
    return cone


def _gram_matrices(scale: np.ndarray, levers: np.ndarray) -> np.ndarray:
    """Return the matrices E Eᵀ (6, 6, F)."""
    squared = np.zeros((6, 6, scale.shape[-1]))
    diagonal = np.arange(3)
    squared[diagonal, diagonal] = np.sum(scale * scale, axis=0)
    across = np.sum(scale * levers, axis=1)
    moments = np.sum(levers * levers, axis=1)
    for row, after, last in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        product = -np.sum(levers[row] * levers[after], axis=0)
        squared[3 + row, last] = across[after]
        squared[3 + row, after] = -across[last]
        squared[3 + row, 3 + row] = moments[after] + moments[last]
        squared[3 + row, 3 + after] = product
        squared[3 + after, 3 + row] = product
    squared[:3, 3:] = np.swapaxes(squared[3:, :3], 0, 1)
    return squared


def _multiply(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Multiply matrices (6, 6, F) by vectors (6, F)."""
    return np.sum(matrices * vectors, axis=1)


def _wrench_of(forces: np.ndarray, scale: np.ndarray, levers: np.ndarray) -> np.ndarray:
    """Apply E: return the weighted wrenches (6, F) of scaled forces (3, C, F)."""
    moments = np.cross(levers, forces, axis=0)
    return np.concatenate([np.sum(scale * forces, axis=1), np.sum(moments, axis=1)])


def _forces_of(wrench: np.ndarray, scale: np.ndarray, levers: np.ndarray) -> np.ndarray:
    """Apply Eᵀ to weighted wrenches (6, F); return scaled forces (3, C, F)."""
    return scale * wrench[:3, None] + np.cross(wrench[3:, None], levers, axis=0)


def project_onto_cones(forces: np.ndarray, friction: float) -> np.ndarray:
    """Project forces (3, ...) onto friction cones.

    In a cone, the horizontal part is at most `friction` times the vertical part (y).
    """
    x, normal, z = forces
    tangent = np.sqrt(x * x + z * z)
    along_cone = (normal + friction * tangent) / (1 + friction**2)
    projected_normal = np.maximum(along_cone, 0.0)
    tangent_share = friction * projected_normal / np.maximum(tangent, 1e-9)
    is_inside = tangent <= friction * normal
    np.copyto(projected_normal, normal, where=is_inside)
    np.copyto(tangent_share, 1.0, where=is_inside)
    projected = forces * tangent_share
    projected[1] = projected_normal
    return projected


def net_wrench(arms_m: np.ndarray, force_n: np.ndarray) -> np.ndarray:
    """Return the net wrench (..., 6) of forces at arms, both (..., C, 3)."""
    moments_nm = cross(arms_m, force_n)
    return np.concatenate([sum_points(force_n), sum_points(moments_nm)], axis=-1)
