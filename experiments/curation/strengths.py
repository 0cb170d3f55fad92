"""Strengths from paired comparisons with ties: Bradley and Terry 1952, ties by Davidson 1970.

Two samples of strengths a and b stand left and right, and the left place pulls with `side`. The left sample wins with
probability ∝ exp((a − b + side) / 2), the right sample with ∝ exp(−(a − b + side) / 2). They tie with ∝ exp(tie). A
strength is a linear function of a description of the sample, its identity or its features, so all logarithms are linear
in the parameters: a conditional logit.
"""

from dataclasses import dataclass

import numpy as np
import scipy

PRIOR_DEVIATIONS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Deviations of weights; the value with the greatest evidence is taken."""
_SIDE_DEVIATION = 1.0
_TIE_DEVIATION = 2.0


@dataclass(frozen=True, eq=False)
class Fit:
    """The parameters with which choices are likeliest, given a normal prior (maximum a posteriori)."""

    parameters: np.ndarray
    """(P + 2,) weights in logits per unit of a description, the pull of the left place, and the logarithm of Davidson's
    ν."""
    covariance: np.ndarray
    """(P + 2, P + 2) of the parameters, by Laplace's approximation."""
    evidence: float
    """Logarithm of the probability of the choices under the prior, by Laplace's approximation."""

    @property
    def weights(self) -> np.ndarray:
        """(P,) weights."""
        return self.parameters[:-2]

    @property
    def side(self) -> float:
        """Pull of the left place, in logits."""
        return float(self.parameters[-2])

    @property
    def errors(self) -> np.ndarray:
        """(P + 2,) standard errors of the parameters."""
        return np.sqrt(np.diag(self.covariance))


def best_fit(differences: np.ndarray, outcomes: np.ndarray, centre: np.ndarray | None = None) -> Fit:
    """Return the fit whose prior deviation has the greatest evidence of `PRIOR_DEVIATIONS` (empirical Bayes).

    Args:
        differences: (M, P), left minus right.
        outcomes: (M,), 1 if the left sample won, −1 if the right sample did, 0 for a tie.
        centre: (P,) mean of the prior, zeros by default.
    """
    fits = [fit_choices(differences, outcomes, deviation, centre) for deviation in PRIOR_DEVIATIONS]
    return max(fits, key=lambda fit: fit.evidence)


def fit_choices(
    differences: np.ndarray, outcomes: np.ndarray, deviation: float, centre: np.ndarray | None = None
) -> Fit:
    """Fit weights, side and tie under normal priors, whose weights have `deviation`; the problem is convex."""
    count, width = differences.shape
    means = np.zeros(width + 2)
    means[:width] = 0 if centre is None else centre
    precisions = np.array([deviation**-2.0] * width + [_SIDE_DEVIATION**-2, _TIE_DEVIATION**-2])
    designs = np.zeros((count, 3, width + 2))  # left, tie and right
    designs[:, 0, :-1] = np.column_stack([differences, np.ones(count)]) / 2
    designs[:, 2] = -designs[:, 0]
    designs[:, 1, -1] = 1
    chosen = designs[np.arange(count), 1 - outcomes]

    def loss(parameters: np.ndarray) -> float:
        likelihood = chosen @ parameters - scipy.special.logsumexp(designs @ parameters, axis=1)
        return float((precisions * (parameters - means) ** 2).sum() / 2 - likelihood.sum())

    def gradient(parameters: np.ndarray) -> np.ndarray:
        probabilities = scipy.special.softmax(designs @ parameters, axis=1)
        expected = np.einsum("mk,mkp->mp", probabilities, designs)
        return (expected - chosen).sum(0) + precisions * (parameters - means)

    def curvature(parameters: np.ndarray) -> np.ndarray:
        probabilities = scipy.special.softmax(designs @ parameters, axis=1)
        expected = np.einsum("mk,mkp->mp", probabilities, designs)
        weighted = (designs * probabilities[..., None]).reshape(-1, width + 2)
        return weighted.T @ designs.reshape(-1, width + 2) - expected.T @ expected + np.diag(precisions)

    minimum = scipy.optimize.minimize(loss, means, method="trust-exact", jac=gradient, hess=curvature, tol=1e-8)
    final_curvature = curvature(minimum.x)
    _, log_determinant = np.linalg.slogdet(final_curvature)
    log_volume = (np.log(precisions).sum() - log_determinant) / 2
    return Fit(minimum.x, np.linalg.inv(final_curvature), float(log_volume - minimum.fun))
