"""A UNet of diffusers on digits, after Gillman et al. 2024.

Real data only, the model's own samples, and its own samples corrected by k-means. The network and its scheduler come
from the library `diffusers` through `hub_models.DiffusersModel`. The judge is a classifier trained on the real images.

    pip install ./examples/plugins/hub_models
    selfcorrect toy examples/loops/unet_digits.py --quick
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from diffusers.models.unets.unet_2d import UNet2DModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from hub_models import DiffusersModel
from toy_models.digit_judge import COLUMNS, draw_one_of_each, fit_centres, split_digits

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.datasets.toy.digits import bundled_digits

REAL, PLAIN, CORRECTED = "real only", "synthetic", "corrected"


@dataclass(frozen=True)
class UnetDigits(toys.ToySettings):
    """8×8 digits of scikit-learn; γ of the corrector, clusters per digit."""

    real_count: int = 200
    judged: int = 120
    strength: float = 1.0
    clusters_per_digit: int = 8
    initial_steps: int = 180
    steps: int = 20
    generations: int = 3
    seeds: int = 3


QUICK = UnetDigits(real_count=100, judged=60, initial_steps=40, steps=8, generations=2, seeds=2)


def toy(settings: UnetDigits) -> toys.Toy:
    """Declare all arms."""
    return toys.Toy(
        bundles=[toys.bundle_seeds(settings, partial(set_up, settings), "unet-digits", show=draw_one_of_each)],
        claims=list(make_claims()),
        columns=COLUMNS,
        title="A UNet of diffusers on digits",
        source="after Gillman et al. 2024",
        notes=(f"The corrector knows {settings.clusters_per_digit} cluster centres per digit of the real data.",),
    )


def make_claims() -> Iterator[claims.Claim]:
    """Yield what the paper claims of loops with and without correction; it does not speak of the recall."""
    distance = claims.final_difference(PLAIN, REAL, "fid")
    yield claims.expect_above("synthetic: a larger Fréchet distance than real data only", distance)
    recall = claims.final_difference(PLAIN, REAL, "recall")
    yield claims.expect_below("synthetic: less recall than real data only", recall)
    distance = claims.final_difference(CORRECTED, PLAIN, "fid")
    yield claims.expect_below("correction lowers the Fréchet distance", distance)
    accuracy = claims.final_difference(CORRECTED, PLAIN, "accuracy")
    yield claims.expect_above("correction raises the class accuracy", accuracy)
    recall = claims.final_difference(CORRECTED, PLAIN, "recall")
    yield from claims.mark_unpublished(claims.expect_above("correction costs no recall", recall, -0.05))


def set_up(settings: UnetDigits, stream: sc.Stream) -> toys.Setup:
    images, labels = bundled_digits()
    real, measure = split_digits(images, labels, settings.real_count, settings.judged, stream)
    corrector = fit_centres(real, settings.clusters_per_digit, stream)
    correction = sc.Correction(corrector, settings.strength, operator="interpolation")
    plain = sc.Arm(sc.Replace(), settings.generations, settings.steps)
    arms = {
        REAL: replace(plain, policy=sc.RealOnly()),
        PLAIN: plain,
        CORRECTED: replace(plain, correction=correction),
    }
    return toys.Setup(sc.Task(make_unet(), real, measure, settings.initial_steps), arms)


def make_unet() -> DiffusersModel:
    """Return a class-conditional UNet with a cosine schedule of 100 noise levels, sampled by DDIM."""
    network = partial(
        UNet2DModel,
        sample_size=8,
        in_channels=1,
        out_channels=1,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        add_attention=False,
        norm_num_groups=8,
        num_class_embeds=10,
    )
    scheduler = DDIMScheduler(100, beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")
    return DiffusersModel(module=network, scheduler=scheduler, shape=(8, 8), sampling_steps=8, batch_size=48)
