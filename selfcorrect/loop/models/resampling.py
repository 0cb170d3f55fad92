"""Given samples in place of a model.

Drawing real data tests an evaluation; drawing the training set makes a copying loop.
"""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from ...core.randomness import Stream
from ...core.samples import Samples


@dataclass(frozen=True)
class RealDraws:
    """A model that draws real samples with the requested labels.

    If no real sample has a label, it draws from all of them.
    """

    real: Samples

    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """Draw real values (N, *event) for labels (N,)."""
        rows = torch.empty(len(labels), dtype=torch.int64)
        for label in labels.unique():
            candidates = (self.real.labels == label).nonzero().flatten()
            if not len(candidates):
                candidates = torch.arange(len(self.real))
            is_wanted = labels == label
            generator = stream.child(int(label)).generator()
            rows[is_wanted] = candidates[torch.randint(len(candidates), (int(is_wanted.sum()),), generator=generator)]
        return self.real.values[rows]


@dataclass(frozen=True)
class Copying:
    """A model that copies members of its training set at random.

    All members of a label have the same chance, and nothing is learned. A fully synthetic loop with this model has
    neither sampler nor learner, so what it loses is neutral drift (Wright and Fisher). Loading the state of another
    model leaves the training set unchanged.
    """

    members: Samples

    def fit(self, samples: Samples, steps: int, stream: Stream) -> Self:
        """Return the model of another training set."""
        return replace(self, members=samples)

    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """Draw training values (N, *event) for labels (N,)."""
        return RealDraws(self.members).sample(labels, stream)

    def state(self) -> dict[str, Tensor]:
        return {"copied_values": self.members.values, "copied_labels": self.members.labels}

    def load_state(self, state: dict[str, Tensor]) -> Self:
        if "copied_values" not in state:
            return self
        return replace(self, members=Samples.real(state["copied_values"], state["copied_labels"]))

    def for_sampling(self) -> Self:
        return self
