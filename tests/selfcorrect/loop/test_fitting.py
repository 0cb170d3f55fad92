"""Fittings obey their algebra and the known laws of loops."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import run_in_memory

from selfcorrect.core.errors import SettingError
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.correctors.loop_correction import Correction
from selfcorrect.loop.fitting import FitEpochs, extrapolate
from selfcorrect.loop.models.gaussian import Gaussian
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.run import Arm, Task

STREAM = streams(5)
SEEDS = 1500
COUNT = 20
LEARNER = 1 - 1 / COUNT
"""Factor on the variance in each generation, the bias of maximum likelihood."""


def gaussian(values: torch.Tensor) -> Gaussian:
    return Gaussian.standard(values.shape[-1]).fit(Samples.real(values), 0, STREAM)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_state_moves_away(strength):
    values = torch.randn((30, 2), generator=STREAM.generator()).double()
    training = Samples.real(values)
    other_samples = Samples.synthetic(values / 2 + 1, None, 0)
    model = gaussian(values)
    refitted = gaussian(other_samples.values)
    moved = extrapolate(strength, lambda given_state, stream: other_samples)(
        gaussian(values + 3), training, 0, STREAM
    ).state()
    for name, tensor in model.state().items():
        assert torch.allclose(moved[name], (1 + strength) * tensor - strength * refitted.state()[name])


class CountingSteps(Gaussian):
    """A model that counts its steps in its mean."""

    batch_size = 16

    def fit(self, samples: Samples, steps: int, stream: Stream) -> "CountingSteps":
        return replace(self, mean=torch.full_like(self.mean, steps))


@pytest.mark.parametrize(("fitting", "steps"), [(FitEpochs(1), 7), (FitEpochs(2.5), 16), (FitEpochs(1, 100), 1)])
def test_epochs_scale_steps(fitting: FitEpochs, steps: int) -> None:
    training = Samples.real(torch.zeros(100, 2, dtype=torch.float64))
    fitted = fitting(CountingSteps.standard(2), training, 999, STREAM)
    assert float(fitted.mean[0]) == steps  # type: ignore[attr-defined]


def test_epochs_need_batch_size() -> None:
    training = Samples.real(torch.zeros(100, 2, dtype=torch.float64))
    with pytest.raises(SettingError, match="Gaussian has no batch_size"):
        FitEpochs(1)(Gaussian.standard(2), training, 1, STREAM)
    with pytest.raises(SettingError, match=r"epochs.*1e-06"):
        FitEpochs(0)
    assert str(Arm(Replace(), 1, fitting=FitEpochs(2, 32))) == "replace+none+epochs-2-of-32"


def variances(strength: float, generations: int) -> np.ndarray:
    """Return the final variances (SEEDS,) of synthetic loops."""
    model = Gaussian.standard(SEEDS, 1)
    real = Samples.real(model.sample(torch.zeros(COUNT, dtype=torch.int64), STREAM.child("data")))
    task = Task(model, real, lambda candidate: {"variance": candidate.model.state()["covariance"].flatten()})
    store = run_in_memory(task, Arm(Replace(), generations, fitting=extrapolate(strength)), STREAM)
    return np.asarray(store.metrics(generations)["variance"])


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_extrapolation_removes_bias(strength):
    """Extrapolation raises the variance by (1 + w/n).

    Each generation of a Gaussian loop multiplies it by (1 − 1/n)(1 + w/n) instead of 1 − 1/n.
    """
    estimate = variances(strength, 6)
    predicted = LEARNER * (LEARNER * (1 + strength / COUNT)) ** 6
    assert estimate.mean() == pytest.approx(predicted, abs=4 * estimate.std() / np.sqrt(SEEDS))
    assert estimate.std() / np.sqrt(SEEDS) < 0.04


KEPT = 0.8
TARGET = 1.0
START = 3.0


def corrected_loop(strength: float, *, reworked: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return means and variances (SEEDS,) of a corrected and extrapolated generation."""
    _, last = corrected_states(strength, reworked=reworked)
    return last["mean"].flatten().numpy(), last["covariance"].flatten().numpy()


