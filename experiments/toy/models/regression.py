"""Linear regression as a generative model of (covariates, label) pairs: the loop with exact test errors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.models.protocol import TensorModel


@dataclass(frozen=True)
class LinearRegression(TensorModel):
    """y = x · weight + noise ε with x ~ N(0, I), ε ~ N(0, 1), or independent replicates of it.

    An event has the shape (*replicates, d + 1), the label last. `fit` estimates the weight by least squares and keeps
    the noise.
    """

    weight: Tensor
    """(*replicates, d)."""
    noise: float = 1.0
    """Standard deviation σ, known."""

    @classmethod
    def zero(cls, *shape: int, noise: float = 1.0) -> Self:
        """The model with weight zero, of shape (*replicates, d)."""
        return cls(torch.zeros(shape, dtype=torch.float64), noise)

    def fit(self, samples: Samples, steps: int, stream: Stream) -> Self:
        """The weighted least-squares estimate; `steps` and `stream` are not used."""
        values = samples.values.to(self.weight)
        weights = samples.weights.to(self.weight)
        covariates = values[..., :-1]
        labels = values[..., -1]
        gram = torch.einsum("n,n...i,n...j->...ij", weights, covariates, covariates)
        moment = torch.einsum("n,n...i,n...->...i", weights, covariates, labels)
        return replace(self, weight=torch.linalg.solve(gram, moment))

    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """One pair (*replicates, d + 1) per entry of `labels`, with new covariates."""
        shape = (len(labels), *self.weight.shape)
        generator = stream.generator()
        covariates = torch.randn(shape, generator=generator, dtype=self.weight.dtype)
        noise = self.noise * torch.randn(shape[:-1], generator=generator, dtype=self.weight.dtype)
        answers = (covariates * self.weight).sum(-1) + noise
        return torch.cat([covariates, answers[..., None]], dim=-1)
