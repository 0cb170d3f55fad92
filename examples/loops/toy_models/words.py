"""Word frequencies, the statistical language model whose collapse is known exactly, and tasks of learning them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.run import Candidate, Task
from selfcorrect.models.protocol import TensorModel


@dataclass(frozen=True)
class Categorical(TensorModel):
    """Independent draws from V categories, or R ≥ 1 replicates of it (Seddik et al. 2024, a single context of their
    model).

    An event has the shape (*replicates,) and holds the category's number as a float.
    """

    probabilities: Tensor
    """(*replicates, V), summing to 1 over the categories."""

    @classmethod
    def uniform(cls, *shape: int) -> Self:
        """Equal probabilities of shape (*replicates, V)."""
        return cls(torch.full(shape, 1 / shape[-1], dtype=torch.float64))

    @classmethod
    def from_probabilities(cls, probabilities: Sequence[float] | Tensor, *replicates: int) -> Self:
        """The same probabilities (V,) in each replicate."""
        return cls(torch.as_tensor(probabilities, dtype=torch.float64).expand(*replicates, -1).contiguous())

    def fit(self, samples: Samples, steps: int, stream: Stream) -> Self:
        """The weighted relative frequencies; `steps` and `stream` are not used."""
        rows = samples.values.long().flatten(1).T
        weights = samples.weights.to(self.probabilities) / samples.weights.sum()
        counts = torch.zeros_like(self.probabilities).reshape(-1, self.probabilities.shape[-1])
        counts.scatter_add_(1, rows, weights.expand(rows.shape))
        return replace(self, probabilities=counts.reshape(self.probabilities.shape))

    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """One category (*replicates,) per entry of `labels`, float32."""
        table = self.probabilities.reshape(-1, self.probabilities.shape[-1])
        draws = torch.multinomial(table, len(labels), replacement=True, generator=stream.generator())
        return draws.T.reshape(len(labels), *self.probabilities.shape[:-1]).float()


def word_task(
    probabilities: Sequence[float] | Tensor,
    count: int,
    measure: Callable[[Tensor], Mapping[str, Tensor]],
    stream: Stream,
    *replicates: int,
) -> Task:
    """Return the task of learning word frequencies, in independent replicates.

    Args:
        probabilities: (V,) of the truth.
        count: Number of real words.
        measure: Probabilities (*replicates, V) of a trained model → quantities.
    """
    truth = Categorical.from_probabilities(probabilities, *replicates)
    real = Samples.real(truth.sample(torch.zeros(count), stream.child("real")))

    def scores(candidate: Candidate) -> Mapping[str, Tensor]:
        assert isinstance(candidate.model, Categorical)
        return measure(candidate.model.probabilities)

    return Task(Categorical.uniform(*replicates, len(probabilities)), real, scores)


def make_rater(rewards: Sequence[float] | np.ndarray) -> Callable[[Tensor], Tensor]:
    """Return a score of categories by their rewards (V,)."""
    table = torch.tensor(np.asarray(rewards), dtype=torch.float64)
    return lambda values: table[values.long()]


def entropy(probabilities: Tensor) -> Tensor:
    """Return the entropy of distributions (…, V) in nats; its exponential is the effective number of categories."""
    return torch.special.entr(probabilities).sum(-1)
