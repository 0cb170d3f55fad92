"""Gerstgrasser et al. 2024: linear regression on its own labels, replaced or accumulated, on closed forms.

`selfcorrect toy examples/loops/linear.py --quick` runs the loop.
"""

import math
from dataclasses import dataclass

from toy_models.regression import (
    LinearRegression,
    regression_accumulate_error,
    regression_replace_error,
    true_pairs,
    weight_errors,
)

import selfcorrect as sc
from selfcorrect import claims, toys


@dataclass(frozen=True)
class Linear(toys.ToySettings):
    """T samples per generation with d standard normal covariates and label noise σ; the true weights are all 1."""

    samples: int = 60
    dimension: int = 10
    noise: float = 0.5
    generations: int = 25
    seeds: int = 2000
    """The laws are exact; half an interval is 2 % of them, below the tolerance. 400 seeds left them undecided."""


QUICK = Linear(samples=40, dimension=5, generations=12, seeds=800)


def toy(settings: Linear) -> toys.Toy:
    """Declare both policies."""

    def set_up(stream: sc.Stream) -> toys.Setup:
        shape = (settings.seeds, settings.dimension)
        real = true_pairs(shape, settings.samples, stream.child("real"), settings.noise)
        task = sc.Task(LinearRegression.zero(*shape, noise=settings.noise), real, weight_errors)
        policies = {"replace": sc.Replace(), "accumulate": sc.Accumulate()}
        return toys.Setup(task, {name: sc.Arm(policy, settings.generations) for name, policy in policies.items()})

    arguments = (settings.samples, settings.dimension, settings.noise, settings.generations)
    predicted = {"replace": regression_replace_error(*arguments), "accumulate": regression_accumulate_error(*arguments)}
    times = settings.generations // 2, settings.generations
    bound = predicted["replace"][0] * math.pi**2 / 6
    statements = [
        *claims.expect_predictions("{arm}: error at generation {t}", "error", predicted, 0.07, times),
        claims.expect_below(
            "accumulate: the error stays below π²/6 of generation 0's", claims.final_value("accumulate", "error"), bound
        ),
    ]
    return toys.Toy(
        bundles=[toys.bundle_replicates("linear", settings.seed, set_up)],
        claims=statements,
        columns=[toys.Column("error", "excess test error", ".3f", predicted=predicted, predicted_title="predicted")],
        rows=(toys.START, *predicted),
        risk="error",
        notes=(
            "The excess test error is |weight − truth|². The predictions are exact for fresh covariates in every "
            "generation.",
        ),
        title="Linear regression on its own labels",
        source="Gerstgrasser et al. 2024",
    )
