"""He, Xu and Cheng 2025 (JRSS-B): how much should fresh real data weigh beside synthetic data?

The loop sees new real samples in every generation. Its error is smallest not at equal weights but at the closed-form
weight, the reciprocal of the golden ratio where the amounts are equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.policy import Fresh, FreshSource, Weighted
from selfcorrect.loop.run import Plan, Task

from ...studies.claims import Claim, Quantity, agrees, below
from ..declaration import Setup, Sweep, Toy, ToySettings, replicated
from ..models.regression import LinearRegression
from .linear import true_pairs, weight_errors
from .tasks import fresh_normal, gaussian_task

GOLDEN = theory.optimal_real_weight(1.0)


@dataclass(frozen=True)
class Weighting(ToySettings):
    """n fresh real and n synthetic samples per generation, for the mean of a Gaussian and for linear regression."""

    real_count: int = 100
    dimension: int = 2
    weights: tuple[float, ...] = (0.3, 0.4, 0.5, GOLDEN, 0.75, 0.9, 1.0)
    generations: int = 40
    burn_in: int = 10
    seeds: int = 200


QUICK = Weighting(weights=(0.3, 0.5, GOLDEN, 0.9), generations=30)


def toy(settings: Weighting) -> Toy:
    """Both estimators over all weights."""
    n, weights = settings.real_count, settings.weights
    predicted = theory.weighted_error(n, n, weights) * n
    estimators = {
        "Gaussian mean": (_gaussian, "squared_mean", 1.0),
        "linear regression": (_regression, "error", settings.dimension),
    }

    def setup(name: str, stream: Stream) -> Setup:
        task, fresh = estimators[name][0](settings, stream)
        policies = {weight: Weighted(Fresh(fresh, n, 1.0), weight, 1 - weight) for weight in settings.weights}
        return Setup(task, {f"{name}, {w}": Plan(policy, settings.generations) for w, policy in policies.items()})

    def steady(name: str, weight: float) -> Quantity:
        """Error × n, the mean over generations once it has settled."""
        _, key, scale = estimators[name]
        return Quantity(lambda curves: curves[f"{name}, {weight}"][key][:, settings.burn_in :].mean(1) * n / scale)

    errors = {name: [steady(name, weight) for weight in weights] for name in estimators}

    def claims(name: str) -> Iterator[Claim]:
        for weight, error, law in zip(weights, errors[name], predicted, strict=True):
            yield agrees(f"{name}: error × n at weight {weight:.3g}", error, law, 0.08)
        for weight, error in zip(weights, errors[name], strict=True):
            if abs(weight - GOLDEN) > 0.1:
                yield below(f"{name}: the golden weight beats weight {weight:.3g}", steady(name, GOLDEN) - error)

    return Toy(
        [replicated("weighting", settings.seed, partial(setup, name)) for name in estimators],
        [claim for name in estimators for claim in claims(name)],
        figures=[
            Sweep(
                "Steady error against the weight of real data",
                "weight on real data",
                "error × n",
                weights,
                errors,
                {"predicted": predicted},
            )
        ],
        notes=(f"Predicted optimum: √(r² + 4r)/2 − r/2 = {GOLDEN:.4f} at r = 1 real sample per synthetic one.",),
    )


def _gaussian(settings: Weighting, stream: Stream) -> tuple[Task, FreshSource]:
    return gaussian_task(settings.real_count, settings.seeds, stream), fresh_normal(settings.seeds)


def _regression(settings: Weighting, stream: Stream) -> tuple[Task, FreshSource]:
    shape = (settings.seeds, settings.dimension)

    def fresh(generation: int, count: int, stream: Stream) -> Samples:
        return true_pairs(shape, count, stream.child("fresh"))

    return Task(LinearRegression.zero(*shape), fresh(0, settings.real_count, stream), weight_errors), fresh
