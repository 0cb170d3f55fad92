"""The energy distance agrees with a closed form in one dimension, and with its expected value between equal laws."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect.statistics.energy import energy_distance

numbers = st.lists(st.floats(-100, 100), min_size=1, max_size=12).map(lambda values: np.array(values)[:, None])


def test_known_values():
    assert energy_distance(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])) == pytest.approx(2 * 5.0)
    assert energy_distance(np.array([[0.0], [2.0]]), np.array([[1.0]])) == pytest.approx(2 * 1.0 - 1.0)


@given(numbers, numbers)
def test_matches_distribution_functions(first: np.ndarray, second: np.ndarray):
    """In one dimension, it is twice the integral of (F − G)², which SciPy has as a square root."""
    expected = scipy.stats.energy_distance(first[:, 0], second[:, 0]) ** 2
    assert energy_distance(first, second) == pytest.approx(expected, abs=1e-9)


def test_floor_of_equal_distributions():
    """Between samples of one distribution, it is E|X − X'| (1/N + 1/M) on average."""
    rng = np.random.default_rng(0)
    distances = [energy_distance(rng.normal(size=(30, 4)), rng.normal(size=(20, 4))) for _ in range(200)]
    pairs = rng.normal(size=(2, 20_000, 4))
    expected = np.linalg.norm(pairs[0] - pairs[1], axis=1).mean() * (1 / 30 + 1 / 20)
    assert np.mean(distances) == pytest.approx(expected, rel=0.05)


def test_many_samples_in_blocks():
    rng = np.random.default_rng(1)
    samples = rng.normal(size=(1100, 2))
    assert energy_distance(samples, samples) == pytest.approx(0, abs=1e-12)
    assert energy_distance(samples, samples[:1] + 1e6) == pytest.approx(2 * 2**0.5 * 1e6, rel=1e-4)


@pytest.mark.parametrize("candidate", [np.zeros((0, 3)), np.zeros((9, 4)), np.zeros(3), np.full((9, 3), np.nan)])
def test_invalid_samples_raise(candidate: np.ndarray):
    with pytest.raises(ValueError, match="candidate"):
        energy_distance(np.zeros((9, 3)), candidate)
