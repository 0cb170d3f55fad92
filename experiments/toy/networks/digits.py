"""Gillman et al. 2024: a class-conditional diffusion model of digits, corrected by k-means clusters of the real ones.

Every synthetic image moves towards the nearest of its digit's cluster centres by γ. The centres are a memory of the
training data: what is gained by them is stability, not new information.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from sklearn.neural_network import MLPClassifier
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.anchors import Anchors, fit_anchors
from selfcorrect.correctors.contract import Corrector
from selfcorrect.correctors.correction import Correction
from selfcorrect.datasets.toy.digits import bundled_digits, mnist
from selfcorrect.loop.policy import Augment, RealOnly
from selfcorrect.loop.run import Candidate, Plan, Task
from selfcorrect.metrics.frechet import frechet_distance
from selfcorrect.metrics.neighbours import neighbour_metrics
from selfcorrect.models.diffusion.config import DiffusionConfig
from selfcorrect.models.diffusion.model import MotionDiffusion
from selfcorrect.models.protocol import GenerativeModel

from ...studies.claims import above, below, gain, pooled
from ..declaration import Column, Setup, Toy, by_seed

REAL = "real only"
COLUMNS = (
    Column("fid", "Fréchet distance", ".1f"),
    Column("accuracy", "class accuracy"),
    Column("recall", "recall"),
)


@dataclass(frozen=True)
class Digits:
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
    seed: int = 0


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
        [replace(by_seed(settings.seed, settings.seeds, setup, "digits"), show=one_of_each)],
        [
            above(f"{plain}: ends with a larger Fréchet distance than real data only", gain(plain, REAL, "fid")),
            below(
                "correction lowers the Fréchet distance, over all λ",
                pooled([gain(f"λ = {ratio:g}, corrected", f"λ = {ratio:g}", "fid") for ratio in settings.ratios]),
            ),
            above(f"{plain}: correction raises the class accuracy", gain(corrected, plain, "accuracy")),
            above(f"{plain}: correction costs no recall", gain(corrected, plain, "recall"), -0.05, published=False),
        ],
        COLUMNS,
        rows=(REAL, plain, corrected),
        notes=(
            f"Corrector: {settings.clusters_per_digit} clusters per digit of the real training images; its information "
            "budget is those centres.",
            f"Features and accuracy come from a classifier trained on the same {settings.real_count} real images.",
        ),
    )


@dataclass(frozen=True)
class DigitsJudge:
    """A classifier trained on the real training data at set-up; its hidden layer gives the features of the Fréchet
    distance, its outputs the class accuracy of samples.
    """

    classifier: MLPClassifier

    @classmethod
    def train(cls, images: Tensor, labels: Tensor, seed: int) -> DigitsJudge:
        classifier = MLPClassifier((32,), max_iter=1000, random_state=seed)
        return cls(classifier.fit(images.flatten(1).numpy(), labels.numpy()))

    def features(self, images: Tensor) -> np.ndarray:
        """Hidden activations (N, 32) of images (N, height, width)."""
        flat = images.flatten(1).double().numpy()
        return np.maximum(flat @ self.classifier.coefs_[0] + self.classifier.intercepts_[0], 0)

    def accuracy(self, images: Tensor, labels: Tensor) -> float:
        return float(np.mean(self.classifier.predict(images.flatten(1).numpy()) == labels.numpy()))


class ImageCounts(Protocol):
    """How many real images to train on and to judge by, and how long generation 0 is trained."""

    @property
    def real_count(self) -> int: ...
    @property
    def judged(self) -> int: ...
    @property
    def first_steps(self) -> int: ...


def image_task(
    model: GenerativeModel,
    sizes: ImageCounts,
    images: tuple[Tensor, Tensor],
    stream: Stream,
    look: Callable[[Tensor], Tensor] = lambda values: values,
) -> Task:
    """Images (N, …) with labels (N,): some to train on, others to judge by.

    look: what the judge sees of images, (N, height, width).
    """
    values, labels = images
    order = torch.randperm(len(values), generator=stream.child("split").torch())
    train, held_out = order[: sizes.real_count], order[sizes.real_count :][: sizes.judged]
    real = Samples.real(values[train], labels[train])
    judge = DigitsJudge.train(look(real.values), real.labels, stream.seed % 2**32)
    reference = judge.features(look(values[held_out]))

    def scores(candidate: Candidate) -> dict[str, float]:
        drawn = candidate.samples(sizes.judged)
        features = judge.features(look(drawn.values))
        return {
            "fid": frechet_distance(reference, features),
            "accuracy": judge.accuracy(look(drawn.values), drawn.labels),
            "recall": neighbour_metrics(reference, features)["recall"],
        }

    return Task(model, real, scores, sizes.first_steps)


def to_centres(real: Samples, clusters_per_digit: int, strength: float, stream: Stream) -> Correction:
    """Moves every image towards the nearest cluster centre of its digit."""
    per_cluster = max(1, len(real) // 10 // clusters_per_digit)
    anchors = fit_anchors(real, per_cluster, stream.child("clusters"))
    return Correction(nearest_centre(anchors), strength, operator="interpolation")


def nearest_centre(anchors: Anchors) -> Corrector:
    """Every image becomes the nearest cluster centre of its digit."""

    def to_centre(samples: Samples) -> Samples:
        distances = torch.cdist(samples.values.flatten(1), anchors.centroids.flatten(1))
        foreign = samples.labels[:, None] != anchors.labels
        nearest = distances.masked_fill(foreign, torch.inf).argmin(1)
        return samples.with_values(anchors.centroids[nearest].to(samples.values))

    return to_centre


def one_of_each(model: GenerativeModel, stream: Stream) -> Tensor:
    """One image of every digit."""
    return model.sample(torch.arange(10), stream)
