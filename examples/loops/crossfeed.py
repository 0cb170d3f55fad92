"""Models that train on each other's samples, after Alemohammad et al. 2024.

Does exchange slow the collapse down? Both arms hold equally many models, samples per model and real data.

    selfcorrect toy examples/loops/crossfeed.py --quick
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.loop.policy import ModifiedPolicy

DIMENSION = 2
CLOSED, CROSSFED = "closed loops", "crossfed"


@dataclass(frozen=True)
class Crossfeed(toys.ToySettings):
    """Several models with n real points each, fully synthetic from generation 1 on."""

    real_count: int = 24
    models: int = 4
    generations: int = 60
    seeds: int = 300


QUICK = Crossfeed(generations=30, seeds=200)


class Exchange(ModifiedPolicy):
    """Each model trains on equal parts of the samples of all models.

    A model gets as many samples as it drew. Values are (N, seeds, models, d). Part j of the rows goes to the j-th next
    model.
    """

    def change(self, mixed: sc.Samples, stream: sc.Stream) -> sc.Samples:
        model_count = mixed.values.shape[2]
        exchanged = []
        for shift, part in enumerate(mixed.values.tensor_split(model_count)):
            exchanged.append(part.roll(shift, dims=2))
        return mixed.with_values(torch.cat(exchanged))


def toy(settings: Crossfeed) -> toys.Toy:
    """Declare closed and crossfed loops."""
    predicted = {
        CLOSED: crossfed_variance(settings.real_count, 1, settings.generations),
        CROSSFED: crossfed_variance(settings.real_count, settings.models, settings.generations),
    }
    times = (settings.generations // 4, settings.generations // 2)
    laws = claims.expect_predictions("{arm}: variance at generation {t}", "variance", predicted, 0.07, times)
    gain = claims.final_difference(CROSSFED, CLOSED, "variance")
    slower = claims.expect_above("exchange slows the collapse down", gain)
    variance = toys.Column(
        "variance", "variance of each model (truth 1)", predicted=predicted, predicted_title="predicted"
    )
    return toys.Toy(
        bundles=[toys.bundle_replicates("crossfeed", settings.seed, partial(set_up, settings))],
        claims=claims.mark_unpublished(*laws, slower),
        columns=[variance],
        title="Models that feed each other",
        source="after Alemohammad et al. 2024",
        notes=("Both arms hold the same number of models, of samples per model, and of real data.",),
    )


def set_up(settings: Crossfeed, stream: sc.Stream) -> toys.Setup:
    """Set up models, points and both arms.

    The real points are those of all seeds.
    """
    shape = (settings.seeds, settings.models, DIMENSION)
    generator = stream.child("real").generator()
    real = sc.Samples.real(torch.randn((settings.real_count, *shape), generator=generator, dtype=torch.float64))
    arms = {
        CLOSED: sc.Arm(sc.Replace(), settings.generations),
        CROSSFED: sc.Arm(Exchange(sc.Replace()), settings.generations),
    }
    return toys.Setup(sc.Task(sc.Gaussian.standard(*shape), real, measure_variance), arms)


def measure_variance(candidate: sc.Candidate) -> dict[str, Tensor]:
    """Measure the models' mean variance per dimension, for each seed."""
    model = candidate.model
    assert isinstance(model, sc.Gaussian)
    return {"variance": model.covariance.diagonal(dim1=-2, dim2=-1).mean((-2, -1))}


def crossfed_variance(n: int, models: int, generations: int) -> np.ndarray:
    """Return the variance of exchanging Gaussian loops.

    This is the expected variance of several fully synthetic loops that train on the samples of all models. Every model
    draws n / models samples from each model of the last generation. The raw second moment stays 1 in expectation, so
    the variance is 1 − E[mean²], and the means follow a linear recursion. The result is exact. For one model it is
    `replace_variance`; for many models, the loss per generation is that many times smaller.

    Args:
        n: Number of real samples.
        generations: t, number of generations after generation 0.
    """
    mean_variance = 1 / n
    mean_covariance = 0.0
    variances = [1 - mean_variance]
    for _ in range(generations):
        pooled = (mean_variance + (models - 1) * mean_covariance) / models
        mean_variance = pooled + variances[-1] / n
        mean_covariance = pooled
        variances.append(1 - mean_variance)
    return np.array(variances)
