"""Models that train on each other's samples: does exchange slow the collapse down, at equal amounts of data?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.datasets.toy.draws import normal
from selfcorrect.loop.policy import History, Policy, Replace
from selfcorrect.loop.run import Candidate, Plan, Task
from selfcorrect.models.gaussian import Gaussian
from selfcorrect.statistics import mean_interval

from ..result import Check, Line, Panel, Result, above, agrees
from ..running import Curves, run_arms
from .tasks import DIMENSION


@dataclass(frozen=True)
class Crossfeed:
    """Several models with n real points each, fully synthetic from generation 1 on."""

    real_count: int = 24
    models: int = 4
    generations: int = 60
    seeds: int = 300
    seed: int = 0


def quick() -> Crossfeed:
    return Crossfeed(generations=30, seeds=200)


@dataclass(frozen=True)
class Exchange:
    """Each model trains on as many samples as it drew, in equal parts from every model.

    Values are (N, replicates, models, d). Part j of the rows goes to the j-th next model.
    """

    policy: Policy

    def count(self, real_count: int, generation: int) -> int:
        return self.policy.count(real_count, generation)

    def mix(self, real: Samples, history: History, generation: int, stream: Stream) -> Samples:
        mixed = self.policy.mix(real, history, generation, stream)
        parts = mixed.values.tensor_split(mixed.values.shape[2])
        return mixed.with_values(torch.cat([part.roll(shift, dims=2) for shift, part in enumerate(parts)]))


def run(settings: Crossfeed | None = None) -> Result:
    """Closed and crossfed loops."""
    settings = settings or Crossfeed()
    stream = streams(settings.seed).child("crossfeed")
    event = (settings.seeds, settings.models, DIMENSION)
    real = Samples.real(normal(settings.real_count, stream.child("real"), *event))
    plans = {
        "closed loops": Plan(Replace(), settings.generations),
        "crossfed": Plan(Exchange(Replace()), settings.generations),
    }
    curves = run_arms(Task(Gaussian.standard(*event), real, _variance), plans, stream)
    predicted = _predicted(settings)
    lines = [Line(name, arm["variance"], predicted[name]) for name, arm in curves.items()]
    generations = np.arange(settings.generations + 1)
    return Result(
        reading=_reading(curves, settings.models),
        checks=_checks(settings, curves, predicted),
        figures=[Panel("Variance of each model", "generation", "variance (truth 1)", generations, lines)],
        notes=("Both arms hold the same number of models, of samples per model, and of real data.",),
    )


def _variance(candidate: Candidate) -> dict[str, Tensor]:
    """Per seed: variance per dimension, mean over the models."""
    model = candidate.model
    assert isinstance(model, Gaussian)
    return {"variance": model.covariance.diagonal(dim1=-2, dim2=-1).mean((-2, -1))}


def _predicted(settings: Crossfeed) -> dict[str, np.ndarray]:
    return {
        "closed loops": theory.crossfed_variance(settings.real_count, 1, settings.generations),
        "crossfed": theory.crossfed_variance(settings.real_count, settings.models, settings.generations),
    }


def _checks(settings: Crossfeed, curves: Curves, predicted: dict[str, np.ndarray]) -> list[Check]:
    times = (settings.generations // 4, settings.generations // 2)
    checks = [
        agrees(
            f"{name}: variance at generation {t}",
            mean_interval(arm["variance"][:, t]),
            predicted[name][t],
            0.07,
            published=False,
        )
        for name, arm in curves.items()
        for t in times
    ]
    gain = curves["crossfed"]["variance"][:, -1] - curves["closed loops"]["variance"][:, -1]
    return [*checks, above("exchange slows the collapse down", mean_interval(gain), published=False)]


def _reading(curves: Curves, models: int) -> str:
    closed, shared = (curves[name]["variance"][:, -1].mean() for name in ("closed loops", "crossfed"))
    return f"The variance ends at {closed:.2f} in closed loops, at {shared:.2f} where {models} models exchange samples."
