"""Share what loops of digits need.

It is real images and a judge of a seed, and a corrector by k-means clusters of real digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.neural_network import MLPClassifier
from torch import Tensor

import selfcorrect as sc
from selfcorrect import toys
from selfcorrect.loop.correctors.anchors import Anchors, fit_anchors
from selfcorrect.loop.correctors.contract import Corrector
from selfcorrect.loop.run import Evaluate

DIGIT_COUNT = 10
COLUMNS = (
    toys.Column("fid", "Fréchet distance", ".1f"),
    toys.Column("accuracy", "class accuracy"),
    toys.Column("recall", "recall"),
)
"""What `split_digits` measures."""


def draw_one_of_each(model: sc.GenerativeModel, stream: sc.Stream) -> Tensor:
    """Draw one image of every digit."""
    return model.sample(torch.arange(DIGIT_COUNT), stream)


def split_digits(
    images: Tensor, labels: Tensor, real_count: int, judged: int, stream: sc.Stream
) -> tuple[sc.Samples, Evaluate]:
    """Split digits into real images and a judge.

    The judge measures as many samples as there are held-out images, but at most `judged`.
    """
    order = torch.randperm(len(images), generator=stream.child("split").generator())
    train = order[:real_count]
    held_out = order[real_count:][:judged]
    real = sc.Samples.real(images[train], labels[train])
    judge = DigitsJudge.train(real.values, real.labels, stream.seed % 2**32)
    reference = judge.extract_features(images[held_out])

    def measure(candidate: sc.Candidate) -> dict[str, float]:
        samples = candidate.samples(len(held_out))
        features = judge.extract_features(samples.values)
        return {
            "fid": sc.frechet_distance(reference, features),
            "accuracy": judge.measure_accuracy(samples.values, samples.labels),
            "recall": sc.neighbour_metrics(reference, features)["recall"],
        }

    return real, measure


def fit_centres(real: sc.Samples, clusters_per_digit: int, stream: sc.Stream) -> Corrector:
    """Return a corrector that replaces images by the nearest centre of their digit."""
    images_per_cluster = max(1, len(real) // DIGIT_COUNT // clusters_per_digit)
    return move_to_centres(fit_anchors(real, images_per_cluster, stream.child("clusters")))


def move_to_centres(anchors: Anchors) -> Corrector:
    """Return a corrector that replaces samples by the nearest anchor of their label."""

    def move(samples: sc.Samples) -> sc.Samples:
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
        """Return the share of images classified correctly.

        Images are (N, height, width), labels (N,).
        """
        return float(np.mean(self.classifier.predict(images.flatten(1).numpy()) == labels.numpy()))
