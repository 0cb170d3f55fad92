"""Fittings: their algebra on states, and their effect on loops whose law is known."""

import numpy as np
import pytest
import torch
from helpers import looped

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.fitting import averaged, extrapolated, plain
from selfcorrect.loop.policy import RealOnly, Replace
from selfcorrect.loop.run import Plan, Task
from selfcorrect.models.gaussian import Gaussian

STREAM = streams(5)
SEEDS, COUNT = 1500, 20


def gaussian(values: torch.Tensor) -> Gaussian:
    return Gaussian.standard(values.shape[-1]).fit(Samples.real(values), 0, STREAM)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_the_state_is_moved_away_from_the_refitted_one(strength):
    values = torch.randn((30, 2), generator=STREAM.torch()).double()
    training, other = Samples.real(values), Samples.synthetic(values / 2 + 1, None, 0)
    model, refitted = gaussian(values), gaussian(other.values)
    moved = extrapolated(strength, lambda own, stream: other)(gaussian(values + 3), training, 0, STREAM).state()
    for name, tensor in model.state().items():
        assert torch.allclose(moved[name], (1 + strength) * tensor - strength * refitted.state()[name])


def variances(strength: float, generations: int) -> np.ndarray:
    """Variances (SEEDS,) of replicates of a fully synthetic loop at its end."""
    model = Gaussian.standard(SEEDS, 1)
    real = Samples.real(model.sample(torch.zeros(COUNT, dtype=torch.int64), STREAM.child("data")))
    task = Task(model, real, lambda candidate: {"variance": candidate.model.state()["covariance"].flatten()})
    store = looped(task, Plan(Replace(), generations, fitting=extrapolated(strength)), STREAM)
    return np.asarray(store.metrics(generations)["variance"])


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_it_takes_off_the_bias_of_maximum_likelihood(strength):
    """Each generation of a Gaussian loop multiplies its variance by (1 − 1/n)(1 + w/n) instead of 1 − 1/n."""
    found, predicted = variances(strength, 6), theory.replace_variance(COUNT, 6, extrapolation=strength)[-1]
    assert found.mean() == pytest.approx(predicted, abs=4 * found.std() / np.sqrt(SEEDS))
    assert found.std() / np.sqrt(SEEDS) < 0.04


def test_counts_are_not_extrapolated_and_the_baseline_can_have_it():
    class Counting(Gaussian):
        def state(self):
            return {**super().state(), "steps": torch.tensor(3)}

        def load_state(self, state):
            assert int(state["steps"]) == 3
            return super().load_state({name: tensor for name, tensor in state.items() if name != "steps"})

    model = Counting(**vars(Gaussian.standard(2)))
    training = Samples.real(torch.randn((9, 2), generator=STREAM.torch()).double())
    moved = extrapolated(1.0)(model, training, 0, STREAM)
    assert isinstance(moved, Counting)
    task = Task(Gaussian.standard(2), Samples.real(torch.randn(9, 2)), lambda candidate: {})
    store = looped(task, Plan(RealOnly(), 2, fitting=extrapolated(1.0)), STREAM)
    assert store.state(2)["mean"].isfinite().all()


def test_weights_are_averaged_over_generations():
    values = torch.randn((30, 2), generator=STREAM.torch()).double()
    last, fitted = gaussian(values + 3), gaussian(values)
    mixed = averaged(0.25)(last, Samples.real(values), 0, STREAM).state()
    for name, tensor in fitted.state().items():
        assert torch.allclose(mixed[name], 0.75 * tensor + 0.25 * last.state()[name])
    assert torch.equal(plain(last, Samples.real(values), 0, STREAM).state()["mean"], fitted.state()["mean"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: extrapolated(float("inf")), "must be finite, got inf"),
        (lambda: averaged(1.0), "must be in \\[0, 1\\), got 1.0"),
    ],
)
def test_bad_settings_get_one_sentence(make, message):
    with pytest.raises(ValueError, match=message):
        make()
