"""Precision, recall, density and coverage, against the prdc package and in cases one can see."""

from __future__ import annotations

import numpy as np
import pytest

from selfcorrect.metrics.neighbours import neighbour_metrics


def normal(seed: int, count: int, dimensions: int = 5, scale: float = 1.0) -> np.ndarray:
    return scale * np.random.default_rng(seed).normal(size=(count, dimensions))


@pytest.mark.parametrize("neighbours", [1, 3, 5])
@pytest.mark.parametrize(("count", "scale"), [(80, 1.0), (120, 0.5), (60, 2.0)])
def test_agrees_with_prdc(neighbours: int, count: int, scale: float, capsys: pytest.CaptureFixture):
    import prdc  # takes seconds

    reference = normal(0, 100)
    candidate = normal(1, count, scale=scale)
    expected = prdc.compute_prdc(reference, candidate, nearest_k=neighbours)
    assert neighbour_metrics(reference, candidate, neighbours) == pytest.approx(expected)


def test_a_collapsed_candidate_is_precise_and_covers_nothing():
    reference = normal(0, 200)
    collapsed = reference[:1] + 1e-3 * normal(1, 200)
    metrics = neighbour_metrics(reference, collapsed)
    assert metrics["precision"] == 1.0
    assert metrics["recall"] <= 0.01
    assert metrics["coverage"] < 0.2


def test_a_far_candidate_has_nothing():
    assert set(neighbour_metrics(normal(0, 50), normal(1, 50) + 100).values()) == {0.0}


def test_too_few_samples_are_named():
    with pytest.raises(ValueError, match="5 nearest neighbours need more candidate samples, got 5"):
        neighbour_metrics(normal(0, 50), normal(1, 5))
