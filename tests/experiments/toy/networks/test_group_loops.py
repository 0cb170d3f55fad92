"""Loops that lose rare components and minorities: statements hold, and fail when the loss is prevented."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers import outcomes
from scipy import stats

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.experiments.toy.networks import fairness, mixture
from selfcorrect.loop.policy import Augment, RealOnly


@pytest.mark.slow
def test_mixture_loses_its_tails_first() -> None:
    result = mixture.run(mixture.quick())
    assert result.holds(), outcomes(result)
    status = {finding.definition: finding.status for finding in result.profiles["replace"]}
    assert status["any increase of population risk"] == "present"


@pytest.mark.slow
def test_mixture_on_real_data_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixture, "Replace", RealOnly)
    result = outcomes(mixture.run(mixture.MixtureLoop(generations=4, seeds=8)))
    assert result["replace: the tails go"] != "holds"
    assert result["replace: the held-out loss grows"] != "holds"
    assert result["augment keeps more of the tails"] != "holds"


def test_log_density_of_a_mixture_is_scipys() -> None:
    points = torch.tensor([[0.0, 1.0], [4.0, 0.5]], dtype=torch.float64)
    ours = mixture.log_density(mixture.TRUTH, points).exp()
    for component in range(3):
        normal = stats.multivariate_normal(
            mixture.TRUTH.means[component].numpy(), mixture.TRUTH.covariances[component].numpy()
        )
        expected = mixture.TRUTH.weights[component].item() * normal.pdf(points.numpy())
        assert ours[:, component].numpy() == pytest.approx(expected)


@pytest.mark.slow
def test_the_minority_pays_and_reparation_restores() -> None:
    result = fairness.run(fairness.quick())
    assert result.holds(), outcomes(result)


@pytest.mark.slow
def test_reparation_in_name_only_restores_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fairness, "Reparation", lambda policy: policy)
    result = outcomes(fairness.run(replace(fairness.quick(), seeds=6)))
    assert result["reparation raises minority accuracy by more than 10 points"] == "fails"
    assert result["reparation restores the minority's share"] == "fails"


def test_reparation_gives_both_groups_equal_weight() -> None:
    real = Samples.real(fairness.people(500, 0.1, streams(0)))
    mixed = fairness.Reparation(RealOnly()).mix(real, None, 1, streams(0))
    minority = mixed.values[:, 2] == fairness.MINORITY
    assert mixed.weights[minority].sum() == pytest.approx(mixed.weights[~minority].sum().item())
    assert mixed.weights.sum() == pytest.approx(500, rel=1e-5)
    assert fairness.Reparation(Augment(0.5)).count(500, 1) == 250


def test_grouped_gaussians_recover_the_truth_they_are_fitted_to() -> None:
    model = fairness.GroupedGaussians.untrained().fit(
        Samples.real(fairness.people(40_000, 0.3, streams(1))), 0, streams(0)
    )
    assert model.shares.sum(1).numpy() == pytest.approx([0.7, 0.3], abs=0.01)
    assert (model.means - fairness.CELL_MEANS).abs().max() < 0.05
    assert model.deviations.flatten().numpy() == pytest.approx([1.0] * 8, abs=0.03)
