"""A mixture of Gaussians, fitted by scikit-learn's expectation maximisation."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import Self

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

from selfcorrect.core.errors import InputError
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples


@dataclass(frozen=True)
class Mixture:
    """K Gaussians: weights (K,), means (K, d), covariances (K, d, d). An event has the shape (d,)."""

    weights: Tensor
    means: Tensor
    covariances: Tensor
    trained: bool = False

    @classmethod
    def make_untrained(cls, components: int, dimension: int) -> Self:
        covariances = torch.eye(dimension, dtype=torch.float64).repeat(components, 1, 1)
        weights = torch.full((components,), 1 / components, dtype=torch.float64)
        return cls(weights, torch.zeros(components, dimension, dtype=torch.float64), covariances)

    def fit(self, samples: Samples, steps: int, stream: Stream) -> Self:
        """Expectation maximisation for at most `steps` iterations, from k-means or from the last generation's means.

        Raises ValueError for unequal sample weights, which scikit-learn's estimator does not know.
        """
        if samples.weights.unique().numel() > 1:
            raise InputError("a mixture of Gaussians is fitted to equally weighted samples only")
        estimator = GaussianMixture(
            len(self.weights),
            max_iter=steps,
            means_init=self.means.numpy() if self.trained else None,
            random_state=stream.seed % 2**32,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # `steps` is the stated budget
            estimator.fit(samples.values.double().numpy())
        parts = (estimator.weights_, estimator.means_, estimator.covariances_)
        return replace(
            self, **dict(zip(("weights", "means", "covariances"), map(torch.tensor, parts), strict=True)), trained=True
        )

    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """One point (d,) per entry of `labels`, of a component drawn by weight."""
        component = torch.multinomial(
            self.weights, len(labels), replacement=True, generator=stream.child("component").generator()
        )
        noise = torch.randn((len(labels), self.means.shape[1]), generator=stream.child("noise").generator()).double()
        root = torch.linalg.cholesky(self.covariances)
        return self.means[component] + torch.einsum("nij,nj->ni", root[component], noise)

    def log_density(self, points: Tensor) -> Tensor:
        """Log-density (N, K) of each weighted component at points (N, d)."""
        offset = points[:, None] - self.means
        precision = torch.linalg.inv(self.covariances)
        distance = torch.einsum("nki,kij,nkj->nk", offset, precision, offset)
        volume = torch.logdet(self.covariances) + points.shape[1] * math.log(2 * math.pi)
        return self.weights.log() - (distance + volume) / 2

    def state(self) -> dict[str, Tensor]:
        return {
            "weights": self.weights,
            "means": self.means,
            "covariances": self.covariances,
            "trained": torch.tensor(self.trained),
        }

    def load_state(self, state: dict[str, Tensor]) -> Self:
        return replace(self, **{**state, "trained": bool(state["trained"])})
