"""The experiment on the recall of founders: what it counts, and r with its interval."""

from importlib import import_module

import numpy as np
import pytest


@pytest.fixture(scope="module")
def founders():
    return import_module("founders")


def test_copies_have_the_recall_of_their_founders(founders):
    """With balls of one size however many copies there are; as published, of the copies or without repeats."""
    draw = np.random.default_rng(0)
    reference, training = draw.normal(size=(2, 60, 4))
    for founder in (draw.permutation(60), np.arange(12).repeat(5)):
        values = founders.compare_recall(reference, training[founder], founder, training)
        scores = dict(zip(founders.COLUMNS, values, strict=True))
        assert scores["founders"] == len(np.unique(founder)) / 60
        assert scores["equal_recall"] == scores["founders_equal_recall"]
        assert scores["recall"] == scores["copies_recall"]
        assert (scores["recall"] == scores["founders_recall"]) == (scores["founders"] == 1)


def test_r_is_1_of_proportional_pairs_and_near_0_of_unrelated_ones(founders):
    draw = np.random.default_rng(1)
    values = draw.normal(size=(8, 25, 1))
    equal = founders.correlate(np.concatenate([values, 0.5 + 0.1 * values], axis=-1))
    assert (equal.low, equal.estimate, equal.high) == pytest.approx((1, 1, 1))
    unrelated = founders.correlate(draw.normal(size=(8, 25, 2)))
    assert unrelated.low < 0 < unrelated.high


def test_seeds_and_not_pairs_are_resampled(founders):
    """Eight seeds whose pairs are all alike are eight pairs."""
    draw = np.random.default_rng(2)
    seeds = draw.normal(size=(8, 1, 2))
    single = founders.correlate(seeds)
    many = founders.correlate(seeds.repeat(50, axis=1))
    assert (many.low, many.high) == pytest.approx((single.low, single.high))
