"""Sampling bias: sampling tilted towards quality, as when people pick the best pictures.

A bias is a function of a model and its parents, the model's training set, that returns a sampler. So biases can be
combined with any model and any policy. The parents' provenance tells which parents are synthetic, and from which
generation. Samples of the newest generation are as drawn, before any correction.
"""

import math
from collections.abc import Callable
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from ..core.checks import check_number
from ..core.errors import SettingError
from ..core.randomness import Stream
from ..core.samples import Samples
from .models.protocol import GenerativeModel

Bias: TypeAlias = "Callable[[GenerativeModel, Samples], Sampler]"
Score: TypeAlias = Callable[[Tensor], Tensor]
"""Function from values (N, *event) to scores (N,) or (N, *replicates), where higher is better."""


class Sampler(Protocol):
    """A function that draws a batch of samples, or redraws some of them."""

    def __call__(self, labels: Tensor, stream: Stream, slots: Tensor | None = None) -> Tensor:
        """Draw a value for each label.

        Args:
            labels: (N,) int64 labels of the whole batch.
            stream: Random numbers.
            slots: (M,) int64 positions in the batch to draw; None for all.

        Returns:
            (N, *event), or (M, *event) for `slots`.
        """
        ...


def sample_independently(draw: Callable[[Tensor, Stream], Tensor]) -> Sampler:
    """Return a sampler that draws samples independently.

    `draw` maps labels (N,) and a stream to values (N, *event).
    """

    def sampler(labels: Tensor, stream: Stream, slots: Tensor | None = None) -> Tensor:
        return draw(labels if slots is None else labels[slots], stream)

    return sampler


def sample_plainly(model: GenerativeModel, parents: Samples) -> Sampler:
    """Return a sampler that draws from the model unchanged."""
    return sample_independently(model.sample)


def sampling_settings(**settings: float) -> Bias:
    """Return a bias that changes a model's sampling settings, for example `sampling_settings(temperature=0.8)`."""

    def bias(model: GenerativeModel, parents: Samples) -> Sampler:
        with_sampling = getattr(model, "with_sampling", None)
        if with_sampling is None:
            raise SettingError(f"{type(model).__name__} has no sampling settings, asked for {', '.join(settings)}")
        return sample_independently(with_sampling(**settings).sample)

    return bias


def best_of(k: int, *raters: Score, choice_noise: float = 0.0) -> Bias:
    """Return a bias that keeps the best of several draws (curation, Ferbach et al. 2024).

    For each sample, a rater chooses one of k draws.

    Args:
        k: Number of draws per sample, at least 1.
        raters: Scores, higher is better. Each sample is rated by one rater, drawn uniformly.
        choice_noise: Scale of Gumbel noise on the scores. With scale s, draw i wins with probability ∝ exp(score_i / s)
            (Plackett–Luce). With 0, the best always wins.

    Raises:
        SettingError: k is below 1, there is no rater, or the noise is negative.
    """
    if k < 1 or not raters:
        raise SettingError(f"best_of needs k ≥ 1 and at least one rater, got k = {k} and {len(raters)} raters")
    check_number("choice_noise", choice_noise, 0, math.inf)

    def bias(model: GenerativeModel, parents: Samples) -> Sampler:
        def draw(labels: Tensor, stream: Stream) -> Tensor:
            values = model.sample(labels.repeat(k), stream.child("draws"))
            scores = _scores(values, raters, len(labels), stream.child("rater").generator())
            generator = stream.child("choice").generator()
            uniform = torch.rand(scores.shape, generator=generator, dtype=torch.float64).to(scores)
            gumbel = -torch.log(-torch.log(uniform.clamp(1e-12, 1 - 1e-12)))
            scores = scores + choice_noise * gumbel
            best = scores.unflatten(0, (k, len(labels))).argmax(dim=0)  # (N, *replicates)
            draws = values.unflatten(0, (k, len(labels)))  # (k, N, *replicates, *event)
            index = best.reshape(1, *best.shape, *(1,) * (draws.ndim - 1 - best.ndim))
            return draws.gather(0, index.expand(1, *draws.shape[1:]))[0]

        return sample_independently(draw)

    return bias


def _scores(values: Tensor, raters: tuple[Score, ...], count: int, generator: torch.Generator) -> Tensor:
    """Return scores (k·count, *replicates) of all draws.

    All k draws of a sample have the same rater.
    """
    scores = torch.stack([rater(values) for rater in raters])
    rater = torch.randint(len(raters), (count,), generator=generator).repeat(len(values) // count)
    return scores[rater.to(scores.device), torch.arange(len(values), device=scores.device)]
