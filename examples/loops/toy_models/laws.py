"""Closed forms for self-consuming loops, each with its source and the assumptions under which it holds.

Symbols for data: n real samples, λ (`synthetic_ratio`) synthetic per real sample, k = λ n synthetic samples. Symbols of
the loop: γ (`strength`) of a *mixture* correction towards the truth, t (`generations`) generations after generation 0,
which sees real data only.

"Error variance" V is the variance of an estimated parameter around the truth, in units of the sampling variance of
a single observation: generation 0 has V = 1 / n. For a linear estimator every loop is a linear recursion in V.
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import integrate
from scipy.special import digamma


def linear_contraction(synthetic_ratio: ArrayLike, strength: ArrayLike = 0.0, spread: ArrayLike = 1.0) -> np.ndarray:
    """Return an augmented loop's exact contraction.

    The contraction is spread · λ / ((1 + λ)(1 + γ)) per generation, and the loop is stable below 1. It holds for
    estimators that average a statistic over real and synthetic samples alike, such as maximum likelihood in an
    exponential family, in loops that keep their n real samples. It follows from taking expectations; the bound of
    Bertrand et al. is looser.

    Args:
        spread: Factor by which the sampler multiplies the statistic: 1 if it is faithful, τ² for a Gaussian sampled
            with τ times its standard deviation.
    """
    ratio = np.asarray(synthetic_ratio, dtype=float)
    gamma = np.asarray(strength, dtype=float)
    return np.asarray(spread, dtype=float) * ratio / (1 + ratio) / (1 + gamma)


def critical_ratio(strength: float, spread: float) -> float:
    """Return the λ of critical stability.

    `linear_contraction` reaches 1 there: (1 + γ) / (spread − 1 − γ); infinite where it never does.
    """
    return math.inf if spread <= 1 + strength else (1 + strength) / (spread - 1 - strength)


def settled_variance(synthetic_ratio: float, strength: float, spread: float) -> float:
    """Return the variance where a loop settles.

    The loop is augmented and Gaussian, and the true variance is 1. The result is infinite if the loop does not settle.
    For large samples, it is the fixed point of s ← (1 − a) + a (spread · s + γ) / (1 + γ), a = λ / (1 + λ). The sampler
    multiplies the variance by `spread` (cherry-picking: below 1, MAD's λ_bias), and corrections move towards the truth.

    Args:
        spread: Factor by which the sampler multiplies the variance: 1 if it is faithful.
    """
    share = synthetic_ratio / (1 + synthetic_ratio)
    contraction = float(linear_contraction(synthetic_ratio, strength, spread))
    return math.inf if contraction >= 1 else (1 - share / (1 + strength)) / (1 - contraction)


def augment_error(n: int, synthetic_ratio: float, strength: float, generations: int) -> np.ndarray:
    """Return the error variances (t + 1,) of an augmented loop over generations 0 … t.

    The loop is corrected towards the truth. The estimate moves as e ← (1 − a) e₀ + a (e / (1 + γ) + noise / √k) with a
    = λ / (1 + λ), so the share of e₀ and the variance of the noise follow linear recursions. Leading order in 1 / n,
    exact for a Gaussian's mean up to that order. The steady state is ((1 − a)/(1 − b))² / n + a² / (k (1 − b²)) with b
    = a / (1 + γ).
    """
    share = synthetic_ratio / (1 + synthetic_ratio)
    contraction = share / (1 + strength)
    steps = np.arange(generations + 1)
    limit = (1 - share) / (1 - contraction)
    first_error = limit + (1 - limit) * contraction**steps
    noise = share**2 / (synthetic_ratio * n) * (1 - contraction ** (2 * steps)) / (1 - contraction**2)
    return first_error**2 / n + noise


def accumulate_error(n: int, synthetic_ratio: float, strength: float, generations: int) -> np.ndarray:
    """Return errors where all samples are kept, (t + 1,).

    Errors are variances. Every generation's k samples are kept beside the real samples: V ← (1 − wγ/(1 + γ))² V + w² /
    k with w = k / (n + k t). For γ = 0 and λ = 1 the limit is π² / 6 / n: the factor of Gerstgrasser et al. 2024,
    Theorem 2, which holds for every linear estimator.
    """
    count = synthetic_ratio * n
    errors = [1 / n]
    for generation in range(1, generations + 1):
        weight = count / (n + count * generation)
        errors.append((1 - weight * strength / (1 + strength)) ** 2 * errors[-1] + weight**2 / count)
    return np.array(errors)


def weighted_error(n: float, synthetic: float, weight: ArrayLike) -> np.ndarray:
    """Return the steady error with weighted real data.

    Real data, n *fresh* samples in each generation, have the weight w in (0, 1]. The error is (w² / n + (1 − w)² / m) /
    (1 − (1 − w)²) for m synthetic samples: He, Xu and Cheng 2025 (JRSS-B), the fixed point of V ← w² / n + (1 − w)² (1
    / m + V). This is their unified expression for Gaussian means and linear regression.

    Args:
        synthetic: m, number of synthetic samples.
        weight: w, in (0, 1].
    """
    weight = np.asarray(weight, dtype=float)
    return (weight**2 / n + (1 - weight) ** 2 / synthetic) / (1 - (1 - weight) ** 2)


def replace_variance(n: int, generations: int, spread: float = 1.0) -> np.ndarray:
    """Return a fully synthetic loop's variances, (t + 1,).

    These are expected variances of a Gaussian per dimension, whose true variance is 1. For maximum likelihood they are
    ((n − 1)/n) (spread (n − 1)/n)^t, exactly for all n. Sources: Shumailov et al. 2024, Alemohammad et al. 2024,
    Bertrand et al. 2024.

    Args:
        spread: Factor by which the sampler multiplies the variance, λ_bias of MAD: 1 if it is faithful.
    """
    shrink = (n - 1) / n
    return shrink * (spread * shrink) ** np.arange(generations + 1)


def replace_log_volume(n: int, dimension: int, generations: int) -> np.ndarray:
    """Return a fully synthetic loop's log-determinants, (t + 1,).

    These are expected log-determinants of a Gaussian's covariance, whose true value is 0: (t + 1) (Σᵢ ψ((n − i)/2) + d
    log(2/n)), i = 1 … d. Each generation multiplies the determinant by the determinant of a Wishart matrix over n. It
    falls without end, so almost every loop collapses, even if the estimate is unbiased and the expected variance stays.
    The result is exact, and far less noisy than the variance, whose mean depends on a few seeds.
    """
    step = digamma((n - np.arange(1, dimension + 1)) / 2).sum() + dimension * math.log(2 / n)
    return step * np.arange(1, generations + 2)


def expected_wasserstein(error_variance: ArrayLike, dimension: int) -> np.ndarray:
    """Return the mean 2-Wasserstein distance to the truth.

    A Gaussian was fitted to the standard normal with an error variance V. To first order W² = |mean|² + |covariance −
    1|² / 4, and W² / V is distributed as χ²(d) + χ²(d(d+1)/2) / 2. The mean of its root is an integral over its Laplace
    transform. Needs V ≪ 1.
    """

    def integrand(s: float) -> float:
        transform = (1 + 2 * s) ** (-dimension / 2) * (1 + s) ** (-dimension * (dimension + 1) / 4)
        return (1 - transform) * s**-1.5

    mean_of_root = integrate.quad(integrand, 0, 1)[0] + integrate.quad(integrand, 1, np.inf)[0]
    return np.sqrt(np.asarray(error_variance, dtype=float)) * mean_of_root / (2 * math.sqrt(math.pi))
