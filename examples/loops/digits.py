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
from sklearn.neural_network import MLPClassifier
from torch import Tensor
from toy_data.digits import mnist

from selfcorrect import claims, toys
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.anchors import Anchors, fit_anchors
from selfcorrect.correctors.contract import Corrector
from selfcorrect.correctors.loop_correction import Correction
from selfcorrect.datasets.toy.digits import bundled_digits
from selfcorrect.loop.policy import Augment, RealOnly
from selfcorrect.loop.run import Arm, Candidate, Task
from selfcorrect.metrics.frechet import frechet_distance
from selfcorrect.metrics.neighbours import neighbour_metrics
from selfcorrect.models.diffusion.config import DiffusionConfig
from selfcorrect.models.diffusion.model import MotionDiffusion
from selfcorrect.models.protocol import GenerativeModel

REAL = "real only"
DIGIT_COUNT = 10


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
    columns = [
        toys.Column("fid", "Fréchet distance", ".1f"),
        toys.Column("accuracy", "class accuracy"),
        toys.Column("recall", "recall"),
    ]
    return toys.Toy(
        bundles=[
            toys.bundle_seeds(settings, partial(set_up, settings, images, labels), "digits", show=draw_one_of_each)
        ],
        claims=statements,
        columns=columns,
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


def draw_one_of_each(model: GenerativeModel, stream: Stream) -> Tensor:
    """Draw an image of every digit."""
    return model.sample(torch.arange(DIGIT_COUNT), stream)


def set_up(settings: Digits, images: Tensor, labels: Tensor, stream: Stream) -> toys.Setup:
    """Images of a seed to train on and to judge by, the model, its judge, and the arms."""
    order = torch.randperm(len(images), generator=stream.child("split").generator())
    train = order[: settings.real_count]
    held_out = order[settings.real_count :][: settings.judged]
    real = Samples.real(images[train], labels[train])
    judge = DigitsJudge.train(real.values, real.labels, stream.seed % 2**32)
    reference = judge.extract_features(images[held_out])

    def measure(candidate: Candidate) -> dict[str, float]:
        samples = candidate.samples(settings.judged)
        features = judge.extract_features(samples.values)
        return {
            "fid": frechet_distance(reference, features),
            "accuracy": judge.measure_accuracy(samples.values, samples.labels),
            "recall": neighbour_metrics(reference, features)["recall"],
        }

    size = images.shape[1]
    config = DiffusionConfig(
        denoiser="dct-mlp", width=256, depth=2, snr_factor=1.0, learning_rate=2e-3,
        sampler="ddim", eta=1.0,  # of the figures that the theory gallery keeps
    )  # fmt: skip
    model = MotionDiffusion(config, size, size, DIGIT_COUNT, device=torch.device("cpu"))
    images_per_cluster = max(1, len(real) // DIGIT_COUNT // settings.clusters_per_digit)
    anchors = fit_anchors(real, images_per_cluster, stream.child("clusters"))
    correction = Correction(move_to_centres(anchors), settings.strength, operator="interpolation")
    arms = {REAL: Arm(RealOnly(), settings.generations, settings.steps)}
    for ratio in settings.ratios:
        policy = Augment(ratio)
        arms[name_arm(ratio)] = Arm(policy, settings.generations, settings.steps)
        arms[name_arm(ratio, is_corrected=True)] = Arm(
            policy, settings.generations, settings.steps, correction=correction
        )
    return toys.Setup(Task(model, real, measure, settings.initial_steps), arms)


def move_to_centres(anchors: Anchors) -> Corrector:
    """Return a corrector that replaces every image by the nearest cluster centre of its digit."""

    def move(samples: Samples) -> Samples:
        distances = torch.cdist(samples.values.flatten(1), anchors.centroids.flatten(1))
        is_other_digit = samples.labels[:, None] != anchors.labels
        nearest = distances.masked_fill(is_other_digit, torch.inf).argmin(1)
        return samples.with_values(anchors.centroids[nearest].to(samples.values))

    return move


@dataclass(frozen=True)
class DigitsJudge:
    """A classifier trained on the real training data.

    Its hidden layer gives the features of the Fréchet distance, its outputs the class accuracy of samples.
    """

    classifier: MLPClassifier

    @classmethod
    def train(cls, images: Tensor, labels: Tensor, seed: int) -> DigitsJudge:
        """Train on images (N, height, width) with labels (N,)."""
        classifier = MLPClassifier((32,), max_iter=1000, random_state=seed)
        return cls(classifier.fit(images.flatten(1).numpy(), labels.numpy()))

    def extract_features(self, images: Tensor) -> np.ndarray:
        """Return hidden activations (N, 32) of images (N, height, width)."""
        pixels = images.flatten(1).double().numpy()
        return np.maximum(pixels @ self.classifier.coefs_[0] + self.classifier.intercepts_[0], 0)

    def measure_accuracy(self, images: Tensor, labels: Tensor) -> float:
        """Return the share of images (N, height, width) that are classified as their label (N,)."""
        return float(np.mean(self.classifier.predict(images.flatten(1).numpy()) == labels.numpy()))
