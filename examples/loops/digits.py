"""Gillman et al. 2024: a class-conditional diffusion model of digits, corrected by k-means clusters of real digits.

Every synthetic image moves towards the nearest of its digit's cluster centres by γ. The centres are a memory of the
training data: what is gained by them is stability, not new information.

`selfcorrect toy examples/loops/digits.py --quick` runs the loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from toy_data.digits import mnist
from toy_models.digit_judge import COLUMNS, DIGIT_COUNT, draw_one_of_each, fit_centres, split_digits

from selfcorrect import claims, toys
from selfcorrect.core.randomness import Stream
from selfcorrect.correctors.loop_correction import Correction
from selfcorrect.datasets.toy.digits import bundled_digits
from selfcorrect.loop.policy import Augment, RealOnly
from selfcorrect.loop.run import Arm, Task
from selfcorrect.models.diffusion.config import DiffusionConfig
from selfcorrect.models.diffusion.model import MotionDiffusion

REAL = "real only"


@dataclass(frozen=True)
class Digits(toys.ToySettings):
    """Real images for training, λ per arm, γ of the corrector, clusters per digit; `mnist`: a folder of idx files."""

    real_count: int = 600
    judged: int = 600
    ratios: tuple[float, ...] = (0.2, 0.5, 1.0, 1.5)
    strength: float = 0.5
    clusters_per_digit: int = 16
    initial_steps: int = 1200
    steps: int = 120
    generations: int = 4
    seeds: int = 3
    mnist: Path | None = None


QUICK = Digits(ratios=(1.0,), initial_steps=300, steps=60, generations=3, judged=300)


def toy(settings: Digits) -> toys.Toy:
    """Declare each λ without and with correction."""
    images, labels = mnist(settings.mnist) if settings.mnist else bundled_digits()
    plain = name_arm(max(settings.ratios))
    corrected = name_arm(max(settings.ratios), is_corrected=True)
    gains = [
        claims.final_difference(name_arm(ratio, is_corrected=True), name_arm(ratio), "fid") for ratio in settings.ratios
    ]
    mean_gain = claims.Quantity(lambda curves: np.mean([gain.per_seed(curves) for gain in gains], axis=0))
    fid_over_real = claims.final_difference(plain, REAL, "fid")
    accuracy_gain = claims.final_difference(corrected, plain, "accuracy")
    recall_gain = claims.final_difference(corrected, plain, "recall")
    statements = [
        claims.expect_above(f"{plain}: ends with a larger Fréchet distance than real data only", fid_over_real),
        claims.expect_below("correction lowers the Fréchet distance, over all λ", mean_gain),
        claims.expect_above(f"{plain}: correction raises the class accuracy", accuracy_gain),
        *claims.mark_unpublished(claims.expect_above(f"{plain}: correction costs no recall", recall_gain, -0.05)),
    ]
    return toys.Toy(
        bundles=[
            toys.bundle_seeds(settings, partial(set_up, settings, images, labels), "digits", show=draw_one_of_each)
        ],
        claims=statements,
        columns=COLUMNS,
        rows=(REAL, plain, corrected),
        notes=(
            f"Corrector: {settings.clusters_per_digit} clusters per digit of the real training images; its information "
            "budget is those centres.",
            f"Features and accuracy come from a classifier trained on the same {settings.real_count} real images.",
        ),
        title="Digits, corrected by k-means",
        source="Gillman et al. 2024",
    )


def name_arm(ratio: float, *, is_corrected: bool = False) -> str:
    """Return the name of the arm with λ = `ratio`."""
    return f"λ = {ratio:g}, corrected" if is_corrected else f"λ = {ratio:g}"


def set_up(settings: Digits, images: Tensor, labels: Tensor, stream: Stream) -> toys.Setup:
    """Images of a seed to train on and to judge by, the model, its judge, and the arms."""
    real, measure = split_digits(images, labels, settings.real_count, settings.judged, stream)
    size = images.shape[1]
    config = DiffusionConfig(
        denoiser="dct-mlp", width=256, depth=2, snr_factor=1.0, learning_rate=2e-3,
        sampler="ddim", eta=1.0,  # of the figures that the theory gallery keeps
    )  # fmt: skip
    model = MotionDiffusion(config, size, size, DIGIT_COUNT, device=torch.device("cpu"))
    corrector = fit_centres(real, settings.clusters_per_digit, stream)
    correction = Correction(corrector, settings.strength, operator="interpolation")
    arms = {REAL: Arm(RealOnly(), settings.generations, settings.steps)}
    for ratio in settings.ratios:
        policy = Augment(ratio)
        arms[name_arm(ratio)] = Arm(policy, settings.generations, settings.steps)
        arms[name_arm(ratio, is_corrected=True)] = Arm(
            policy, settings.generations, settings.steps, correction=correction
        )
    return toys.Setup(Task(model, real, measure, settings.initial_steps), arms)
