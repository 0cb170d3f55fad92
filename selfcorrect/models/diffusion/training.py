"""Optimising a denoiser, with the running average of its weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from ...core.errors import TrainingDivergedError
from ...core.samples import Samples
from ..training import draw_rows, follow, mean_late_loss, update
from .config import DiffusionConfig
from .pair_loss import PairLoss
from .schedule import NoiseSchedule


class NoisyBatch(NamedTuple):
    """One optimiser step: noisy (B, T, D), times (B,) int64, labels (B,) int64, clean (B, T, D)."""

    noisy: Tensor
    times: Tensor
    labels: Tensor
    clean: Tensor

    def to_device(self, device: torch.device) -> NoisyBatch:
        return NoisyBatch(*(part.to(device) for part in self))


def train(
    network: nn.Module,
    average: nn.Module,
    draw: Callable[[], NoisyBatch],
    config: DiffusionConfig,
    *,
    steps: int,
    steps_before: int,
    on_step: Callable[[int], None] | None,
    loss_of: Callable[[Tensor, Tensor], Tensor] = mse_loss,
    pair_loss: PairLoss | None = None,
) -> float:
    """Train `network` in place with a new optimiser, and let `average` follow it.

    Args:
        draw: Function that draws a batch.
        steps_before: Number of steps that both networks have seen already.
        on_step: Called with the number of steps so far.
        loss_of: Predicted and clean values (B, T, D) → the scalar that is minimised.
        pair_loss: Preference loss that is added in each step.

    Returns:
        The mean loss over the last quarter of the steps without the preference loss, NaN for no steps.

    Raises:
        TrainingDivergedError: The loss is not finite.
    """
    peak = config.learning_rate if steps_before == 0 else config.fine_tune_learning_rate
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=peak, betas=(0.9, config.adam_beta2), weight_decay=config.weight_decay, fused=True
    )
    network.train()
    averages = list(average.parameters())  # once, because a walk through modules is slow
    parameters = list(network.parameters())
    losses: list[Tensor] = []
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = peak * learning_rate_factor(step, steps, config)
        batch = draw()
        loss = loss_of(network(batch.noisy, batch.times, batch.labels), batch.clean)
        if not torch.isfinite(loss):
            raise TrainingDivergedError(
                f"the training loss became {loss.item()} at optimiser step {step + 1} of {steps} ({steps_before} "
                f"before them); lower the learning rate (peak {peak}) or check the training data"
            )
        losses.append(loss.detach())
        if pair_loss is not None:
            loss = loss + pair_loss.compute(network)
        update(optimiser, loss, config.gradient_norm)
        follow(averages, parameters, steps_before + step + 1, config.ema_decay)
        if on_step:
            on_step(step + 1)
    return mean_late_loss(losses)


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
