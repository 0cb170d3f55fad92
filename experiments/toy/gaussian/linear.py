"""Gerstgrasser et al. 2024: linear regression on its own labels, replaced or accumulated, on closed forms."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.policy import Accumulate, Replace
from selfcorrect.loop.run import Candidate, Plan, Task
from selfcorrect.statistics import collapse_profile, mean_interval, ratio_interval

from ..models.regression import LinearRegression
from ..result import Check, Line, Panel, Result, agrees, below
from ..running import Curves, run_arms


@dataclass(frozen=True)
class Linear:
    """T samples per generation with d standard normal covariates and label noise σ; the true weights are all 1."""

    samples: int = 60
    dimension: int = 10
    noise: float = 0.5
    generations: int = 25
    seeds: int = 400
    seed: int = 0


def quick() -> Linear:
    return Linear(samples=40, dimension=5, generations=12, seeds=800)


def run(settings: Linear | None = None) -> Result:
    """Both policies."""
    settings = settings or Linear()
    stream = streams(settings.seed).child("linear")
    policies = {"replace": Replace(), "accumulate": Accumulate()}
    plans = {name: Plan(policy, settings.generations) for name, policy in policies.items()}
    curves = run_arms(regression_task(settings, stream), plans, stream)
    predicted = _predicted(settings)
    generations = np.arange(settings.generations + 1)
    lines = [Line(name, curves[name]["error"], predicted[name]) for name in policies]
    return Result(
        reading=_reading(curves),
        checks=_checks(settings, curves, predicted),
        figures=[Panel("Excess test error", "generation", "|weight − truth|²", generations, lines)],
        profiles={name: collapse_profile({"risk": curves[name]["error"]}) for name in policies},
        notes=("The predictions are exact for fresh covariates in every generation.",),
    )


def regression_task(settings: Linear, stream: Stream) -> Task:
    shape = (settings.seeds, settings.dimension)
    truth = LinearRegression(torch.ones(shape, dtype=torch.float64), settings.noise)
    real = Samples.real(truth.sample(torch.zeros(settings.samples), stream.child("real")))
    return Task(LinearRegression.zero(*shape, noise=settings.noise), real, excess_error)


def excess_error(candidate: Candidate) -> dict[str, Tensor]:
    """Squared error of the weights per seed: the excess test error for standard normal covariates."""
    model = candidate.model
    assert isinstance(model, LinearRegression)
    return {"error": (model.weight - 1).square().sum(-1)}


def _predicted(settings: Linear) -> dict[str, np.ndarray]:
    arguments = (settings.samples, settings.dimension, settings.noise, settings.generations)
    return {
        "replace": theory.regression_replace_error(*arguments),
        "accumulate": theory.regression_accumulate_error(*arguments),
    }


def _checks(settings: Linear, curves: Curves, predicted: dict[str, np.ndarray]) -> list[Check]:
    times = (settings.generations // 2, settings.generations)
    checks = [
        agrees(f"{name}: error at generation {t}", mean_interval(curves[name]["error"][:, t]), predicted[name][t], 0.07)
        for name in predicted
        for t in times
    ]
    bound = predicted["replace"][0] * math.pi**2 / 6
    accumulated = mean_interval(curves["accumulate"]["error"][:, -1])
    return [*checks, below("accumulate: the error stays below π²/6 of generation 0's", accumulated, bound)]


def _reading(curves: Curves) -> str:
    growth = {name: ratio_interval(arm["error"][:, -1], arm["error"][:, 0]) for name, arm in curves.items()}
    count = curves["replace"]["error"].shape[1]
    return (
        f"After {count - 1} generations the error has grown ×{growth['replace'].estimate:.1f} when data are replaced "
        f"(predicted ×{count}). When they accumulate it has grown ×{growth['accumulate'].estimate:.2f} (bound ×1.64)."
    )
