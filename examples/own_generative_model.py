"""A generative model of your own in a loop.

Four methods make a model: `fit` returns a trained one and changes nothing in place, `sample` draws one value per label,
and `state` and `load_state` let a run go on after it was stopped.
"""

from dataclasses import dataclass

import torch

import selfcorrect as sc
from selfcorrect.core.randomness import Stream


@dataclass(frozen=True)
class Histogram:
    """A histogram per dimension, from -4 to 4.

    Dimensions are independent, and it blurs what it sees.
    """

    shares: torch.Tensor  # (d, bins)

    def fit(self, samples: sc.Samples, steps: int, stream: Stream) -> "Histogram":
        counts = [torch.histc(column.float(), self.shares.shape[1], -4, 4) for column in samples.values.T]
        return Histogram(torch.stack(counts) / len(samples))

    def sample(self, labels: torch.Tensor, stream: Stream) -> torch.Tensor:
        random = stream.generator()
        chosen = torch.multinomial(self.shares, len(labels), replacement=True, generator=random).T
        return (chosen + torch.rand(chosen.shape, generator=random)) * 8 / self.shares.shape[1] - 4

    def state(self) -> dict[str, torch.Tensor]:
        return {"shares": self.shares}

    def load_state(self, state: dict[str, torch.Tensor]) -> "Histogram":
        return Histogram(state["shares"])


data, untrained = torch.randn(400, 2, generator=sc.streams(0).generator()), Histogram(torch.ones(2, 16) / 16)
for policy in (sc.Replace(), sc.Augment(1.0)):
    print(policy, sc.measure_stability(untrained, data, policy, trial=sc.Trial(generations=30)))
