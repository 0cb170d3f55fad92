"""Numbers in the text on theory that no experiment gives: each follows from its law."""

import numpy as np
import pytest


def test_the_expected_variance_at_n_100_halves_after_69_generations() -> None:
    """Each fit by maximum likelihood keeps 1 − 1/n of it."""
    assert np.log(0.5) / np.log1p(-1 / 100) == pytest.approx(69, abs=0.5)


def test_the_median_seed_at_n_100_loses_half_after_24_to_25_generations() -> None:
    """The variance of a seed is multiplied by χ² of n − 1 degrees of freedom over n in each generation."""
    factors = np.random.default_rng(0).chisquare(99, size=(10_000, 100)) / 100
    is_below = np.cumprod(factors, axis=1) < 0.5
    crossings = np.where(is_below.any(axis=1), is_below.argmax(axis=1) + 1, np.inf)
    assert 23.5 <= np.median(crossings) <= 25.5


def test_shrinking_by_four_thousandths_doubles_the_loss_at_n_128() -> None:
    """A generation keeps c² (1 − 1/n) of the variance."""
    factor = 1 - 0.004
    assert 1 - factor**2 * (1 - 1 / 128) == pytest.approx(2 / 128, rel=0.05)
