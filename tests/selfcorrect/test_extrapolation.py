"""Negative extrapolation: its algebra on states, and its effect on loops whose law is known."""

import numpy as np
import pytest
import torch

from selfcorrect import theory
from selfcorrect.extrapolation import extrapolated
from selfcorrect.loop import Plan, Task, run_loop, train_first_generation
from selfcorrect.models.gaussian import Gaussian
from selfcorrect.policy import RealOnly, Replace
from selfcorrect.randomness import streams
from selfcorrect.samples import Samples
from selfcorrect.storage.memory import MemoryStore

STREAM = streams(5)
SEEDS, COUNT = 1500, 20


def gaussian(values: torch.Tensor) -> Gaussian:
    return Gaussian.standard(values.shape[-1]).fit(Samples.real(values), 0, STREAM)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_the_state_is_moved_away_from_the_refitted_one(strength):
    values = torch.randn((30, 2), generator=STREAM.torch()).double()
    model, own = gaussian(values), Samples.synthetic(values / 2 + 1, None, 0)
    refitted, moved = model.fit(own, 0, STREAM).state(), extrapolated(model, own, 0, strength, STREAM).state()
    for name, tensor in model.state().items():
        assert torch.allclose(moved[name], (1 + strength) * tensor - strength * refitted[name])


def variances(strength: float, generations: int) -> np.ndarray:
    """Variances (SEEDS,) of replicates of a fully synthetic loop at its end."""
    model = Gaussian.standard(SEEDS, 1)
    real = Samples.real(model.sample(torch.zeros(COUNT, dtype=torch.int64), STREAM.child("data")))
    task = Task(model, real, lambda candidate: {"variance": candidate.model.state()["covariance"].flatten()})
    first, store = MemoryStore(), MemoryStore()
    train_first_generation(task, first, STREAM)
    run_loop(task, Plan(Replace(), generations, extrapolation=strength), store, first, STREAM)
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
    moved = extrapolated(model, Samples.real(torch.randn((9, 2), generator=STREAM.torch()).double()), 0, 1.0, STREAM)
    assert isinstance(moved, Counting)
    plan = Plan(RealOnly(), 2, extrapolation=1.0)
    task = Task(Gaussian.standard(2), Samples.real(torch.randn(9, 2)), lambda candidate: {})
    first, store = MemoryStore(), MemoryStore()
    train_first_generation(task, first, STREAM)
    assert run_loop(task, plan, store, first, STREAM).state()["mean"].isfinite().all()


def test_an_infinite_extrapolation_is_refused():
    with pytest.raises(ValueError, match="extrapolation must be finite, got inf"):
        Plan(Replace(), 2, extrapolation=float("inf"))
