"""Effects of drift and of bias: matching against one, extrapolation against the other, under each way of training.

The points around a circle and the model of `remedies.py`. Loops that replace their data are fine-tuned, or trained anew
in every generation; others keep the real data beside one batch of samples, or all batches so far.

    selfcorrect toy examples/loops/mechanisms.py --quick
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.loop.policy import Policy
from selfcorrect.models.diffusion.config import DiffusionConfig
from selfcorrect.models.diffusion.model import MotionDiffusion

REMEDIES = ("none", "matched", "extrapolated", "lineages")
WAYS: dict[str, tuple[Policy, bool]] = {
    "fully synthetic": (sc.Replace(), False),
    "fully synthetic, trained anew": (sc.Replace(), True),
    "λ = 1": (sc.Augment(1.0), False),
    "accumulated": (sc.Accumulate(1.0), False),
}
"""Ways of training by name: the policy, and whether every generation starts from an untrained model."""


@dataclass(frozen=True)
class MechanismLoop(toys.ToySettings):
    """n real points, as many in every mode; training anew takes `initial_steps` in every generation."""

    real_count: int = 96
    generations: int = 12
    initial_steps: int = 1200
    steps: int = 60
    judged: int = 240
    seeds: int = 5
    ways: tuple[str, ...] = tuple(WAYS)


QUICK = MechanismLoop(generations=5, seeds=3, ways=("fully synthetic", "λ = 1"))


def toy(settings: MechanismLoop) -> toys.Toy:
    """Declare each way of training, without a remedy, with either and with both."""
    return toys.Toy(
        bundles=[toys.bundle_seeds(settings, partial(set_up, settings))],
        claims=claims.mark_unpublished(*make_claims(settings)),
        columns=[toys.Column("coverage", "share of modes left")],
        groups=settings.ways,
        title="Where drift and bias matter",
        source="this project",
        notes=(
            "Training anew leaves no weights in which a bias could add up; data drift all the same. Whether real data "
            "in every training set stop both losses without a remedy is what the checks of λ and accumulation ask.",
        ),
    )


def set_up(settings: MechanismLoop, stream: sc.Stream) -> toys.Setup:
    task = make_circle_task(settings.real_count, settings.initial_steps, settings.judged, stream)
    arms = {}
    for way in settings.ways:
        arm = make_arm(way, settings.generations, settings.initial_steps, settings.steps)
        for remedy in REMEDIES:
            arms[f"{way}, {remedy}"] = sc.with_remedy(task, arm, remedy)
    return toys.Setup(task, arms)


def make_arm(way: str, generations: int, initial_steps: int, steps: int) -> sc.Arm:
    """Return the arm of a way of training; training anew takes the steps of generation 0 every time."""
    policy, is_trained_anew = WAYS[way]
    return sc.Arm(policy, generations, initial_steps if is_trained_anew else steps, from_scratch=is_trained_anew)


def make_claims(settings: MechanismLoop) -> Iterator[claims.Claim]:
    for way in settings.ways:
        plain = f"{way}, none"
        if not isinstance(WAYS[way][0], sc.Replace):
            missing = claims.final_value(plain, "coverage") - 0.9
            yield claims.expect_above(f"{way}: nine tenths of the modes stay without a remedy", missing)
            continue
        for remedy in REMEDIES[1:]:
            coverage = claims.final_difference(f"{way}, {remedy}", plain, "coverage")
            yield claims.expect_above(f"{way}: {remedy} keeps more modes than no remedy", coverage)


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
