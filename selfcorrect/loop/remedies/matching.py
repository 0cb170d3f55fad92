"""Matching: one child for each synthetic training sample.

Drift then removes no founder.

A model in effect draws from its training set with replacement, so each generation leaves some members many children and
other members none (genetic drift, see examples/loops/lineages.py). Here a model draws more candidates than needed, and
every parent is assigned a candidate of the same label by optimal transport. Nothing is stored beyond the training set
that the model has just been trained on, and no real sample is looked at. The first generation, without synthetic
parents, takes representatives of many draws instead.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ...core.errors import SettingError
from ...core.randomness import Stream
from ...core.samples import Samples
from ..bias import Bias, Sampler, sample_independently
from ..correctors.anchors import Embedding, flat, k_means
from ..models.protocol import GenerativeModel

Finish: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]


def newest_synthetic(parents: Samples) -> Samples:
    """Return the latest generation's synthetic samples.

    A training set has none if all are real.
    """
    is_synthetic = parents.provenance.synthetic
    generation = parents.provenance.generation
    is_newest = is_synthetic & (generation == generation[is_synthetic].max(initial=-1))
    return parents.take(torch.from_numpy(is_newest))


def oldest_synthetic(parents: Samples) -> Samples:
    """Return synthetic samples, oldest first.

    They are all of a training set: those to be replaced if generations overlap.
    """
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
    """Return a bias with one child per parent.

    It is chosen among at most `draws` candidates per parent. A sample that a corrector rejects is drawn anew for the
    same parent.

    Args:
        draws: Most candidates per parent.
        embed: Values to vectors for comparing children and parents, of the training side.
        adaptive: Draw further candidates only for parents with a child nearer to another parent. Otherwise all
            candidates are drawn at once.
        finish: A function of children (N, *event), parents and labels (N,) that returns the children for use, e.g. with
            a property of the parents.
        heirs: The members of a training set that get children. If fewer samples are needed than there are heirs of a
            label, the first ones get them.

    Raises:
        SettingError: `draws` is below 1.
    """
    if draws < 1:
        raise SettingError(f"lineage matching needs at least 1 draw per sample, got {draws}")

    def bias(model: GenerativeModel, parents: Samples) -> Sampler:
        members = heirs(parents)
        if not len(members):
            return sample_independently(lambda labels, stream: representatives(model, labels, draws, embed, stream))
        member_vectors = embed(members.values).double()

        def sampler(labels: Tensor, stream: Stream, slots: Tensor | None = None) -> Tensor:
            slots = torch.arange(len(labels)) if slots is None else slots
            slot_labels = labels[slots]
            rows = parent_rows(labels, members.labels)[slots]
            has_parent = rows >= 0

            def assign(vectors: Tensor, candidate_labels: Tensor) -> Tensor:
                return match(member_vectors[rows], slot_labels, vectors, candidate_labels, has_parent)

            def needs_candidates(values: Tensor, candidate_labels: Tensor) -> Tensor:
                vectors = embed(values).double()
                children = vectors[assign(vectors, candidate_labels)]
                nearest = nearest_rows(children, slot_labels, member_vectors, members.labels)
                return has_parent & (nearest != rows)

            draw_candidates = _draw_adaptively if adaptive else _draw_all
            most = draws * max(1, len(members) // len(labels))
            values, candidate_labels = draw_candidates(model, slot_labels, most, stream, needs_candidates)
            children = values[assign(embed(values).double(), candidate_labels)]
            if finish is None:
                return children
            finished = finish(children[has_parent], members.values[rows[has_parent]], slot_labels[has_parent])
            return children.index_put((has_parent,), finished.to(children))

        return sampler

    return bias


def parent_rows(labels: Tensor, parent_labels: Tensor) -> Tensor:
    """Return a parent of each label (N,).

    All parents come equally often; −1 if there is none.
    """
    rows = torch.full_like(labels, -1)
    for label in labels.unique():
        parents = (parent_labels == label).nonzero().flatten()
        slots = (labels == label).nonzero().flatten()
        if len(parents):
            rows[slots] = parents[torch.arange(len(slots)) % len(parents)]
    return rows


def representatives(model: GenerativeModel, labels: Tensor, draws: int, embed: Embedding, stream: Stream) -> Tensor:
    """Return representative draws (N, *event).

    Each stands for `draws` draws of labels (N,). The values are the draws of a label that are nearest to the centres of
    k-means.

    Args:
        embed: Values to vectors for clustering.
    """
    candidate_labels = labels.repeat(draws)
    candidates = model.sample(candidate_labels, stream.child("draws"))
    vectors = embed(candidates).double()
    chosen = torch.empty_like(labels)
    for label in labels.unique():
        slots = (labels == label).nonzero().flatten()
        rows = (candidate_labels == label).nonzero().flatten()
        centres, _ = k_means(vectors[rows], len(slots), stream.child("clusters", int(label)))
        chosen[slots] = rows[_solve_assignment(torch.cdist(centres, vectors[rows]).square())]
    return candidates[chosen]


NeedsCandidates: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Candidates → samples that need another, (N,) bool. Values are (M, *event), labels (M,)."""
Candidates: TypeAlias = tuple[Tensor, Tensor]
"""Values (M, *event) and labels (M,)."""


