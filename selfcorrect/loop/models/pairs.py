"""Pairs of a preferred and another sample.

There are models that can be fitted to them beside a training set.
"""

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
    """Preferred samples (winners) and rejected ones (losers).

    (N, *event) each, with settings of the preference.

    A fit to pairs minimises, with e(x) the model's error on x and e_ref(x) the error of the reference,

        e(training sample) + (κ / β) · −log σ(−β Δ),   Δ = [e(w) − e_ref(w)] − [e(l) − e_ref(l)].

    This is Diffusion-DPO (Wallace et al. 2023, arXiv 2311.12908) beside the plain loss. The factor 1/β makes κ the
    weight of the preference: for β → 0 the second term is κ/2 · [e(w) − e(l)] plus a constant.
    """

    winners: Tensor
    losers: Tensor
    labels: Tensor
    """(N,) int64, shared by both sides of a pair."""
    reference: GenerativeModel
    """The model that drew the losers."""
    weight: float
    """κ."""
    saturation: float
    """β: margins Δ well below −1/β count no further."""

    def __len__(self) -> int:
        return len(self.labels)

    def preference_loss(self, margins: Tensor) -> Tensor:
        """Return the preference loss.

        (κ / β) · −log σ(−β Δ), averaged over margins Δ (B,).
        """
        return -logsigmoid(-self.saturation * margins).mean() * (self.weight / self.saturation)


@runtime_checkable
class PairModel(Protocol):
    """A model that also learns from pairs.

    Pairs come beside a training set.
    """

    def fit_with_pairs(self, samples: Samples, pairs: Pairs, steps: int, stream: Stream) -> Self:
        """Train on the training set and the pairs.

        Args:
            samples: The training set, drawn as `fit` draws it from the same stream.
            pairs: At least one pair.
            stream: Random numbers of the fit.
        """
        ...


def swap_half(winners: Tensor, losers: Tensor, stream: Stream) -> tuple[Tensor, Tensor]:
    """Swap the sides of random half the pairs.

    This is the placebo of a preference: the same samples, whose order carries no information.
    """
    is_swapped = torch.zeros(len(winners), dtype=torch.bool)
    is_swapped[torch.randperm(len(winners), generator=stream.generator())[: len(winners) // 2]] = True
    is_swapped = is_swapped.reshape(-1, *(1,) * (winners.ndim - 1)).to(winners.device)
    return torch.where(is_swapped, losers, winners), torch.where(is_swapped, winners, losers)
