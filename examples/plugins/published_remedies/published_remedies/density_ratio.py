"""Correct by a discriminator's density ratio.

The gradient of the logit, real against synthetic, moves samples. After arXiv 2606.19162, where the logit of a
discriminator of real against synthetic is a reward. With as many real as synthetic samples in training, the best logit
is log p_real(x) / p_synthetic(x) (Sugiyama et al. 2012). As acceptance it is `candidates.by_density_ratio`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import softplus

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.correctors.contract import Corrector
from selfcorrect.loop.models.adam import Adam
from selfcorrect.loop.models.network import perceptron
from selfcorrect.loop.models.training import layer_randomness, update

LogRatio: TypeAlias = Callable[[Tensor], Tensor]
"""Values (N, *event) → (N,), differentiable."""


@dataclass(frozen=True)
class Discrimination:
    """Training of a discriminator, a perceptron on standardised values."""

    steps: int = 200
    width: int = 64
    depth: int = 2
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    """Weight decay of AdamW, which limits the logit if there are few real samples."""
    shuffled: bool = False
    """Control with randomly shuffled labels of real and synthetic, whose logit carries no information."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < 1:
            values = f"{self.steps} and {self.batch_size}"
            raise SettingError(f"a discriminator needs at least 1 step and 1 sample per batch, got {values}")


def log_density_ratio(real: Tensor, synthetic: Tensor, settings: Discrimination, stream: Stream) -> LogRatio:
    """Train a discriminator of real and synthetic values, and return its logit.

    Batches hold as many of either, so that N and M do not shift it.

    Args:
        real: (N, *event) values.
        synthetic: (M, *event) values.

    Raises:
        InputError: There are no values of one kind.
    """
    if not len(real) or not len(synthetic):
        raise InputError(
            f"a density ratio needs samples of both kinds, got {len(real)} real, {len(synthetic)} synthetic"
        )
    both = torch.cat([real, synthetic]).flatten(1).float()
    mean = both.mean(0)
    scale = both.std(0, correction=0).clamp(min=1e-6)
    generator = stream.child("batches").generator()
    order = torch.randperm(len(both), generator=stream.child("shuffled").generator()) if settings.shuffled else None
    standardised = (both if order is None else both[order]).sub(mean).div(scale)
    positives = standardised[: len(real)]
    negatives = standardised[len(real) :]
    with layer_randomness(stream.child("layers"), torch.device("cpu")):
        network = perceptron(standardised.shape[1], settings.width, settings.depth, 1)
    optimiser = Adam(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    for _ in range(settings.steps):
        positive_rows = torch.randint(len(positives), (settings.batch_size,), generator=generator)
        positive_logits = network(positives[positive_rows])
        negative_rows = torch.randint(len(negatives), (settings.batch_size,), generator=generator)
        negative_logits = network(negatives[negative_rows])
        update(optimiser, softplus(-positive_logits).mean() + softplus(negative_logits).mean())
    network.requires_grad_(False)

    def ratio(values: Tensor) -> Tensor:
        return network((values.flatten(1).float() - mean) / scale)[:, 0]

    return ratio


def towards_density_ratio(real: Samples, length: float = 0.1, settings: Discrimination | None = None) -> Corrector:
    """Return a corrector that moves samples along the gradient of a discriminator's logit.

    The discriminator is trained on the batch that is corrected, label by label, against the real training data. If the
    logit is flat, a sample does not move.

    Args:
        length: Length of the step, in standard deviations of the real data.

    Raises:
        SettingError: The length is negative or not finite.
    """
    settings = settings or Discrimination()
    if not 0 <= length < 1e6:
        raise SettingError(f"the length of a step must be finite and at least 0, got {length}")
    deviation = real.values.flatten(1).float().std(0, correction=0)

    def density_ratio(samples: Samples, stream: Stream) -> Samples:
        values = samples.values.clone()
        for label in samples.labels.unique():
            rows = samples.labels == label
            real_values = real.values[real.labels == label]
            ratio = log_density_ratio(real_values, samples.values[rows], settings, stream.child(int(label)))
            values[rows] += _step(ratio, samples.values[rows], deviation * length).to(values)
        return samples.with_values(values)

    density_ratio.__name__ = "density-ratio" + "-shuffled" * settings.shuffled
    return density_ratio


def _step(ratio: LogRatio, values: Tensor, length: Tensor) -> Tensor:
    """Return steps (N, *event) along the gradient.

    Coordinates are standardised, and each step has the length `length` (D,) there.
    """
    with torch.enable_grad():
        place = values.detach().float().requires_grad_(True)
        (gradient,) = torch.autograd.grad(ratio(place).sum(), place)
    direction = gradient.flatten(1) * length
    unit = direction / direction.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return (unit * length).reshape(values.shape)
