"""Medians and percentiles have NumPy's own bits."""

from __future__ import annotations

import numpy as np
import pytest

from selfcorrect.motion.geometry.vectors import median, percentile


@pytest.mark.parametrize("shape", [(1,), (2,), (7,), (150,), (31, 4), (30, 2, 3)])
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_bits_are_those_of_numpy(shape: tuple[int, ...], axis: int | None) -> None:
    values = np.random.default_rng(0).normal(size=shape).round(2)  # some are equal
    np.testing.assert_array_equal(median(values, axis), np.median(values, axis=axis))
    for percent in (0, 5, 20, 25, 30, 40, 95, 100):
        np.testing.assert_array_equal(percentile(values, percent, axis), np.percentile(values, percent, axis=axis))


def test_of_nothing_there_is_none() -> None:
    assert np.isnan(median(np.zeros(0)))
    assert np.isnan(percentile(np.zeros((0, 3)), 20, axis=0)).tolist() == [True] * 3
