"""The same planar data through four kinds of models: kernel density, flow, autoencoder, adversarial network.

Shumailov (autoencoders), Bertrand (flows), Gerstgrasser (autoencoders), MAD (adversarial networks): what happens to
coverage and distance when real data are replaced, or kept beside the synthetic ones?
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from torch import Tensor

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.datasets.toy.draws import SHAPES
from selfcorrect.loop.policy import Augment, Policy, RealOnly, Replace
from selfcorrect.loop.run import Arm, Candidate, Task
from selfcorrect.metrics.neighbours import neighbour_metrics
from selfcorrect.models.protocol import GenerativeModel

from ...studies.claims import Claim, expect_above, expect_agreement, final_difference, final_value, mark_unpublished
from ..models.flow import Flow
from ..models.gan import AdversarialNetwork
from ..models.kernel_density import KernelDensity
from ..models.vae import VariationalAutoencoder
from ..toys import Column, Setup, Toy, ToySettings, bundle_seeds

MODELS: Mapping[str, GenerativeModel] = {
    "kernel density": KernelDensity.empty(2),
    "flow": Flow(),
    "autoencoder": VariationalAutoencoder(),
    "adversarial network": AdversarialNetwork(),
}
ARMS: Mapping[str, Policy] = {"real only": RealOnly(), "augment": Augment(1.0), "replace": Replace()}


@dataclass(frozen=True)
class Shapes(ToySettings):
    """n real points per shape; networks take `initial_steps` optimiser steps in generation 0, then `steps` in each."""

    models: tuple[str, ...] = tuple(MODELS)
    shapes: tuple[str, ...] = tuple(SHAPES)
    real_count: int = 500
    judged: int = 400
    generations: int = 4
    initial_steps: int = 800
    steps: int = 200
    seeds: int = 2


QUICK = Shapes(models=("kernel density", "flow"), shapes=("eight-gaussians", "moons"), generations=4, initial_steps=600)


def toy(settings: Shapes) -> Toy:
    """Declare all models on all shapes."""

    def draw_points(model: GenerativeModel, stream: Stream) -> Tensor:
        return model.sample(torch.zeros(settings.judged), stream)

    bundles = []
    claims = []
    for name in settings.models:
        claims += _make_claims(settings, name)
        for shape in settings.shapes:
            setup = partial(set_up, settings, name, shape)
            bundles.append(bundle_seeds(settings, setup, "shapes", shape, show=draw_points))
    return Toy(
        bundles=bundles,
        claims=claims,
        columns=[Column("coverage", "coverage"), Column("distance", "2-Wasserstein distance", "")],
        groups=settings.models,
        notes=(
            f"Means over {len(settings.shapes) * settings.seeds} pairs of shape and seed. Matched compute: “real only” "
            "takes the same steps.",
            "At this budget the networks blur thin shapes from generation 0 on.",
        ),
    )


def _make_claims(settings: Shapes, name: str) -> Iterator[Claim]:
    real = f"{name}, real only"
    augmented = f"{name}, augment"
    replaced = f"{name}, replace"
    coverage_loss = final_difference(augmented, replaced, "coverage")
    yield expect_above(f"{name}: replace ends with less coverage than augment", coverage_loss)
    from_augmented = final_difference(replaced, augmented, "distance")
    yield expect_above(f"{name}: replace ends farther from the truth than augment", from_augmented)
    from_real = final_difference(replaced, real, "distance")
    yield expect_above(f"{name}: replace ends farther from the truth than real data only", from_real)
    if name == "kernel density":
        spread = 1 + settings.real_count ** (-1 / 3)
        law = theory.replace_variance(settings.real_count, settings.generations, spread)[-1] * spread
        statement = f"{name}: replace multiplies the variance by 1 + bandwidth²"
        yield from mark_unpublished(expect_agreement(statement, final_value(replaced, "variance"), law, 0.1))


def set_up(settings: Shapes, name: str, shape: str, stream: Stream) -> Setup:
    """Points of a shape to train on, as many others to judge by as samples are drawn, and the arms of a model."""
    draw_shape = SHAPES[shape]
    real = Samples.real(draw_shape(settings.real_count, stream.child("real"))[0])
    reference = draw_shape(settings.judged, stream.child("reference"))[0].numpy()

    def measure(candidate: Candidate) -> dict[str, float]:
        points = candidate.samples(settings.judged).values.double().numpy()
        return {
            **neighbour_metrics(reference, points),
            "distance": measure_wasserstein(reference, points),
            "variance": float(points.var(0).sum() / reference.var(0).sum()),
        }

    arms = {f"{name}, {arm}": Arm(policy, settings.generations, settings.steps) for arm, policy in ARMS.items()}
    return Setup(Task(MODELS[name], real, measure, settings.initial_steps), arms)


def measure_wasserstein(reference: np.ndarray, candidate: np.ndarray) -> float:
    """Return the exact 2-Wasserstein distance between equally many points, (N, 2) each."""
    costs = cdist(reference, candidate, "sqeuclidean")
    rows, columns = linear_sum_assignment(costs)
    return float(np.sqrt(costs[rows, columns].mean()))
