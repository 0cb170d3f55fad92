"""Published remedies against the loss of modes, side by side: a diffusion model on points around a circle.

Points lie in twelve narrow modes, all of one label, so that only the learner and chance decide which modes live on.
Every row of the table of remedies runs the fully synthetic loop from the same generation 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.policy import Freeze, Replace
from selfcorrect.loop.run import Candidate, Plan, Task
from selfcorrect.models.diffusion.config import DiffusionConfig
from selfcorrect.models.diffusion.model import MotionDiffusion
from selfcorrect.statistics import half_life_interval

from ...remedies.remedies import RemedyInputs, with_remedy
from ...remedies.table import OWN, REMEDIES, UNRATED
from ...studies.claims import above, gain
from ..declaration import Column, Setup, Toy, by_seed

FROZEN = "frozen"
COVERAGE = "share of modes left"
_MODES = 12
_DEVIATION = 0.08
_REACH = 4.0
"""Standard deviations of a mode within which a sample is one of it."""


@dataclass(frozen=True)
class RemedyLoop:
    """n real points, as many in every mode; the model is a small network on points as sequences of one frame."""

    real_count: int = 96
    generations: int = 12
    first_steps: int = 1200
    steps: int = 60
    judged: int = 240
    remedies: tuple[str, ...] = UNRATED
    seeds: int = 5
    seed: int = 0


QUICK = RemedyLoop(generations=5, seeds=3, remedies=("none", "lineages", "more-steps"))


def toy(settings: RemedyLoop) -> Toy:
    """The plain loop, one with each remedy, and the frozen one that every remedy must be compared with."""

    def setup(stream: Stream) -> Setup:
        task = circle_task(settings.real_count, settings.first_steps, settings.judged, stream)
        plan = Plan(Replace(), settings.generations, settings.steps)
        arms = {name: with_remedy(task, plan, name, RemedyInputs()) for name in settings.remedies}
        return Setup(task, {**arms, FROZEN: Plan(Freeze(), settings.generations, settings.steps)})

    return Toy(
        [by_seed(settings.seed, settings.seeds, setup)],
        [
            above(
                f"{name} keeps more modes than no remedy",
                gain(name, "none", "coverage"),
                published=REMEDIES.row(name).source != OWN,
            )
            for name in settings.remedies
            if name != "none"
        ],
        [
            Column("coverage", COVERAGE),
            Column("coverage", "half-life, generations", _half_life, panel=False),
            Column("precision", "precision"),
            Column("novelty", "distance to the parent, of real neighbours'", ""),
        ],
        notes=(
            "Without information from outside no remedy can know more than the first synthetic set, on which the "
            "frozen loop trains for ever; it makes nothing new.",
        ),
    )


_CONFIG = DiffusionConfig(width=128, depth=2, diffusion_steps=50, sampling_steps=20, learning_rate=2e-3, ema_decay=0.95)


def circle_task(real_count: int, first_steps: int, judged: int, stream: Stream) -> Task:
    """A small network on points as sequences of one frame, and its judge."""
    model = MotionDiffusion(_CONFIG, frames=1, features=2, classes=1, device=torch.device("cpu"))

    def judge(candidate: Candidate) -> dict[str, float]:
        return scores(candidate.samples(judged).values)

    return Task(model, circle(real_count, stream.child("real")), judge, first_steps, space=_points)


def circle(count: int, stream: Stream) -> Samples:
    """Real points (N, 1, 2) of unit variance, in modes around a circle, in turn."""
    angles = 2 * math.pi * (torch.arange(count) % _MODES) / _MODES
    centres = math.sqrt(2) * torch.stack([angles.cos(), angles.sin()], 1)
    noise = torch.randn(centres.shape, generator=stream.torch())
    return Samples.real((centres + _DEVIATION * noise)[:, None], torch.zeros(count, dtype=torch.int64))


def scores(values: Tensor) -> dict[str, float]:
    """Coverage and precision of points (N, 1, 2)."""
    points = _points(values)
    angles = 2 * math.pi * np.arange(_MODES) / _MODES
    centres = math.sqrt(2) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    inside = np.linalg.norm(points[:, None] - centres, axis=-1) < _REACH * _DEVIATION
    return {"coverage": float(inside.any(axis=0).mean()), "precision": float(inside.any(axis=1).mean())}


def _points(values: Tensor) -> np.ndarray:
    return values.flatten(1).double().numpy()


def _half_life(coverage: np.ndarray) -> str:
    middle = half_life_interval(coverage).estimate
    return f"{middle:.1f}" if math.isfinite(middle) else "not reached"
