"""Batches and learning rates for training a diffusion model."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, Self, runtime_checkable

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from ....core.samples import Samples
from ..training import draw_rows, to_device
from .config import DiffusionConfig
from .schedule import NoiseSchedule


class NoisyBatch(NamedTuple):
    """Inputs of one optimiser step.

    These are noisy values (B, T, D), times (B,) int64, labels (B,) int64, and clean values (B, T, D).
    """

    noisy: Tensor
    times: Tensor
    labels: Tensor
    clean: Tensor

    def to_device(self, device: torch.device) -> NoisyBatch:
        return NoisyBatch(*(to_device(part, device) for part in self))


def draw_batch(
    samples: Samples, schedule: NoiseSchedule, config: DiffusionConfig, null_label: int, generator: torch.Generator
) -> NoisyBatch:
    """Draw a training batch.

    Samples are drawn in proportion to their weights and times uniformly. Labels are hidden at the rate `label_dropout`.
    """
    size = config.batch_size
    rows = draw_rows(samples, size, generator)
    times = torch.randint(len(schedule), (size,), generator=generator)
    hidden = torch.rand(size, generator=generator) < config.label_dropout
    clean = samples.values.index_select(0, rows).float()  # a third of the time of [rows]
    noise = torch.randn(clean.shape, generator=generator)
    labels = samples.labels[rows].masked_fill(hidden, null_label)
    return NoisyBatch(schedule.add_noise(clean, noise, times), times, labels, clean)


@runtime_checkable
class CoefficientNetwork(Protocol):
    """A network between a cosine transform over time and its inverse.

    The network sees and predicts low frequencies only.
    """

    basis: Tensor
    """(K, T) orthonormal rows."""

    def predict_coefficients(self, noisy: Tensor, times: Tensor, labels: Tensor) -> Tensor:
        """Predict clean coefficients (B, K, D) from those of noisy values."""
        ...


@dataclass(frozen=True)
class CoefficientTraining:
    """Training on K of T cosine coefficients.

    The loss equals the mean squared error over frames and has the same gradients, because an orthonormal transform
    preserves distances and unit noise. So windows are transformed once, and noise is drawn only for the kept
    coefficients. The other frequencies, which no prediction contains, add a constant to the loss.
    """

    network: CoefficientNetwork
    samples: Samples
    """The training set, values (N, K, D)."""
    kept_share: float
    """K / T, the factor between means over coefficients and over frames."""
    lost: float
    """Mean square of the frequencies that are not kept, over the weighted training set."""

    @classmethod
    def of(cls, network: CoefficientNetwork, samples: Samples) -> Self:
        """Transform a training set with values (N, T, D)."""
        values = samples.values.float()
        basis = network.basis.to(values.device)
        coefficients = basis @ values
        squares = values.square().sum((1, 2)) - coefficients.square().sum((1, 2))
        weights = samples.weights.double()
        is_drawn = weights > 0
        lost = (squares.double()[is_drawn] @ weights[is_drawn] / weights.sum()) / values[0].numel()
        return cls(network, replace(samples, values=coefficients), len(basis) / values.shape[1], float(lost))

    def loss(self, batch: NoisyBatch) -> Tensor:
        """Return the mean squared error over frames of a batch of coefficients."""
        predicted = self.network.predict_coefficients(batch.noisy, batch.times, batch.labels)
        return self.kept_share * mse_loss(predicted, batch.clean) + self.lost


def learning_rate_factor(step: int, steps: int, config: DiffusionConfig) -> float:
    """Return a step's learning rate relative to the peak.

    The factor is a linear warm-up times a cosine decay to `final_learning_rate`, with steps counted from 0.
    """
    warm_up = min(config.warm_up_steps, steps // 10) + 1
    decay = 0.5 * (1 + math.cos(math.pi * step / steps))
    return min(1.0, (step + 1) / warm_up) * (config.final_learning_rate + (1 - config.final_learning_rate) * decay)
