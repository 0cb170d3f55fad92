"""Networks share their duties and differ as designed."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.fft
import torch

from selfcorrect.core.errors import SettingError
from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.datasets.load import load_motions
from selfcorrect.datasets.window_settings import WindowSettings
from selfcorrect.datasets.windows import cut_windows
from selfcorrect.loop.models.diffusion.config import DiffusionConfig
from selfcorrect.loop.models.diffusion.denoiser_table import DENOISERS
from selfcorrect.loop.models.diffusion.denoisers import motion_spectrum
from selfcorrect.loop.models.diffusion.model import MotionDiffusion
from selfcorrect.loop.models.diffusion.presets import DENOISER_PRESETS, preset, preset_names
from selfcorrect.motion.encodings.features import FeatureCodec

FRAMES = 24
FEATURES = 7
CLASSES = 3
CPU_PRESETS = [name for name in DENOISER_PRESETS if name != "paper"]


def build_denoiser(config: DiffusionConfig, frames: int, features: int, classes: int) -> torch.nn.Module:
    return DENOISERS.load(config.denoiser)(config, frames, features, classes)


@pytest.fixture(params=CPU_PRESETS)
def denoiser(request):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_denoiser(DENOISER_PRESETS[request.param].config, FRAMES, FEATURES, CLASSES)
        for parameter in network.parameters():  # moves the blocks away from their start at the identity
            parameter.data += 0.02 * torch.randn(parameter.shape)
    return network.eval()


def noisy(count: int = 4) -> torch.Tensor:
    return torch.randn(count, FRAMES, FEATURES, generator=torch.Generator().manual_seed(1))


def test_output_shape_matches_input(denoiser):
    assert denoiser(noisy(), torch.arange(4), torch.arange(4)).shape == (4, FRAMES, FEATURES)


def test_samples_are_independent(denoiser):
    times = torch.tensor([5, 50, 90, 99])
    labels = torch.tensor([0, 1, 2, 3])
    together = denoiser(noisy(), times, labels)
    alone = torch.cat([denoiser(noisy()[i : i + 1], times[i : i + 1], labels[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_time_and_label_matter(denoiser):
    def output(time: int, label: int) -> torch.Tensor:
        return denoiser(noisy(1), torch.tensor([time]), torch.tensor([label]))

    start = output(10, 0)
    assert not torch.allclose(start, output(80, 0), atol=1e-4)
    assert not torch.allclose(start, output(10, CLASSES), atol=1e-4)


def test_every_parameter_gets_a_gradient(denoiser):
    denoiser(noisy(), torch.arange(4), torch.arange(4)).square().sum().backward()
    missing = [name for name, parameter in denoiser.named_parameters() if not parameter.grad.abs().sum() > 0]
    assert missing == []


def predict_spectrum(name: str, noisy: torch.Tensor) -> np.ndarray:
    """Return cosine coefficients (N, T, D) of a prediction with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_denoiser(DENOISER_PRESETS[name].config, noisy.shape[1], noisy.shape[2], CLASSES)
        for parameter in network.parameters():  # output layers may start at zero
            parameter.data += 0.02 * torch.randn(parameter.shape)
        predicted = network(noisy, torch.arange(len(noisy)), torch.arange(len(noisy))).detach()
    return scipy.fft.dct(predicted.numpy(), axis=1, norm="ortho")


@pytest.mark.parametrize(("name", "kept_frequencies"), [("dct-mlp", 16), ("dct-mixer", 20), ("dct-transformer", 16)])
def test_cosine_network_stays_low(name: str, kept_frequencies: int):
    spectrum = predict_spectrum(name, torch.randn(2, 48, FEATURES))
    assert abs(spectrum[:, kept_frequencies:]).max() < 1e-5
    assert abs(spectrum[:, kept_frequencies - 1]).max() > 1e-3
    assert abs(predict_spectrum("patch-mixer", torch.randn(2, 48, FEATURES))[:, kept_frequencies:]).max() > 1e-2


