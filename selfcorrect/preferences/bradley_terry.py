"""Strengths from paired comparisons with ties: Bradley and Terry 1952, ties by Davidson 1970.

Two samples of strengths a and b stand left and right, and the left place pulls with `side`. The left sample wins with
probability ∝ exp((a − b + side) / 2), the right sample with ∝ exp(−(a − b + side) / 2). They tie with ∝ exp(tie). A
strength is a linear function of a description of the sample: its identity or its features.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from .choices import Choice, differences, drop_rejections, outcomes

PRIOR_DEVIATIONS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Deviations of weights; the value with the greatest evidence is taken."""
_SIDE_DEVIATION = 1.0
_TIE_DEVIATION = 2.0


@dataclass(frozen=True, eq=False)
class Fit:
    """The weights that choices are likeliest with, given a normal prior (maximum a posteriori)."""

    weights: np.ndarray
    """(P,) in logits per unit of a description."""
    covariance: np.ndarray
    """(P, P) of the weights, by Laplace's approximation."""
    side: float
    """Pull of the left place, in logits."""
    side_error: float
    """Its standard error."""
    tie: float
    """Logarithm of Davidson's ν."""
    evidence: float
    """Logarithm of the probability of the choices under the prior, by Laplace's approximation."""

    def probabilities(self, differences: np.ndarray) -> np.ndarray:
        """Return (M, 3) probabilities of left, tie and right; `differences` are (M, P)."""
        return _probabilities(differences @ self.weights + self.side, self.tie)


@dataclass(frozen=True, eq=False)
class Strengths:
    """Strengths of samples, in logits; their mean is 0 within samples that choices connect."""

    samples: tuple[str, ...]
    values: np.ndarray
    """(N,)."""
    fit: Fit

    @property
    def errors(self) -> np.ndarray:
        """(N,) standard errors."""
        return np.sqrt(np.diag(self.fit.covariance))


def strengths(choices: Sequence[Choice], samples: Sequence[str]) -> Strengths:
    """Return strengths of all samples by the choices of all raters; samples that nobody compared have 0."""
    comparisons = drop_rejections(choices)
    fit = best_fit(differences(comparisons, samples), outcomes(comparisons))
    return Strengths(tuple(samples), fit.weights, fit)


def best_fit(differences: np.ndarray, outcomes: np.ndarray, centre: np.ndarray | None = None) -> Fit:
    """Return the fit whose prior deviation has the greatest evidence of `PRIOR_DEVIATIONS` (empirical Bayes).

    Args:
        differences: (M, P), left minus right.
        outcomes: (M,) as returned by `choices.outcomes`.
        centre: (P,) mean of the prior, zeros by default.
    """
    fits = [fit_choices(differences, outcomes, deviation, centre) for deviation in PRIOR_DEVIATIONS]
    return max(fits, key=lambda fit: fit.evidence)


def fit_choices(
    differences: np.ndarray, outcomes: np.ndarray, deviation: float, centre: np.ndarray | None = None
) -> Fit:
    """Fit weights, side and tie under normal priors; the problem is convex.

    Args:
        differences: (M, P), left minus right.
        outcomes: (M,) as returned by `choices.outcomes`.
        deviation: Standard deviation of the prior on weights.
        centre: (P,) mean of the prior on weights, zeros by default.
    """
    count = differences.shape[1]
    means = np.zeros(count + 2)
    means[:count] = 0 if centre is None else centre
    precisions = np.array([deviation**-2.0] * count + [_SIDE_DEVIATION**-2, _TIE_DEVIATION**-2])
    halves = np.column_stack([differences, np.ones(len(differences))]) / 2
    data = (halves, outcomes, means, precisions)
    found = scipy.optimize.minimize(
        _loss, means, data, "trust-exact", jac=_gradient, hess=_curvature, options={"gtol": 1e-8}
    )
    parameters = found.x
    curvature = _curvature(parameters, *data)
    covariance = np.linalg.inv(curvature)
    _, log_determinant = np.linalg.slogdet(curvature)
    log_volume = (np.log(precisions).sum() - log_determinant) / 2  # Laplace's approximation of the evidence
    return Fit(
        weights=parameters[:count],
        covariance=covariance[:count, :count],
        side=float(parameters[-2]),
        side_error=float(np.sqrt(covariance[-2, -2])),
        tie=float(parameters[-1]),
        evidence=float(-found.fun + log_volume),
    )


def _probabilities(advantages: np.ndarray, tie: float) -> np.ndarray:
    utilities = np.stack([advantages / 2, np.full_like(advantages, tie), -advantages / 2], axis=1)
    return scipy.special.softmax(utilities, axis=1)


def _loss(
    parameters: np.ndarray, halves: np.ndarray, outcomes: np.ndarray, means: np.ndarray, precisions: np.ndarray
) -> float:
    """Return the negative logarithm of likelihood times prior, the prior without its constant."""
    probabilities = _probabilities(2 * halves @ parameters[:-1], parameters[-1])
    logarithms = np.log(np.maximum(probabilities, 1e-300))
    chosen = logarithms[np.arange(len(outcomes)), 1 - outcomes]
    return float(-chosen.sum() + (precisions * (parameters - means) ** 2).sum() / 2)


def _gradient(
    parameters: np.ndarray, halves: np.ndarray, outcomes: np.ndarray, means: np.ndarray, precisions: np.ndarray
) -> np.ndarray:
    left, tie, right = _probabilities(2 * halves @ parameters[:-1], parameters[-1]).T
    likelihood_gradient = np.append(halves.T @ (left - right - outcomes), (tie - (outcomes == 0)).sum())
    return likelihood_gradient + precisions * (parameters - means)


def _curvature(
    parameters: np.ndarray, halves: np.ndarray, outcomes: np.ndarray, means: np.ndarray, precisions: np.ndarray
) -> np.ndarray:
    left, tie, right = _probabilities(2 * halves @ parameters[:-1], parameters[-1]).T
    lead = left - right
    curvature = np.diag(precisions)
    curvature[:-1, :-1] += halves.T @ (halves * (left + right - lead**2)[:, None])
    crossed = -halves.T @ (lead * tie)
    curvature[:-1, -1] += crossed
    curvature[-1, :-1] += crossed
    curvature[-1, -1] += (tie * (1 - tie)).sum()
    return curvature
