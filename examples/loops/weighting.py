"""The weight of fresh real data beside synthetic data (He, Xu and Cheng 2025, JRSS-B).

Every generation sees new real samples. The error of the loop is smallest not at equal weights but at a weight with a
closed form, the reciprocal of the golden ratio if there are as many real as synthetic samples.

    selfcorrect toy examples/loops/weighting.py --quick
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from toy_models.gaussian_tasks import DIMENSION, fresh_normal, gaussian_task
from toy_models.laws import weighted_error
from toy_models.regression import LinearRegression, true_pairs, weight_errors

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.core.checks import check_number
from selfcorrect.loop.policy import FreshSource, ModifiedPolicy


def optimal_real_weight(real_per_synthetic: float) -> float:
    """Return the weight that minimises the error.

    The weight on real data in `weighted_error` is (√(r² + 4r) − r) / 2 with r real per synthetic sample. He, Xu and
    Cheng 2025; at equal amounts the reciprocal of the golden ratio, 0.618.
    """
    ratio = real_per_synthetic
    return (math.sqrt(ratio**2 + 4 * ratio) - ratio) / 2


GOLDEN = optimal_real_weight(1.0)
GAUSSIAN, REGRESSION = "Gaussian mean", "linear regression"


@dataclass(frozen=True)
class Weighted(ModifiedPolicy):
    """Another policy with multiplied training weights of real and synthetic samples."""

    real: float
    synthetic: float

    def __post_init__(self) -> None:
        check_number("weight of real samples", self.real, 0, 1)
        check_number("weight of synthetic samples", self.synthetic, 0, 1)

    def change(self, mixed: sc.Samples, stream: sc.Stream) -> sc.Samples:
        synthetic = torch.from_numpy(mixed.provenance.synthetic)
        return mixed.with_weights(mixed.weights * torch.where(synthetic, self.synthetic, self.real))


@dataclass(frozen=True)
class Weighting(toys.ToySettings):
    """n fresh real and n synthetic samples per generation, for the mean of a Gaussian and for linear regression."""

    real_count: int = 100
    dimension: int = 2
    """Covariates of the regression."""
    weights: tuple[float, ...] = (0.3, 0.4, 0.5, GOLDEN, 0.75, 0.9, 1.0)
    generations: int = 40
    burn_in: int = 10
    """Generations that are left out of the steady error."""
    seeds: int = 200


QUICK = Weighting(weights=(0.3, 0.5, GOLDEN, 0.9), generations=30)


def toy(settings: Weighting) -> toys.Toy:
    """Declare both estimators over all weights."""
    error = weighted_error(settings.real_count, settings.real_count, settings.weights)
    predicted = error * settings.real_count
    lines = {
        name: [measure_steady_error(settings, name, weight) for weight in settings.weights]
        for name in (GAUSSIAN, REGRESSION)
    }
    sweep = toys.Sweep(
        title="Steady error against the weight of real data",
        x_label="weight on real data",
        y_label="error × n",
        x=settings.weights,
        lines=lines,
        predicted={"predicted": predicted},
    )
    return toys.Toy(
        bundles=[
            toys.bundle_replicates("weighting", settings.seed, partial(set_up_gaussian, settings)),
            toys.bundle_replicates("weighting", settings.seed, partial(set_up_regression, settings)),
        ],
        claims=[claim for name in lines for claim in make_claims(settings, name, lines[name], predicted)],
        title="The weight of fresh real data",
        source="He, Xu and Cheng 2025",
        figures=[sweep],
        notes=(f"Predicted optimum: √(r² + 4r)/2 − r/2 = {GOLDEN:.4f} at r = 1 real sample per synthetic one.",),
    )


def measure_steady_error(settings: Weighting, name: str, weight: float) -> claims.Quantity:
    """Measure an arm's steady error × n, averaged over settled generations."""
    steady_count = settings.generations + 1 - settings.burn_in
    return claims.late_mean(f"{name}, {weight}", "error", steady_count) * settings.real_count


def make_claims(
    settings: Weighting, name: str, errors: list[claims.Quantity], predicted: np.ndarray
) -> Iterator[claims.Claim]:
    """Yield claims on errors and the golden weight.

    Errors agree with the closed form, and it has the smallest.
    """
    for weight, error, law in zip(settings.weights, errors, predicted, strict=True):
        yield claims.expect_agreement(f"{name}: error × n at weight {weight:.3g}", error, law, 0.08)
    golden = errors[settings.weights.index(GOLDEN)]
    for weight, error in zip(settings.weights, errors, strict=True):
        if abs(weight - GOLDEN) > 0.1:
            yield claims.expect_below(f"{name}: the golden weight beats weight {weight:.3g}", golden - error)


# --- the mean of a Gaussian ---


def set_up_gaussian(settings: Weighting, stream: sc.Stream) -> toys.Setup:
    """Set up Gaussians of all seeds at once.

    Each has points in the plane, and a model that estimates their mean.
    """
    task = gaussian_task(settings.real_count, settings.seeds, stream, measure_mean)
    return toys.Setup(task, make_arms(settings, GAUSSIAN, fresh_normal(settings.seeds)))


def measure_mean(candidate: sc.Candidate) -> dict[str, Tensor]:
    """Measure the squared mean per seed and dimension, which is 0 in truth."""
    model = candidate.model
    assert isinstance(model, sc.Gaussian)
    return {"error": model.mean.square().sum(-1) / DIMENSION}


def make_arms(settings: Weighting, name: str, draw_fresh: FreshSource) -> Mapping[str, sc.Arm]:
    """Make arms that differ in the weights of fresh and synthetic halves."""
    fresh = sc.Fresh(draw_fresh, settings.real_count, 1.0)
    policies = {f"{name}, {weight}": Weighted(fresh, weight, 1 - weight) for weight in settings.weights}
    return {arm: sc.Arm(policy, settings.generations) for arm, policy in policies.items()}


# --- linear regression ---


def set_up_regression(settings: Weighting, stream: sc.Stream) -> toys.Setup:
    """All seeds at once; the true weights are 1."""
    shape = (settings.seeds, settings.dimension)

    def draw_fresh(generation: int, count: int, stream: sc.Stream) -> sc.Samples:
        return true_pairs(shape, count, stream.child("fresh"))

    real = draw_fresh(0, settings.real_count, stream)

    def measure(candidate: sc.Candidate) -> dict[str, Tensor]:
        return {"error": weight_errors(candidate)["error"] / settings.dimension}

    task = sc.Task(LinearRegression.zero(*shape), real, measure)
    return toys.Setup(task, make_arms(settings, REGRESSION, draw_fresh))