def corrected_states(strength: float, *, reworked: bool) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return the states of generations 0 and 1."""

    def pull(samples: Samples) -> Samples:
        return samples.with_values(TARGET + KEPT * (samples.values - TARGET))

    def rework(samples: Samples, stream: Stream) -> Samples:
        return pull(samples)

    model = Gaussian.standard(SEEDS, 1)
    start = replace(model, mean=model.mean + START)
    real = Samples.real(start.sample(torch.zeros(COUNT, dtype=torch.int64), STREAM.child("data")))
    fitting = extrapolate(strength, rework if reworked else None)
    arm = Arm(Replace(), 1, correction=Correction(pull), fitting=fitting)
    store = run_in_memory(Task(model, real, lambda candidate: {}), arm, STREAM)
    return model.fit(real, 0, STREAM).state(), store.state(1)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("reworked", [False, True])
def test_corrected_extrapolation_follows_law(strength: float, reworked: bool):
    """Corrected extrapolation follows its closed form.

    Generation 0 has the mean START and the variance 1 − 1/n in expectation. The fit φ on n samples c(x) = m + s (x − m)
    has d = s d₀ and V = (1 − 1/n) s² V₀, with d the distance of the mean from m. The refit φ′ on n draws of φ has d and
    (1 − 1/n) V: φ − φ′ holds the learner's bias alone, and the next model φ + w (φ − φ′) has d and (1 + w/n) V. If the
    draws are corrected (reworked), φ′ has s d and (1 − 1/n) s² V, and extrapolation takes the correction back.
    """
    means, variances = corrected_loop(strength, reworked=reworked)
    again = KEPT if reworked else 1.0
    mean = KEPT * (1 + strength * (1 - again))
    variance = KEPT**2 * LEARNER * (1 + strength * (1 - LEARNER * again**2))
    predicted_mean = TARGET + mean * (START - TARGET)
    assert means.mean() == pytest.approx(predicted_mean, abs=4 * means.std() / np.sqrt(SEEDS))
    predicted_variance = variance * LEARNER
    assert variances.mean() == pytest.approx(predicted_variance, abs=4 * variances.std() / np.sqrt(SEEDS))


@pytest.mark.parametrize("strength", [0.0, 0.25, 0.5, 1.0])
def test_scatter_grows_with_square(strength: float):
    """Scatter is that of φ + w (φ − φ′).

    Scatter is measured against the mean that a generation should have, given generation 0 of each replicate. Means of φ
    and φ′ are off by ε and ε′, with variances V/n and (1 − 1/n) V/n; the mean of φ + w (φ − φ′) is off by ε − w ε′.
    """
    first, last = corrected_states(strength, reworked=False)
    errors = last["mean"].flatten() - TARGET - KEPT * (first["mean"].flatten() - TARGET)
    plain = KEPT**2 * LEARNER / COUNT
    expected = plain * (1 + strength**2 * LEARNER)
    assert errors.var().item() == pytest.approx(expected, rel=4 * np.sqrt(2 / SEEDS))
    if strength == 1:
        assert errors.var().item() > 1.5 * plain  # the control: a step that cost nothing would leave it


def test_counts_are_not_extrapolated():
    class Counting(Gaussian):
        def state(self):
            return {**super().state(), "steps": torch.tensor(3)}

        def load_state(self, state):
            assert int(state["steps"]) == 3
            return super().load_state({name: tensor for name, tensor in state.items() if name != "steps"})

    model = Counting(**vars(Gaussian.standard(2)))
    training = Samples.real(torch.randn((9, 2), generator=STREAM.generator()).double())
    moved = extrapolate(1.0)(model, training, 0, STREAM)
    assert isinstance(moved, Counting)
