"""Parts that the toys of words and text share: word frequencies in many replicates, windows of text, perplexity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.datasets.toy.text import Alphabet, select_evenly, split_windows
from selfcorrect.loop.run import Candidate, Evaluate, Task

from ..models.categorical import Categorical
from ..models.language import LanguageModel


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


def windows_of(text: str, alphabet: int, length: int, train: int, held_out: int) -> tuple[Tensor, Tensor]:
    """Windows of characters to train on and held out, evenly spread over the first 90 % and the rest of a text."""
    parts = split_windows(Alphabet.from_text(text, alphabet).encode(text), length, 0.1)
    return select_evenly(parts[0], train), select_evenly(parts[1], held_out)


def perplexity_of(held_out: Tensor) -> Evaluate:
    """Return the judge of language models: perplexity per character of windows (N, length)."""

    def scores(candidate: Candidate) -> dict[str, float]:
        assert isinstance(candidate.model, LanguageModel)
        return {"perplexity": float(np.exp(candidate.model.cross_entropy(held_out)))}

    return scores
