"""Copying loops follow Wright and Fisher.

The model has neither sampler nor learner.
"""

import numpy as np
import torch
from helpers import assert_is_a_model_for_loops
from scipy.stats import binom

from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.models.gaussian import Gaussian
from selfcorrect.loop.models.resampling import Copying
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.run import Arm, Task, run_loop, train_first_generation
from selfcorrect.loop.store.memory import MemoryStore

COUNT = 12
GENERATIONS = 6


def distinct(count: int = COUNT) -> Samples:
    return Samples.real(torch.arange(float(count))[:, None])


def copying_task() -> Task:
    return Task(Copying(distinct()), distinct(), lambda candidate: {}, space=lambda values: values.numpy())


def run(stream: Stream, store, generations: int = GENERATIONS) -> None:
    """Run the loop from another model's generation 0, as arms of a comparison do."""
    first = MemoryStore()
    train_first_generation(Task(Gaussian.standard(1), distinct(), lambda candidate: {}), first, stream)
    run_loop(copying_task(), Arm(Replace(), generations), store, first, stream)


def test_keeps_model_contract() -> None:
    labels = torch.arange(30) % 3
    real = Samples.real(torch.randn(30, 2, generator=streams(0).generator()), labels)
    model = assert_is_a_model_for_loops(Copying(real), real)
    drawn = model.sample(labels, streams(1))
    for value, label in zip(drawn, labels, strict=True):
        assert (real.values[real.labels == label] == value).all(1).any()


def test_founders_follow_wright_fisher() -> None:
    members = np.arange(COUNT + 1)
    chain = binom.pmf(members[None, :], COUNT, members[:, None] / COUNT)
    extinct = np.eye(COUNT + 1)[0]
    expected = []
    for _ in range(GENERATIONS):
        extinct = chain @ extinct
        expected.append(1 - extinct[1])
    surviving = np.zeros((80, GENERATIONS))
    offspring = np.zeros_like(surviving)
    for seed, row in enumerate(surviving):
        store = MemoryStore()
        run(streams(seed), store)
        row[:] = [store.metrics(generation)["surviving_lineages"] for generation in range(1, GENERATIONS + 1)]
        offspring[seed] = [store.metrics(generation)["offspring_variance"] for generation in range(1, GENERATIONS + 1)]
    np.testing.assert_allclose(surviving.mean(0), expected, atol=4 * surviving.std(0).max() / len(surviving) ** 0.5)
    assert abs(offspring[:, 0].mean() - (1 - 1 / COUNT)) < 4 * offspring[:, 0].std() / len(surviving) ** 0.5
