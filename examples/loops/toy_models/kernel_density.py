"""Blur data by a kernel density estimate.

It is Gaussian, and every generation blurs the last estimate a little more.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

import selfcorrect as sc
from selfcorrect.loop.models.protocol import TensorModel


@dataclass(frozen=True)
class KernelDensity(TensorModel):
    """Training points (N, *replicates, d), blurred by a Gaussian kernel.

    Points have weights (N,). The kernel's standard deviation per dimension, (*replicates, d), is `scale` times Scott's
    rule N^(−1/(d + 4)) times the standard deviation of the data, N being the effective number of points (Σw)²/Σw².
    Sampling therefore multiplies the variance by 1 + (scale · N^(−1/(d + 4)))² in each generation.
    """

    PER_SAMPLE: ClassVar[tuple[str, ...]] = ("points", "weights")

    points: Tensor
    weights: Tensor
    scale: float = 1.0

    @classmethod
    def empty(cls, *event: int, scale: float = 1.0) -> Self:
        """Return the untrained estimate.

        The estimate is a point at the origin, for events of shape (*replicates, d).
        """
        return cls(torch.zeros(1, *event, dtype=torch.float64), torch.ones(1, dtype=torch.float64), scale)

    def fit(self, samples: sc.Samples, steps: int, stream: sc.Stream) -> Self:
        """Remember samples and their weights.

        `steps` and `stream` are not used.
        """
        return replace(self, points=samples.values.to(self.points), weights=samples.weights.to(self.points))

    def sample(self, labels: Tensor, stream: sc.Stream) -> Tensor:
        """Draw training points by weight, plus noise.

        There is one for each entry of `labels` and each replicate, with kernel noise.
        """
        replicates = self.points.shape[1:-1]
        draws = len(labels) * replicates.numel()
        rows = torch.multinomial(self.weights, draws, replacement=True, generator=stream.child("rows").generator())
        index = rows.reshape(len(labels), *replicates, 1).expand(-1, *self.points.shape[1:])
        noise = torch.randn(index.shape, generator=stream.child("noise").generator(), dtype=self.points.dtype)
        return self.points.gather(0, index) + self.bandwidth() * noise

    def bandwidth(self) -> Tensor:
        """The kernel's standard deviation per dimension, (*replicates, d)."""
        weights = self.weights / self.weights.sum()
        mean = torch.tensordot(weights, self.points, dims=1)
        variance = torch.tensordot(weights, (self.points - mean).square(), dims=1)
        effective_count = 1 / weights.square().sum()
        return self.scale * effective_count ** (-1 / (self.points.shape[-1] + 4)) * variance.sqrt()
