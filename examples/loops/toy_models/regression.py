"""Model (covariates, label) pairs by linear regression.

As a generative model, it gives loops with exact test errors.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

import selfcorrect as sc
from selfcorrect.loop.models.protocol import TensorModel


@dataclass(frozen=True)
class LinearRegression(TensorModel):
    """Linear regression with normal noise.

    y = x · weight + noise ε with x ~ N(0, I), ε ~ N(0, 1), or independent replicates of it. An event has the shape
    (*replicates, d + 1), the label last. `fit` estimates the weight by least squares and keeps the noise.
    """

    weight: Tensor
    """(*replicates, d)."""
    noise: float = 1.0
    """Standard deviation σ, known."""

    @classmethod
    def zero(cls, *shape: int, noise: float = 1.0) -> Self:
        """The model with weight zero, of shape (*replicates, d)."""
        return cls(torch.zeros(shape, dtype=torch.float64), noise)

    def fit(self, samples: sc.Samples, steps: int, stream: sc.Stream) -> Self:
        """Fit weights by weighted least squares.

        `steps` and `stream` are not used.
        """
        values = samples.values.to(self.weight)
        weights = samples.weights.to(self.weight)
        covariates = values[..., :-1]
        labels = values[..., -1]
        gram = torch.einsum("n,n...i,n...j->...ij", weights, covariates, covariates)
        moment = torch.einsum("n,n...i,n...->...i", weights, covariates, labels)
        return replace(self, weight=torch.linalg.solve(gram, moment))

    def sample(self, labels: Tensor, stream: sc.Stream) -> Tensor:
        """Draw one pair (*replicates, d + 1) per label, with new covariates."""
        shape = (len(labels), *self.weight.shape)
        generator = stream.generator()
        covariates = torch.randn(shape, generator=generator, dtype=self.weight.dtype)
        noise = self.noise * torch.randn(shape[:-1], generator=generator, dtype=self.weight.dtype)
        answers = (covariates * self.weight).sum(-1) + noise
        return torch.cat([covariates, answers[..., None]], dim=-1)


def true_pairs(shape: tuple[int, ...], count: int, stream: sc.Stream, noise: float = 1.0) -> sc.Samples:
    """Draw real pairs (count, *replicates, d + 1).

    The weights (*replicates, d) of the given shape are all 1.
    """
    truth = LinearRegression(torch.ones(shape, dtype=torch.float64), noise)
    return sc.Samples.real(truth.sample(torch.zeros(count), stream))


def weight_errors(candidate: sc.Candidate) -> dict[str, Tensor]:
    """Measure the error and the mean of the weights, per replicate.

    For normal covariates, the squared error of the weights is the excess test error.
    """
    model = candidate.model
    assert isinstance(model, LinearRegression)
    return {"error": (model.weight - 1).square().sum(-1), "mean_weight": model.weight.mean(-1)}


def regression_replace_error(samples: int, dimension: int, noise: float, generations: int) -> np.ndarray:
    """Return the error of replaced regressions, (t + 1,).

    This is the excess test error of a fully synthetic loop, σ² d / (T − d − 1) · (t + 1), for T samples with standard
    normal covariates per generation, least squares, and fresh noise of standard deviation σ. The result is exact.
    Sources: Mobahi et al. 2020; Dohmatob et al. 2024; Gerstgrasser et al. 2024, Theorem 1.

    Args:
        samples: T, number of samples per generation.
        noise: σ, standard deviation of the noise.
        generations: t, number of generations after generation 0.
    """
    return noise**2 * dimension / (samples - dimension - 1) * np.arange(1, generations + 2)


def regression_accumulate_error(samples: int, dimension: int, noise: float, generations: int) -> np.ndarray:
    """Return the error of accumulated regressions, (t + 1,).

    This is the excess test error if every generation's T samples are kept: σ² Σᵢ (1/i) d / (iT − d − 1). It is below
    the bound σ² d / (T − d − 1) · π²/6 of Gerstgrasser et al. 2024, Theorem 2, which repeats a single design. For fresh
    covariates the sum is exact: the pooled estimate moves by G⁻¹ Xᵀε, and the i blocks of G are exchangeable.

    Args:
        samples: T, number of samples per generation.
        noise: σ, standard deviation of the noise.
        generations: t, number of generations after generation 0.
    """
    index = np.arange(1, generations + 2)
    return noise**2 * np.cumsum(dimension / (index * (index * samples - dimension - 1)))
