"""Calibration: what a sampler loses before any loop.

A self-consuming loop repeats the sampler's errors in each generation. Two numbers show them at generation 0: the share
of variance that the sampler keeps, and how unequally it copies the training samples.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from ..core.randomness import Stream
from ..core.samples import Samples
from ..statistics.spread import within_label_ratio
from .ancestry import Space, nearest_of_label, offspring_variance
from .models.protocol import GenerativeModel

VARIANCES = (1.0, 0.1)
"""Variances of Gaussians whose kept share is reported, in units of the model's values."""


@runtime_checkable
class KeepsVariance(Protocol):
    """A model whose sampler can be evaluated with an exact network."""

    def variance_kept(self, variance: float) -> float:
        """Return the share of variance that sampling keeps.

        The data are N(0, `variance`), and the network is exact for them.
        """
        ...


@dataclass(frozen=True)
class SamplerCalibration:
    """How much variance a sampler keeps."""

    offspring_variance: float
    """Ratio of variance to mean of the number of children, the samples nearest to each training sample: 1 if the
    sampler favours none."""
    within_labels: float
    """Variance of samples within labels, as a share of the training samples', or NaN if each label has one sample."""
    variance_kept: Mapping[float, float] = field(default_factory=dict)
    """Share that sampling keeps of the variance of a Gaussian, by variance, with an exact network. Empty for models
    that cannot be evaluated this way."""

    def __str__(self) -> str:
        kept = ", ".join(f"{share:.2f} of variance {variance:g}" for variance, share in self.variance_kept.items())
        words = [f"the sampler keeps {kept} with an exact network"] if kept else []
        words.append(f"samples have {self.within_labels:.2f} of the variance within labels")
        words.append(f"offspring variance {self.offspring_variance:.2f} (1 favours no training sample)")
        return "; ".join(words)


def calibrate_sampler(
    model: GenerativeModel, real: Samples, stream: Stream, *, space: Space | None = None, draws: int = 4
) -> SamplerCalibration:
    """Measure how much variance a trained model's sampler keeps.

    Args:
        model: A model trained on `real`. If it has a method `variance_kept`, as `MotionDiffusion` has, its sampler is
            also evaluated with an exact network.
        real: Training data. One sample is drawn for each label.
        stream: Random numbers.
        space: Function from values to vectors, in which the nearest training sample is the parent. None for the values.
        draws: Number of sets of samples over which figures are averaged.
    """
    to_vectors = space or (lambda values: values.flatten(1).double().cpu().numpy())
    members = to_vectors(real.values)
    labels = real.labels.cpu().numpy()
    spreads = []
    offspring = []
    for draw in range(draws):
        vectors = to_vectors(model.sample(real.labels, stream.child("calibration", draw)))
        rows, _ = nearest_of_label(vectors, labels, members, labels)
        offspring.append(offspring_variance(rows, len(members)))
        has_spread = np.bincount(labels).max() > 1
        spreads.append(within_label_ratio(members, labels, vectors, labels) if has_spread else math.nan)
    kept = {}
    if isinstance(model, KeepsVariance):
        kept = {variance: model.variance_kept(variance) for variance in VARIANCES}
    return SamplerCalibration(float(np.mean(offspring)), float(np.mean(spreads)), kept)
