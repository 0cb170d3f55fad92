"""A rectified flow that trains on its own pairs of noise and sample, after Liu et al. 2023 and Zhu et al. 2024.

Reflow straightens the paths from noise to samples, so that few steps suffice. It is a self-consuming loop: errors of
each fit are fitted again. Samples are pairs of a starting point and an end; real data are paired with fresh noise.

    selfcorrect toy examples/loops/reflow.py --quick
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor
from toy_data.draws import SHAPES
from toy_models.distances import measure_wasserstein

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.datasets.toy.draws import normal
from selfcorrect.loop.models.protocol import TensorModel

ANEW, REFLOW, MIXED = "real data only", "reflow", "reflow with real data"


@dataclass(frozen=True)
class Reflow(toys.ToySettings):
    """Points of a shape in the plane; a velocity of random features is fitted in closed form."""

    shape: str = "moons"
    real_count: int = 400
    judged: int = 400
    features: int = 200
    generations: int = 12
    seeds: int = 10


QUICK = Reflow(judged=250, generations=8, seeds=5)


def toy(settings: Reflow) -> toys.Toy:
    """Declare reflow with and without real data."""
    straightened = claims.value_at(REFLOW, "bend", 1) - claims.initial_value(REFLOW, "bend")
    lost = claims.final_change(REFLOW, "distance")
    kept = claims.final_difference(MIXED, REFLOW, "distance")
    return toys.Toy(
        bundles=[toys.bundle_seeds(settings, partial(set_up, settings))],
        claims=[
            claims.expect_below("one reflow straightens the paths", straightened),
            claims.expect_above("repeated reflow moves away from the data", lost),
            claims.expect_below("real data beside its own pairs keep reflow nearer to the data", kept),
        ],
        columns=[
            toys.Column("distance", "2-Wasserstein distance to new real points", ".3f"),
            toys.Column("bend", "error of a single step from noise to sample", ".3f"),
        ],
        title="Rectified flows that train on their own pairs",
        source="Liu et al. 2023, arXiv 2209.03003; Zhu et al. 2024, arXiv 2412.08175",
        notes=("Zhu et al. pair real data with noise that the flow finds backwards, here the noise is fresh.",),
    )


def set_up(settings: Reflow, stream: sc.Stream) -> toys.Setup:
    """Pair real points with noise, and make all arms."""
    draw_shape = SHAPES[settings.shape]
    ends = draw_shape(settings.real_count, stream.child("real"))
    starts = normal(settings.real_count, stream.child("starts"), 2)
    reference = draw_shape(settings.judged, stream.child("reference")).numpy()

    def measure(candidate: sc.Candidate) -> dict[str, float]:
        starts, ends = candidate.samples(settings.judged).values.unbind(1)
        single_step = starts + candidate.model.velocity(starts, torch.zeros(len(starts), 1))
        bend = (single_step - ends).norm(dim=1).mean()
        return {"distance": measure_wasserstein(reference, ends.numpy()), "bend": float(bend)}

    policies = {ANEW: sc.RealOnly(), REFLOW: sc.Replace(), MIXED: sc.Augment(1.0)}
    arms = {name: sc.Arm(policy, settings.generations) for name, policy in policies.items()}
    flow = RandomFeatureFlow.create(settings.features, stream.child("features"))
    return toys.Setup(sc.Task(flow, sc.Samples.real(torch.stack([starts, ends], dim=1)), measure), arms)


@dataclass(frozen=True)
class RandomFeatureFlow(TensorModel):
    """A velocity in random Fourier features.

    Features depend on place and time; ridge regression fits the velocity, which is linear in them.
    """

    frequencies: Tensor
    """(3, F) of place and time."""
    phases: Tensor
    """(F,)."""
    weights: Tensor
    """(F + 4, 2)."""
    steps: int = 25

    @classmethod
    def create(cls, count: int, stream: sc.Stream) -> RandomFeatureFlow:
        frequencies = 1.5 * normal(3, stream.child("frequencies"), count)
        phases = 6.3 * normal(count, stream.child("phases"))
        return cls(frequencies, phases, torch.zeros(count + 4, 2, dtype=torch.float64))

    def fit(self, samples: sc.Samples, steps: int, stream: sc.Stream) -> RandomFeatureFlow:
        """Fit each pair's velocity, end − start, at ten points between both."""
        starts, ends = samples.values.repeat(10, 1, 1).unbind(1)
        times = torch.rand((len(starts), 1), generator=stream.generator(), dtype=torch.float64)
        features = self.compute_features(starts + times * (ends - starts), times)
        weighted = features * samples.weights.repeat(10)[:, None]
        ridge = 1e-3 * len(starts) * torch.eye(features.shape[1], dtype=torch.float64)
        return replace(self, weights=torch.linalg.solve(features.T @ weighted + ridge, weighted.T @ (ends - starts)))

    def sample(self, labels: Tensor, stream: sc.Stream) -> Tensor:
        """Draw a start and end (2, 2) per label."""
        starts = normal(len(labels), stream, 2)
        ends = starts
        for step in range(self.steps):
            times = torch.full((len(labels), 1), (step + 0.5) / self.steps)
            ends = ends + self.velocity(ends, times) / self.steps
        return torch.stack([starts, ends], dim=1)

    def velocity(self, places: Tensor, times: Tensor) -> Tensor:
        """Return velocities (N, 2).

        Places have the shape (N, 2), and times (N, 1).
        """
        return self.compute_features(places, times) @ self.weights

    def compute_features(self, places: Tensor, times: Tensor) -> Tensor:
        """Return features (N, F + 4).

        Places have the shape (N, 2), and times (N, 1).
        """
        both = torch.cat([places, times.to(places)], dim=1)
        waves = (both @ self.frequencies + self.phases).cos() * (2 / self.frequencies.shape[1]) ** 0.5
        return torch.cat([waves, both, torch.ones_like(both[:, :1])], dim=1)
