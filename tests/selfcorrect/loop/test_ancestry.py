"""Ancestry tracks parents, founders, survivors, and how far values have walked."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import load_loop, run_in_memory

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.ancestry import Genealogy, nearest_of_label, novelty, offspring_variance
from selfcorrect.loop.correctors.contract import Corrected
from selfcorrect.loop.correctors.loop_correction import CorrectedBatch, Correction
from selfcorrect.loop.policy import Accumulate, Augment, RealOnly, Replace
from selfcorrect.loop.run import Arm, Task
from selfcorrect.loop.store.folder_store import FolderStore

STREAM = streams(11)
DESCENT = ("surviving_lineages", "offspring_variance", "novelty", "novelty_to_real", "lineage_persistence")


def flat(values: torch.Tensor) -> np.ndarray:
    return values.flatten(1).double().numpy()


def line(*positions: float) -> torch.Tensor:
    return torch.tensor(positions)[:, None]


REAL = Samples.real(line(0, 1, 10, 11), torch.tensor([0, 0, 1, 1]))
FAMILY = Genealogy.from_real(REAL, flat)


def batch(values: torch.Tensor, labels: list[int]) -> CorrectedBatch:
    samples = Samples.synthetic(values, torch.tensor(labels), 0)
    return CorrectedBatch(samples, samples)


def test_children_have_nearest_parent():
    traced, summary = FAMILY.trace(batch(line(0.2, 0.3, 4.0, 11.5), [0, 0, 1, 1]), REAL)
    assert traced.samples.provenance.parent.tolist() == [0, 0, 2, 3]
    assert traced.samples.provenance.founder.tolist() == [0, 0, 2, 3]
    assert traced.drawn is traced.samples
    assert summary["surviving_lineages"] == 0.75
    assert summary["novelty"] == pytest.approx(0.4)  # of distances .2, .3, 6 and .5, the unit being 1


def test_missing_label_takes_any():
    rows, distances = nearest_of_label(np.array([[9.0]]), np.array([7]), flat(REAL.values), REAL.labels.numpy())
    assert (rows[0], distances[0]) == (2, 1.0)


@pytest.mark.parametrize("block", [1, 3, 100])
def test_blocks_equal_whole(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfcorrect.loop.ancestry.BLOCK", block)
    random = np.random.default_rng(0)
    vectors = random.integers(3, size=(20, 2)).astype(float)
    members = random.integers(3, size=(10, 2)).astype(float)
    labels = random.integers(4, size=20)
    member_labels = random.integers(3, size=10)
    rows, distances = nearest_of_label(vectors, labels, members, member_labels)
    for vector, label, row, distance in zip(vectors, labels, rows, distances, strict=True):
        allowed = member_labels == label if label in member_labels else np.full(10, True)
        away = np.where(allowed, np.linalg.norm(members - vector, axis=1), np.inf)
        assert (row, distance) == (away.argmin(), away.min())


def test_steps_accumulate_along_lines():
    first, _ = FAMILY.trace(batch(line(0.5, 10.5), [0, 1]), REAL)
    second, summary = FAMILY.trace(batch(line(1.0, 11.0), [0, 1]), first.samples)
    assert second.samples.provenance.founder.tolist() == first.samples.provenance.founder.tolist()
    assert second.samples.provenance.walk.tolist() == pytest.approx([0.5, 0.5])
    assert summary["lineage_persistence"] == pytest.approx(math.sqrt(2))  # two steps in one direction


def test_random_walk_has_persistence_one():
    generator = torch.Generator().manual_seed(1)
    parents = Samples.real(1000 * torch.arange(400.0)[:, None] + torch.zeros(1, 30))
    family = Genealogy.from_real(parents, flat)
    population = parents
    for _ in range(12):
        moved = Samples.synthetic(
            population.values + torch.randn(population.values.shape, generator=generator), population.labels, 0
        )
        traced, summary = family.trace(CorrectedBatch(moved, moved), population)
        population = traced.samples
    assert summary["lineage_persistence"] == pytest.approx(1, abs=0.05)
    assert summary["surviving_lineages"] == 1


@pytest.mark.parametrize(("children", "expected"), [([0, 1, 2, 3], 0), ([0, 0, 1, 1], 1), ([2, 2, 2, 2], 3)])
def test_offspring_variance(children, expected):
    assert offspring_variance(np.array(children), 4) == expected


def halved_if_positive(samples: Samples) -> Corrected:
    return Corrected(samples.with_values(samples.values / 2), samples.values[:, 0] > 0)


def memoriser_task() -> Task:
    real = Samples.real(torch.randn((40, 2), generator=STREAM.generator()).double())
    return Task(load_loop("density-ratio").KernelDensity.empty(2, scale=0.01), real, lambda candidate: {}, space=flat)


@pytest.mark.parametrize("policy", [Replace(), Augment(1.0), Accumulate(0.5)])
def test_resumed_loop_keeps_lines(tmp_path, policy):
    """A resumed loop knows what an uninterrupted one knows.

    Compared is what the run knows of its lines.
    """
    task = memoriser_task()
    arm = Arm(policy, 4, correction=Correction(halved_if_positive))
    uninterrupted = run_in_memory(task, arm, STREAM)
    for generations in (2, 4):
        with FolderStore(tmp_path / "run", {}) as store:
            run_in_memory(task, replace(arm, generations=generations), STREAM, store)
            for key in DESCENT:
                assert store.metrics(generations)[key] == uninterrupted.metrics(generations)[key]
            expected = uninterrupted.batch(generations).samples.provenance
            resumed = store.batch(generations).samples.provenance
    for name, column in expected.columns().items():
        np.testing.assert_array_equal(column, resumed.columns()[name], name)
    assert (expected.founder >= 0).all()


def test_real_data_found_lines():
    task = memoriser_task()
    survived = {}
    for policy in (Replace(), Augment(1.0), RealOnly()):
        survived[policy] = run_in_memory(task, Arm(policy, 8), STREAM).metrics(8).get("surviving_lineages")
    assert survived[Replace()] < 0.4 < survived[Augment(1.0)]
    assert survived[RealOnly()] is None


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_entropy_is_log_of_scale(scale: float) -> None:
    values = torch.randn((300, 4), generator=STREAM.child("entropy").generator()).double()
    family = Genealogy.from_real(Samples.real(values), flat)
    assert family.entropy_change(Samples.real(7 + scale * values)) == pytest.approx(math.log(scale), abs=1e-9)
    fresh = torch.randn((900, 4), generator=STREAM.child("fresh").generator()).double()
    assert family.entropy_change(Samples.real(scale * fresh)) == pytest.approx(math.log(scale), abs=0.1)


def test_copies_lower_entropy() -> None:
    values = torch.randn((60, 2), generator=STREAM.child("copied").generator()).double()
    real = Samples.real(values)
    family = Genealogy.from_real(real, flat)
    few = Samples.real(values[:30].repeat(2, 1))
    assert family.entropy_change(few) < -5
    assert math.isnan(family.entropy_change(real.take(torch.arange(1))))
    task = Task(load_loop("density-ratio").KernelDensity.empty(2, scale=0.01), real, lambda candidate: {}, space=flat)
    real_only = run_in_memory(task, Arm(RealOnly(), 2), STREAM)
    assert real_only.metrics(2)["training_entropy"] == 0
    resampled = run_in_memory(task, Arm(Replace(), 3), STREAM)
    entropies = [resampled.metrics(generation)["training_entropy"] for generation in (1, 2, 3)]
    assert 0 > entropies[0] > entropies[1] > entropies[2]


def test_novelty_of_copies_is_0():
    draw = np.random.default_rng(0).standard_normal
    training = draw((400, 3))
    labels = np.zeros(400, dtype=int)
    assert novelty(training[:100], labels[:100], training, labels) == 0
    assert novelty(draw((400, 3)), labels, training, labels) == pytest.approx(1, abs=0.15)
    assert novelty(2 * draw((400, 3)), labels, training, labels) > 1.5


def test_novelty_is_within_label():
    training = np.array([[0.0], [1.0], [10.0], [11.0]])
    labels = np.array([0, 0, 1, 1])
    assert novelty(np.array([[10.0], [10.5]]), np.array([0, 0]), training, labels) == 9.25
    assert novelty(np.array([[10.0], [10.5]]), np.array([1, 1]), training, labels) == 0.25
