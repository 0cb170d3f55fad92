"""Lineage matching gives each child its parent.

How many draws it takes is known, and no line dies by chance.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from helpers import run_in_memory
from torch import Tensor

from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples, concatenate
from selfcorrect.loop.bias import Sampler, sample_independently
from selfcorrect.loop.correctors.contract import Corrected, lift
from selfcorrect.loop.correctors.loop_correction import Correction
from selfcorrect.loop.models.protocol import GenerativeModel, TensorModel
from selfcorrect.loop.policy import Augment, Policy, Renew, Replace
from selfcorrect.loop.remedies.matching import (
    lineage_matched,
    match,
    nearest_rows,
    newest_synthetic,
    oldest_synthetic,
    parent_rows,
    representatives,
)
from selfcorrect.loop.run import Arm, Task
from selfcorrect.loop.store.memory import MemoryStore

STREAM = streams(3)


class Counted:
    """A model that counts its draws."""

    def __init__(self, model: GenerativeModel) -> None:
        self.model, self.drawn = model, list[int]()

    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        self.drawn.append(len(labels))
        return self.model.sample(labels, stream)


REAL = Samples.real(torch.arange(24.0).double()[:, None], torch.arange(24) % 3)
PARENTS = Samples.synthetic(REAL.values, REAL.labels, 1)


@dataclass(frozen=True)
class Memoriser(TensorModel):
    """Draws training values of a label with equal chances, and adds noise."""

    points: Tensor
    labels: Tensor

    def fit(self, samples: Samples, steps: int, stream: Stream) -> "Memoriser":
        return replace(self, points=samples.values, labels=samples.labels)

    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        values = torch.empty((len(labels), self.points.shape[1]), dtype=self.points.dtype)
        for label in labels.unique():
            is_wanted = labels == label
            points = self.points[self.labels == label]
            generator = stream.child(int(label)).generator()
            values[is_wanted] = points[torch.randint(len(points), (int(is_wanted.sum()),), generator=generator)]
        noise = torch.randn(values.shape, generator=stream.child("noise").generator(), dtype=values.dtype)
        return values + 0.01 * noise


def memoriser(samples: Samples = REAL) -> Memoriser:
    return Memoriser(samples.values, samples.labels)


def run(arm: Arm) -> MemoryStore:
    task = Task(memoriser(), REAL, lambda candidate: {}, space=lambda values: values.flatten(1).numpy())
    return run_in_memory(task, arm, STREAM)


def test_parents_have_one_child():
    children = lineage_matched(30)(memoriser(), PARENTS)(PARENTS.labels, STREAM)
    assert torch.equal(children.round(), PARENTS.values)


def test_match_is_cheapest():
    """Matching has the least total squared distance.

    Two targets that want the same candidate share out what is there.
    """
    labels = torch.zeros(2, dtype=torch.int64)
    candidates = torch.tensor([[1.0], [-2.0], [9.0]])
    chosen = match(torch.tensor([[0.0], [0.5]]), labels, candidates, torch.zeros(3, dtype=torch.int64), labels == 0)
    assert chosen.tolist() == [1, 0]


def test_match_keeps_labels():
    labels = torch.tensor([0, 1])
    other_labels = torch.tensor([1, 0, 0])
    chosen = match(torch.zeros(2, 1), labels, torch.tensor([[0.0], [5.0], [7.0]]), other_labels, labels >= 0)
    assert other_labels[chosen].tolist() == labels.tolist()


@pytest.mark.parametrize("draws", [1, 3])
def test_it_stays_within_its_draws(draws):
    model = Counted(memoriser())
    lineage_matched(draws)(model, PARENTS)(PARENTS.labels, STREAM)
    assert sum(model.drawn) <= draws * len(PARENTS)


def test_stops_when_all_are_served():
    model = Counted(memoriser())
    lineage_matched(1000)(model, PARENTS)(PARENTS.labels, STREAM)
    assert sum(model.drawn) < 30 * len(PARENTS)


def test_generation_one_uses_representatives():
    """k-means finds each member of a memoriser once.

    Plain draws leave a third out.
    """
    model = memoriser()
    parents = Samples.real(torch.full((24, 1), 777.0), REAL.labels)
    first = lineage_matched(40)(model, parents)(REAL.labels, STREAM)
    assert len(first.round().unique()) >= 22
    assert len(model.sample(REAL.labels, STREAM).round().unique()) < 20
    assert torch.equal(first, representatives(memoriser(), REAL.labels, 40, lambda v: v.flatten(1), STREAM))


def test_newest_parents_count():
    older = Samples.synthetic(REAL.values + 100, REAL.labels, 0)
    assert torch.equal(newest_synthetic(concatenate([REAL, older, PARENTS])).values, PARENTS.values)
    assert len(newest_synthetic(REAL)) == 0


def test_labels_with_few_parents():
    rows = parent_rows(torch.tensor([0, 0, 0, 1, 2]), torch.tensor([1, 0, 0]))
    assert rows.tolist() == [1, 2, 1, 0, -1]
    sampler = lineage_matched(4)(memoriser(), PARENTS.take(PARENTS.labels != 2))
    assert len(sampler(PARENTS.labels, STREAM)) == len(PARENTS)


def test_redraws_keep_parent():
    sampler = lineage_matched(60)(memoriser(), PARENTS)
    slots = torch.tensor([7, 2])
    assert torch.equal(sampler(PARENTS.labels, STREAM, slots).round(), PARENTS.values[slots])


def test_nearest_row_has_same_label():
    members = torch.tensor([[0.0], [1.0], [5.0]])
    labels = torch.tensor([0, 1, 0])
    assert nearest_rows(torch.tensor([[0.9], [4.0]]), torch.tensor([0, 1]), members, labels).tolist() == [0, 1]


@pytest.mark.parametrize("policy", [Replace(), Augment(1.0)])
def test_matched_lines_survive(policy: Policy):
    plain = run(Arm(policy, 12))
    matched = run(Arm(policy, 12, bias=lineage_matched(20)))
    assert matched.metrics(12)["surviving_lineages"] > 0.9 > plain.metrics(12)["surviving_lineages"] + 0.15
    assert matched.metrics(12)["offspring_variance"] < 0.4 or isinstance(policy, Augment)


def test_oldest_have_children_in_overlap():
    older = Samples.synthetic(REAL.values + 100, REAL.labels, 0)
    line = oldest_synthetic(concatenate([REAL, PARENTS, older]))
    assert torch.equal(line.values, torch.cat([older.values, PARENTS.values]))
    sampler = lineage_matched(60, heirs=oldest_synthetic)(memoriser(), PARENTS)
    assert torch.equal(sampler(PARENTS.labels[:6], STREAM).round(), PARENTS.values[:6])


@pytest.mark.slow
def test_overlapping_lines_survive():
    plain = run(Arm(Renew(0.25), 48))
    matched = run(Arm(Renew(0.25), 48, bias=lineage_matched(20, heirs=oldest_synthetic)))
    assert len(matched.batch(5).samples) == 6
    assert matched.metrics(48)["surviving_lineages"] > 0.8 > plain.metrics(48)["surviving_lineages"] + 0.15


def test_parents_are_compared_as_drawn():
    """Parents are compared as they were drawn.

    The corrector moves samples away for good, and children of the memoriser lie where the parents were.
    """
    seen: list[Samples] = []

    def watching(model: Memoriser, parents: Samples) -> Sampler:
        seen.append(parents)
        return sample_independently(model.sample)

    away = Correction(lift(lambda values: values + 1000), 1.0, "interpolation")
    store = run(Arm(Renew(0.5), 4, bias=watching, correction=away))
    drawn = torch.cat([store.batch(generation).drawn.values for generation in (1, 2, 3)])
    assert len(seen[3]) == 24
    assert set(seen[3].values.flatten().tolist()) <= set(drawn.flatten().tolist())
    assert len(np.unique(seen[3].provenance.generation)) > 1


def test_rejection_does_not_break_lines():
    def often_rejected(samples: Samples, stream: Stream) -> Corrected:
        return Corrected(samples, torch.rand(len(samples), generator=stream.generator()) > 0.3)

    store = run(Arm(Replace(), 10, bias=lineage_matched(20), correction=Correction(often_rejected)))
    assert store.metrics(10)["surviving_lineages"] > 0.75
    assert store.metrics(10)["rejected_count"] > 0


def test_finish_sees_parent():
    def take_midpoint(children: Tensor, parents: Tensor, labels: Tensor) -> Tensor:
        assert torch.equal(labels, PARENTS.labels)
        return (children + parents) / 2

    plain = lineage_matched(30, finish=None)(memoriser(), PARENTS)(PARENTS.labels, STREAM)
    finished = lineage_matched(30, finish=take_midpoint)(memoriser(), PARENTS)(PARENTS.labels, STREAM)
    assert torch.allclose(finished, (plain + PARENTS.values) / 2)


def test_no_draws_are_refused():
    with pytest.raises(ValueError, match="at least 1 draw"):
        lineage_matched(0)
