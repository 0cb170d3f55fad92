"""Gillman et al. 2024: a class-conditional diffusion model of digits, corrected by k-means clusters of the real ones.

Every synthetic image moves towards the nearest of its digit's cluster centres by γ. The centres are a memory of the
training data: what is gained by them is stability, not new information.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from selfcorrect.core.randomness import Stream
from selfcorrect.datasets.toy.digits import bundled_digits, mnist
from selfcorrect.loop.policy import Augment, RealOnly
from selfcorrect.loop.run import Plan
from selfcorrect.models.diffusion.config import DiffusionConfig
from selfcorrect.models.diffusion.model import MotionDiffusion

from ...studies.claims import above, below, gain, ours, pooled
from ..declaration import Setup, Toy, ToySettings, by_seed
from .images import COLUMNS, image_task, one_of_each, to_centres

REAL = "real only"


@dataclass(frozen=True)
class Digits(ToySettings):
    """Real images for training, λ per arm, γ of the corrector, clusters per digit; `mnist`: a folder of idx files."""

    real_count: int = 600
    judged: int = 600
    ratios: tuple[float, ...] = (0.2, 0.5, 1.0, 1.5)
    strength: float = 0.5
    clusters_per_digit: int = 16
    first_steps: int = 1200
    steps: int = 120
    generations: int = 4
    seeds: int = 3
    mnist: Path | None = None


QUICK = Digits(ratios=(1.0,), first_steps=300, steps=60, generations=3, judged=300)


def toy(settings: Digits) -> Toy:
    """Each λ without and with correction."""
    images, labels = mnist(settings.mnist) if settings.mnist else bundled_digits()
    largest = max(settings.ratios)
    plain, corrected = f"λ = {largest:g}", f"λ = {largest:g}, corrected"

    def setup(stream: Stream) -> Setup:
        size = images.shape[1]
        config = DiffusionConfig(denoiser="dct-mlp", width=256, depth=2, snr_factor=1.0, learning_rate=2e-3)
        model = MotionDiffusion(config, size, size, 10, device=torch.device("cpu"))
        task = image_task(model, settings, (images, labels), stream)
        correction = to_centres(task.real, settings.clusters_per_digit, settings.strength, stream)
        ways = {"": None, ", corrected": correction}
        plans = {
            f"λ = {ratio:g}{way}": Plan(Augment(ratio), settings.generations, settings.steps, correction=one)
            for ratio in settings.ratios
            for way, one in ways.items()
        }
        return Setup(task, {REAL: Plan(RealOnly(), settings.generations, settings.steps), **plans})

    return Toy(
        [by_seed(settings, setup, "digits", show=one_of_each)],
        [
            above(f"{plain}: ends with a larger Fréchet distance than real data only", gain(plain, REAL, "fid")),
            below(
                "correction lowers the Fréchet distance, over all λ",
                pooled([gain(f"λ = {ratio:g}, corrected", f"λ = {ratio:g}", "fid") for ratio in settings.ratios]),
            ),
            above(f"{plain}: correction raises the class accuracy", gain(corrected, plain, "accuracy")),
            *ours(above(f"{plain}: correction costs no recall", gain(corrected, plain, "recall"), -0.05)),
        ],
        COLUMNS,
        rows=(REAL, plain, corrected),
        notes=(
            f"Corrector: {settings.clusters_per_digit} clusters per digit of the real training images; its information "
            "budget is those centres.",
            f"Features and accuracy come from a classifier trained on the same {settings.real_count} real images.",
        ),
    )
