"""Matching: each member of the last synthetic training set gets one child, so that drift removes no founder.

A model draws its own training set with replacement, so that in each generation some members have many children and
others none (genetic drift, `theory.surviving_lineages`). Here a model draws more candidates than are wanted, and of
those of each label every parent is assigned one by optimal transport. Nothing is stored beyond the training set that
the model has just been trained on, and no real datum is looked at. The first generation, which has no synthetic
parents, takes representatives of many draws instead.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ..core.errors import SettingError
from ..core.randomness import Stream
from ..core.samples import Samples
from ..correctors.anchors import Embedding, flat, k_means
from ..loop.bias import Bias, Sampler
from ..models.protocol import GenerativeModel

Finish: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]


def newest_synthetic(parents: Samples) -> Samples:
    """The synthetic samples of the latest generation in a training set; none where all are real."""
    synthetic, generation = parents.provenance.synthetic, parents.provenance.generation
    newest = synthetic & (generation == generation[synthetic].max(initial=-1))
    return parents.take(torch.from_numpy(newest))


def oldest_synthetic(parents: Samples) -> Samples:
    """All synthetic samples of a training set, the oldest first: those to be replaced where generations overlap."""
    rows = np.flatnonzero(parents.provenance.synthetic)
    return parents.take(torch.from_numpy(rows[parents.provenance.generation[rows].argsort(kind="stable")]))


def lineage_matched(
    draws: int = 8,
    embed: Embedding = flat,
    *,
    adaptive: bool = True,
    finish: Finish | None = None,
    heirs: Callable[[Samples], Samples] = newest_synthetic,
) -> Bias:
    """A bias that gives each parent one child, among at most `draws` candidates per parent.

    heirs: The members of a training set that get children, the first ones first. Where fewer samples are wanted than
    there are heirs of a label, only those.

    embed: Values to vectors in which children and parents are compared, of the training side. A parent asks for further
    candidates only while its child is nearer to another parent. Without `adaptive` all candidates are drawn at once.
    finish: What a child keeps of its parent besides, as a function of children (N, *event), their parents and their
    labels (N,). A sample that a corrector rejects is drawn anew for the same parent.
    """
    if draws < 1:
        raise SettingError(f"lineage matching needs at least 1 draw per sample, got {draws}")

    def bias(model: GenerativeModel, parents: Samples) -> Sampler:
        line = heirs(parents)
        if not len(line):
            return partial(_founders, model, draws, embed)
        members = embed(line.values).double()

        def sampler(labels: Tensor, stream: Stream, slots: Tensor | None = None) -> Tensor:
            slots = torch.arange(len(labels)) if slots is None else slots
            rows, wanted = parent_rows(labels, line.labels)[slots], labels[slots]

            def chosen(vectors: Tensor, own: Tensor) -> Tensor:
                return match(members[rows], wanted, vectors, own, rows >= 0)

            def unmet(values: Tensor, own: Tensor) -> Tensor:
                children = (vectors := embed(values).double())[chosen(vectors, own)]
                return (rows >= 0) & (nearest_rows(children, wanted, members, line.labels) != rows)

            draw = _candidates if adaptive else _all_candidates
            values, own = draw(model, wanted, draws * max(1, len(line) // len(labels)), stream, unmet)
            children = values[chosen(embed(values).double(), own)]
            return children if finish is None else _apply_finish(finish, children, line.values, rows, wanted)

        return sampler

    return bias


def _founders(
    model: GenerativeModel, draws: int, embed: Embedding, labels: Tensor, stream: Stream, slots: Tensor | None = None
) -> Tensor:
    """The first synthetic samples, which have no parents: representatives of many draws."""
    return representatives(model, labels if slots is None else labels[slots], draws, embed, stream)


def _apply_finish(finish: Finish, children: Tensor, members: Tensor, rows: Tensor, labels: Tensor) -> Tensor:
    """The children with `finish` applied to those that have a parent."""
    has = rows >= 0
    return children.index_put((has,), finish(children[has], members[rows[has]], labels[has]).to(children))


def parent_rows(labels: Tensor, parent_labels: Tensor) -> Tensor:
    """A parent of the same label for each of labels (N,), all parents equally often; −1 where there is none."""
    rows = torch.full_like(labels, -1)
    for label in labels.unique():
        own, wanted = (parent_labels == label).nonzero().flatten(), (labels == label).nonzero().flatten()
        if len(own):
            rows[wanted] = own[torch.arange(len(wanted)) % len(own)]
    return rows


def representatives(model: GenerativeModel, labels: Tensor, draws: int, embed: Embedding, stream: Stream) -> Tensor:
    """Values (N, *event) that stand for `draws` times as many: of each label the draws nearest to k-means' centres."""
    candidate_labels = labels.repeat(draws)
    candidates = model.sample(candidate_labels, stream.child("draws"))
    vectors = embed(candidates).double()
    chosen = torch.empty_like(labels)
    for label in labels.unique():
        wanted, own = (labels == label).nonzero().flatten(), (candidate_labels == label).nonzero().flatten()
        centres, _ = k_means(vectors[own], len(wanted), stream.child("clusters", int(label)))
        chosen[wanted] = own[_solve_assignment(centres, vectors[own])]
    return candidates[chosen]


