"""A memoriser: a model that hands its training samples down, more or less exactly, more or less evenly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.models.protocol import TensorModel


@dataclass(frozen=True)
class Memoriser(TensorModel):
    """Draws training points (N, d) of the label asked for, with knobs for what a real learner does besides."""

    points: Tensor
    labels: Tensor
    chances: Tensor
    unevenness: float = 0.0
    """Squared coefficient of variation of the points' chances to be drawn, gamma distributed and new in each fit. 0
    draws evenly, which makes a fully synthetic loop the Wright–Fisher process of population genetics."""
    bandwidth: float = 0.0
    """Standard deviation of Gaussian noise on each draw, the novelty of a kernel density estimate."""
    pull: float = 0.0
    """A bias of the learner: each draw is moved this share of the way to the mean of its label."""
    preference: float = 0.0
    """Another: points are drawn with chances e^(−preference d²/2), d being the distance to the mean of their label
    over its root mean square."""

    @classmethod
    def empty(cls, dimension: int) -> Self:
        """The untrained model, a point at the origin, with all knobs at 0."""
        origin = torch.zeros(1, dimension, dtype=torch.float64)
        chances = torch.ones(1, dtype=torch.float64)
        return cls(origin, torch.zeros(1, dtype=torch.int64), chances)

    def fit(self, samples: Samples, steps: int, stream: Stream) -> Self:
        """Remember the samples; `steps` is not used."""
        chances = torch.ones(len(samples), dtype=torch.float64)
        if self.unevenness:
            draws = stream.numpy().gamma(1 / self.unevenness, self.unevenness, len(samples))
            chances = torch.from_numpy(draws).clamp(min=1e-300)
        return replace(self, points=samples.values.to(self.points), labels=samples.labels, chances=chances)

    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """One point (d,) per label, labels (N,) that the training set has."""
        values = torch.empty((len(labels), self.points.shape[1]), dtype=self.points.dtype)
        for label in labels.unique():
            wanted, own = labels == label, self.labels == label
            points, generator = self.points[own], stream.child(int(label)).torch()
            to_mean = points.mean(0) - points
            distance = to_mean.square().sum(1)
            chances = self.chances[own] * torch.exp(-self.preference / 2 * distance / distance.mean().clamp(min=1e-12))
            rows = torch.multinomial(chances, int(wanted.sum()), replacement=True, generator=generator)
            values[wanted] = points[rows] + self.pull * to_mean[rows]
        noise = torch.randn(values.shape, generator=stream.child("noise").torch(), dtype=values.dtype)
        return values + self.bandwidth * noise
