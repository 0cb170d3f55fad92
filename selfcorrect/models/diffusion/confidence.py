"""Confidence of a diffusion model in a sample, by its error in denoising it again."""

from __future__ import annotations

import torch
from torch import Tensor

from ...core.errors import InputError
from ...core.randomness import Stream
from ..protocol import GenerativeModel
from .model import MotionDiffusion

LEVELS = (0.3, 0.5, 0.7)
"""Noise levels at which samples are denoised, as shares of the diffusion time."""


@torch.no_grad()
def denoising_errors(model: GenerativeModel, values: Tensor, labels: Tensor, stream: Stream) -> Tensor:
    """Return the mean squared error of the clean prediction over a few noise levels.

    Up to weights the variational bound of a diffusion model: small for samples that it finds likely.

    Args:
        model: A diffusion model.
        values: (N, T, D).
        labels: (N,).
        stream: Random numbers of the noise.

    Returns:
        (N,) errors.

    Raises:
        InputError: The model is no diffusion model.
    """
    if not isinstance(model, MotionDiffusion):
        raise InputError(f"denoising errors need a diffusion model, got {type(model).__name__}")
    noise = torch.randn(values.shape, generator=stream.generator()).to(values)
    total = torch.zeros(len(values))
    for level in LEVELS:
        time = round(level * (model.config.diffusion_steps - 1))
        noisy = model.schedule.add_noise(values, noise, torch.full((len(values),), time))
        errors = model.denoise(noisy, time, labels) - values
        total += errors.square().flatten(1).mean(1)
    return total / len(LEVELS)
