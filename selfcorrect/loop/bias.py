"""Sampling bias: how sampling is tilted towards quality, as people do when they pick their best pictures.

A bias maps a model and its parents, the set that the model was trained on, to a sampler, so that it composes with any
model and any policy. The parents' provenance says which of them are synthetic, and of which generation; those of the
newest generation are as they were drawn, before any correction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, Self, TypeAlias, cast

import torch
from torch import Tensor

from ..core.errors import SettingError
from ..core.randomness import Stream
from ..core.samples import Samples
from ..models.protocol import GenerativeModel

Bias: TypeAlias = "Callable[[GenerativeModel, Samples], Sampler]"
Score: TypeAlias = Callable[[Tensor], Tensor]  # values (N, *event) → (N,) or (N, *replicates), higher is better


class Sampler(Protocol):
    """Draws a batch of samples, or some of them again."""

    def __call__(self, labels: Tensor, stream: Stream, slots: Tensor | None = None) -> Tensor:
        """One value per label, labels (N,) int64 → values (N, *event); or only those at the positions `slots` (M,)."""
        ...


def sample_independently(draw: Callable[[Tensor, Stream], Tensor]) -> Sampler:
    """The sampler of a draw (labels (N,), stream) → values (N, *event) in which no sample depends on the others."""

    def sampler(labels: Tensor, stream: Stream, slots: Tensor | None = None) -> Tensor:
        return draw(labels if slots is None else labels[slots], stream)

    return sampler


class Steerable(Protocol):
    """A model whose sampling has settings, such as temperature, truncation, or guidance scale."""

    def with_sampling(self, **settings: float) -> Self: ...


def sample_plainly(model: GenerativeModel, parents: Samples) -> Sampler:
    """Samples as the model draws them."""
    return sample_independently(model.sample)


def sampling_settings(**settings: float) -> Bias:
    """Sampling with settings of the model's own, e.g. `sampling_settings(temperature=0.8)`."""

    def bias(model: GenerativeModel, parents: Samples) -> Sampler:
        if not hasattr(model, "with_sampling"):
            raise SettingError(f"{type(model).__name__} has no sampling settings, asked for {', '.join(settings)}")
        steered = cast(Steerable, model).with_sampling(**settings)
        return sample_independently(cast(GenerativeModel, steered).sample)

    return bias


def best_of(k: int, *raters: Score, choice_noise: float = 0.0) -> Bias:
    """Curation: of k draws per sample wanted, keep the one that a rater prefers (Ferbach et al. 2024).

    raters: One of them, drawn uniformly, judges each sample. choice_noise: Scale of Gumbel noise on the scores. At
    scale s draw i wins with probability ∝ exp(score_i / s) (Plackett–Luce), at 0 the best always wins.
    """
    if k < 1 or not raters:
        raise SettingError(f"best_of needs k ≥ 1 and at least one rater, got k = {k} and {len(raters)} raters")
    if not choice_noise >= 0:
        raise SettingError(f"choice_noise must be at least 0, got {choice_noise}")

    def bias(model: GenerativeModel, parents: Samples) -> Sampler:
        def draw(labels: Tensor, stream: Stream) -> Tensor:
            values = model.sample(labels.repeat(k), stream.child("draws"))
            scores = _scores(values, raters, len(labels), stream.child("rater").generator())
            noise = torch.rand(scores.shape, generator=stream.child("choice").generator(), dtype=torch.float64).to(
                scores
            )
            scores = scores - choice_noise * torch.log(-torch.log(noise.clamp(1e-12, 1 - 1e-12)))
            return _select_draws(
                values.unflatten(0, (k, len(labels))), scores.unflatten(0, (k, len(labels))).argmax(dim=0)
            )

        return sample_independently(draw)

    return bias


def _scores(values: Tensor, raters: tuple[Score, ...], count: int, generator: torch.Generator) -> Tensor:
    """(k·count, *replicates) scores, where the k draws for one sample have the same rater."""
    scores = torch.stack([rater(values) for rater in raters])
    rater = torch.randint(len(raters), (count,), generator=generator).repeat(len(values) // count)
    return scores[rater.to(scores.device), torch.arange(len(values), device=scores.device)]


def _select_draws(draws: Tensor, best: Tensor) -> Tensor:
    """Of draws (k, N, *replicates, *event) the ones at `best` (N, *replicates) → (N, *replicates, *event)."""
    index = best.reshape(1, *best.shape, *(1,) * (draws.ndim - 1 - best.ndim)).expand(1, *draws.shape[1:])
    return draws.gather(0, index)[0]
