"""Gerstgrasser et al. 2024: linear regression on its own labels, replaced or accumulated, on closed forms."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.policy import Accumulate, Replace
from selfcorrect.loop.run import Arm, Candidate, Task

from ...studies.claims import expect_below, expect_predictions, final_value
from ..models.regression import LinearRegression
from ..toys import START, Column, Setup, Toy, ToySettings, bundle_replicates


@dataclass(frozen=True)
class Linear(ToySettings):
    """T samples per generation with d standard normal covariates and label noise σ; the true weights are all 1."""

    samples: int = 60
    dimension: int = 10
    noise: float = 0.5
    generations: int = 25
    seeds: int = 400


QUICK = Linear(samples=40, dimension=5, generations=12, seeds=800)


def toy(settings: Linear) -> Toy:
    """Declare both policies."""

    def set_up(stream: Stream) -> Setup:
        shape = (settings.seeds, settings.dimension)
        real = true_pairs(shape, settings.samples, stream.child("real"), settings.noise)
        task = Task(LinearRegression.zero(*shape, noise=settings.noise), real, weight_errors)
        policies = {"replace": Replace(), "accumulate": Accumulate()}
        return Setup(task, {name: Arm(policy, settings.generations) for name, policy in policies.items()})

    arguments = (settings.samples, settings.dimension, settings.noise, settings.generations)
    predicted = {
        "replace": theory.regression_replace_error(*arguments),
        "accumulate": theory.regression_accumulate_error(*arguments),
    }
    times = settings.generations // 2, settings.generations
    bound = predicted["replace"][0] * math.pi**2 / 6
    claims = [
        *expect_predictions("{arm}: error at generation {t}", "error", predicted, 0.07, times),
        expect_below(
            "accumulate: the error stays below π²/6 of generation 0's", final_value("accumulate", "error"), bound
        ),
    ]
    return Toy(
        bundles=[bundle_replicates("linear", settings.seed, set_up)],
        claims=claims,
        columns=[Column("error", "excess test error", ".3f", predicted=predicted, predicted_title="predicted")],
        rows=(START, *predicted),
        risk="error",
        notes=(
            "The excess test error is |weight − truth|². The predictions are exact for fresh covariates in every "
            "generation.",
        ),
    )


def true_pairs(shape: tuple[int, ...], count: int, stream: Stream, noise: float = 1.0) -> Samples:
    """Real pairs (count, *replicates, d + 1) for weights (*replicates, d) of the given shape that are all 1."""
    truth = LinearRegression(torch.ones(shape, dtype=torch.float64), noise)
    return Samples.real(truth.sample(torch.zeros(count), stream))


def weight_errors(candidate: Candidate) -> dict[str, Tensor]:
    """Per replicate: squared error of the weights, the excess test error for normal covariates, and their mean."""
    model = candidate.model
    assert isinstance(model, LinearRegression)
    return {"error": (model.weight - 1).square().sum(-1), "mean_weight": model.weight.mean(-1)}
