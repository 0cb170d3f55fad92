"""Labelled images with a classifier as their judge, and the k-means corrector of Gillman et al. 2024."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
from selfcorrect.loop.run import Candidate, Task
from selfcorrect.metrics.frechet import frechet_distance
from selfcorrect.metrics.neighbours import neighbour_metrics
from selfcorrect.models.protocol import GenerativeModel

from ..declaration import Column

COLUMNS = (
    Column("fid", "Fréchet distance", ".1f"),
    Column("accuracy", "class accuracy"),
    Column("recall", "recall"),
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
