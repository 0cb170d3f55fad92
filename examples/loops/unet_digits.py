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

import numpy as np
import torch
from diffusers.models.unets.unet_2d import UNet2DModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from hub_models import DiffusersModel
from sklearn.neural_network import MLPClassifier
from torch import Tensor

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.correctors.anchors import fit_anchors
from selfcorrect.datasets.toy.digits import bundled_digits
from selfcorrect.metrics.frechet import frechet_distance
from selfcorrect.metrics.neighbours import neighbour_metrics

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
        columns=[
            toys.Column("fid", "Fréchet distance", ".1f"),
            toys.Column("accuracy", "class accuracy"),
            toys.Column("recall", "recall"),
        ],
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


def draw_one_of_each(model: sc.GenerativeModel, stream: sc.Stream) -> Tensor:
    return model.sample(torch.arange(10), stream)


def set_up(settings: UnetDigits, stream: sc.Stream) -> toys.Setup:
    images, labels = bundled_digits()
    order = torch.randperm(len(images), generator=stream.child("split").generator())
    train = order[: settings.real_count]
    held_out = order[settings.real_count :][: settings.judged]
    real = sc.Samples.real(images[train], labels[train])
    classifier = MLPClassifier((32,), max_iter=1000, random_state=stream.seed % 2**32)
    classifier.fit(real.values.flatten(1).numpy(), real.labels.numpy())
    reference = extract_features(classifier, images[held_out])

    def measure(candidate: sc.Candidate) -> dict[str, float]:
        drawn = candidate.samples(settings.judged)
        features = extract_features(classifier, drawn.values)
        predicted = classifier.predict(drawn.values.flatten(1).numpy())
        return {
            "fid": frechet_distance(reference, features),
            "accuracy": float(np.mean(predicted == drawn.labels.numpy())),
            "recall": neighbour_metrics(reference, features)["recall"],
        }

    plain = sc.Arm(sc.Replace(), settings.generations, settings.steps)
    arms = {
        REAL: replace(plain, policy=sc.RealOnly()),
        PLAIN: plain,
        CORRECTED: replace(plain, correction=move_to_centres(settings, real, stream)),
    }
    return toys.Setup(sc.Task(make_unet(), real, measure, settings.initial_steps), arms)


def extract_features(classifier: MLPClassifier, images: Tensor) -> np.ndarray:
    """Return hidden activations (N, 32) of images (N, 8, 8)."""
    pixels = images.flatten(1).double().numpy()
    return np.maximum(pixels @ classifier.coefs_[0] + classifier.intercepts_[0], 0)


def move_to_centres(settings: UnetDigits, real: sc.Samples, stream: sc.Stream) -> sc.Correction:
    """Return a correction that moves every image towards the nearest cluster centre of its digit."""
    images_per_cluster = max(1, len(real) // 10 // settings.clusters_per_digit)
    anchors = fit_anchors(real, images_per_cluster, stream.child("clusters"))

    def replace_by_centre(samples: sc.Samples) -> sc.Samples:
        distances = torch.cdist(samples.values.flatten(1), anchors.centroids.flatten(1))
        is_other_digit = samples.labels[:, None] != anchors.labels
        distances[is_other_digit] = torch.inf
        nearest = distances.argmin(1)
        return samples.with_values(anchors.centroids[nearest].to(samples.values))

    return sc.Correction(replace_by_centre, settings.strength, operator="interpolation")


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
