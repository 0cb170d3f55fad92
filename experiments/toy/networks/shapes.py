"""The same planar data through four kinds of models: kernel density, flow, autoencoder, adversarial network.

Shumailov (autoencoders), Bertrand (flows), Gerstgrasser (autoencoders), MAD (adversarial networks): what happens to
coverage and distance when real data are replaced, or kept beside the synthetic ones?
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.datasets.toy.draws import SHAPES
from selfcorrect.loop.policy import Augment, Policy, RealOnly, Replace
from selfcorrect.loop.run import Candidate, Plan, Task
from selfcorrect.metrics.neighbours import neighbour_metrics
from selfcorrect.models.protocol import GenerativeModel
from selfcorrect.statistics import mean_interval
from selfcorrect.storage.runs.protocol import Generation

from ..models.flow import Flow
from ..models.gan import AdversarialNetwork
from ..models.kernel_density import KernelDensity
from ..models.vae import VariationalAutoencoder
from ..result import Check, Ends, Line, Panel, Result, Scatter, above, agrees
from ..running import Curves, run_arms

MODELS: Mapping[str, GenerativeModel] = {
    "kernel density": KernelDensity.empty(2),
    "flow": Flow(),
    "autoencoder": VariationalAutoencoder(),
    "adversarial network": AdversarialNetwork(),
}
ARMS: Mapping[str, Policy] = {"real only": RealOnly(), "augment": Augment(1.0), "replace": Replace()}


@dataclass(frozen=True)
class Shapes:
    """n real points per shape; networks take `first_steps` optimiser steps in generation 0, then `steps` in each."""

    models: tuple[str, ...] = tuple(MODELS)
    shapes: tuple[str, ...] = tuple(SHAPES)
    real_count: int = 500
    judged: int = 400
    generations: int = 4
    first_steps: int = 800
    steps: int = 200
    seeds: int = 2
    seed: int = 0


def quick() -> Shapes:
    return Shapes(
        models=("kernel density", "flow"), shapes=("eight-gaussians", "moons"), generations=4, first_steps=600
    )


def run(settings: Shapes | None = None) -> Result:
    """All models on all shapes."""
    settings = settings or Shapes()
    cells = [(shape, seed) for shape in settings.shapes for seed in range(settings.seeds)]
    last: dict[str, dict[str, np.ndarray]] = {name: {} for name in settings.models}
    curves = {
        name: _stack([_run_cell(settings, name, shape, seed, ARMS, last[name]) for shape, seed in cells])
        for name in settings.models
    }
    generations = np.arange(settings.generations + 1)
    return Result(
        reading=_reading(curves),
        ends=_ends(curves),
        checks=[check for name in settings.models for check in _checks(settings, name, curves[name])],
        figures=[
            *(
                Panel(
                    f"{name}: {label}",
                    "generation",
                    label,
                    generations,
                    [Line(arm, table[key]) for arm, table in curves[name].items()],
                )
                for name in settings.models
                for key, label in (("coverage", "coverage"), ("distance", "2-Wasserstein distance"))
            ),
            *(Scatter(f"{name}, {settings.shapes[0]}, last generation", last[name]) for name in settings.models),
        ],
        notes=(
            f"Means over {len(cells)} pairs of shape and seed. Matched compute: “real only” takes the same steps.",
            "At this budget the networks blur thin shapes from generation 0 on.",
        ),
    )


def _task(settings: Shapes, name: str, shape: str, stream: Stream) -> Task:
    real = Samples.real(_points(shape, settings.real_count, stream.child("real")))
    reference = _points(shape, settings.judged, stream.child("reference")).numpy()

    def evaluate(candidate: Candidate) -> dict[str, float]:
        drawn = candidate.samples(settings.judged).values.double().numpy()
        scores = neighbour_metrics(reference, drawn)
        return {
            **scores,
            "distance": wasserstein(reference, drawn),
            "variance": float(drawn.var(0).sum() / reference.var(0).sum()),
        }

    return Task(MODELS[name], real, evaluate, settings.first_steps)


def _points(shape: str, count: int, stream: Stream) -> torch.Tensor:
    return SHAPES[shape](count, stream)[0]


def wasserstein(reference: np.ndarray, candidate: np.ndarray) -> float:
    """Exact 2-Wasserstein distance between equally many points, (N, 2) each."""
    costs = cdist(reference, candidate, "sqeuclidean")
    rows, columns = linear_sum_assignment(costs)
    return float(np.sqrt(costs[rows, columns].mean()))


def _run_cell(
    settings: Shapes, name: str, shape: str, seed: int, arms: Mapping[str, Policy], last: dict[str, np.ndarray]
) -> Curves:
    """One model on one shape and seed; points of every arm's last generation go to `last`, unless it has them."""
    stream = streams(settings.seed + seed).child("shapes", shape)
    plans = {arm: Plan(policy, settings.generations, steps=settings.steps) for arm, policy in arms.items()}
    task = _task(settings, name, shape, stream)

    def keep_last(arm: str, generation: Generation) -> None:
        if generation.number == settings.generations and arm not in last:
            model = task.model.load_state(dict(generation.state))
            last[arm] = model.sample(torch.zeros(settings.judged), stream.child("shown")).numpy()

    return run_arms(task, plans, stream, keep_last)


def _stack(runs: list[Curves]) -> Curves:
    return {arm: {key: np.concatenate([run[arm][key] for run in runs]) for key in runs[0][arm]} for arm in runs[0]}


def _checks(settings: Shapes, name: str, curves: Curves) -> list[Check]:
    def lost(arm: str, other: str, key: str) -> np.ndarray:
        return curves[other][key][:, -1] - curves[arm][key][:, -1]

    checks = [
        above(
            f"{name}: replace ends with less coverage than augment",
            mean_interval(lost("replace", "augment", "coverage")),
        ),
        above(
            f"{name}: replace ends farther from the truth than augment",
            mean_interval(-lost("replace", "augment", "distance")),
        ),
        above(
            f"{name}: replace ends farther from the truth than real data only",
            mean_interval(-lost("replace", "real only", "distance")),
        ),
    ]
    if name == "kernel density":
        spread = 1 + settings.real_count ** (-1 / 3)
        grown = theory.replace_variance(settings.real_count, settings.generations, spread)[-1] * spread
        measured = mean_interval(curves["replace"]["variance"][:, -1])
        checks.append(
            agrees(f"{name}: replace multiplies the variance by 1 + bandwidth²", measured, grown, 0.1, published=False)
        )
    return checks


def _reading(curves: Mapping[str, Curves]) -> str:
    ends = {
        arm: [table[arm]["coverage"][:, -1].mean() for table in curves.values()] for arm in ("replace", "real only")
    }
    replaced, real = (f"{min(each):.2f} to {max(each):.2f}" for each in ends.values())
    return f"Fully synthetic, coverage ends at {replaced}, with real data only at {real}."


def _ends(curves: Mapping[str, Curves]) -> Ends:
    rows = {name: [f"{table[arm]['coverage'][:, -1].mean():.2f}" for arm in ARMS] for name, table in curves.items()}
    return Ends(["coverage with real data only", "augmented", "fully synthetic"], rows)
