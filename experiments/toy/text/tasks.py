"""Parts that the toys of words and text share: word frequencies in many replicates, windows of text, perplexity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.run import Candidate, Task

from ..models.categorical import Categorical


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