@pytest.mark.parametrize("frames", [10, 25, 48, 196])
def test_dct_mixer_takes_any_length(frames: int):
    noisy = torch.randn(3, frames, FEATURES)
    coefficients = scipy.fft.dct(noisy.numpy(), axis=1, norm="ortho")
    coefficients[:, frames // 2 + 2 :] = 0
    smooth = torch.as_tensor(scipy.fft.idct(coefficients, axis=1, norm="ortho"))
    np.testing.assert_allclose(predict_spectrum("dct-mixer", noisy), predict_spectrum("dct-mixer", smooth), atol=1e-4)


@pytest.mark.slow
def test_dct_mixer_beats_mean():
    """Predicting waves beats their mean.

    Waves have one frequency and a random phase: the mean predicts nothing, and the variance is the loss.
    """
    generator = torch.Generator().manual_seed(0)
    phases = 2 * torch.pi * torch.rand(256, 1, FEATURES, generator=generator)
    waves = torch.sin(2 * torch.pi * torch.arange(FRAMES)[None, :, None] / 12 + phases)
    model = MotionDiffusion(DENOISER_PRESETS["dct-mixer"].config, FRAMES, FEATURES, 1, device=torch.device("cpu"))
    trained = model.fit(Samples.real(waves, torch.zeros(256, dtype=torch.int64)), 150, streams(0))
    assert trained.average is not None
    times = torch.full((256,), 20)
    noisy = model.schedule.add_noise(waves, torch.randn(waves.shape, generator=generator), times)
    loss = model.loss(trained.average(noisy, times, torch.zeros(256, dtype=torch.int64)), waves)
    assert loss.item() < 0.5 * waves.var().item()


def test_motion_spectrum_matches_windows():
    """Coefficients of real windows have the size of `motion_spectrum`, within a factor of two at each frequency."""
    batch = cut_windows(load_motions("deepmimic"), WindowSettings()).batch
    values = FeatureCodec.fit(batch).encode(batch).numpy()
    coefficients = scipy.fft.dct(values, axis=1, norm="ortho")
    deviations = np.sqrt(np.square(coefficients).mean(axis=(0, 2)))[:16]
    ratios = deviations / motion_spectrum(values.shape[1]).numpy()[:16]
    assert 0.5 < ratios.min() < ratios.max() < 2
    for frames in (10, 48, 196):
        assert motion_spectrum(frames).square().sum().item() == pytest.approx(frames)


def test_broken_patch_raises():
    with pytest.raises(SettingError, match="multiple of 4 frames, got 25"):
        build_denoiser(DENOISER_PRESETS["patch-mixer"].config, 25, FEATURES, CLASSES)


def test_presets_match_denoisers():
    assert set(DENOISERS.names) <= set(preset_names())
    assert len(preset_names()) == len(set(preset_names()))
    with pytest.raises(SettingError, match=r"unknown denoiser 'papr'"):
        preset("papr")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"denoiser": "unet"}, "unknown denoiser 'unet', expected one of patch-mixer, dct-mixer, dct-mlp"),
        ({"sampler": "euler"}, "sampler must be multistep or ddim, got 'euler'"),
        ({"width": 0}, "width must be at least 1, got 0"),
        ({"width": 12}, "width must be a multiple of 8, got 12"),
        ({"sampling_steps": 200}, "sampling_steps must be at most diffusion_steps, got 200"),
        ({"eta": 1.5}, "eta must be a number from 0 to 1, got 1.5"),
        ({"snr_factor": 0.0}, "snr_factor must be a number from 1e-12"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number from 1e-12"),
        ({"guidance_scale": -1.0}, "guidance_scale must be a number from 0"),
        ({"label_dropout": 1.0}, "label_dropout must be a number from 0 to 1, got 1.0"),
        ({"label_dropout": 0.0, "guidance_scale": 2.0}, "label_dropout must be positive if guidance_scale"),
    ],
)
def test_config_error_names_field(change: dict, message: str):
    with pytest.raises(SettingError, match=message):
        replace(DiffusionConfig(), **change)


def test_fast_attention_matches_pytorch() -> None:
    config = replace(DENOISER_PRESETS["transformer"].config, dropout=0.0)
    fast, plain = (
        build_denoiser(replace(config, training=training), FRAMES, FEATURES, CLASSES).train()
        for training in ("fast", "plain")
    )
    plain.load_state_dict(fast.state_dict())
    predicted, expected = (network(noisy(), torch.arange(4), torch.arange(4)) for network in (fast, plain))
    torch.testing.assert_close(predicted, expected, rtol=1e-4, atol=1e-5)
    gradients, expected_gradients = (
        torch.autograd.grad(output.square().mean(), list(network.parameters()))
        for output, network in ((predicted, fast), (expected, plain))
    )
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, expected_gradient, rtol=1e-3, atol=1e-6)


def test_attention_dropout_rate() -> None:
    """Equal attention shows the dropout rate.

    With zero queries, each token gathers a share of 1/T of itself and of every other, but for what is dropped.
    """
    config = replace(DENOISER_PRESETS["transformer"].config, dropout=0.3)
    layer = build_denoiser(config, FRAMES, FEATURES, CLASSES).train().encoder.layers[0]
    width = config.width
    with torch.no_grad():
        layer.self_attn.in_proj_weight.zero_()
        layer.self_attn.in_proj_bias.zero_()[2 * width :] = 1.0
        layer.self_attn.out_proj.weight.copy_(torch.eye(width))
        layer.self_attn.out_proj.bias.zero_()
        gathered = layer._attend(torch.zeros(50, 20, width))
    kept = gathered * 0.7 * 20
    torch.testing.assert_close(kept, kept.round(), rtol=0, atol=1e-3)
    assert abs(kept.mean().item() / 20 - 0.7) < 0.02
