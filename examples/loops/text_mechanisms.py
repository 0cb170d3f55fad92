"""Drift and bias on text: matching against drift and extrapolation against bias in loops of a small transformer.

There are so few windows of characters that the model half-memorises them. The remedies know only what they are given:
windows are alike if each character occurs as often.

    selfcorrect toy examples/loops/text_mechanisms.py --quick
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from toy_data.text import documentation, windows_of
from toy_models.language import LanguageModel, perplexity_of
from toy_models.ways import REMEDIES, WAYS, make_arms

import selfcorrect as sc
from selfcorrect import claims, toys


@dataclass(frozen=True)
class TextLoop(toys.ToySettings):
    """Windows of the documentation that comes with Python."""

    windows: int = 200
    held_out: int = 300
    alphabet: int = 32
    length: int = 16
    generations: int = 6
    initial_steps: int = 600
    steps: int = 60
    seeds: int = 5
    ways: tuple[str, ...] = tuple(WAYS)


QUICK = TextLoop(generations=4, seeds=3, ways=("fully synthetic",))


def toy(settings: TextLoop) -> toys.Toy:
    """Declare each kind of training without remedies, with either, and with both."""
    return toys.Toy(
        bundles=[toys.bundle_seeds(settings, partial(set_up, settings))],
        claims=claims.mark_unpublished(*make_claims(settings)),
        columns=[
            toys.Column("perplexity", "perplexity of text that no model has seen", ".0f", log=True),
            toys.Column("surviving_lineages", "share of the real windows with a descendant", ""),
        ],
        groups=settings.ways,
        title="Drift and bias on text",
        source="this project",
        notes=(
            "Perplexity is per character. Lines of descent are traced by how often each character occurs in a window.",
        ),
    )


def set_up(settings: TextLoop, stream: sc.Stream) -> toys.Setup:
    sizes = (settings.alphabet, settings.length, settings.windows, settings.held_out)
    train, held_out = windows_of(documentation(), *sizes)
    count = partial(count_characters, alphabet=settings.alphabet)

    def to_space(values: Tensor) -> np.ndarray:
        return count(values).double().numpy()

    model = LanguageModel(vocabulary=settings.alphabet, length=settings.length, batch_size=32, width=32, depth=1)
    task = sc.Task(model, sc.Samples.real(train), perplexity_of(held_out), settings.initial_steps, space=to_space)
    inputs = sc.RemedyInputs(embed=count)
    return toys.Setup(task, make_arms(task, settings.ways, settings.generations, settings.steps, inputs))


def count_characters(values: Tensor, alphabet: int) -> Tensor:
    """Return square roots (N, alphabet) of character counts in windows (N, length)."""
    numbers = values.long()
    counts = torch.zeros(len(values), alphabet)
    counts.scatter_add_(1, numbers, torch.ones(numbers.shape))
    return counts.sqrt()


def make_claims(settings: TextLoop) -> Iterator[claims.Claim]:
    for way in settings.ways:
        plain = f"{way}, none"
        logarithm = claims.final_value(plain, "perplexity").map(np.log)
        for remedy in REMEDIES[1:]:
            perplexity = claims.final_value(f"{way}, {remedy}", "perplexity")
            rise = perplexity.map(np.log) - logarithm
            yield claims.expect_below(f"{way}: {remedy} lowers the perplexity against no remedy", rise)
        if isinstance(WAYS[way][0], sc.Replace):
            lines = claims.final_difference(f"{way}, matched", plain, "surviving_lineages")
            yield claims.expect_above(f"{way}: matching keeps more lines", lines)
