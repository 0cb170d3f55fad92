"""Replace, accumulate, or accumulate and subsample kernel densities, after Kazdan et al. 2025 ("Collapse or Thrive?").

A kernel density is fitted again and again, with n real points and n new samples per generation. `--n` sweeps n:

    selfcorrect toy examples/loops/kazdan_density.py --n 10 30 100

The bandwidth is b = m^(−1/5) times the standard deviation of the m training points (Scott's rule), so sampling
multiplies the variance by 1 + b².
"""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from toy_models.kernel_density import KernelDensity
from toy_models.laws import replace_variance
from toy_models.workflows import ACCUMULATE, REPLACE, claim_order, make_arms, name_arm

import selfcorrect as sc
from selfcorrect import claims, toys

TEST_POINTS = torch.special.ndtri((torch.arange(32, dtype=torch.float64) + 0.5) / 32)
"""Quantiles of the truth N(0, 1), on which the test loss is measured."""


@dataclass(frozen=True)
class KazdanDensity(toys.ToySettings):
    """Numbers n of real points on a line; each generation draws n samples."""

    sizes: tuple[int, ...] = (10, 30, 100)
    generations: int = 20
    seeds: int = 200


QUICK = KazdanDensity(sizes=(30,), generations=10)


def toy(settings: KazdanDensity) -> toys.Toy:
    """Declare the three workflows with each n."""
    bundles = []
    statements = []
    predicted = {}
    for size in settings.sizes:
        bundles.append(toys.bundle_replicates("kazdan density", settings.seed, partial(set_up, settings, size)))
        replace = name_arm(REPLACE, size)
        accumulate = name_arm(ACCUMULATE, size)
        predicted[replace] = replace_variance(size, settings.generations, spread=1 + scott_factor(size) ** 2)
        predicted[accumulate] = accumulated_variance(size, settings.generations)
        statements += claim_order(size, "loss", "has a lower test loss", claims.expect_above)
    laws = claims.expect_predictions("{arm}: variance", "variance", predicted, tolerance=0.1)
    return toys.Toy(
        bundles=bundles,
        claims=[*statements, *claims.mark_unpublished(*laws)],
        columns=[
            toys.Column("loss", "test loss (negative log-likelihood)"),
            toys.Column("variance", "variance (truth 1)", predicted=predicted),
        ],
        groups=[f"n = {size}" for size in settings.sizes],
        title="Kernel densities: replace, subsample or accumulate",
        source="Kazdan et al. 2025",
        notes=("The truth is N(0, 1) and the bandwidth is Scott's; the paper takes planar data and fixed bandwidths.",),
    )


def set_up(settings: KazdanDensity, size: int, stream: sc.Stream) -> toys.Setup:
    """All workflows with `size` real points."""
    generator = stream.child("real").generator()
    real = sc.Samples.real(torch.randn((size, settings.seeds, 1), generator=generator, dtype=torch.float64))
    task = sc.Task(KernelDensity.empty(settings.seeds, 1), real, measure_density)
    return toys.Setup(task, make_arms(size, settings.generations))


def measure_density(candidate: sc.Candidate) -> dict[str, Tensor]:
    """Measure variance and test loss per seed.

    The variance is that of the training points.
    """
    model = candidate.model
    assert isinstance(model, KernelDensity)
    points = model.points[..., 0]
    bandwidth = model.bandwidth()[..., 0]
    distances = (TEST_POINTS[:, None, None] - points) / bandwidth
    log_density = torch.logsumexp(-distances.square() / 2, dim=1) - torch.log(len(points) * bandwidth)
    loss = 0.5 * math.log(2 * math.pi) - log_density.mean(0)
    return {"variance": points.var(0, unbiased=False), "loss": loss}


def scott_factor(count: int) -> float:
    """Return Scott's bandwidth of `count` points, relative to the standard deviation."""
    return count ** (-1 / 5)


def accumulated_variance(size: int, generations: int) -> np.ndarray:
    """Return the expected variances (generations + 1,) of accumulated points.

    N = (t + 1) n points have the variance S. The density has V = (1 + b²) S, and n samples of it join, with mean x̄ and
    variance s: E s = V (n − 1)/n, and x̄ scatters about the old mean by V/n. So S' = (N S + (n − 1) V + V N/(N + n)) /
    (N + n).
    """
    variance = (size - 1) / size
    curve = [variance]
    for generation in range(generations):
        count = (generation + 1) * size
        density = (1 + scott_factor(count) ** 2) * variance
        between = density * count / (count + size)
        variance = (count * variance + (size - 1) * density + between) / (count + size)
        curve.append(variance)
    return np.array(curve)
