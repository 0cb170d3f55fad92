"""Data whose truth is known: Gaussians, rings, moons, a pinwheel in the plane, and word frequencies."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.datasets.toy.draws import normal


def rings(count: int, stream: Stream, noise: float = 0.05) -> tuple[Tensor, Tensor]:
    """Draw two concentric circles of radius 1 and 2.

    Args:
        noise: Standard deviation of the radius.

    Returns:
        Values (count, 2) and labels (count,), 0 for the inner circle.
    """
    labels = torch.arange(count) % 2
    angle = 2 * math.pi * _uniform(count, stream)
    deviations = noise * _noise(count, stream, 1)
    radius = 1 + labels + deviations[:, 0]
    return radius[:, None] * _directions(angle), labels


def moons(count: int, stream: Stream, noise: float = 0.08) -> tuple[Tensor, Tensor]:
    """Draw two interleaved half circles of radius 1.

    Args:
        noise: Standard deviation of either coordinate.

    Returns:
        Values (count, 2) and labels (count,).
    """
    labels = torch.arange(count) % 2
    angle = math.pi * _uniform(count, stream)
    centre = torch.tensor([0.5, 0.25], dtype=torch.float64)
    upper = _directions(angle) - centre
    sign = torch.where(labels == 0, 1.0, -1.0)
    return upper * sign[:, None] + noise * _noise(count, stream, 2), labels


def eight_gaussians(count: int, stream: Stream, deviation: float = 0.15) -> tuple[Tensor, Tensor]:
    """Draw eight Gaussians on a circle of radius 2.

    Returns:
        Values (count, 2) and labels (count,) around the circle.
    """
    labels = torch.arange(count) % 8
    centres = 2 * _directions(labels * (math.pi / 4))
    return centres + deviation * _noise(count, stream, 2), labels


def pinwheel(count: int, stream: Stream, arms: int = 5, twist: float = 0.6) -> tuple[Tensor, Tensor]:
    """Draw arms that bend around the origin.

    Args:
        twist: Strength by which they bend.

    Returns:
        Values (count, 2) and labels (count,) of the arm.
    """
    labels = torch.arange(count) % arms
    noise = _noise(count, stream, 2)
    radius = 1.4 + 0.3 * noise[:, 0]
    across = 0.08 * noise[:, 1]
    angle = labels * (2 * math.pi / arms) + twist * radius.exp() / 2
    direction = _directions(angle)
    normal_direction = torch.stack([-angle.sin(), angle.cos()], dim=1)
    return radius[:, None] * direction + across[:, None] * normal_direction, labels


SHAPES: dict[str, Callable[[int, Stream], tuple[Tensor, Tensor]]] = {
    "rings": rings,
    "moons": moons,
    "eight-gaussians": eight_gaussians,
    "pinwheel": pinwheel,
}


CELL_MEANS = torch.tensor([[[-1.2, 0.0], [1.2, 0.0]], [[0.0, -1.2], [0.0, 1.2]]], dtype=torch.float64)
"""(2, 2, 2) of each group, label and coordinate: groups need different decision boundaries."""


def people(count: int, minority_share: float, stream: Stream) -> Tensor:
    """Draw two groups of people, the second a minority, with two labels each.

    Returns:
        (count, 4) of x₁, x₂, group, label.
    """
    generator = stream.generator()
    group = (torch.rand(count, generator=generator) < minority_share).long()
    label = torch.randint(2, (count,), generator=generator)
    noise = torch.randn((count, 2), generator=generator, dtype=torch.float64)
    points = CELL_MEANS[group, label] + noise
    return torch.column_stack([points, group, label])


def zipf(words: int, exponent: float = 1.0) -> Tensor:
    """Return probabilities (words,) of a language whose k-th most frequent word has frequency ∝ k^−exponent."""
    ranks = torch.arange(1, words + 1, dtype=torch.float64)
    frequencies = ranks**-exponent
    return frequencies / frequencies.sum()


def transitions(words: int, stream: Stream) -> Tensor:
    """Draw a transition matrix (words, words) of a Markov chain: row i, what follows word i, even on the simplex."""
    return torch.from_numpy(stream.numpy().dirichlet(np.ones(words), size=words))


def _directions(angle: Tensor) -> Tensor:
    """Return unit vectors (N, 2) at angles (N,) in radians."""
    return torch.stack([angle.cos(), angle.sin()], dim=1)


def _uniform(count: int, stream: Stream) -> Tensor:
    generator = stream.child("uniform").generator()
    return torch.rand(count, generator=generator, dtype=torch.float64)


def _noise(count: int, stream: Stream, dimension: int) -> Tensor:
    return normal(count, stream.child("noise"), dimension)
