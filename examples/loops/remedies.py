"""Published remedies against the loss of modes, side by side, for a diffusion model on points around a circle.

Points lie in twelve narrow modes, all of one label, so that only the learner and chance decide which modes live on.
Every remedy runs the fully synthetic loop from the same generation 0. The frozen loop, which trains on the first
synthetic set for ever, is what every remedy must be compared with.

    pip install ./examples/plugins/published_remedies   # for all but --quick
    selfcorrect toy examples/loops/remedies.py --quick
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.models.diffusion.config import DiffusionConfig
from selfcorrect.models.diffusion.model import MotionDiffusion

FROZEN = "frozen"
PUBLISHED = (
    "extrapolated", "sims", "rescaled-score", "annealed-truncation", "farthest-points", "self-verified",
    "likelihood-rank", "latent-filter", "truncated-loss", "ecosystem", "averaged-weights", "oversampling",
)  # fmt: skip
"""Remedies (docs/remedies.md) whose papers claim that they help."""


@dataclass(frozen=True)
class RemedyLoop(toys.ToySettings):
    """n real points, as many in every mode; the model is a small network on points as sequences of one frame."""

    real_count: int = 96
    generations: int = 12
    initial_steps: int = 1200
    steps: int = 60
    judged: int = 240
    remedies: tuple[str, ...] = (
        "none", "matched", "extrapolated", "lineages", "sims", "rescaled-score", "annealed-truncation",
        "farthest-points", "self-verified", "likelihood-rank", "latent-filter", "truncated-loss", "ecosystem",
        "averaged-weights", "moment-matching", "oversampling", "more-steps",
    )  # fmt: skip
    seeds: int = 5


QUICK = RemedyLoop(generations=5, seeds=3, remedies=("none", "lineages", "more-steps"))


def toy(settings: RemedyLoop) -> toys.Toy:
    """Declare the plain loop, one with each remedy, and the frozen one."""
    statements = []
    for name in settings.remedies:
        if name != "none":
            coverage = claims.final_difference(name, "none", "coverage")
            claim = claims.expect_above(f"{name} keeps more modes than no remedy", coverage)
            statements.append(replace(claim, published=name in PUBLISHED))
    return toys.Toy(
        bundles=[toys.bundle_seeds(settings, partial(set_up, settings))],
        claims=statements,
        columns=[
            toys.Column("coverage", "share of modes left"),
            toys.Column("coverage", "half-life, generations", format_half_life, panel=False),
            toys.Column("precision", "precision"),
            toys.Column("novelty", "distance to the parent, of real neighbours'", ""),
        ],
        title="Remedies against the loss of modes",
        source="the sources in the table of remedies",
        notes=(
            "Without information from outside no remedy can know more than the first synthetic set, on which the "
            "frozen loop trains for ever; it makes nothing new.",
        ),
    )


def format_half_life(coverage: np.ndarray) -> str:
    """Format the half-life of coverage curves (seeds, generations)."""
    generations = sc.statistics.half_life_interval(coverage).estimate
    return f"{generations:.1f}" if math.isfinite(generations) else "not reached"


def set_up(settings: RemedyLoop, stream: sc.Stream) -> toys.Setup:
    task = make_circle_task(settings.real_count, settings.initial_steps, settings.judged, stream)
    arm = sc.Arm(sc.Replace(), settings.generations, settings.steps)
    arms = {name: sc.with_remedy(task, arm, name) for name in settings.remedies}
    return toys.Setup(task, {**arms, FROZEN: replace(arm, policy=sc.Freeze())})


# --- points in twelve narrow modes around a circle ---

MODES = 12
DEVIATION = 0.08
REACH = 4.0
"""Standard deviations of a mode within which a sample belongs to it."""


def make_circle_task(real_count: int, initial_steps: int, judged: int, stream: sc.Stream) -> sc.Task:
    """Return a small diffusion model on points (N, 1, 2), the points, and their judge."""
    config = DiffusionConfig(
        width=128, depth=2, diffusion_steps=50, sampling_steps=20, learning_rate=2e-3, ema_decay=0.95,
        sampler="ddim", eta=1.0,  # of the figures that the theory gallery keeps
    )  # fmt: skip
    model = MotionDiffusion(config, frames=1, features=2, classes=1, device=torch.device("cpu"))
    real = draw_circle(real_count, stream.child("real"))

    def measure(candidate: sc.Candidate) -> dict[str, float]:
        return measure_modes(candidate.samples(judged).values)

    return sc.Task(model, real, measure, initial_steps, space=to_points)


def draw_circle(count: int, stream: sc.Stream) -> sc.Samples:
    """Draw real points (N, 1, 2) of unit variance, in each of the modes in turn."""
    angles = 2 * math.pi * (torch.arange(count) % MODES) / MODES
    centres = math.sqrt(2) * torch.stack([angles.cos(), angles.sin()], 1)
    noise = torch.randn(centres.shape, generator=stream.generator())
    return sc.Samples.real((centres + DEVIATION * noise)[:, None], torch.zeros(count, dtype=torch.int64))


def measure_modes(values: Tensor) -> dict[str, float]:
    """Return the share of modes that points (N, 1, 2) reach, and the share of points that lie in a mode."""
    angles = 2 * math.pi * np.arange(MODES) / MODES
    centres = math.sqrt(2) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    distances = np.linalg.norm(to_points(values)[:, None] - centres, axis=-1)
    is_inside = distances < REACH * DEVIATION
    is_reached = is_inside.any(axis=0)
    is_in_a_mode = is_inside.any(axis=1)
    return {"coverage": float(is_reached.mean()), "precision": float(is_in_a_mode.mean())}


def to_points(values: Tensor) -> np.ndarray:
    return values.flatten(1).double().numpy()
