"""A UNet of diffusers on digits: real data only, its own samples, and its own samples corrected by k-means.

The network and its scheduler come from the library `diffusers` through `sc.DiffusersModel`. Corrector, judge and data
are those of `digits`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from selfcorrect.core.extras import needed_for
from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.anchors import fit_anchors
from selfcorrect.correctors.correction import Correction
from selfcorrect.datasets.toy.digits import bundled_digits
from selfcorrect.loop.policy import RealOnly, Replace
from selfcorrect.loop.run import Candidate, Plan, Task
from selfcorrect.metrics.frechet import frechet_distance
from selfcorrect.metrics.neighbours import neighbour_metrics
from selfcorrect.models.adapters.diffusers_model import DiffusersModel
from selfcorrect.statistics import mean_interval
from selfcorrect.storage.runs.protocol import Generation

from ..result import Check, Line, Panel, Pictures, Result, above, below, ends_of
from ..running import Curves, run_arms
from .digits import ENDS, Judge, nearest_centre

SHOWN = {"fid": "Fréchet distance", "accuracy": "class accuracy", "recall": "recall"}


@dataclass(frozen=True)
class UnetDigits:
    """8×8 digits of scikit-learn; γ of the corrector, clusters per digit."""

    real_count: int = 200
    judged: int = 120
    strength: float = 1.0
    clusters_per_digit: int = 8
    first_steps: int = 180
    steps: int = 20
    generations: int = 3
    seeds: int = 3
    seed: int = 0


def quick() -> UnetDigits:
    return UnetDigits(real_count=100, judged=60, first_steps=40, steps=8, generations=2, seeds=2)


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


def run(settings: UnetDigits | None = None) -> Result:
    """All arms."""
    settings = settings or UnetDigits()
    shown: dict[str, Tensor] = {}
    runs = [_run_seed(settings, seed, shown) for seed in range(settings.seed, settings.seed + settings.seeds)]
    curves = {arm: {key: np.concatenate([one[arm][key] for one in runs]) for key in runs[0][arm]} for arm in runs[0]}
    generations = np.arange(settings.generations + 1)
    pages = (torch.cat(list(shown.values())) + 1) / 2
    return Result(
        reading=_reading(curves),
        ends=ends_of(curves, ENDS),
        checks=_checks(curves),
        figures=[
            *(
                Panel(title, "generation", title, generations, [Line(arm, table[key]) for arm, table in curves.items()])
                for key, title in SHOWN.items()
            ),
            Pictures("The last generation", pages.clamp(0, 1).numpy(), 10, list(shown)),
        ],
        notes=(f"The corrector knows {settings.clusters_per_digit} cluster centres per digit of the real data.",),
    )


def _run_seed(settings: UnetDigits, seed: int, shown: dict[str, Tensor]) -> Curves:
    stream = streams(seed).child("unet-digits")
    images, labels = bundled_digits()
    order = torch.randperm(len(images), generator=stream.child("split").torch())
    train, held_out = order[: settings.real_count], order[settings.real_count :][: settings.judged]
    real = Samples.real(images[train], labels[train])
    judge = Judge.train(real.values, real.labels, stream.seed % 2**32)
    reference = judge.features(images[held_out])

    def scores(candidate: Candidate) -> dict[str, float]:
        drawn = candidate.samples(settings.judged)
        features = judge.features(drawn.values)
        return {
            "fid": frechet_distance(reference, features),
            "accuracy": judge.accuracy(drawn.values, drawn.labels),
            "recall": neighbour_metrics(reference, features)["recall"],
        }

    task = Task(unet_model(), real, scores, settings.first_steps)

    def picture(arm: str, generation: Generation) -> None:
        if generation.number == settings.generations and arm not in shown:
            model = task.model.load_state(dict(generation.state))
            shown[arm] = model.sample(torch.arange(10), stream.child("shown"))

    per_cluster = max(1, settings.real_count // 10 // settings.clusters_per_digit)
    centres = nearest_centre(fit_anchors(real, per_cluster, stream.child("clusters")))
    correction = Correction(centres, settings.strength, operator="interpolation")
    plans = {
        "real only": Plan(RealOnly(), settings.generations, settings.steps),
        "synthetic": Plan(Replace(), settings.generations, settings.steps),
        "corrected": Plan(Replace(), settings.generations, settings.steps, correction=correction),
    }
    return run_arms(task, plans, stream, picture)


def _checks(curves: Curves) -> list[Check]:
    last = {arm: {key: values[:, -1] for key, values in table.items()} for arm, table in curves.items()}
    real, plain, corrected = last["real only"], last["synthetic"], last["corrected"]
    return [
        above("synthetic: a larger Fréchet distance than real data only", mean_interval(plain["fid"] - real["fid"])),
        below("synthetic: less recall than real data only", mean_interval(plain["recall"] - real["recall"])),
        below("correction lowers the Fréchet distance", mean_interval(corrected["fid"] - plain["fid"])),
        above("correction raises the class accuracy", mean_interval(corrected["accuracy"] - plain["accuracy"])),
        above(
            "correction costs no recall",
            mean_interval(corrected["recall"] - plain["recall"]),
            -0.05,
            published=False,
        ),
    ]


def _reading(curves: Curves) -> str:
    start = curves["synthetic"]["fid"][:, 0].mean()
    ends = [curves[arm]["fid"][:, -1].mean() for arm in ("synthetic", "corrected")]
    return (
        f"The Fréchet distance goes from {start:.1f} to {ends[0]:.1f} without correction, and to {ends[1]:.1f} with it."
    )
