"""Pairs of a preferred and a rejected sample, for models that learn from them in addition to a training set."""

from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from ...core.randomness import Stream
from ...core.samples import Samples
from .protocol import GenerativeModel


@dataclass(frozen=True)
class Pairs:
    """Preferred samples (winners) and rejected ones (losers), each (N, *event).

    A fit with pairs minimises, with e(x) the model's error on x and e_ref(x) the reference's,

        e(training sample) + (κ / β) · −log σ(−β Δ),   Δ = [e(w) − e_ref(w)] − [e(l) − e_ref(l)].

    This is Diffusion-DPO (Wallace et al. 2023, arXiv 2311.12908) in addition to the plain loss. Because of the factor
    1/β, κ is the weight of the preference: for β → 0, the second term is κ/2 · [e(w) − e(l)] plus a constant.
    """

    winners: Tensor
    losers: Tensor
    labels: Tensor
    """(N,) int64 labels, shared by both sides of a pair."""
    reference: GenerativeModel
    """The model that drew the losers."""
    weight: float
    """κ, weight of the preference."""
    saturation: float
    """β. Margins Δ far below −1/β count no further."""

    def __len__(self) -> int:
        return len(self.labels)

    def preference_loss(self, margins: Tensor) -> Tensor:
        """Return (κ / β) · −log σ(−β Δ), averaged over margins Δ (B,)."""
        return -logsigmoid(-self.saturation * margins).mean() * (self.weight / self.saturation)


@runtime_checkable
class PairModel(Protocol):
    """A model that learns from pairs in addition to a training set."""

    def fit_with_pairs(self, samples: Samples, pairs: Pairs, steps: int, stream: Stream) -> Self:
        """Train on the training set and the pairs.

        Args:
            samples: The training set, drawn as `fit` draws it from the same stream.
            pairs: At least one pair.
            steps: Number of optimiser steps.
            stream: Random numbers of the fit.
        """
        ...


def swap_half(winners: Tensor, losers: Tensor, stream: Stream) -> tuple[Tensor, Tensor]:
    """Swap the sides of a random half of the pairs.

    This is the placebo of a preference: the samples are the same, but their order carries no information.
    """
    is_swapped = torch.zeros(len(winners), dtype=torch.bool)
    is_swapped[torch.randperm(len(winners), generator=stream.generator())[: len(winners) // 2]] = True
    is_swapped = is_swapped.reshape(-1, *(1,) * (winners.ndim - 1)).to(winners.device)
    return torch.where(is_swapped, losers, winners), torch.where(is_swapped, winners, losers)
