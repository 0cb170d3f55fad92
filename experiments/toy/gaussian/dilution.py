"""Artefacts in a corrected augmented loop are diluted: a Gaussian with a corrector that pulls samples to its level."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import Corrector
from selfcorrect.loop.policy import Augment
from selfcorrect.loop.run import Candidate, Plan
from selfcorrect.models.gaussian import Gaussian
from selfcorrect.statistics import mean_interval

from ..result import Ends, Line, Panel, Result, above, agrees
from ..running import run_arms
from .tasks import gaussian_task, per_seed

LEVEL = 2.0
"""c, the corrector's own fixed point; real data have the level 0."""


@dataclass(frozen=True)
class Dilution:
    """Loops over λ and γ, with a corrector that leaves κ of each sample's distance from its own fixed point."""

    real_count: int = 64
    ratios: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    strengths: tuple[float, ...] = (0.0, 1 / 3, 1.0, math.inf)
    kept: float = 0.25
    generations: int = 30
    seeds: int = 400
    seed: int = 0


def quick() -> Dilution:
    return Dilution(ratios=(0.5, 2.0), generations=20, seeds=200)


def run(settings: Dilution | None = None) -> Result:
    """All pairs of λ and γ against the fixed point."""
    settings = settings or Dilution()
    stream = streams(settings.seed).child("dilution")
    task = replace(gaussian_task(settings.real_count, settings.seeds, stream), evaluate=level_and_spread)
    pairs = [(ratio, strength) for strength in settings.strengths for ratio in settings.ratios]
    plans = {
        f"λ = {ratio:g}, {_named(strength)}": Plan(
            Augment(ratio), settings.generations, correction=per_seed(pull(settings.kept), strength)
        )
        for ratio, strength in pairs
    }
    ends = {name: {key: of[key][:, -1] for key in of} for name, of in run_arms(task, plans, stream).items()}
    law = dict(zip(plans, (float(theory.diluted_level(0, LEVEL, *pair, settings.kept)) for pair in pairs), strict=True))
    checks = [agrees(f"{name}: level", mean_interval(ends[name]["level"]), law[name], published=False) for name in law]
    most = list(plans)[len(settings.ratios) - 1 :: len(settings.ratios)]  # the largest λ, once for each γ
    last = most[-1]
    alone = float(theory.diluted_level(1, 0, *pairs[-1], settings.kept))  # fully synthetic, it shrinks to a point
    checks.append(above(f"{last}: the spread is no mean", mean_interval(ends[last]["spread"]), alone, published=False))
    levels = np.reshape([end["level"] for end in ends.values()], (len(settings.strengths), len(settings.ratios), -1))
    lines = [
        Line(_named(strength), level.T, theory.diluted_level(0, LEVEL, settings.ratios, strength, settings.kept))
        for strength, level in zip(settings.strengths, levels, strict=True)
    ]
    return Result(
        reading=f"At {last} the level is {ends[last]['level'].mean():.3f}, predicted {law[last]:.3f}. "
        f"The spread is {ends[last]['spread'].mean():.2f}, where the same form would give {alone:.2f}.",
        checks=checks,
        ends=Ends(["level", "predicted"], {k: [f"{ends[k]['level'].mean():.3f}", f"{law[k]:.3f}"] for k in most}),
        figures=[Panel("Level of a corrected loop", "λ", "level", np.array(settings.ratios), lines, log_x=True)],
        notes=("A level is a mean over samples; the spread of two places is not.",),
    )


def _named(strength: float) -> str:
    return "γ = ∞" if math.isinf(strength) else f"γ = {strength:.2g}"


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
