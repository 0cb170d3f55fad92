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
from selfcorrect.datasets.toy.text import documentation
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.run import Task

from ...remedies.remedies import RemedyInputs
from ...studies.claims import Claim, above, below, end, gain, ours
from ..declaration import Column, Setup, Toy, ToySettings, by_seed
from ..models.language import LanguageModel
from ..networks.mechanisms import REMEDIES, WAYS, arm_name, arms_of
from .tasks import perplexity_of, windows_of


@dataclass(frozen=True)
class TextLoop(ToySettings):
    """Windows of the documentation that comes with Python."""

    windows: int = 200
    held_out: int = 300
    alphabet: int = 32
    length: int = 16
    generations: int = 6
    first_steps: int = 600
    steps: int = 60
    seeds: int = 5
    ways: tuple[str, ...] = tuple(WAYS)


QUICK = TextLoop(generations=4, seeds=3, ways=("fully synthetic",))


def toy(settings: TextLoop) -> Toy:
    """Each way of training, without a remedy, with either and with both."""
    return Toy(
        [by_seed(settings, lambda stream: _setup(settings))],
        ours(*_claims(settings)),
        [
            Column("perplexity", "perplexity of text that no model has seen", ".0f", log=True),
            Column("surviving_lineages", "share of the real windows with a descendant", ""),
        ],
        groups=settings.ways,
        notes=(
            "Perplexity is per character. Lines of descent are traced by how often each character occurs in a window.",
        ),
    )


def bag(values: Tensor, alphabet: int) -> Tensor:
    """How often each character occurs in windows (N, length), as square roots of counts (N, alphabet)."""
    numbers = values.long()
    return torch.zeros(len(values), alphabet).scatter_add_(1, numbers, torch.ones(numbers.shape)).sqrt()


def _setup(settings: TextLoop) -> Setup:
    counts = settings.windows, settings.held_out
    train, held_out = windows_of(documentation(), settings.alphabet, settings.length, *counts)

    def embed(values: Tensor) -> Tensor:
        return bag(values, settings.alphabet)

    model = LanguageModel(vocabulary=settings.alphabet, length=settings.length, batch_size=32, width=32, depth=1)
    space = lambda values: embed(values).double().numpy()  # noqa: E731
    task = Task(model, Samples.real(train), perplexity_of(held_out), settings.first_steps, space=space)
    lengths = settings.generations, settings.first_steps, settings.steps
    return Setup(task, arms_of(task, settings.ways, lengths, RemedyInputs(embed)))


def _claims(settings: TextLoop) -> Iterator[Claim]:
    for way in settings.ways:
        plain, *remedied = (arm_name(way, remedy) for remedy in REMEDIES)
        logarithm = end(plain, "perplexity").map(np.log)
        for remedy, arm in zip(REMEDIES[1:], remedied, strict=True):
            rise = end(arm, "perplexity").map(np.log) - logarithm
            yield below(f"{way}: {remedy} lowers the perplexity against no remedy", rise)
        if isinstance(WAYS[way][0], Replace):
            lines = gain(arm_name(way, "matched"), plain, "surviving_lineages")
            yield above(f"{way}: matching keeps more lines", lines)
