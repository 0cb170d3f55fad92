"""Correction inside the sampler follows a linear recursion for an exact Gaussian."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from helpers import run_in_memory
from torch import Tensor, nn

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.correctors.contract import Corrected
from selfcorrect.loop.correctors.loop_correction import Correction
from selfcorrect.loop.models.diffusion.config import SAMPLERS, DiffusionConfig, SamplerName
from selfcorrect.loop.models.diffusion.model import MotionDiffusion
from selfcorrect.loop.models.gaussian import Gaussian
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.remedies.inside_sampler import corrected_inside
from selfcorrect.loop.run import Arm, Task

STREAM = streams(3)
COVARIANCE = np.array([[1.0, 0.8], [0.8, 1.0]])
TARGET = 1.5
"""Where the corrector puts the first coordinate; the second has the mean 0.8 · 1.5 = 1.2 where the first is there."""
STEPS = 20
COUNT = 4000


class ExactGaussian(nn.Module):
    """E[x₀ | x_t] = √ᾱ Σ (ᾱ Σ + (1 − ᾱ) I)⁻¹ x_t for x₀ ~ N(0, Σ)."""

    def __init__(self, alpha_bars: Tensor) -> None:
        super().__init__()
        self.alpha_bars = alpha_bars

    def forward(self, noisy: Tensor, times: Tensor, labels: Tensor) -> Tensor:
        return noisy @ torch.as_tensor(gain(float(self.alpha_bars[times[0]])).T).to(noisy)


def gain(alpha_bar: float) -> np.ndarray:
    return np.sqrt(alpha_bar) * COVARIANCE @ np.linalg.inv(alpha_bar * COVARIANCE + (1 - alpha_bar) * np.eye(2))


def exact(eta: float, sampler: SamplerName = "ddim") -> MotionDiffusion:
    config = DiffusionConfig(width=8, depth=1, diffusion_steps=100, sampling_steps=STEPS, sampler=sampler, eta=eta)
    model = MotionDiffusion(config, 1, 2, 1, device=torch.device("cpu"))
    return replace(model, average=ExactGaussian(model.schedule.alpha_bars))


def put_first_at_target(values: Tensor) -> Tensor:
    return torch.stack([torch.full_like(values[..., 0], TARGET), values[..., 1]], dim=-1)


def draw(eta: float, interval: int, first: int) -> np.ndarray:
    sampler = corrected_inside(put_first_at_target, interval, first)(exact(eta), Samples.real(torch.zeros(1, 1, 2)))
    return sampler(torch.zeros(COUNT, dtype=torch.int64), STREAM)[:, 0].double().numpy()


def recursion(eta: float, interval: int, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the samples' mean and covariance by recursion over the linear reverse steps."""
    schedule = exact(eta).schedule
    times = schedule.even_times(STEPS)
    mean = np.zeros(2)
    covariance = np.eye(2)
    for step, (time, next_time) in enumerate([*pairwise(times), (times[-1], None)]):
        corrected = step >= first and (step - first) % interval == 0
        projection = np.diag([0.0, 1.0]) if corrected else np.eye(2)
        shift = np.array([TARGET, 0.0]) if corrected else np.zeros(2)
        matrix = projection @ gain(float(schedule.alpha_bars[time]))
        if next_time is None:
            break
        # The reverse step is affine in clean and noisy values: its factors are what it makes of ones.
        unit = torch.ones(1, dtype=torch.float64)
        none = torch.zeros(1, dtype=torch.float64)
        of_clean = float(schedule.reverse_step(none, unit, none, time, next_time, eta))
        of_noisy = float(schedule.reverse_step(unit, none, none, time, next_time, eta))
        of_noise = float(schedule.reverse_step(none, none, unit, time, next_time, eta))
        matrix = of_clean * matrix + of_noisy * np.eye(2)
        shift = of_clean * shift
        mean = matrix @ mean + shift
        covariance = matrix @ covariance @ matrix.T + of_noise**2 * np.eye(2)
    return matrix @ mean + shift, matrix @ covariance @ matrix.T


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize(("interval", "first"), [(1, 0), (5, 4), (1, 10)])
def test_samples_follow_the_exact_recursion(eta: float, interval: int, first: int) -> None:
    values = draw(eta, interval, first)
    mean, covariance = recursion(eta, interval, first)
    np.testing.assert_allclose(values.mean(axis=0), mean, atol=4 * np.sqrt(covariance.max() / COUNT))
    np.testing.assert_allclose(np.cov(values.T), covariance, atol=0.08)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_last_step_equals_correction(sampler: SamplerName) -> None:
    labels = torch.zeros(COUNT, dtype=torch.int64)
    model = exact(1.0, sampler)
    after = put_first_at_target(model.sample(labels, STREAM))
    inside = corrected_inside(put_first_at_target, 1, STEPS - 1)(model, Samples.real(torch.zeros(1, 1, 2)))
    torch.testing.assert_close(inside(labels, STREAM), after, rtol=0, atol=0)


def test_second_order_converges_faster() -> None:
    def mean(model: MotionDiffusion) -> Tensor:
        sampler = corrected_inside(put_first_at_target)(model, Samples.real(torch.zeros(1, 1, 2)))
        return sampler(torch.zeros(COUNT, dtype=torch.int64), STREAM)[:, 0].mean(0)

    fine = mean(exact(0.0).with_sampling(sampling_steps=100))
    torch.testing.assert_close(mean(exact(0.0, "multistep")), fine, atol=0.05, rtol=0)


def test_calls_are_counted() -> None:
    task = Task(exact(1.0), Samples.real(torch.zeros(30, 1, 2)), lambda candidate: {})
    task = replace(task, model=Resting(**vars(task.model)))
    inside = run_in_memory(task, Arm(Replace(), 1, bias=corrected_inside(put_first_at_target, 5, 4)), STREAM)
    assert inside.metrics(1)["corrector_calls"] == 4 * 30
    after = run_in_memory(task, Arm(Replace(), 1, correction=Correction(put_first_at_target)), STREAM)
    assert after.metrics(1)["corrector_calls"] == 30
    assert run_in_memory(task, Arm(Replace(), 1), STREAM).metrics(1)["corrector_calls"] == 0


class Resting(MotionDiffusion):
    """A model that stays as it is."""

    def fit(self, samples: Samples, steps: int, stream: Stream) -> "Resting":
        return self

    def load_state(self, state: dict[str, Tensor]) -> "Resting":
        return self


def test_rejected_prediction_stays() -> None:
    def reject_all(samples: Samples) -> Corrected:
        return Corrected(samples.with_values(samples.values + 9), torch.zeros(len(samples), dtype=torch.bool))

    labels = torch.zeros(5, dtype=torch.int64)
    sampler = corrected_inside(reject_all)(exact(0.0), Samples.real(torch.zeros(1, 1, 2)))
    torch.testing.assert_close(sampler(labels, STREAM), exact(0.0).sample(labels, STREAM))


def test_diffusion_model_is_required() -> None:
    real = Samples.real(torch.zeros(1, 1, 2))
    with pytest.raises(InputError, match="diffusion model, got Gaussian"):
        corrected_inside(put_first_at_target)(Gaussian.standard(1), real)
    with pytest.raises(SettingError, match=r"0 to 19.*first 20"):
        corrected_inside(put_first_at_target, 1, 20)(exact(0.0), real)
