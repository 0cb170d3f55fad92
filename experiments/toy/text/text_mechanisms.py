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

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.datasets.toy.text import Alphabet, documentation, split_windows, spread
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.run import Candidate, Task
from selfcorrect.statistics import mean_interval

from ...remedies.remedies import RemedyInputs
from ..models.language import LanguageModel
from ..networks.mechanisms import REMEDIES, WAYS, arm_name, arms_of, ends_by_remedy, panels
from ..result import Check, Result, above, below
from ..running import Comparison, Curves, run_seeds

SHOWN = {
    "perplexity": "perplexity of text that no model has seen",
    "surviving_lineages": "share of the real windows with a descendant",
}


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


def quick() -> TextLoop:
    return TextLoop(generations=4, seeds=3, ways=("fully synthetic",))


def run(settings: TextLoop | None = None) -> Result:
    """Each way of training, without a remedy, with either and with both."""
    settings = settings or TextLoop()
    seeds = range(settings.seed, settings.seed + settings.seeds)
    curves = run_seeds(lambda stream: _compare(settings, stream), seeds)
    return Result(
        reading=_reading(settings, curves),
        ends=ends_by_remedy(curves, settings.ways, "perplexity", ".0f"),
        checks=list(_checks(settings, curves)),
        figures=[
            panel
            for key, title in SHOWN.items()
            for panel in panels(curves, settings.ways, key, title, log_y=key == "perplexity")
        ],
        notes=(
            "Perplexity is per character. Lines of descent are traced by how often each character occurs in a window.",
        ),
    )


def bag(values: Tensor, alphabet: int) -> Tensor:
    """How often each character occurs in windows (N, length), as square roots of counts (N, alphabet)."""
    numbers = values.long()
    return torch.zeros(len(values), alphabet).scatter_add_(1, numbers, torch.ones(numbers.shape)).sqrt()


def _compare(settings: TextLoop, stream: Stream) -> Comparison:
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
    return task, arms_of(task, settings.ways, lengths, RemedyInputs(embed))


def _last(curves: Curves, way: str, remedy: str, key: str) -> np.ndarray:
    return curves[arm_name(way, remedy)][key][:, -1]


def _checks(settings: TextLoop, curves: Curves) -> Iterator[Check]:
    for way in settings.ways:
        plain = np.log(_last(curves, way, "none", "perplexity"))
        for remedy in REMEDIES[1:]:
            rise = mean_interval(np.log(_last(curves, way, remedy, "perplexity")) - plain)
            yield below(f"{way}: {remedy} lowers the perplexity against no remedy", rise, published=False)
        if isinstance(WAYS[way][0], Replace):
            lines, without = (_last(curves, way, remedy, "surviving_lineages") for remedy in ("matched", "none"))
            yield above(f"{way}: matching keeps more lines", mean_interval(lines - without), published=False)


def _reading(settings: TextLoop, curves: Curves) -> str:
    way = settings.ways[0]
    start, end = curves[arm_name(way, "none")]["perplexity"].mean(0)[[0, -1]]
    both = _last(curves, way, REMEDIES[-1], "perplexity").mean()
    return f"{way.capitalize()}, perplexity goes from {start:.0f} to {end:.0f}; with both remedies to {both:.0f}."
