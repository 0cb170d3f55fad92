"""He, Xu and Cheng 2025 (JRSS-B): how much should fresh real data weigh beside synthetic data?

The loop sees new real samples in every generation. Its error is smallest not at equal weights but at the closed-form
weight, the reciprocal of the golden ratio where the amounts are equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.policy import Fresh, FreshSource, Weighted
from selfcorrect.loop.run import Plan, Task
from selfcorrect.statistics import mean_interval

from ..models.regression import LinearRegression
from ..result import Check, Ends, Line, Panel, Result, agrees, below
from ..running import run_arms
from .linear import excess_error
from .tasks import fresh_normal, gaussian_task

GOLDEN = theory.optimal_real_weight(1.0)


@dataclass(frozen=True)
class Weighting:
    """n fresh real and n synthetic samples per generation, for the mean of a Gaussian and for linear regression."""

    real_count: int = 100
    dimension: int = 2
    weights: tuple[float, ...] = (0.3, 0.4, 0.5, GOLDEN, 0.75, 0.9, 1.0)
    generations: int = 40
    burn_in: int = 10
    seeds: int = 200
    seed: int = 0


def quick() -> Weighting:
    return Weighting(weights=(0.3, 0.5, GOLDEN, 0.9), generations=30)


def run(settings: Weighting | None = None) -> Result:
    """Both estimators over all weights."""
    settings = settings or Weighting()
    stream = streams(settings.seed).child("weighting")
    errors = {
        "Gaussian mean": _errors(settings, *_gaussian(settings, stream), stream),
        "linear regression": _errors(settings, *_regression(settings, stream), stream),
    }
    weights = np.array(settings.weights)
    predicted = theory.weighted_error(settings.real_count, settings.real_count, weights) * settings.real_count
    lines = [Line(name, table) for name, table in errors.items()] + [Line("predicted", prediction=predicted)]
    return Result(
        reading=_reading(settings, errors),
        ends=_ends(settings, errors),
        checks=[check for name, table in errors.items() for check in _checks(settings, name, table, predicted)],
        figures=[
            Panel("Steady error against the weight of real data", "weight on real data", "error × n", weights, lines)
        ],
        notes=(f"Predicted optimum: √(r² + 4r)/2 − r/2 = {GOLDEN:.4f} at r = 1 real sample per synthetic one.",),
    )


def _gaussian(settings: Weighting, stream: Stream) -> tuple[Task, FreshSource, str, float]:
    task = gaussian_task(settings.real_count, settings.seeds, stream)
    return task, fresh_normal(settings.seeds), "squared_mean", 1.0


def _regression(settings: Weighting, stream: Stream) -> tuple[Task, FreshSource, str, float]:
    shape = (settings.seeds, settings.dimension)
    truth = LinearRegression(torch.ones(shape, dtype=torch.float64))

    def fresh(generation: int, count: int, stream: Stream) -> Samples:
        return Samples.real(truth.sample(torch.zeros(count), stream.child("fresh")))

    task = Task(LinearRegression.zero(*shape), fresh(0, settings.real_count, stream), excess_error)
    return task, fresh, "error", settings.dimension


def _errors(
    settings: Weighting, task: Task, fresh: FreshSource, quantity: str, scale: float, stream: Stream
) -> np.ndarray:
    """Steady error × n per seed and weight, (S, weights)."""
    n = settings.real_count
    plans = {
        str(weight): Plan(Weighted(Fresh(fresh, n, 1.0), weight, 1 - weight), settings.generations)
        for weight in settings.weights
    }
    curves = run_arms(task, plans, stream)
    return np.stack([arm[quantity][:, settings.burn_in :].mean(1) for arm in curves.values()], axis=1) * n / scale


def _checks(settings: Weighting, name: str, errors: np.ndarray, predicted: np.ndarray) -> list[Check]:
    golden = settings.weights.index(GOLDEN)
    checks = [
        agrees(f"{name}: error × n at weight {weight:.3g}", mean_interval(errors[:, index]), predicted[index], 0.08)
        for index, weight in enumerate(settings.weights)
    ]
    others = [index for index in range(len(settings.weights)) if abs(settings.weights[index] - GOLDEN) > 0.1]
    beaten = [
        below(
            f"{name}: the golden weight beats weight {settings.weights[index]:.3g}",
            mean_interval(errors[:, golden] - errors[:, index]),
        )
        for index in others
    ]
    return checks + beaten


def _reading(settings: Weighting, errors: dict[str, np.ndarray]) -> str:
    best = ", ".join(f"{_best(settings, table):.3f} for the {name}" for name, table in errors.items())
    return f"Best of the weights tried: {best}. The predicted optimum is {GOLDEN:.3f}."


def _best(settings: Weighting, table: np.ndarray) -> float:
    return settings.weights[int(table.mean(0).argmin())]


def _ends(settings: Weighting, errors: dict[str, np.ndarray]) -> Ends:
    equal = settings.weights.index(0.5)
    rows = {
        name: [f"{_best(settings, table):.3f}", f"{1 - table.mean(0).min() / table[:, equal].mean():.1%}"]
        for name, table in errors.items()
    }
    return Ends(["best weight tried", "error below that of equal weights"], rows)
