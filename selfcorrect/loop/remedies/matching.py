"""Matching: one child for each synthetic training sample, so that drift removes no founder.

In effect, a model draws from its training set with replacement, so in each generation some members have many children
and others none (genetic drift, see examples/loops/lineages.py). Here, the model draws more candidates than needed, and
optimal transport assigns a candidate with the same label to every parent. Nothing is stored except the model's training
set, and no real sample is used. The first generation has no synthetic parents and takes representatives of many draws
instead.
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
    """Return the newest generation's synthetic samples.

    The result is empty if all samples of the training set are real.
    """
    is_synthetic = parents.provenance.synthetic
    generation = parents.provenance.generation
    is_newest = is_synthetic & (generation == generation[is_synthetic].max(initial=-1))
    return parents.take(torch.from_numpy(is_newest))


def oldest_synthetic(parents: Samples) -> Samples:
    """Return all synthetic samples of a training set, the oldest first.

    If generations overlap, the first ones are replaced next.
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
    """Return a bias that gives each parent one child.

    The child is chosen among up to `draws` candidates per parent. If a corrector rejects a child, it is redrawn for the
    same parent.

    Args:
        draws: Maximum number of candidates per parent.
        embed: Function from values to vectors in which children and parents are compared, fitted to training data.
        adaptive: Draw further candidates only for parents whose child is nearer to another parent. Otherwise, all
            candidates are drawn at once.
        finish: Function of children (N, *event), their parents and labels (N,) that returns the children to use, for
            example with a property of the parents.
        heirs: Function that returns the members of a training set that get children. If there are more heirs of a label
            than samples are needed, the first ones get them.

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
    """Return a parent for each label (N,), or −1 without one.

    Parents are used equally often.
    """
    rows = torch.full_like(labels, -1)
    for label in labels.unique():
        parents = (parent_labels == label).nonzero().flatten()
        slots = (labels == label).nonzero().flatten()
        if len(parents):
            rows[slots] = parents[torch.arange(len(slots)) % len(parents)]
    return rows


def representatives(model: GenerativeModel, labels: Tensor, draws: int, embed: Embedding, stream: Stream) -> Tensor:
    """Return representative draws (N, *event) for labels (N,).

    Each represents `draws` draws: it is the draw nearest to a centre of k-means within its label.

    Args:
        embed: Function from values to the vectors that are clustered.
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
"""Function of candidate values (M, *event) and labels (M,) that returns which samples (N,) need another candidate."""
Candidates: TypeAlias = tuple[Tensor, Tensor]
"""Values (M, *event) and labels (M,)."""


def _draw_all(
    model: GenerativeModel, labels: Tensor, draws: int, stream: Stream, needs_candidates: NeedsCandidates
) -> Candidates:
    """Draw `draws` candidates for each label (N,)."""
    labels = labels.repeat(draws)
    return model.sample(labels, stream.child("draws")), labels


def _draw_adaptively(
    model: GenerativeModel, labels: Tensor, draws: int, stream: Stream, needs_candidates: NeedsCandidates
) -> Candidates:
    """Draw candidates where they are needed.

    Each label (N,) gets one, and another one if it needs it, up to `draws` times as many in total.
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
    """Return the nearest member with the same label for each vector.

    Args:
        vectors: (N, D) points to assign.
        labels: (N,) their labels.
        members: (M, D) points of the training set.
        member_labels: (M,) their labels.

    Returns:
        (N,) rows of `members`.
    """
    distances = torch.cdist(vectors, members)
    distances[labels[:, None] != member_labels[None, :]] = torch.inf
    return distances.argmin(dim=1)


def match(targets: Tensor, labels: Tensor, candidates: Tensor, candidate_labels: Tensor, has_target: Tensor) -> Tensor:
    """Match each target with another candidate of its label.

    The matching minimises the total squared distance.

    Args:
        targets: (N, D) points to match.
        labels: (N,) their labels.
        candidates: (M, D) points to choose from, M ≥ N. The first N have the targets' labels.
        candidate_labels: (M,) their labels.
        has_target: (N,) whether the target counts. All others get what is left.

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
    """Assign different columns to rows of costs (N, M), at minimal total cost."""
    return torch.from_numpy(linear_sum_assignment(costs.numpy())[1])
