"""Batches and learning rates of a diffusion model's training."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ....core.samples import Samples
from ..training import draw_rows, to_device
from .config import DiffusionConfig
from .schedule import NoiseSchedule


class NoisyBatch(NamedTuple):
    """One optimiser step: noisy (B, T, D), times (B,) int64, labels (B,) int64, clean (B, T, D)."""

    noisy: Tensor
    times: Tensor
    labels: Tensor
    clean: Tensor

    def to_device(self, device: torch.device) -> NoisyBatch:
        return NoisyBatch(*(to_device(part, device) for part in self))


def draw_batch(
    samples: Samples, schedule: NoiseSchedule, config: DiffusionConfig, null_label: int, generator: torch.Generator
) -> NoisyBatch:
    """Return a batch: samples are drawn by weight, times uniformly, and labels hidden at the rate `label_dropout`."""
    size = config.batch_size
    rows = draw_rows(samples, size, generator)
    times = torch.randint(len(schedule), (size,), generator=generator)
    hidden = torch.rand(size, generator=generator) < config.label_dropout
    clean = samples.values[rows].float()
    noise = torch.randn(clean.shape, generator=generator)
    labels = samples.labels[rows].masked_fill(hidden, null_label)
    return NoisyBatch(schedule.add_noise(clean, noise, times), times, labels, clean)


def learning_rate_factor(step: int, steps: int, config: DiffusionConfig) -> float:
    """Return linear warm-up times cosine decay to `final_learning_rate`, as a share of the peak, at 0-based `step`."""
    warm_up = min(config.warm_up_steps, steps // 10) + 1
    decay = 0.5 * (1 + math.cos(math.pi * step / steps))
    return min(1.0, (step + 1) / warm_up) * (config.final_learning_rate + (1 - config.final_learning_rate) * decay)
