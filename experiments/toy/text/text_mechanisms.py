"""The mechanisms on text: matching against drift and extrapolation against bias in loops of a small transformer.

There are so few windows of characters that the model half-memorises them. The remedies know only what they are given:
windows are alike where each character occurs as often.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from selfcorrect.core.samples import Samples
from selfcorrect.datasets.toy.text import Alphabet, documentation, split_windows, spread
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.run import Candidate, Task

from ...remedies.remedies import RemedyInputs
from ...studies.claims import Claim, above, below, end, gain
from ..declaration import Column, Setup, Toy, by_seed
from ..models.language import LanguageModel
from ..networks.mechanisms import REMEDIES, WAYS, arm_name, arms_of, groups_of


@dataclass(frozen=True)
class TextLoop:
    """Windows of the documentation that comes with Python."""

    windows: int = 200
    held_out: int = 300
    alphabet: int = 32
    length: int = 16
    generations: int = 6
    first_steps: int = 600
    steps: int = 60
    seeds: int = 5
    seed: int = 0
    ways: tuple[str, ...] = tuple(WAYS)


QUICK = TextLoop(generations=4, seeds=3, ways=("fully synthetic",))


def toy(settings: TextLoop) -> Toy:
    """Each way of training, without a remedy, with either and with both."""
    return Toy(
        [by_seed(settings.seed, settings.seeds, lambda stream: _setup(settings))],
        list(_claims(settings)),
        [
            Column("perplexity", "perplexity of text that no model has seen", ".0f", log=True),
            Column("surviving_lineages", "share of the real windows with a descendant", ""),
        ],
        groups=groups_of(settings.ways),
        notes=(
            "Perplexity is per character. Lines of descent are traced by how often each character occurs in a window.",
        ),
    )


def bag(values: Tensor, alphabet: int) -> Tensor:
    """How often each character occurs in windows (N, length), as square roots of counts (N, alphabet)."""
    numbers = values.long()
    return torch.zeros(len(values), alphabet).scatter_add_(1, numbers, torch.ones(numbers.shape)).sqrt()


def _setup(settings: TextLoop) -> Setup:
    text = documentation()
    train, held_out = split_windows(Alphabet.of(text, settings.alphabet).encode(text), settings.length, 0.1)
    train, held_out = spread(train, settings.windows), spread(held_out, settings.held_out)

    def embed(values: Tensor) -> Tensor:
        return bag(values, settings.alphabet)

    def scores(candidate: Candidate) -> dict[str, float]:
        trained = candidate.model
        assert isinstance(trained, LanguageModel)
        return {"perplexity": float(np.exp(trained.cross_entropy(held_out)))}

    model = LanguageModel(vocabulary=settings.alphabet, length=settings.length, batch_size=32, width=32, depth=1)
    real = Samples.real(train)
    task = Task(model, real, scores, settings.first_steps, space=lambda values: embed(values).double().numpy())
    lengths = settings.generations, settings.first_steps, settings.steps
    return Setup(task, arms_of(task, settings.ways, lengths, RemedyInputs(embed)))


def _claims(settings: TextLoop) -> Iterator[Claim]:
    for way in settings.ways:
        plain, *remedied = (arm_name(way, remedy) for remedy in REMEDIES)
        logarithm = end(plain, "perplexity").map(np.log)
        for remedy, arm in zip(REMEDIES[1:], remedied, strict=True):
            rise = end(arm, "perplexity").map(np.log) - logarithm
            yield below(f"{way}: {remedy} lowers the perplexity against no remedy", rise, published=False)
        if isinstance(WAYS[way][0], Replace):
            lines = gain(arm_name(way, "matched"), plain, "surviving_lineages")
            yield above(f"{way}: matching keeps more lines", lines, published=False)
