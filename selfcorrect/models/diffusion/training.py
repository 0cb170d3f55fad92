"""Optimising a denoiser and the running average of its weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim.swa_utils import get_ema_multi_avg_fn

from selfcorrect.errors import TrainingDivergedError
from selfcorrect.models.diffusion.config import DiffusionConfig
from selfcorrect.models.diffusion.schedule import NoiseSchedule
from selfcorrect.randomness import Stream
from selfcorrect.samples import Samples


class Batch(NamedTuple):
    """One optimiser step: noisy (B, T, D), times (B,) int64, labels (B,) int64, clean (B, T, D)."""

    noisy: Tensor
    times: Tensor
    labels: Tensor
    clean: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(*(part.to(device) for part in self))


@contextmanager
def layer_randomness(stream: Stream, device: torch.device) -> Iterator[None]:
    """Let layers, which know only PyTorch's global generators (initialisation, dropout), draw from `stream`.

    The global generators of the CPU and of `device` come out as they went in.
    """
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.default_generator.manual_seed(stream.seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(stream.seed)
        yield


def train(
    network: nn.Module,
    average: nn.Module,
    draw: Callable[[], Batch],
    config: DiffusionConfig,
    *,
    steps: int,
    steps_before: int,
    on_step: Callable[[int], None] | None,
) -> None:
    """Train `network` in place for `steps` optimiser steps on the batches of `draw`, and let `average` follow it.

    The optimiser starts afresh; `steps_before` is the number of steps that both networks have seen already.
    """
    peak = config.learning_rate if steps_before == 0 else config.fine_tune_learning_rate
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=peak, betas=(0.9, 0.99), weight_decay=config.weight_decay, fused=True
    )
    network.train()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = peak * learning_rate_factor(step, steps, config)
        batch = draw()
        loss = mse_loss(network(batch.noisy, batch.times, batch.labels), batch.clean)
        if not torch.isfinite(loss):
            raise TrainingDivergedError(
                f"the training loss became {loss.item()} at optimiser step {step + 1} of {steps} "
                f"({steps_before} before them); lower the learning rate (peak {peak}) or check the training data"
            )
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), config.gradient_norm)
        optimiser.step()
        follow(average, network, steps_before + step + 1, config.ema_decay)
        if on_step:
            on_step(step + 1)


def draw_batch(
    samples: Samples, schedule: NoiseSchedule, config: DiffusionConfig, null_label: int, generator: torch.Generator
) -> Batch:
    """A batch on the CPU: samples drawn by weight, times uniformly, labels hidden at the rate `label_dropout`."""
    size = config.batch_size
    rows = torch.multinomial(samples.weights.double(), size, replacement=True, generator=generator)
    times = torch.randint(len(schedule), (size,), generator=generator)
    hidden = torch.rand(size, generator=generator) < config.label_dropout
    clean = samples.values[rows].float()
    noise = torch.randn(clean.shape, generator=generator)
    labels = samples.labels[rows].masked_fill(hidden, null_label)
    return Batch(schedule.add_noise(clean, noise, times), times, labels, clean)


def learning_rate_factor(step: int, steps: int, config: DiffusionConfig) -> float:
    """Linear warm-up times cosine decay to `final_learning_rate`, as a fraction of the peak, at 0-based `step`."""
    warm_up = min(config.warm_up_steps, steps // 10) + 1
    decay = 0.5 * (1 + math.cos(math.pi * step / steps))
    return min(1.0, (step + 1) / warm_up) * (config.final_learning_rate + (1 - config.final_learning_rate) * decay)


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, steps: int, decay: float) -> None:
    """Move `average` towards `network` after `steps` steps; the first steps move it further, to forget the start."""
    decay = min(decay, (1 + steps) / (10 + steps))
    get_ema_multi_avg_fn(decay)(list(average.parameters()), list(network.parameters()), None)
