"""Closed forms for self-consuming loops, each with its source and the assumptions under which it holds.

Symbols for data: n real samples, λ synthetic per real sample, k = λ n synthetic samples. Symbols of the loop: γ
strength of a *mixture* correction towards the truth, t generations after generation 0 (which sees real data only).

"Error variance" V is the variance of an estimated parameter around the truth, in units of the sampling variance of
a single observation: generation 0 has V = 1 / n. For a linear estimator every loop is a linear recursion in V.
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import integrate


def guaranteed_ratio(strength: float = 0.0, condition: float = 1.0) -> float:
    """Return the λ below which a loop is guaranteed to be stable: (1 + γ) / (2 + γ) / κ, at most 1 / κ.

    The sufficient condition λκ < (1 + γ) / (2 + γ) of Gillman et al. 2024, and for γ = 0 the condition of Bertrand et
    al. 2024. κ ≥ 1 is 1 + εL/α. Here α is the strong concavity of the expected log-likelihood at its optimum, L the
    Lipschitz constant of its Hessian in the data, ε the Wasserstein error of the model class.
    """
    share = 1.0 if math.isinf(strength) else (1 + strength) / (2 + strength)
    return share / condition


def augment_error(n: int, synthetic_ratio: float, strength: float, generations: int) -> np.ndarray:
    """Error variance V over generations 0 … t of an augmented loop corrected towards the truth, shape (t + 1,).

    The estimate moves as e ← (1 − a) e₀ + a (e / (1 + γ) + noise / √k) with a = λ / (1 + λ), so the share of e₀
    and the variance of the noise follow linear recursions. Leading order in 1 / n, exact for a Gaussian's mean
    up to that order. The steady state is ((1 − a)/(1 − b))² / n + a² / (k (1 − b²)) with b = a / (1 + γ).

    Args:
        n: Number of real samples.
        synthetic_ratio: λ, synthetic samples per real one.
        generations: t, number of generations after generation 0.
    """
    share = synthetic_ratio / (1 + synthetic_ratio)
    contraction = share / (1 + strength)
    steps = np.arange(generations + 1)
    limit = (1 - share) / (1 - contraction)
    first_error = limit + (1 - limit) * contraction**steps
    noise = share**2 / (synthetic_ratio * n) * (1 - contraction ** (2 * steps)) / (1 - contraction**2)
    return first_error**2 / n + noise


def expected_wasserstein(error_variance: ArrayLike, dimension: int) -> np.ndarray:
    """Mean 2-Wasserstein distance of a fitted Gaussian to the standard normal, for a given error variance V.

    To first order W² = |mean|² + |covariance − 1|² / 4, and W² / V is distributed as χ²(d) + χ²(d(d+1)/2) / 2.
    The mean of its root is an integral over its Laplace transform. Needs V ≪ 1.
    """

    def integrand(s: float) -> float:
        transform = (1 + 2 * s) ** (-dimension / 2) * (1 + s) ** (-dimension * (dimension + 1) / 4)
        return (1 - transform) * s**-1.5

    mean_of_root = integrate.quad(integrand, 0, 1)[0] + integrate.quad(integrand, 1, np.inf)[0]
    return np.sqrt(np.asarray(error_variance, dtype=float)) * mean_of_root / (2 * math.sqrt(math.pi))
