"""Published remedies against the loss of modes, side by side: a diffusion model on points around a circle.

Points lie in twelve narrow modes, all of one label, so that only the learner and chance decide which modes live on.
Every row of the table of remedies runs the fully synthetic loop from the same generation 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from selfcorrect.core.randomness import Stream
from selfcorrect.loop.policy import Freeze, Replace
from selfcorrect.loop.run import Plan
from selfcorrect.statistics import half_life_interval

from ...remedies.remedies import RemedyInputs, with_remedy
from ...remedies.table import OWN, REMEDIES, UNRATED
from ...studies.claims import above, gain, ours
from ..declaration import Column, Setup, Toy, ToySettings, by_seed
from .circle import COVERAGE, circle_task

FROZEN = "frozen"


@dataclass(frozen=True)
class RemedyLoop(ToySettings):
    """n real points, as many in every mode; the model is a small network on points as sequences of one frame."""

    real_count: int = 96
    generations: int = 12
    first_steps: int = 1200
    steps: int = 60
    judged: int = 240
    remedies: tuple[str, ...] = UNRATED
    seeds: int = 5


QUICK = RemedyLoop(generations=5, seeds=3, remedies=("none", "lineages", "more-steps"))


def toy(settings: RemedyLoop) -> Toy:
    """The plain loop, one with each remedy, and the frozen one that every remedy must be compared with."""

    def setup(stream: Stream) -> Setup:
        task = circle_task(settings.real_count, settings.first_steps, settings.judged, stream)
        plan = Plan(Replace(), settings.generations, settings.steps)
        arms = {name: with_remedy(task, plan, name, RemedyInputs()) for name in settings.remedies}
        return Setup(task, {**arms, FROZEN: Plan(Freeze(), settings.generations, settings.steps)})

    return Toy(
        [by_seed(settings, setup)],
        [
            claim
            for name in settings.remedies
            if name != "none"
            for more in [above(f"{name} keeps more modes than no remedy", gain(name, "none", "coverage"))]
            for claim in (ours(more) if REMEDIES.row(name).source == OWN else [more])
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


def _half_life(coverage: np.ndarray) -> str:
    middle = half_life_interval(coverage).estimate
    return f"{middle:.1f}" if math.isfinite(middle) else "not reached"
