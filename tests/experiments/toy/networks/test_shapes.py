"""Planar data through several models: what is lost fully synthetic, and is not when real data are kept."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import outcomes

from selfcorrect.experiments.toy.networks import shapes
from selfcorrect.loop.policy import RealOnly

SMALL = shapes.Shapes(
    models=("kernel density",), shapes=("rings", "pinwheel", "moons"), real_count=300, judged=200, seeds=2
)


def test_kernel_density_loses_coverage_and_grows_as_predicted() -> None:
    result = shapes.run(SMALL)
    assert result.holds(), outcomes(result)


def test_on_real_data_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "ARMS", {**shapes.ARMS, "replace": RealOnly()})
    result = outcomes(shapes.run(SMALL))
    assert result["kernel density: replace ends with less coverage than augment"] != "holds"
    assert result["kernel density: replace multiplies the variance by 1 + bandwidth²"] == "fails"


@pytest.mark.slow
def test_flow_loses_coverage() -> None:
    small = shapes.Shapes(
        models=("flow",), shapes=("eight-gaussians",), real_count=200, judged=200, first_steps=300, steps=80, seeds=6
    )
    result = outcomes(shapes.run(small))
    assert result["flow: replace ends with less coverage than augment"] == "holds"


def test_wasserstein_of_a_shift_is_its_length() -> None:
    points = np.random.default_rng(0).normal(size=(50, 2))
    assert shapes.wasserstein(points, points[::-1] + np.array([3.0, 4.0])) == pytest.approx(5.0)
