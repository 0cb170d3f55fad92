"""Toy models learn and keep their promises to the loop."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import assert_is_a_model_for_loops, load_loop
from toy_data.draws import eight_gaussians, zipf
from toy_models.words import Categorical

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples, concatenate
from selfcorrect.loop.models.gaussian import Gaussian
from selfcorrect.loop.models.training import batches
from selfcorrect.statistics.neighbours import neighbour_metrics

Flow = load_loop("imperfect-verifier").Flow
KernelDensity = load_loop("density-ratio").KernelDensity
LanguageModel = load_loop("language").LanguageModel
LinearRegression = load_loop("linear").LinearRegression
Mixture = load_loop("mixture").Mixture
STREAM = streams(5)
PLANE = Samples.real(eight_gaussians(400, STREAM))
WORDS = Samples.real(
    torch.multinomial(zipf(20), 800, replacement=True, generator=STREAM.generator()).reshape(400, 2).float()
)
WINDOWS = Samples.real((torch.arange(8)[None, :] + torch.arange(64)[:, None]).remainder(5).float())

CASES = {
    "regression": (LinearRegression.zero(1, 1), Samples.real(PLANE.values[:, None])),
    "categorical": (Categorical.uniform(2, 20), WORDS),
    "kernel density": (KernelDensity.empty(2), PLANE),
    "mixture": (Mixture.make_untrained(8, 2), PLANE),
    "flow": (Flow(width=32), PLANE),
    "gaussian": (Gaussian.standard(2), PLANE),
    "language": (LanguageModel(vocabulary=6, length=8, width=16, depth=1, heads=2), WINDOWS),
}


@pytest.mark.parametrize("name", CASES)
def test_toy_models_keep_contract(name: str) -> None:
    import sklearn.mixture  # noqa: F401 - draws from Python's generator when it is first imported

    assert_is_a_model_for_loops(*CASES[name], 20)


@pytest.mark.parametrize("name", ["regression", "categorical"])
def test_zero_weights_are_ignored(name: str) -> None:
    model, real = CASES[name]
    spoil = real.with_values(torch.ones_like(real.values))
    plain = model.fit(real, 0, STREAM).state().popitem()[1]
    weightless = (
        model.fit(concatenate([real, spoil.with_weights(torch.zeros(len(spoil)))]), 0, STREAM).state().popitem()[1]
    )
    spoiled = model.fit(concatenate([real, spoil]), 0, STREAM).state().popitem()[1]
    assert torch.allclose(plain, weightless)
    assert not torch.allclose(plain, spoiled)


def test_batches_are_drawn_by_weight() -> None:
    mixed = concatenate(
        [
            PLANE.with_values(PLANE.values * 0).with_weights(torch.full((len(PLANE),), 3.0)),
            PLANE.with_values(PLANE.values * 0 + 1),
        ]
    )
    drawn = torch.cat([values for values, _ in batches(mixed, 500, 4, STREAM.generator())])
    assert drawn.mean() == pytest.approx(0.25, abs=0.04)


def test_mixture_refuses_unequal_weights() -> None:
    mixed = concatenate([PLANE, PLANE.with_weights(torch.full((len(PLANE),), 2.0))])
    with pytest.raises(ValueError, match="equally weighted"):
        Mixture.make_untrained(2, 2).fit(mixed, 10, STREAM)


def test_regression_is_weighted_least_squares() -> None:
    values = torch.randn((50, 1, 4), generator=STREAM.generator(), dtype=torch.float64)
    weights = torch.rand(50, generator=STREAM.child("w").generator())
    fitted = LinearRegression.zero(1, 3).fit(replace(Samples.real(values), weights=weights), 0, STREAM)
    root = weights.double().sqrt().numpy()[:, None]
    table = values[:, 0].numpy() * root
    assert fitted.weight[0].numpy() == pytest.approx(np.linalg.lstsq(table[:, :3], table[:, 3])[0])


def test_kernel_density_widens() -> None:
    model = KernelDensity.empty(2).fit(PLANE, 0, STREAM)
    drawn = model.sample(torch.zeros(20_000), STREAM)
    bandwidth = 400 ** (-1 / 6)
    expected = PLANE.values.var(0, correction=0) * (1 + bandwidth**2)
    assert drawn.var(0).numpy() == pytest.approx(expected.numpy(), rel=0.04)


def test_mixture_finds_eight_gaussians() -> None:
    model = Mixture.make_untrained(8, 2).fit(PLANE, 100, STREAM)
    assert model.means.norm(dim=1).numpy() == pytest.approx(np.full(8, 2.0), abs=0.1)
    assert model.weights.numpy() == pytest.approx(np.full(8, 1 / 8), abs=0.02)


@pytest.mark.slow
def test_flow_learns_eight_gaussians() -> None:
    real = Samples.real(eight_gaussians(2000, STREAM.child("train")))
    drawn = Flow().fit(real, 1500, STREAM).sample(torch.zeros(500), STREAM.child("draw")).double().numpy()
    scores = neighbour_metrics(eight_gaussians(500, STREAM.child("test")).numpy(), drawn)
    assert scores["recall"] > 0.85
    assert scores["precision"] > 0.7


@pytest.mark.slow
def test_language_model_learns_a_cycle() -> None:
    model = LanguageModel(vocabulary=6, length=8, width=32, depth=1, heads=2, learning_rate=5e-3)
    trained = model.fit(WINDOWS, 300, STREAM)
    assert trained.cross_entropy(WINDOWS.values) == pytest.approx(np.log(5) / 8, abs=0.05)
    drawn = trained.sample(torch.zeros(50), STREAM)
    follows = (drawn[:, 1:] - drawn[:, :-1]).remainder(5) == 1
    assert follows.double().mean() > 0.95


def test_untrained_network_says_so() -> None:
    with pytest.raises(ValueError, match=r"Flow.*not trained"):
        Flow().sample(torch.zeros(1), STREAM)
