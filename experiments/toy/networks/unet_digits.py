"""A UNet of diffusers on digits: real data only, its own samples, and its own samples corrected by k-means.

The network and its scheduler come from the library `diffusers` through `sc.DiffusersModel`. Corrector, judge and data
are those of `digits`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from selfcorrect.core.extras import needed_for
from selfcorrect.core.randomness import Stream
from selfcorrect.datasets.toy.digits import bundled_digits
from selfcorrect.loop.policy import RealOnly, Replace
from selfcorrect.loop.run import Plan
from selfcorrect.models.adapters.diffusers_model import DiffusersModel

from ...studies.claims import above, below, gain, ours
from ..declaration import Setup, Toy, ToySettings, by_seed
from .images import COLUMNS, image_task, one_of_each, to_centres

REAL, PLAIN, CORRECTED = "real only", "synthetic", "corrected"


@dataclass(frozen=True)
class UnetDigits(ToySettings):
    """8×8 digits of scikit-learn; γ of the corrector, clusters per digit."""

    real_count: int = 200
    judged: int = 120
    strength: float = 1.0
    clusters_per_digit: int = 8
    first_steps: int = 180
    steps: int = 20
    generations: int = 3
    seeds: int = 3


QUICK = UnetDigits(real_count=100, judged=60, first_steps=40, steps=8, generations=2, seeds=2)


def toy(settings: UnetDigits) -> Toy:
    """All arms."""

    def setup(stream: Stream) -> Setup:
        task = image_task(unet_model(), settings, bundled_digits(), stream)
        correction = to_centres(task.real, settings.clusters_per_digit, settings.strength, stream)
        lengths = settings.generations, settings.steps
        corrected = Plan(Replace(), *lengths, correction=correction)
        return Setup(task, {REAL: Plan(RealOnly(), *lengths), PLAIN: Plan(Replace(), *lengths), CORRECTED: corrected})

    return Toy(
        [by_seed(settings, setup, "unet-digits", show=one_of_each)],
        [
            above("synthetic: a larger Fréchet distance than real data only", gain(PLAIN, REAL, "fid")),
            below("synthetic: less recall than real data only", gain(PLAIN, REAL, "recall")),
            below("correction lowers the Fréchet distance", gain(CORRECTED, PLAIN, "fid")),
            above("correction raises the class accuracy", gain(CORRECTED, PLAIN, "accuracy")),
            *ours(above("correction costs no recall", gain(CORRECTED, PLAIN, "recall"), -0.05)),
        ],
        COLUMNS,
        notes=(f"The corrector knows {settings.clusters_per_digit} cluster centres per digit of the real data.",),
    )


def unet_model(size: int = 8, channels: int = 1, widths: tuple[int, ...] = (16, 32), **settings: Any) -> DiffusersModel:
    """A class-conditional UNet with a cosine schedule of 100 noise levels, sampled by DDIM."""
    with needed_for("the loop unet-digits", "hub"):
        from diffusers.models.unets.unet_2d import UNet2DModel
        from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    def network() -> UNet2DModel:
        return UNet2DModel(
            sample_size=size,
            in_channels=channels,
            out_channels=channels,
            block_out_channels=widths,
            layers_per_block=1,
            down_block_types=("DownBlock2D",) * len(widths),
            up_block_types=("UpBlock2D",) * len(widths),
            add_attention=False,
            norm_num_groups=8,
            num_class_embeds=10,
        )

    scheduler = DDIMScheduler(100, beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")
    shape = (size, size) if channels == 1 else (channels, size, size)
    defaults = {"sampling_steps": 8, "batch_size": 48}
    return DiffusersModel(module=network, scheduler=scheduler, shape=shape, **{**defaults, **settings})
