"""Recall of founders has r with its interval."""

from importlib import import_module

import numpy as np
import pytest


@pytest.fixture(scope="module")
def founders():
    return import_module("founders")


def test_correlation_bounds(founders):
    draw = np.random.default_rng(1)
    values = draw.normal(size=(8, 25, 1))
    equal = founders.correlate(np.concatenate([values, 0.5 + 0.1 * values], axis=-1))
    assert (equal.low, equal.estimate, equal.high) == pytest.approx((1, 1, 1))
    unrelated = founders.correlate(draw.normal(size=(8, 25, 2)))
    assert unrelated.low < 0 < unrelated.high


def test_seeds_are_resampled(founders):
    """Fifty equal pairs of each of eight seeds are resampled as eight pairs."""
    draw = np.random.default_rng(2)
    seeds = draw.normal(size=(8, 1, 2))
    single = founders.correlate(seeds)
    many = founders.correlate(seeds.repeat(50, axis=1))
    assert (many.low, many.high) == pytest.approx((single.low, single.high))
