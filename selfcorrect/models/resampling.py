"""Real data in place of a model: the stand-in by which an evaluation is tried and real data are evaluated."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.randomness import Stream
from ..core.samples import Samples


@dataclass(frozen=True)
class RealDraws:
    """A model that draws real samples of the labels asked for, or of any label if none has it."""

    real: Samples

    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """Return a real value per label, (N, *event) for labels (N,)."""
        rows = torch.empty(len(labels), dtype=torch.int64)
        for label in labels.unique():
            candidates = (self.real.labels == label).nonzero().flatten()
            if not len(candidates):
                candidates = torch.arange(len(self.real))
            is_wanted = labels == label
            generator = stream.child(int(label)).generator()
            rows[is_wanted] = candidates[torch.randint(len(candidates), (int(is_wanted.sum()),), generator=generator)]
        return self.real.values[rows]
