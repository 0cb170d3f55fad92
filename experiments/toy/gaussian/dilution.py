"""Artefacts in a corrected augmented loop are diluted: a Gaussian with a corrector that pulls samples to its level."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import Corrector
from selfcorrect.loop.policy import Augment
from selfcorrect.loop.run import Candidate, Plan
from selfcorrect.models.gaussian import Gaussian

from ...studies.claims import above, as_predicted, end, ours
from ..declaration import Column, Setup, Sweep, Toy, ToySettings, replicated
from .tasks import gaussian_task, per_seed

LEVEL = 2.0
"""c, the corrector's own fixed point; real data have the level 0."""


@dataclass(frozen=True)
class Dilution(ToySettings):
    """Loops over λ and γ, with a corrector that leaves κ of each sample's distance from its own fixed point."""

    real_count: int = 64
    ratios: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    strengths: tuple[float, ...] = (0.0, 1 / 3, 1.0, math.inf)
    kept: float = 0.25
    generations: int = 30
    seeds: int = 400


QUICK = Dilution(ratios=(0.5, 2.0), generations=20, seeds=200)


def toy(settings: Dilution) -> Toy:
    """All pairs of λ and γ against the fixed point."""
    ratios, kept = settings.ratios, settings.kept
    lines = {g: "γ = ∞" if math.isinf(g) else f"γ = {g:.2g}" for g in settings.strengths}
    pairs = {f"λ = {ratio:g}, {line}": (ratio, strength) for strength, line in lines.items() for ratio in ratios}

    def setup(stream: Stream) -> Setup:
        task = gaussian_task(settings.real_count, settings.seeds, stream, level_and_spread)
        corrections = {arm: per_seed(pull(kept), strength) for arm, (_, strength) in pairs.items()}
        plans = {
            arm: Plan(Augment(ratio), settings.generations, correction=corrections[arm])
            for arm, (ratio, _) in pairs.items()
        }
        return Setup(task, plans)

    levels = {arm: float(theory.diluted_level(0, LEVEL, *pair, kept)) for arm, pair in pairs.items()}
    law = {arm: np.full(settings.generations + 1, level) for arm, level in levels.items()}
    most = [arm for arm, (ratio, _) in pairs.items() if ratio == ratios[-1]]
    alone = float(theory.diluted_level(1, 0, *pairs[most[-1]], kept))  # fully synthetic, it shrinks to a point
    return Toy(
        [replicated("dilution", settings.seed, setup)],
        ours(
            *as_predicted("{arm}: level", "level", law),
            above(f"{most[-1]}: the spread is no mean", end(most[-1], "spread"), alone),
        ),
        [Column("level", "level", ".3f", predicted=law, predicted_title="predicted"), Column("spread", "spread")],
        rows=most,
        figures=[
            Sweep(
                "Level of a corrected loop",
                "λ",
                "level",
                ratios,
                {line: [end(f"λ = {ratio:g}, {line}", "level") for ratio in ratios] for line in lines.values()},
                {line: theory.diluted_level(0, LEVEL, ratios, strength, kept) for strength, line in lines.items()},
                log=True,
            )
        ],
        notes=(f"A level is a mean over samples; the spread of two places is not, else it were {alone:.2f}.",),
    )


def pull(kept: float) -> Corrector:
    """A corrector that moves first coordinates to `LEVEL`, but for a share of their distance."""

    def pulled(samples: Samples, stream: Stream) -> Samples:
        first = LEVEL + kept * (samples.values[..., :1] - LEVEL)
        return samples.with_values(torch.cat([first, samples.values[..., 1:]], dim=-1))

    return pulled


def level_and_spread(candidate: Candidate) -> dict[str, Tensor]:
    """Per seed: mean and standard deviation of the first coordinate."""
    model = candidate.model
    assert isinstance(model, Gaussian)
    return {"level": model.mean[..., 0], "spread": model.covariance[..., 0, 0].sqrt()}
