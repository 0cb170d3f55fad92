"""A contraction is found again in curves that were made from it, and not where a run does not show it."""

import math

import numpy as np
import pytest
from helpers import load_loop

estimate_contraction = load_loop("biased-corrector").estimate_contraction


@pytest.mark.parametrize("contraction", [0.3, 0.6])
def test_a_known_contraction_is_recovered_whatever_the_floor(contraction: float) -> None:
    noise = 1 + np.random.default_rng(11).normal(0, 0.01, (6, 30))
    result = estimate_contraction(noise * np.sqrt(0.04 + (1 - 0.04) * contraction ** (2 * np.arange(30))))
    assert result.low < contraction < result.high


@pytest.mark.parametrize(
    "curves",
    [
        np.ones((3, 3)),  # too short
        1 + 0.1 * np.random.default_rng(0).normal(size=(3, 20)),  # no transient
        np.sqrt(1 + np.arange(20.0))[None].repeat(3, 0),  # does not settle
    ],
)
def test_nothing_is_estimated_where_a_run_does_not_determine_it(curves: np.ndarray) -> None:
    assert math.isnan(estimate_contraction(curves).estimate)
