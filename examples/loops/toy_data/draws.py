"""Draw data whose truth is known.

They are Gaussians, rings, moons, a pinwheel in the plane, and word frequencies.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.datasets.toy.draws import normal


def rings(count: int, stream: Stream) -> Tensor:
    """Draw points (count, 2) of two rings.

    The concentric circles have radius 1 and 2, with a deviation of 0.05.
    """
    angle = 2 * math.pi * _uniform(count, stream)
    deviations = 0.05 * _noise(count, stream, 1)
    radius = 1 + torch.arange(count) % 2 + deviations[:, 0]
    return radius[:, None] * _directions(angle)


def moons(count: int, stream: Stream) -> Tensor:
    """Draw points (count, 2) of two half moons.

    The moons are interleaved half circles of radius 1, with a standard deviation of 0.08.
    """
    angle = math.pi * _uniform(count, stream)
    centre = torch.tensor([0.5, 0.25], dtype=torch.float64)
    upper = _directions(angle) - centre
    sign = torch.where(torch.arange(count) % 2 == 0, 1.0, -1.0)
    return upper * sign[:, None] + 0.08 * _noise(count, stream, 2)


def eight_gaussians(count: int, stream: Stream) -> Tensor:
    """Draw points (count, 2) of eight Gaussians on a circle.

    The circle has radius 2, and each Gaussian a deviation of 0.15.
    """
    centres = 2 * _directions(torch.arange(count) % 8 * (math.pi / 4))
    return centres + 0.15 * _noise(count, stream, 2)


def pinwheel(count: int, stream: Stream) -> Tensor:
    """Draw points (count, 2) of a pinwheel with five arms around the origin."""
    noise = _noise(count, stream, 2)
    radius = 1.4 + 0.3 * noise[:, 0]
    across = 0.08 * noise[:, 1]
    angle = torch.arange(count) % 5 * (2 * math.pi / 5) + 0.6 * radius.exp() / 2
    normal_direction = torch.stack([-angle.sin(), angle.cos()], dim=1)
    return radius[:, None] * _directions(angle) + across[:, None] * normal_direction


SHAPES: dict[str, Callable[[int, Stream], Tensor]] = {
    "rings": rings,
    "moons": moons,
    "eight-gaussians": eight_gaussians,
    "pinwheel": pinwheel,
}
"""Function that draws points (count, 2), by the name of a shape."""


CELL_MEANS = torch.tensor([[[-1.2, 0.0], [1.2, 0.0]], [[0.0, -1.2], [0.0, 1.2]]], dtype=torch.float64)
"""(2, 2, 2) of each group, label and coordinate: groups need different decision boundaries."""


def people(count: int, minority_share: float, stream: Stream) -> Tensor:
    """Draw a majority and a minority of people, each with two labels.

    Returns:
        (count, 4) of x₁, x₂, group, label.
    """
    generator = stream.generator()
    group = (torch.rand(count, generator=generator) < minority_share).long()
    label = torch.randint(2, (count,), generator=generator)
    noise = torch.randn((count, 2), generator=generator, dtype=torch.float64)
    points = CELL_MEANS[group, label] + noise
    return torch.column_stack([points, group, label])


def zipf(words: int) -> Tensor:
    """Return Zipf's probabilities (words,).

    The k-th most frequent word has frequency ∝ 1/k.
    """
    frequencies = 1 / torch.arange(1, words + 1, dtype=torch.float64)
    return frequencies / frequencies.sum()


def _directions(angle: Tensor) -> Tensor:
    """Return unit vectors (N, 2) at angles (N,) in radians."""
    return torch.stack([angle.cos(), angle.sin()], dim=1)


def _uniform(count: int, stream: Stream) -> Tensor:
    generator = stream.child("uniform").generator()
    return torch.rand(count, generator=generator, dtype=torch.float64)


def _noise(count: int, stream: Stream, dimension: int) -> Tensor:
    return normal(count, stream.child("noise"), dimension)
