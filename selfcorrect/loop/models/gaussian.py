"""A multivariate normal distribution, fitted by maximum likelihood.

Loops with this model have closed forms.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from ...core.checks import check_number
from ...core.errors import InputError, TrainingDivergedError
from ...core.randomness import Stream
from ...core.samples import Samples
from .pairs import Pairs
from .protocol import TensorModel

_ROUNDING = 1e-6
"""Rounding error, relative to the largest variance, by which a covariance may be asymmetric or an eigenvalue
negative."""


@dataclass(frozen=True)
class Gaussian(TensorModel):
    """A Gaussian model N(mean, covariance), or several independent replicates of it.

    An event has the shape of the mean, so R seeds of a loop can run together.
    """

    mean: Tensor
    """(*replicates, d) mean."""
    covariance: Tensor
    """(*replicates, d, d) covariance."""
    temperature: float = 1.0
    """Factor on the covariance when sampling."""

    @classmethod
    def standard(cls, *event: int, dtype: torch.dtype = torch.float64) -> Self:
        """Return N(0, I), which also serves as the untrained model.

        Args:
            event: Shape (*replicates, d) of a value.
            dtype: Type of the tensors.
        """
        covariance = torch.eye(event[-1], dtype=dtype).expand(*event, event[-1]).clone()
        return cls(torch.zeros(event, dtype=dtype), covariance)

    def check_loaded(self, where: object, state: Mapping[str, Tensor], model: Any) -> None:
        """Check shapes and the covariance, see `Saveable`.

        The covariance must be symmetric and positive semi-definite.
        """
        super().check_loaded(where, state, model)
        covariance = model.covariance
        tolerance = _ROUNDING * float(covariance.abs().max())
        is_symmetric = bool(((covariance - covariance.mT).abs() <= tolerance).all())
        if not is_symmetric or torch.linalg.eigvalsh(covariance).min() < -tolerance:
            raise InputError(f"{where}: covariance must be symmetric, with eigenvalues of at least 0")

    def fit(self, samples: Samples, steps: int, stream: Stream) -> Self:
        """Return the weighted maximum-likelihood estimate.

        Args:
            samples: The training set, values (N, *replicates, d).
        """
        weights = samples.weights.to(self.mean) / samples.weights.sum()
        return self._fit_weighted(samples.values, weights)

    def fit_with_pairs(self, samples: Samples, pairs: Pairs, steps: int, stream: Stream) -> Self:
        """Fit to a training set and pairs.

        Winners have the weight κ/2 and losers −κ/2, relative to the training set. This minimises the loss of `Pairs` in
        the limit β → 0, with the negative log-likelihood as error. β is not used.

        Args:
            samples: The training set, values (N, *replicates, d).

        Raises:
            TrainingDivergedError: The losers vary so much more than the winners that no covariance is left.
        """
        weights = samples.weights.to(self.mean) / samples.weights.sum()
        pair_weights = weights.new_full((len(pairs),), pairs.weight / 2 / len(pairs))
        values = torch.cat([samples.values.to(self.mean), pairs.winners.to(self.mean), pairs.losers.to(self.mean)])
        fitted = self._fit_weighted(values, torch.cat([weights, pair_weights, -pair_weights]))
        if torch.linalg.eigvalsh(fitted.covariance).min() < 0:
            raise TrainingDivergedError(
                "a Gaussian cannot be fitted to these pairs: losers vary far more than winners; "
                f"lower the weight of the preference (now {pairs.weight:g})"
            )
        return fitted

    def _fit_weighted(self, values: Tensor, weights: Tensor) -> Self:
        """Return mean and covariance under weights (N,).

        Weights sum to 1 and may be negative.
        """
        values = values.to(self.mean)
        mean = (weights @ values.flatten(1)).reshape(self.mean.shape)
        centred = values - mean
        weighted = (centred.flatten(1) * weights[:, None]).reshape(centred.shape)
        covariance = torch.einsum("n...i,n...j->...ij", weighted, centred)
        return replace(self, mean=mean, covariance=covariance)

    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """Draw a value (*replicates, d) per label.

        Noise is multiplied by the symmetric square root of the covariance.
        """
        noise = torch.randn((len(labels), *self.mean.shape), generator=stream.generator(), dtype=self.mean.dtype)
        eigenvalues, vectors = torch.linalg.eigh(self.covariance * self.temperature)
        root = (vectors * eigenvalues.clamp(min=0).sqrt().unsqueeze(-2)) @ vectors.mT
        return self.mean + torch.einsum("...ij,n...j->n...i", root, noise)

    def with_sampling(self, *, temperature: float) -> Self:
        """Return the model with a sampling temperature.

        The covariance is multiplied by it in sampling.
        """
        check_number("temperature", temperature, 0, math.inf)
        return replace(self, temperature=temperature)
