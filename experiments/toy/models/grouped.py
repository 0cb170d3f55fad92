"""Two groups of people with two labels: a Gaussian for each cell, and one classifier for all."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.models.protocol import TensorModel


@dataclass(frozen=True)
class GroupedGaussians(TensorModel):
    """One Gaussian per group and label, and one linear classifier for all, which labels what is sampled.

    An event is (x₁, x₂, group, label).
    """

    shares: Tensor
    """(2, 2) of each group and label."""
    means: Tensor
    """(2, 2, 2) of each group, label and coordinate."""
    deviations: Tensor
    """(2, 2, 2), likewise."""
    boundary: Tensor
    """(3,) weights of 1, x₁, x₂."""

    @classmethod
    def make_untrained(cls) -> Self:
        ones = torch.ones((2, 2, 2), dtype=torch.float64)
        return cls(ones[0] / 4, 0 * ones, ones, torch.zeros(3, dtype=torch.float64))

    def fit(self, samples: Samples, steps: int, stream: Stream) -> Self:
        """Fit weighted moments of each cell, and the boundary by weighted least squares."""
        values = samples.values.double()
        weights = samples.weights.double() / samples.weights.sum()
        groups = values[:, 2].long()
        labels = values[:, 3].long()
        design = torch.cat([torch.ones(len(values), 1, dtype=torch.float64), values[:, :2]], dim=1)
        root = weights.sqrt()[:, None]
        target = root * (2 * labels[:, None] - 1).double()
        boundary = torch.linalg.lstsq(root * design, target, driver="gels").solution[:, 0]  # always the same bits
        shares = self.shares.clone()
        means = self.means.clone()
        deviations = self.deviations.clone()
        for cell in itertools.product(range(2), range(2)):
            group, label = cell
            cell_weights = weights * ((groups == group) & (labels == label))
            shares[cell] = cell_weights.sum()
            if (cell_weights > 0).sum() > 1:
                means[cell] = cell_weights @ values[:, :2] / cell_weights.sum()
                squares = (values[:, :2] - means[cell]).square()
                deviations[cell] = (cell_weights @ squares / cell_weights.sum()).sqrt()
        return replace(self, shares=shares, means=means, deviations=deviations, boundary=boundary)

    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """Draw people of groups by share, labelled by the classifier."""
        cell = torch.multinomial(
            self.shares.flatten(), len(labels), replacement=True, generator=stream.child("cell").generator()
        )
        noise = torch.randn((len(labels), 2), generator=stream.child("noise").generator(), dtype=torch.float64)
        points = self.means.reshape(4, 2)[cell] + self.deviations.reshape(4, 2)[cell] * noise
        return torch.cat([points, (cell // 2)[:, None], self.classify(points)[:, None]], dim=1)

    def classify(self, points: Tensor) -> Tensor:
        """Return the labels (N,) that the classifier gives to points (N, 2)."""
        return (self.boundary[0] + points @ self.boundary[1:] > 0).double()
