"""Words that depend on the word before: the smallest language with grammar, whose entropy rate is known exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.models.protocol import TensorModel

MIXING_STEPS = 2**16  # steps to the long-run frequencies; a power of two is cheap, and rounding stays below 1e-10


@dataclass(frozen=True)
class MarkovChain(TensorModel):
    """Texts of T words from a first-order Markov chain over V words, or R ≥ 1 replicates of it.

    An event has the shape (*replicates, length) and holds the numbers of the words as floats.
    """

    initial: Tensor
    """(*replicates, V) first words."""
    transition: Tensor
    """(*replicates, V, V), row i the words after word i."""
    length: int

    @classmethod
    def uniform(cls, *replicates: int, words: int, length: int) -> Self:
        """Independent words of equal probabilities."""
        initial = torch.full((*replicates, words), 1 / words, dtype=torch.float64)
        return cls(initial, initial.unsqueeze(-2).expand(*replicates, words, words), length)

    def fit(self, samples: Samples, steps: int, stream: Stream) -> Self:
        """Maximum likelihood, the weighted relative frequencies without smoothing; `steps` and `stream` are not used.

        The likelihood says nothing about a word that none follows: it keeps its row.
        """
        texts = samples.values.long()
        words = self.transition.shape[-1]
        weights = samples.weights.to(self.transition)
        first = _counts(texts[..., :1], weights, words)
        pairs = _counts(texts[..., :-1] * words + texts[..., 1:], weights, words**2).reshape(self.transition.shape)
        visits = pairs.sum(-1, keepdim=True)
        transition = torch.where(visits > 0, pairs / visits, self.transition)
        return replace(self, initial=first / first.sum(-1, keepdim=True), transition=transition)

    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """One text (*replicates, length) per entry of `labels`, float32."""
        generator = stream.generator()
        words = self.initial.shape[-1]
        initial = self.initial.reshape(-1, words)
        rows = self.transition.reshape(-1, words)
        first_rows = torch.arange(len(initial))[:, None] * words
        text = [torch.multinomial(initial, len(labels), replacement=True, generator=generator)]
        for _ in range(self.length - 1):
            after = rows[(first_rows + text[-1]).flatten()]
            text.append(torch.multinomial(after, 1, generator=generator).reshape(text[-1].shape))
        texts = torch.stack(text, dim=-1).transpose(0, 1)
        return texts.reshape(len(labels), *self.initial.shape[:-1], self.length).float()

    def stationary(self) -> Tensor:
        """Long-run frequencies of the words, (*replicates, V), in texts that begin as this chain's do.

        The lazy chain (1 + P)/2 has the stationary distributions of P, and converges where P goes in circles.
        """
        lazy = (self.transition + torch.eye(self.initial.shape[-1]).to(self.transition)) / 2
        return (self.initial.unsqueeze(-2) @ torch.linalg.matrix_power(lazy, MIXING_STEPS)).squeeze(-2)

    def entropy_rate(self) -> Tensor:
        """Entropy of a word given the one before, nats, (*replicates,): Σ_i π_i H(P_i) (Shannon 1948, §7)."""
        return -(self.stationary() * torch.xlogy(self.transition, self.transition).sum(-1)).sum(-1)


def _counts(numbers: Tensor, weights: Tensor, kinds: int) -> Tensor:
    """Weighted counts (*replicates, kinds) of numbers (N, *replicates, positions), weights (N,)."""
    rows = numbers.flatten(1, -2).permute(1, 0, 2) if numbers.dim() > 2 else numbers[None]
    counts = torch.zeros((len(rows), kinds), dtype=weights.dtype)
    counts.scatter_add_(1, rows.flatten(1), weights[:, None].expand(rows.shape).flatten(1))
    return counts.reshape(*numbers.shape[1:-1], kinds)
