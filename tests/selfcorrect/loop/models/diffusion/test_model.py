"""Diffusion models work as generative models of the loop."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from helpers import assert_is_a_model_for_loops, same_tensors
from torch.nn.functional import mse_loss

from selfcorrect.core.errors import InputError, TrainingDivergedError
from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples, concatenate
from selfcorrect.loop.models.diffusion.config import DiffusionConfig
from selfcorrect.loop.models.diffusion.model import MotionDiffusion, choose_device
from selfcorrect.loop.models.diffusion.presets import DENOISER_PRESETS
from selfcorrect.loop.models.diffusion.schedule import cosine_schedule
from selfcorrect.loop.models.diffusion.training import (
    CoefficientNetwork,
    CoefficientTraining,
    NoisyBatch,
    draw_batch,
    learning_rate_factor,
)
from selfcorrect.loop.models.training import STEPS_CHECKED_TOGETHER, follow

FRAMES = 8
FEATURES = 3
CLASSES = 2
TINY = DiffusionConfig(width=32, depth=1, diffusion_steps=20, sampling_steps=5, batch_size=16)
STREAM = streams(0)
CPU_PRESETS = [name for name in DENOISER_PRESETS if name != "paper"]


@pytest.fixture(scope="module")
def data() -> Samples:
    """Return two classes of nearly constant sequences.

    1 for label 0, −1 for label 1.
    """
    labels = torch.arange(64) % CLASSES
    noise = 0.1 * torch.randn(64, FRAMES, FEATURES, generator=STREAM.child("data").generator())
    return Samples.real((1.0 - 2.0 * labels)[:, None, None] + noise, labels)


@pytest.fixture(scope="module")
def trained_model(data: Samples) -> MotionDiffusion:
    return model(TINY).fit(data, 300, STREAM.child("train"))


def model(config: DiffusionConfig = TINY, **options) -> MotionDiffusion:
    return MotionDiffusion(config, FRAMES, FEATURES, CLASSES, device=torch.device("cpu"), **options)


@pytest.mark.slow
def test_late_loss_falls(trained_model: MotionDiffusion, data: Samples):
    begun = model(TINY).fit(data, 8, STREAM.child("train"))
    assert 0 < trained_model.training_loss < 0.5 * begun.training_loss
    assert math.isnan(model(TINY).training_loss)
    assert math.isnan(model(TINY).load_state(trained_model.state()).training_loss)


@pytest.mark.slow
def test_learns_the_classes(trained_model: MotionDiffusion):
    labels = torch.arange(100) % CLASSES
    means = trained_model.sample(labels, STREAM.child("sample")).mean((1, 2))
    torch.testing.assert_close(means, 1.0 - 2.0 * labels, atol=0.35, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("preset", CPU_PRESETS)
def test_every_denoiser_learns(preset: str, data: Samples):
    config = replace(
        DENOISER_PRESETS[preset].config, width=32, depth=1, diffusion_steps=20, sampling_steps=5, batch_size=16
    )
    fitted = model(config).fit(data, 150, STREAM.child("train"))
    labels = torch.arange(20) % CLASSES
    means = fitted.sample(labels, STREAM.child("sample")).mean((1, 2))
    assert torch.equal(means > 0, labels == 0)


def test_loss_of_dct_transformer_falls(data: Samples):
    config = replace(TINY, denoiser="dct-transformer", width=32, learning_rate=3e-3)
    losses = [model(config).fit(data, steps, STREAM.child("train")).training_loss for steps in (4, 80)]
    assert losses[1] < 0.5 * losses[0]


@pytest.mark.parametrize("config", [TINY, replace(TINY, denoiser="transformer", dropout=0.2)])
def test_keeps_model_contract(config: DiffusionConfig, data: Samples):
    trained = assert_is_a_model_for_loops(model(config), data, 5)
    assert not same_tensors(model(config).fit(data, 5, STREAM).state(), trained.state())


def test_guidance_interpolates(trained_model: MotionDiffusion):
    noisy = torch.randn(4, FRAMES, FEATURES, generator=STREAM.generator())
    labels = torch.tensor([0, 1, 0, 1])

    def prediction(scale: float) -> torch.Tensor:
        with torch.no_grad():
            return replace(trained_model, config=replace(TINY, guidance_scale=scale)).denoise(noisy, 10, labels)

    free = prediction(0.0)
    conditional = prediction(1.0)
    with torch.no_grad():
        torch.testing.assert_close(conditional, trained_model.average(noisy, torch.full((4,), 10), labels))
        torch.testing.assert_close(free, trained_model.average(noisy, torch.full((4,), 10), torch.full((4,), CLASSES)))
    torch.testing.assert_close(prediction(3.0), free + 3 * (conditional - free), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(prediction(1.0 + 1e-6), conditional, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("denoiser", ["dct-mlp", "dct-mixer", "dct-transformer"])
def test_coefficients_match_frames(denoiser: str):
    generator = STREAM.child("coefficients").generator()
    values = torch.randn(32, 24, FEATURES, generator=generator)
    weights = torch.rand(32, generator=generator)
    samples = Samples.real(values, torch.arange(32) % CLASSES).with_weights(weights)
    framed = MotionDiffusion(replace(TINY, denoiser=denoiser), 24, FEATURES, CLASSES, device=torch.device("cpu"))
    network = framed.fit(samples, 2, STREAM).network
    assert isinstance(network, CoefficientNetwork)
    coefficients = CoefficientTraining.of(network, samples)
    assert coefficients.samples.event_shape == (len(network.basis), FEATURES)
    times = torch.randint(20, (32,), generator=generator)
    noisy = framed.schedule.add_noise(values, torch.randn(values.shape, generator=generator), times)
    batch = NoisyBatch(network.basis @ noisy, times, samples.labels, coefficients.samples.values)
    with torch.no_grad():
        rest = values - network.basis.T @ coefficients.samples.values
    of_frames = framed.loss(network(noisy, times, samples.labels), values)
    of_coefficients = coefficients.loss(batch)
    expected_lost = (rest.square().mean((1, 2)) @ weights / weights.sum()).item()
    assert coefficients.lost == pytest.approx(expected_lost, rel=1e-5)
    of_batch = of_coefficients.item() - coefficients.lost + rest.square().mean().item()
    assert of_batch == pytest.approx(of_frames.item(), rel=1e-5)
    parameters = list(network.parameters())
    for gradient, expected in zip(
        torch.autograd.grad(of_coefficients, parameters), torch.autograd.grad(of_frames, parameters), strict=True
    ):
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("denoiser", ["dct-mlp", "patch-mixer"])
def test_plain_training_keeps_bytes(denoiser: str, data: Samples):
    config = replace(TINY, denoiser=denoiser, training="plain", weight_decay=0.01)
    begun = model(config).fit(data, 1, STREAM.child("begin"))
    fitted = begun.fit(data, 4, STREAM.child("go on"))
    network = copy.deepcopy(begun.network).train()
    average = copy.deepcopy(begun.average)
    rate = config.fine_tune_learning_rate
    optimiser = torch.optim.AdamW(network.parameters(), rate, (0.9, config.adam_beta2), weight_decay=0.01, fused=True)
    generator = STREAM.child("go on").child("batches").generator()
    for step in range(4):
        optimiser.param_groups[0]["lr"] = rate * learning_rate_factor(step, 4, config)
        batch = draw_batch(data, begun.schedule, config, CLASSES, generator)
        optimiser.zero_grad()
        mse_loss(network(batch.noisy, batch.times, batch.labels), batch.clean).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), config.gradient_norm)
        optimiser.step()
        follow(list(average.parameters()), list(network.parameters()), begun.steps + step + 1, config.ema_decay)
    assert all(map(torch.equal, fitted.network.parameters(), network.parameters()))
    assert all(map(torch.equal, fitted.average.parameters(), average.parameters()))
    fast = replace(begun, config=replace(config, training="fast")).fit(data, 4, STREAM.child("go on"))
    assert not all(map(torch.equal, fast.network.parameters(), network.parameters()))


def test_zero_weights_are_ignored(data: Samples):
    poison = Samples.real(torch.full((8, FRAMES, FEATURES), float("nan"))).with_weights(torch.zeros(8))
    both = model().fit(concatenate([data, poison]), 5, STREAM)
    assert all(value.isfinite().all() for value in both.state().values())


def test_batches_follow_weights(data: Samples):
    weighted = replace(data, weights=torch.where(data.labels == 0, 3.0, 1.0))
    config = replace(TINY, batch_size=20_000, label_dropout=0.2)
    batch = draw_batch(weighted, cosine_schedule(TINY.diffusion_steps), config, CLASSES, STREAM.generator())
    shares = torch.bincount(batch.labels, minlength=CLASSES + 1) / config.batch_size
    torch.testing.assert_close(shares, torch.tensor([0.6, 0.2, 0.2]), atol=0.015, rtol=0)
    assert ((batch.clean.mean((1, 2)) > 0).float().mean() - 0.75).abs() < 0.015
    assert torch.equal(batch.times.unique(), torch.arange(TINY.diffusion_steps))


@pytest.mark.parametrize("steps", [5, 120])
def test_nan_loss_names_step(trained_model: MotionDiffusion, data: Samples, steps: int):
    """The first broken loss is named.

    The losses of many steps are checked at once.
    """
    taken: list[int] = []
    watched = replace(trained_model, on_training_step=taken.append)
    broken = data.with_values(torch.full_like(data.values, float("nan")))
    with pytest.raises(TrainingDivergedError, match=rf"nan at optimiser step 1 of {steps} \(300 before them\)"):
        watched.fit(broken, steps, STREAM)
    assert len(taken) < STEPS_CHECKED_TOGETHER


def test_progress_hooks_count_every_step(data: Samples):
    training = []
    sampling = []
    watched = model(on_training_step=training.append, on_sampling_step=sampling.append).fit(data, 4, STREAM)
    watched.sample(torch.tensor([0]), STREAM)
    assert training == [1, 2, 3, 4]
    assert sampling == [1, 2, 3, 4, 5]


def test_sampler_state_samples_alike(trained_model: MotionDiffusion, data: Samples):
    for_sampling = replace(trained_model, network=None, average=None).load_state(trained_model.for_sampling().state())
    labels = torch.arange(3)
    assert torch.equal(for_sampling.sample(labels, streams(1)), trained_model.sample(labels, streams(1)))
    assert sum(map(torch.numel, for_sampling.state().values())) < 0.51 * sum(
        map(torch.numel, trained_model.state().values())
    )
    with pytest.raises(InputError, match="kept only for sampling"):
        for_sampling.fit(data, 1, streams(0))


def test_untrained_model_refuses_to_sample():
    with pytest.raises(ValueError, match="not trained yet"):
        model().sample(torch.tensor([0]), STREAM)
    with pytest.raises(ValueError, match="not trained yet"):
        model().load_state(model().state()).sample(torch.tensor([0]), STREAM)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (Samples.real(torch.zeros(4, FRAMES + 1, FEATURES)), r"must have shape \(N ≥ 1, 8, 3\), got \(4, 9, 3\)"),
        (
            Samples.real(torch.zeros(2, FRAMES, FEATURES), torch.tensor([0, 2])),
            "labels must be from 0 to 1, got 0 to 2",
        ),
        (
            Samples.real(torch.zeros(2, FRAMES, FEATURES)).with_weights(torch.zeros(2)),
            "at least one sample with a positive weight",
        ),
    ],
)
def test_fit_names_bad_data(samples: Samples, message: str):
    with pytest.raises(ValueError, match=message):
        model().fit(samples, 1, STREAM)


def test_other_configuration_raises(trained_model: MotionDiffusion):
    with pytest.raises(ValueError, match="saved network"):
        model(replace(TINY, width=64)).load_state(trained_model.state())


def test_learning_rate_schedule():
    config = replace(TINY, warm_up_steps=10, final_learning_rate=0.1)
    factors = [learning_rate_factor(step, 200, config) for step in range(200)]
    assert factors[0] < 0.1
    assert max(factors) == pytest.approx(1.0, abs=0.02)
    assert factors[-1] == pytest.approx(0.1, abs=0.01)
    constant = replace(TINY, warm_up_steps=0, final_learning_rate=1.0)
    assert {learning_rate_factor(step, 50, constant) for step in range(50)} == {1.0}


def test_running_average_lags(data: Samples):
    state = model(replace(TINY, ema_decay=0.99)).fit(data, 20, STREAM).state()
    assert not torch.allclose(state["network.read.weight"], state["average.read.weight"])
    instant = model(replace(TINY, ema_decay=0.0)).fit(data, 20, STREAM).state()
    torch.testing.assert_close(instant["network.read.weight"], instant["average.read.weight"])


def test_auto_device_takes_cuda():
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["nosuch", "", "meta", "cuda:99", "privateuseone"])
def test_missing_device_raises(name: str) -> None:
    with pytest.raises(ValueError, match=f"device '{name}' cannot be used here: "):
        choose_device(name)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_samples_like_the_cpu(trained_model: MotionDiffusion):
    on_gpu = replace(trained_model, device=torch.device("cuda")).load_state(trained_model.state())
    labels = torch.arange(8) % CLASSES
    torch.testing.assert_close(
        on_gpu.sample(labels, STREAM), trained_model.sample(labels, STREAM), atol=1e-3, rtol=1e-3
    )


def test_sampling_settings_keep_weights(trained_model: MotionDiffusion):
    labels = torch.zeros(64, dtype=torch.int64)
    calm = trained_model.with_sampling(temperature=0.3).sample(labels, STREAM)
    usual = trained_model.with_sampling(temperature=1.0).sample(labels, STREAM)
    assert torch.equal(usual, trained_model.sample(labels, STREAM))
    assert calm.var(dim=0).mean() < 0.5 * usual.var(dim=0).mean()
    assert same_tensors(trained_model.with_sampling(guidance_scale=2.0).state(), trained_model.state())
    with pytest.raises(ValueError, match=r"guidance_scale.*got width"):
        trained_model.with_sampling(width=8)
