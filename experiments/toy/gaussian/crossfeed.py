"""Models that train on each other's samples: does exchange slow the collapse down, at equal amounts of data?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.datasets.toy.draws import normal
from selfcorrect.loop.policy import Changed, Replace
from selfcorrect.loop.run import Candidate, Plan, Task
from selfcorrect.models.gaussian import Gaussian

from ...studies.claims import above, as_predicted, gain, ours
from ..declaration import Column, Setup, Toy, ToySettings, replicated
from .tasks import DIMENSION

CLOSED, CROSSFED = "closed loops", "crossfed"


@dataclass(frozen=True)
class Crossfeed(ToySettings):
    """Several models with n real points each, fully synthetic from generation 1 on."""

    real_count: int = 24
    models: int = 4
    generations: int = 60
    seeds: int = 300


QUICK = Crossfeed(generations=30, seeds=200)


class Exchange(Changed):
    """Each model trains on as many samples as it drew, in equal parts from every model.

    Values are (N, replicates, models, d). Bundle j of the rows goes to the j-th next model.
    """

    def change(self, mixed: Samples, stream: Stream) -> Samples:
        parts = mixed.values.tensor_split(mixed.values.shape[2])
        return mixed.with_values(torch.cat([part.roll(shift, dims=2) for shift, part in enumerate(parts)]))


def toy(settings: Crossfeed) -> Toy:
    """Closed and crossfed loops."""

    def setup(stream: Stream) -> Setup:
        event = (settings.seeds, settings.models, DIMENSION)
        real = Samples.real(normal(settings.real_count, stream.child("real"), *event))
        policies = {CLOSED: Replace(), CROSSFED: Exchange(Replace())}
        plans = {arm: Plan(policy, settings.generations) for arm, policy in policies.items()}
        return Setup(Task(Gaussian.standard(*event), real, _variance), plans)

    predicted = {
        arm: theory.crossfed_variance(settings.real_count, models, settings.generations)
        for arm, models in ((CLOSED, 1), (CROSSFED, settings.models))
    }
    times = (settings.generations // 4, settings.generations // 2)
    return Toy(
        [replicated("crossfeed", settings.seed, setup)],
        ours(
            *as_predicted("{arm}: variance at generation {t}", "variance", predicted, 0.07, times),
            above("exchange slows the collapse down", gain(CROSSFED, CLOSED, "variance")),
        ),
        [Column("variance", "variance of each model (truth 1)", predicted=predicted, predicted_title="predicted")],
        notes=("Both arms hold the same number of models, of samples per model, and of real data.",),
    )


def _variance(candidate: Candidate) -> dict[str, Tensor]:
    """Per seed: variance per dimension, mean over the models."""
    model = candidate.model
    assert isinstance(model, Gaussian)
    return {"variance": model.covariance.diagonal(dim1=-2, dim2=-1).mean((-2, -1))}
