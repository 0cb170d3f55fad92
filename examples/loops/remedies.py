"""Published remedies against the loss of modes, side by side, for a diffusion model on points around a circle.

Points lie in twelve narrow modes, all of one label, so that only the learner and chance decide which modes live on.
Every remedy runs the fully synthetic loop from the same generation 0. The frozen loop, which trains on the first
synthetic set for ever, is what every remedy must be compared with.

    pip install ./examples/plugins/published_remedies   # for all but --quick
    selfcorrect toy examples/loops/remedies.py --quick
"""

import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from toy_models.circle import make_circle_task

import selfcorrect as sc
from selfcorrect import claims, toys

FROZEN = "frozen"
PUBLISHED = (
    "extrapolated", "sims", "rescaled-score", "annealed-truncation", "farthest-points", "self-verified",
    "likelihood-rank", "latent-filter", "truncated-loss", "ecosystem", "averaged-weights", "oversampling",
)  # fmt: skip
"""Remedies (docs/results/index.md) whose papers claim that they help."""


@dataclass(frozen=True)
class RemedyLoop(toys.ToySettings):
    """Loops with remedies on points in modes.

    There are n real points, as many in every mode. The model is a small network on points as sequences of one frame.
    """

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
    """Declare the plain loop, a loop with each remedy, and the frozen loop."""
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