def _draw_all(
    model: GenerativeModel, labels: Tensor, draws: int, stream: Stream, needs_candidates: NeedsCandidates
) -> Candidates:
    """Draw `draws` candidates for each of labels (N,)."""
    labels = labels.repeat(draws)
    return model.sample(labels, stream.child("draws")), labels


def _draw_adaptively(
    model: GenerativeModel, labels: Tensor, draws: int, stream: Stream, needs_candidates: NeedsCandidates
) -> Candidates:
    """Draw candidates where they are needed.

    Each of labels (N,) gets one, then another if it needs it, up to `draws` times as many.
    """
    values = model.sample(labels, stream.child("round", 0))
    candidate_labels = labels
    for attempt in range(1, 2 * draws):
        further = labels[needs_candidates(values, candidate_labels)]
        if len(further) == 0 or len(candidate_labels) + len(further) > draws * len(labels):
            break
        values = torch.cat([values, model.sample(further, stream.child("round", attempt))])
        candidate_labels = torch.cat([candidate_labels, further])
    return values, candidate_labels


def nearest_rows(vectors: Tensor, labels: Tensor, members: Tensor, member_labels: Tensor) -> Tensor:
    """Return each vector's nearest member by label.

    Args:
        vectors: (N, D) points to assign.
        labels: (N,) classes of the rows.
        members: (M, D) points of the real data.
        member_labels: (M,) classes of the real data.

    Returns:
        (N,) rows of `members`.
    """
    distances = torch.cdist(vectors, members)
    distances[labels[:, None] != member_labels[None, :]] = torch.inf
    return distances.argmin(dim=1)


def match(targets: Tensor, labels: Tensor, candidates: Tensor, candidate_labels: Tensor, has_target: Tensor) -> Tensor:
    """Match targets with different candidates.

    Each candidate has its target's label; the total squared distance is the least.

    Args:
        targets: (N, D) features of real data.
        labels: (N,) classes of the rows.
        candidates: (M, D), M ≥ N; the first N have the labels of the targets.
        candidate_labels: (M,) classes of the samples.
        has_target: (N,) bool, the targets that count; the others take what is left.

    Returns:
        (N,) rows of `candidates`.
    """
    chosen = torch.empty_like(labels)
    for label in labels.unique():
        slots = (labels == label).nonzero().flatten()
        rows = (candidate_labels == label).nonzero().flatten()
        costs = torch.cdist(targets[slots], candidates[rows]).square()
        costs[~has_target[slots]] = 0
        chosen[slots] = rows[_solve_assignment(costs)]
    return chosen


def _solve_assignment(costs: Tensor) -> Tensor:
    """Solve an assignment problem.

    Each row of costs (N, M) gets a column, all different, at the least total cost.
    """
    return torch.from_numpy(linear_sum_assignment(costs.numpy())[1])
