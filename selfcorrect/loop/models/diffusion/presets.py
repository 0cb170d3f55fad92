"""Denoisers with suitable settings, from some seconds of training on a CPU core to the published size."""

from dataclasses import dataclass

from .config import DiffusionConfig
from .denoiser_table import DENOISERS


@dataclass(frozen=True)
class DenoiserPreset:
    """A configuration and training steps that suit some hundred windows of motion."""

    config: DiffusionConfig
    character: str
    """Character of the samples, in a word or two."""
    initial_steps: int = 1000
    """Optimiser steps of generation 0."""
    steps: int = 50
    """Optimiser steps of every later generation."""


DENOISER_PRESETS = {
    "dct-mixer": DenoiserPreset(
        DiffusionConfig(denoiser="dct-mixer", width=128, depth=4, snr_factor=0.3, learning_rate=3e-3),
        "band-limited",
        initial_steps=1500,
        steps=100,
    ),
    "patch-mixer": DenoiserPreset(
        DiffusionConfig(denoiser="patch-mixer", width=128, depth=4, snr_factor=0.03, learning_rate=3e-3),
        "jittery",
        initial_steps=550,
        steps=30,
    ),
    "dct-mlp": DenoiserPreset(
        DiffusionConfig(denoiser="dct-mlp", width=384, depth=3, learning_rate=2e-3),
        "smooth",
        initial_steps=1000,
        steps=40,
    ),
    "small-dct-mlp": DenoiserPreset(
        DiffusionConfig(denoiser="dct-mlp", width=256, depth=3, learning_rate=2e-3, sampling_steps=15),
        "smooth",
        initial_steps=500,
        steps=40,
    ),
    "dct-transformer": DenoiserPreset(
        DiffusionConfig(
            denoiser="dct-transformer",
            width=96,
            depth=3,
            learning_rate=2e-3,
            batch_size=32,
            warm_up_steps=100,
            sampling_steps=15,
        ),
        "DCT transformer",
        initial_steps=2000,
        steps=100,
    ),
    "temporal-conv": DenoiserPreset(
        DiffusionConfig(denoiser="temporal-conv", width=96, depth=4), "smooth", initial_steps=1200, steps=75
    ),
    "transformer": DenoiserPreset(
        DiffusionConfig(denoiser="transformer", width=96, depth=4), "small transformer", initial_steps=2000, steps=200
    ),
    "paper": DenoiserPreset(
        DiffusionConfig(
            denoiser="transformer",
            width=512,
            depth=8,
            dropout=0.1,
            diffusion_steps=1000,
            sampling_steps=1000,
            sampler="ddim",
            eta=1.0,
            learning_rate=1e-4,
            fine_tune_learning_rate=1e-4,
            final_learning_rate=1.0,
            warm_up_steps=0,
            gradient_norm=1e12,
            adam_beta2=0.999,
            ema_decay=0.0,
        ),
        "MDM transformer",
        initial_steps=100_000,
        steps=2_000,
    ),
}
"""Presets by name. Each denoiser has one that trains in seconds to minutes on a CPU core. The small DCT MLP takes half
the time of the DCT MLP, and the DCT transformer about two minutes. Patch mixer and DCT MLP are opposite bad cases:
their samples have several times the jerk of real motion, and half of it. `paper` is for a GPU. It has 8 layers of 512
channels and 1000 noise levels, as the motion diffusion model (Tevet et al. 2023), and is trained and sampled as in the
scripts of Gillman et al. 2024: a constant learning rate, no average of weights, 1,000 ancestral steps, no guidance."""


def preset(name: str) -> DenoiserPreset:
    """Return a preset, or the defaults of a denoiser without one.

    Raises:
        SettingError: `name` is neither a preset nor a denoiser.
    """
    return DENOISER_PRESETS.get(name) or DenoiserPreset(DiffusionConfig(denoiser=DENOISERS.row(name).name), name)


def preset_names() -> list[str]:
    """Return the names of all presets, then of denoisers without a preset."""
    return [*DENOISER_PRESETS, *(name for name in DENOISERS.names if name not in DENOISER_PRESETS)]
