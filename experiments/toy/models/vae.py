"""A variational autoencoder (Kingma & Welling 2014), as looped by Shumailov et al. and Gerstgrasser et al. 2024."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from selfcorrect.core.randomness import Stream
from selfcorrect.models.network import NetworkModel, perceptron


class AutoencoderNetwork(nn.Module):
    """Encoder, decoder and the decoder's logarithmic variance per dimension."""

    def __init__(self, dimension: int, latent: int, width: int, depth: int) -> None:
        super().__init__()
        self.encoder = perceptron(dimension, width, depth, 2 * latent)
        self.decoder = perceptron(latent, width, depth, dimension)
        self.log_variance = nn.Parameter(torch.full((dimension,), -2.0))


@dataclass(frozen=True, eq=False)
class VariationalAutoencoder(NetworkModel[AutoencoderNetwork]):
    """Points (d,) from a standard normal latent, with one learned variance per dimension around the decoder's mean."""

    dimension: int = 2
    latent: int = 4
    width: int = 128
    depth: int = 2

    def build(self) -> AutoencoderNetwork:
        return AutoencoderNetwork(self.dimension, self.latent, self.width, self.depth)

    def loss(self, network: AutoencoderNetwork, values: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """The negative evidence lower bound per sample, up to a constant."""
        mean, log_variance = network.encoder(values).chunk(2, dim=1)
        latent = mean + (log_variance / 2).exp() * torch.randn(mean.shape, generator=generator)
        precision = (-network.log_variance).exp()
        error = (precision * (network.decoder(latent) - values).square() + network.log_variance).sum(1)
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        return (error + divergence).mean() / 2

    @torch.no_grad()
    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """One point (d,) per entry of `labels`, decoder noise included."""
        generator = stream.generator()
        latent = torch.randn((len(labels), self.latent), generator=generator)
        noise = torch.randn((len(labels), self.dimension), generator=generator)
        return self.trained.decoder(latent) + (self.trained.log_variance / 2).exp() * noise
