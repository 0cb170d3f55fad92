"""Constants are found again in curves that were made from them, and not where a run does not tell."""

from __future__ import annotations

import numpy as np
import pytest

from selfcorrect.analysis.estimation import estimate
from selfcorrect.analysis.theory import contraction_bound


def test_estimate_recovers_a_known_contraction_floor_and_strength() -> None:
    steps = np.arange(30)
    curve = np.sqrt(0.04 + (1 - 0.04) * 0.6 ** (2 * steps))
    corrected = np.sqrt(0.04 + (1 - 0.04) * 0.3 ** (2 * steps))
    noise = 1 + np.random.default_rng(11).normal(0, 0.01, (6, 30))
    plain = estimate(curve * noise, ratio=1.0)
    assert plain.contraction is not None
    assert plain.noise_floor is not None
    assert plain.condition is not None
    assert plain.contraction.low < 0.6 < plain.contraction.high
    assert plain.noise_floor.estimate == pytest.approx(0.2, rel=0.02)
    assert contraction_bound(1.0, condition=plain.condition.estimate) == pytest.approx(plain.contraction.estimate)
    strength = estimate(corrected * noise, uncorrected=plain).strength
    assert strength is not None
    assert strength.estimate == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("curves", "reason"),
    [
        (np.ones((3, 3)), "at least 4 generations"),
        (1 + 0.1 * np.random.default_rng(0).normal(size=(3, 20)), "no transient"),
        (np.sqrt(1 + np.arange(20.0))[None].repeat(3, 0), "settle within the run"),
    ],
)
def test_estimate_says_when_a_run_does_not_determine_anything(curves: np.ndarray, reason: str) -> None:
    result = estimate(curves)
    assert result.contraction is None
    assert reason in result.reason