Unmet: TypeAlias = Callable[[Tensor, Tensor], Tensor]  # candidates' values, labels → (N,) bool, which want another
Candidates: TypeAlias = tuple[Tensor, Tensor]  # values (M, *event), labels (M,)


def _all_candidates(model: GenerativeModel, labels: Tensor, draws: int, stream: Stream, unmet: Unmet) -> Candidates:
    """`draws` candidates for each of labels (N,)."""
    labels = labels.repeat(draws)
    return model.sample(labels, stream.child("draws")), labels


def _candidates(model: GenerativeModel, labels: Tensor, draws: int, stream: Stream, unmet: Unmet) -> Candidates:
    """A candidate for each of labels (N,), then another for those that are `unmet`, up to `draws` times as many."""
    values, own = model.sample(labels, stream.child("round", 0)), labels
    for attempt in range(1, 2 * draws):
        further = labels[unmet(values, own)]
        if len(further) == 0 or len(own) + len(further) > draws * len(labels):
            break
        values = torch.cat([values, model.sample(further, stream.child("round", attempt))])
        own = torch.cat([own, further])
    return values, own


def nearest_rows(vectors: Tensor, labels: Tensor, members: Tensor, member_labels: Tensor) -> Tensor:
    """The row in members (M, D) that is nearest to each of vectors (N, D) among those of its label."""
    distances = torch.cdist(vectors, members)
    distances[labels[:, None] != member_labels[None, :]] = torch.inf
    return distances.argmin(dim=1)


def match(targets: Tensor, labels: Tensor, candidates: Tensor, candidate_labels: Tensor, known: Tensor) -> Tensor:
    """A candidate of the same label for each target (N, D), all different, at the least total squared distance.

    known: (N,) bool, which targets count; the others take what is left. The first N candidates have labels (N,).
    """
    chosen = torch.empty_like(labels)
    for label in labels.unique():
        wanted, own = (labels == label).nonzero().flatten(), (candidate_labels == label).nonzero().flatten()
        costs = torch.cdist(targets[wanted], candidates[own]).square()
        costs[~known[wanted]] = 0
        chosen[wanted] = own[torch.from_numpy(linear_sum_assignment(costs.numpy())[1])]
    return chosen


def _solve_assignment(targets: Tensor, candidates: Tensor) -> Tensor:
    """A candidate for each target (N, D), all different, at the least total squared distance."""
    return torch.from_numpy(linear_sum_assignment(torch.cdist(targets, candidates).square().numpy())[1])
