"""The density ratio of real to synthetic samples as a corrector: a discriminator's logit, whose gradient moves samples.

After arXiv 2606.19162, where the logit of a discriminator of real against synthetic is a reward. With as many real as
synthetic samples in training, the best logit is log p_real(x) / p_synthetic(x) (Sugiyama et al. 2012). As acceptance it
is `selfcorrect.remedies.selection.by_density_ratio`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ..core.errors import InputError, SettingError
from ..core.randomness import Stream
from ..core.samples import Samples
from ..models.network import perceptron
from ..models.training import layer_randomness, update
from .contract import Corrector

LogRatio: TypeAlias = Callable[[Tensor], Tensor]
"""Values (N, *event) → (N,), differentiable."""


@dataclass(frozen=True)
class Discrimination:
    """How a discriminator is trained: a perceptron on standardised values."""

    steps: int = 200
    width: int = 64
    depth: int = 2
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    """Of AdamW; holds the logit back where there are few real samples."""
    shuffled: bool = False
    """The control: it is told at random which samples are real, so that its logit carries no information."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < 1:
            told = f"{self.steps} and {self.batch_size}"
            raise SettingError(f"a discriminator needs at least 1 step and 1 sample per batch, got {told}")


def log_density_ratio(real: Tensor, synthetic: Tensor, settings: Discrimination, stream: Stream) -> LogRatio:
    """The logit of a discriminator trained on real (N, *event) against synthetic (M, *event) values.

    Batches hold as many of either, so that N and M do not shift it.
    """
    if not len(real) or not len(synthetic):
        raise InputError(
            f"a density ratio needs samples of both kinds, got {len(real)} real, {len(synthetic)} synthetic"
        )
    both = torch.cat([real, synthetic]).flatten(1).float()
    mean, scale = both.mean(0), both.std(0, correction=0).clamp(min=1e-6)
    generator = stream.child("batches").generator()
    order = torch.randperm(len(both), generator=stream.child("shuffled").generator()) if settings.shuffled else None
    known = (both if order is None else both[order]).sub(mean).div(scale)
    sides = known[: len(real)], known[len(real) :]
    with layer_randomness(stream.child("layers"), torch.device("cpu")):
        network = perceptron(known.shape[1], settings.width, settings.depth, 1)
    optimiser = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    for _ in range(settings.steps):
        first, second = (
            network(side[torch.randint(len(side), (settings.batch_size,), generator=generator)]) for side in sides
        )
        update(optimiser, softplus(-first).mean() + softplus(second).mean())
    return _logit(network.requires_grad_(False), mean, scale)


def _logit(network: nn.Module, mean: Tensor, scale: Tensor) -> LogRatio:
    def ratio(values: Tensor) -> Tensor:
        return network((values.flatten(1).float() - mean) / scale)[:, 0]

    return ratio


def towards_density_ratio(real: Samples, length: float = 0.1, settings: Discrimination | None = None) -> Corrector:
    """A corrector that moves each sample along the gradient of the logit, by `length` deviations of the real data.

    The discriminator is trained on the batch that is corrected, label by label; it knows the real training data. Where
    the logit is flat, a sample stays.
    """
    settings = settings or Discrimination()
    if not 0 <= length < 1e6:
        raise SettingError(f"the length of a step must be finite and at least 0, got {length}")
    deviation = real.values.flatten(1).float().std(0, correction=0)

    def density_ratio(samples: Samples, stream: Stream) -> Samples:
        values = samples.values.clone()
        for label in samples.labels.unique():
            rows, known = samples.labels == label, real.values[real.labels == label]
            ratio = log_density_ratio(known, samples.values[rows], settings, stream.child(int(label)))
            values[rows] += _step(ratio, samples.values[rows], deviation * length).to(values)
        return samples.with_values(values)

    density_ratio.__name__ = "density-ratio" + "-shuffled" * settings.shuffled
    return density_ratio


def _step(ratio: LogRatio, values: Tensor, length: Tensor) -> Tensor:
    """(N, *event), along the gradient in standardised coordinates, each as long as `length` (D,) there."""
    with torch.enable_grad():
        place = values.detach().float().requires_grad_(True)
        (gradient,) = torch.autograd.grad(ratio(place).sum(), place)
    direction = gradient.flatten(1) * length
    unit = direction / direction.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return (unit * length).reshape(values.shape)
