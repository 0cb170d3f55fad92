"""Published rules that select candidates and match moments."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.bias import Sampler
from selfcorrect.loop.correctors.anchors import Embedding, flat
from selfcorrect.loop.models.protocol import GenerativeModel

from .candidates import Pool, Rule

Errors: TypeAlias = Callable[[GenerativeModel, Tensor, Tensor, Stream], Tensor]
"""(model, values (N, *event), labels (N,), stream) → (N,) errors, larger for samples that the model finds unlikely."""


def farthest_points(embed: Embedding = flat) -> Rule:
    """Spread choices as far as possible.

    Each choice is the candidate farthest from all previous ones (greedy k-centre). arXiv 2509.16499 selects in this way
    to keep the entropy of the training set up.
    """

    def rule(pool: Pool, count: int) -> Tensor:
        vectors = embed(pool.values).double()
        rows = [int(torch.randint(len(vectors), (), generator=pool.stream.generator()))]
        nearest = (vectors - vectors[rows[0]]).norm(dim=1)
        while len(rows) < count:
            rows.append(int(nearest.argmax()))
            nearest = torch.minimum(nearest, (vectors - vectors[rows[-1]]).norm(dim=1))
        return torch.tensor(rows)

    return rule


def most_confident(errors: Errors) -> Rule:
    """Self-verification: the candidates that the model itself finds likeliest."""

    def rule(pool: Pool, count: int) -> Tensor:
        return errors(pool.model, pool.values, pool.labels, pool.stream).argsort()[:count]

    return rule


def least_likely(errors: Errors) -> Rule:
    """Choose the samples that the model finds least likely, against the loss of tails."""

    def rule(pool: Pool, count: int) -> Tensor:
        return errors(pool.model, pool.values, pool.labels, pool.stream).argsort(descending=True)[:count]

    return rule


def in_latent_subspace(embed: Embedding = flat, explained: float = 0.9) -> Rule:
    """Choose candidates near the training set's main principal components.

    This follows Cai et al. 2025, "Latent Space Filtering" (arXiv 2511.12742). They look at latent vectors of their
    network; here `embed` gives them. explained: share of variance that the main components explain.
    """

    def rule(pool: Pool, count: int) -> Tensor:
        parent_vectors = embed(pool.parents).double()
        mean = parent_vectors.mean(0)
        _, sizes, axes = torch.linalg.svd(parent_vectors - mean, full_matrices=False)
        shares = sizes.square().cumsum(0) / sizes.square().sum().clamp(min=1e-300)
        components = axes[: int((shares < explained).sum()) + 1]
        offsets = embed(pool.values).double() - mean
        residuals = offsets - offsets @ components.T @ components
        return residuals.norm(dim=1).argsort()[:count]

    return rule


def match_moments(model: GenerativeModel, parents: Samples) -> Sampler:
    """Return a sampler that matches parents' moments.

    The draws of each label get their mean and standard deviations. Labels with fewer than two parents or draws are left
    unchanged. A redraw is not matched.
    """

    def sampler(labels: Tensor, stream: Stream, slots: Tensor | None = None) -> Tensor:
        if slots is not None:
            return model.sample(labels[slots], stream)
        values = model.sample(labels, stream)
        for label in labels.unique():
            rows = labels == label
            label_parents = parents.values[parents.labels == label].to(values)
            if len(label_parents) > 1 and int(rows.sum()) > 1:
                drawn = values[rows]
                scale = label_parents.std(0, correction=0) / drawn.std(0, correction=0).clamp(min=1e-6)
                values[rows] = label_parents.mean(0) + scale * (drawn - drawn.mean(0))
        return values

    return sampler
