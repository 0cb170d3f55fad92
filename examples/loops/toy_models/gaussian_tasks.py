"""Share parts of the Gaussian toys.

They have many seeds at once in the plane, the truth N(0, I), distances to it, correctors.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from scipy import stats
from torch import Tensor

import selfcorrect as sc
from selfcorrect.core.samples import concatenate
from selfcorrect.datasets.toy.draws import normal
from selfcorrect.loop.correctors.contract import Corrector
from selfcorrect.loop.policy import FreshSource, History
from selfcorrect.loop.run import Evaluate

DIMENSION = 2
TAIL_RADIUS = math.sqrt(stats.chi2.ppf(0.95, DIMENSION))
"""Radius that 5 % of the truth exceed."""
SUPPORT_RADIUS = math.sqrt(stats.chi2.ppf(0.999, DIMENSION))
"""Radius that 0.1 % of the truth exceed."""


def gaussian_task(
    real_count: int,
    seeds: int,
    stream: sc.Stream,
    evaluate: Evaluate | None = None,
    event: Sequence[int] = (DIMENSION,),
) -> sc.Task:
    """Make independent Gaussian loops as one task.

    Points from N(0, I) are fitted by maximum likelihood.

    Args:
        stream: Random numbers of the real points.
        evaluate: The judge, by default `distance_to_truth`.
        event: Shape (*models, d) of a point, by default in the plane.
    """
    real = sc.Samples.real(normal(real_count, stream.child("real"), seeds, *event))
    return sc.Task(sc.Gaussian.standard(seeds, *event), real, evaluate or distance_to_truth)


def distance_to_truth(candidate: sc.Candidate) -> dict[str, Tensor]:
    """Measure the 2-Wasserstein distance to N(0, I) per seed.

    The scores also have variance and squared mean per dimension, and the log-determinant.
    """
    model = candidate.model
    assert isinstance(model, sc.Gaussian)
    spectrum = torch.linalg.eigvalsh(model.covariance).clamp(min=0)
    squared_mean = model.mean.square().sum(-1)
    return {
        "distance": (squared_mean + (spectrum.sqrt() - 1).square().sum(-1)).sqrt(),
        "variance": spectrum.mean(-1),
        "squared_mean": squared_mean / DIMENSION,
        "log_volume": spectrum.clamp(min=1e-300).log().sum(-1),
    }


def share_inside(model: sc.GenerativeModel, points: Tensor, radius: float) -> Tensor:
    """Return each replicate's share (replicates,) of points inside its model's ellipse.

    Args:
        points: (N, d) real data.
        radius: Size of the ellipse in standard deviations.
    """
    assert isinstance(model, sc.Gaussian)
    offset = points - model.mean[:, None]
    spectrum, vectors = torch.linalg.eigh(model.covariance)
    along = torch.einsum("sni,sij->snj", offset, vectors)
    distance = (along.square() / spectrum.clamp(min=1e-30)[:, None]).sum(-1)
    return (distance < radius**2).double().mean(1)


def draw_truth(samples: sc.Samples, stream: sc.Stream) -> sc.Samples:
    """Replace samples by draws from the truth, N(0, I), as an ideal corrector."""
    return samples.with_values(normal(len(samples), stream, *samples.values.shape[1:]))


def draw_from(real: sc.Samples) -> Corrector:
    """Return the empirical corrector.

    Every sample becomes a random real training point of the same seed.
    """

    def draw_real(samples: sc.Samples, stream: sc.Stream) -> sc.Samples:
        shape = samples.values.shape[:2]
        rows = torch.randint(len(real), shape, generator=stream.generator())
        return samples.with_values(real.values.gather(0, rows[..., None].expand(samples.values.shape)))

    return draw_real


def per_seed(corrector: Corrector, strength: float) -> sc.Correction:
    """Return a mixture correction with a separate coin for every seed and sample."""
    return sc.Correction(corrector, strength, replicate_axes=1)


def fresh_normal(seeds: int) -> FreshSource:
    """Return a source of new real points for every generation."""

    def draw(generation: int, count: int, stream: sc.Stream) -> sc.Samples:
        return sc.Samples.real(normal(count, stream.child("fresh"), seeds, DIMENSION))

    return draw


@dataclass(frozen=True)
class RealAndFresh:
    """The information-matched control: the real data and some fresh real samples per generation, no synthetic
    samples.
    """

    source: FreshSource
    fresh: int

    def count(self, real_count: int, generation: int) -> int:
        return 0

    def mix(self, real: sc.Samples, history: History, generation: int, stream: sc.Stream) -> sc.Samples:
        return concatenate([real, self.source(generation, self.fresh, stream)]) if self.fresh else real
