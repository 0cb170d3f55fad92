"""A generative adversarial network with a gradient penalty at real data (Mescheder et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from selfcorrect.core.randomness import Stream
from selfcorrect.models.network import NetworkModel, perceptron
from selfcorrect.models.training import Batch, descend


class Adversaries(nn.Module):
    """The two networks that train against each other."""

    def __init__(self, dimension: int, latent: int, width: int, depth: int) -> None:
        super().__init__()
        self.generator = perceptron(latent, width, depth, dimension)
        self.discriminator = perceptron(dimension, width, depth, 1)


@dataclass(frozen=True, eq=False)
class AdversarialNetwork(NetworkModel[Adversaries]):
    """Points (d,) from a standard normal latent; generator and discriminator take turns, one step each per batch."""

    dimension: int = 2
    latent: int = 4
    width: int = 128
    depth: int = 3
    gradient_penalty: float = 0.1
    learning_rate: float = 1e-3

    def build(self) -> Adversaries:
        return Adversaries(self.dimension, self.latent, self.width, self.depth)

    def train(self, network: Adversaries, drawn: Iterator[Batch], generator: torch.Generator) -> None:
        generator_optimizer = self._make_optimizer(network.generator)
        discriminator_optimizer = self._make_optimizer(network.discriminator)
        for step, (batch, labels) in enumerate(drawn):
            descend(discriminator_optimizer, self.loss(network, batch, labels, generator), step)
            score = network.discriminator(self._draw_fake(network, len(batch), generator))
            descend(generator_optimizer, softplus(-score).mean(), step)

    def _make_optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(network.parameters(), lr=self.learning_rate, betas=(0.0, 0.9))

    def loss(self, network: Adversaries, values: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Return the discriminator's loss: non-saturating, with a penalty on its gradient at real data."""
        real = values.requires_grad_()
        fake = self._draw_fake(network, len(values), generator).detach()
        score = network.discriminator(real)
        (gradient,) = torch.autograd.grad(score.sum(), real, create_graph=True)
        penalty = gradient.square().sum(1).mean()
        return (softplus(-score) + softplus(network.discriminator(fake))).mean() + self.gradient_penalty / 2 * penalty

    def _draw_fake(self, network: Adversaries, count: int, generator: torch.Generator) -> Tensor:
        return network.generator(torch.randn((count, self.latent), generator=generator))

    @torch.no_grad()
    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """Draw one point (d,) per entry of `labels`."""
        return self._draw_fake(self.trained, len(labels), stream.generator())
