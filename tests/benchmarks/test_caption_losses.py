"""The interval of what rare captions lose more, on losses whose difference is known."""

import numpy as np
import pytest

from benchmarks.caption_losses import difference

THIRD = np.repeat([0, 1, 2, -1], 20)


def losses(rare: float, common: float, spread: float) -> np.ndarray:
    noise = spread * np.random.default_rng(0).normal(size=len(THIRD))
    return np.where(THIRD == 0, rare, np.where(THIRD == 2, common, np.nan)) + noise


def test_captions_between_and_those_not_judged_count_for_nothing() -> None:
    assert difference(losses(0.5, 0.2, 0.0), THIRD) == pytest.approx((0.3, 0.3, 0.3))


def test_the_interval_is_that_of_a_difference_of_means() -> None:
    estimate, low, high = difference(losses(0.5, 0.2, 0.1), THIRD)
    assert low < 0.3 < high
    assert low < estimate < high
    assert (high - low) / 2 == pytest.approx(1.96 * 0.1 * (2 / 20) ** 0.5, rel=0.35)
    _, low, high = difference(losses(0.2, 0.2, 0.1), THIRD)
    assert low < 0 < high
