"""Selection among candidates: published rules for the samples of a model that may train the next one.

A rule chooses a number of rows among the candidates of one label; `select_candidates` makes a sampling bias of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from ..core.errors import SettingError
from ..core.randomness import Stream
from ..core.samples import Samples
from ..correctors.anchors import Embedding, flat
from ..correctors.density_ratio import Discrimination, log_density_ratio
from ..loop.bias import Bias, Sampler, sample_independently
from ..loop.fitting import Errors
from ..models.protocol import GenerativeModel


@dataclass(frozen=True)
class Pool:
    """Candidates of one label, with their model and its training samples of that label, which a rule may look at."""

    model: GenerativeModel
    parents: Tensor
    values: Tensor
    label: int
    stream: Stream

    @property
    def labels(self) -> Tensor:
        return torch.full((len(self.values),), self.label)


Rule: TypeAlias = Callable[[Pool, int], Tensor]  # (pool, count) → rows (count,) of the pool


def select_candidates(draws: int, rule: Rule) -> Bias:
    """Return a bias that draws `draws` candidates per sample and keeps those that a rule chooses, label by label."""
    if draws < 1:
        raise SettingError(f"selection needs at least 1 draw per sample, got {draws}")

    def bias(model: GenerativeModel, parents: Samples) -> Sampler:
        def draw(labels: Tensor, stream: Stream) -> Tensor:
            candidate_labels = labels.repeat(draws)
            values = model.sample(candidate_labels, stream.child("draws"))
            chosen = torch.empty_like(labels)
            for label in labels.unique():
                slots = (labels == label).nonzero().flatten()
                rows = (candidate_labels == label).nonzero().flatten()
                label_parents = parents.values[parents.labels == label]
                pool = Pool(model, label_parents, values[rows], int(label), stream.child("rule", int(label)))
                chosen[slots] = rows[rule(pool, len(slots))]
            return values[chosen]

        return sample_independently(draw)

    return bias


def farthest_points(embed: Embedding = flat) -> Rule:
    """Spread out as far as possible: each choice is the candidate farthest from all before (greedy k-centre).

    The selection of arXiv 2509.16499, there to keep the entropy of the training set up.
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
    """Own-likelihood rank: the candidates that the model itself finds least likely, against the loss of tails."""

    def rule(pool: Pool, count: int) -> Tensor:
        return errors(pool.model, pool.values, pool.labels, pool.stream).argsort(descending=True)[:count]

    return rule


def in_latent_subspace(embed: Embedding = flat, explained: float = 0.9) -> Rule:
    """The candidates nearest to the low-dimensional structure of the training set: its main principal components.

    After Cai et al. 2025, "Latent Space Filtering" (arXiv 2511.12742). They look at latent vectors of their network;
    here `embed` gives them. explained: share of variance that the main components explain.
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


def at_random(pool: Pool, count: int) -> Tensor:
    """Choose candidates at random: the control of every rule."""
    return torch.randperm(len(pool.values), generator=pool.stream.generator())[:count]


def nearest_to(reference: Tensor, embed: Embedding = flat) -> Rule:
    """Top-α selection by a verifier that knows only a reference (R, *event): the candidates nearest to its mean.

    After Qiao et al. 2026 (arXiv 2606.13732). α is 1 over the draws per sample.
    """
    centre = embed(reference).double().mean(0)

    def rule(pool: Pool, count: int) -> Tensor:
        distances = (embed(pool.values).double() - centre).norm(dim=1)
        return distances.argsort()[:count]

    return rule


def by_density_ratio(real: Samples, settings: Discrimination | None = None) -> Rule:
    """Candidates drawn without replacement with probabilities in proportion to the density ratio, real over synthetic.

    A discriminator that is trained on the pool estimates the logarithm of the ratio (arXiv 2606.19162). With Gumbel
    noise on it, its largest values are such a draw (Efraimidis and Spirakis 2006).
    """
    settings = settings or Discrimination()

    def rule(pool: Pool, count: int) -> Tensor:
        ratio = log_density_ratio(real.values[real.labels == pool.label], pool.values, settings, pool.stream)
        noise = torch.rand(len(pool.values), generator=pool.stream.child("choice").generator(), dtype=torch.float64)
        keys = ratio(pool.values).double() - torch.log(-torch.log(noise.clamp(1e-12, 1 - 1e-12)))
        return keys.argsort(descending=True)[:count]

    return rule


def match_moments(model: GenerativeModel, parents: Samples) -> Sampler:
    """Return a sampler that gives the draws of each label their parents' mean and standard deviations.

    Labels with fewer than two parents or draws are left unchanged. A redraw is not matched.
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
