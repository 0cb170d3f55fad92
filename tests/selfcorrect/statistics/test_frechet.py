"""Fréchet distances agree with closed forms.

A general matrix square root and degenerate covariances are tested, too.
"""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect.statistics.frechet import frechet_distance, squared_wasserstein


def gaussian(seed: int, dimensions: int = 4) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    factor = generator.normal(size=(dimensions, dimensions))
    return generator.normal(size=dimensions), factor @ factor.T


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_matches_general_square_root(seed: int, dimensions: int):
    (mean_a, cov_a) = gaussian(seed, dimensions)
    (mean_b, cov_b) = gaussian(seed + 1, dimensions)
    cross = np.trace(np.real(scipy.linalg.sqrtm(cov_a @ cov_b)))
    expected = np.sum((mean_a - mean_b) ** 2) + np.trace(cov_a) + np.trace(cov_b) - 2 * cross
    assert squared_wasserstein(mean_a, cov_a, mean_b, cov_b) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_is_zero_and_symmetric():
    a = gaussian(0)
    b = gaussian(1)
    assert squared_wasserstein(*a, *a) == pytest.approx(0, abs=1e-9)
    assert squared_wasserstein(*a, *b) == pytest.approx(squared_wasserstein(*b, *a))


def test_singular_covariances_are_no_trouble():
    flat = np.diag([1.0, 0.0])
    assert squared_wasserstein(np.zeros(2), flat, np.zeros(2), np.diag([0.0, 1.0])) == pytest.approx(2.0)
    assert squared_wasserstein(np.zeros(2), flat, np.zeros(2), np.zeros((2, 2))) == pytest.approx(1.0)


def test_leading_dimensions_are_a_batch():
    many = [gaussian(seed) for seed in range(5)]
    means = np.stack([mean for mean, _ in many])
    covariances = np.stack([covariance for _, covariance in many])
    target = gaussian(9)
    batched = squared_wasserstein(means, covariances, *target)
    np.testing.assert_allclose(batched, [squared_wasserstein(*gaussian, *target) for gaussian in many])


def test_grows_with_shift():
    samples = np.random.default_rng(0).normal(size=(500, 3))
    assert frechet_distance(samples, samples) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(samples, samples + 2.0) == pytest.approx(3 * 2.0**2)


def test_known_value_has_unbiased_covariances():
    """Standard deviations are √2 and 2 √2, with N − 1 as the divisor, and means are 1 and 2."""
    distance = frechet_distance(np.array([[0.0], [2.0]]), np.array([[0.0], [4.0]]))
    assert distance == pytest.approx((2 - 1) ** 2 + (2 * 2**0.5 - 2**0.5) ** 2)


def test_few_samples_are_finite():
    generator = np.random.default_rng(0)
    assert 0 < frechet_distance(generator.normal(size=(5, 20)), generator.normal(size=(6, 20))) < 100


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        (np.zeros((1, 3)), r"got candidate \(1, 3\)"),
        (np.zeros((9, 4)), r"got candidate \(9, 4\)"),
        (np.full((9, 3), np.nan), "candidate samples of the Fréchet distance must be finite"),
    ],
)
def test_bad_samples_are_named(candidate: np.ndarray, message: str):
    with pytest.raises(ValueError, match=message):
        frechet_distance(np.zeros((9, 3)), candidate)
