"""Networks: what every one of them must do, and what sets them apart."""

from __future__ import annotations

from dataclasses import replace

import pytest
import scipy.fft
import torch

from selfcorrect.core.errors import SettingError
from selfcorrect.models.diffusion.config import DENOISERS, DiffusionConfig
from selfcorrect.models.diffusion.presets import PRESETS, preset, preset_names

FRAMES, FEATURES, CLASSES = 24, 7, 3
CPU_PRESETS = [name for name in PRESETS if name != "paper"]


def build_denoiser(config: DiffusionConfig, frames: int, features: int, classes: int) -> torch.nn.Module:
    return DENOISERS.load(config.denoiser)(config, frames, features, classes)


@pytest.fixture(params=CPU_PRESETS)
def denoiser(request):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_denoiser(PRESETS[request.param].config, FRAMES, FEATURES, CLASSES)
        for parameter in network.parameters():  # moves the blocks away from their start at the identity
            parameter.data += 0.02 * torch.randn(parameter.shape)
    return network.eval()


def noisy(count: int = 4) -> torch.Tensor:
    return torch.randn(count, FRAMES, FEATURES, generator=torch.Generator().manual_seed(1))


def test_output_has_the_shape_of_the_input(denoiser):
    assert denoiser(noisy(), torch.arange(4), torch.arange(4)).shape == (4, FRAMES, FEATURES)


def test_samples_do_not_influence_one_another(denoiser):
    times, labels = torch.tensor([5, 50, 90, 99]), torch.tensor([0, 1, 2, 3])
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


def test_dct_mlp_has_no_high_frequencies():
    network = build_denoiser(PRESETS["dct-mlp"].config, 48, FEATURES, CLASSES)
    output = network(torch.randn(2, 48, FEATURES), torch.arange(2), torch.arange(2)).detach()
    spectrum = scipy.fft.dct(output.numpy(), axis=1, norm="ortho")
    assert abs(spectrum[:, 16:]).max() < 1e-5
    assert abs(spectrum[:, :16]).max() > 1e-2


def test_patch_mixer_refuses_a_broken_patch():
    with pytest.raises(SettingError, match="multiple of 4 frames, got 25"):
        build_denoiser(PRESETS["patch-mixer"].config, 25, FEATURES, CLASSES)


def test_paper_preset_is_the_size_of_mdm():
    paper = PRESETS["paper"].config
    assert (paper.depth, paper.width, paper.diffusion_steps, paper.batch_size) == (8, 512, 1000, 64)
    network = build_denoiser(paper, 60, 150, 12)
    encoder = sum(parameter.numel() for parameter in network.encoder.parameters())
    attention, feed_forward, norms = 4 * (512 * 512 + 512), 2 * 512 * 1024 + 512 + 1024, 4 * 512
    assert encoder == 8 * (attention + feed_forward + norms)


def test_every_denoiser_has_a_preset_and_no_other_name_is_taken_for_one():
    assert preset_names() == ["patch-mixer", "dct-mlp", "temporal-conv", "transformer", "paper"]
    assert set(DENOISERS.names) <= set(preset_names())
    with pytest.raises(SettingError, match=r"unknown denoiser 'papr'"):
        preset("papr")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"denoiser": "unet"}, "unknown denoiser 'unet', known are patch-mixer, dct-mlp"),
        ({"width": 0}, "width must be at least 1, got 0"),
        ({"width": 12}, "width must be a multiple of 8, got 12"),
        ({"sampling_steps": 200}, "sampling_steps must be at most diffusion_steps, got 200"),
        ({"eta": 1.5}, "eta must be from 0 to 1, got 1.5"),
        ({"snr_factor": 0.0}, "snr_factor must be positive"),
        ({"learning_rate": float("nan")}, "learning_rate must be positive"),
        ({"guidance_scale": -1.0}, "guidance_scale must be non-negative"),
        ({"label_dropout": 1.0}, "label_dropout must be at least 0 and below 1"),
        ({"label_dropout": 0.0, "guidance_scale": 2.0}, "label_dropout must be positive where guidance_scale"),
    ],
)
def test_config_names_the_field_the_rule_and_the_value(change: dict, message: str):
    with pytest.raises(SettingError, match=message):
        replace(DiffusionConfig(), **change)
