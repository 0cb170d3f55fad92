"""Models that train on each other's samples, after Alemohammad et al. 2024.

Does exchange slow the collapse down? Both arms hold equally many models, samples per model and real data.

    selfcorrect toy examples/loops/crossfeed.py --quick
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

import selfcorrect as sc
from selfcorrect.analysis import theory
from selfcorrect.loop.policy import ModifiedPolicy

DIMENSION = 2
CLOSED, CROSSFED = "closed loops", "crossfed"


@dataclass(frozen=True)
class Crossfeed(sc.toys.ToySettings):
    """Several models with n real points each, fully synthetic from generation 1 on."""

    real_count: int = 24
    models: int = 4
    generations: int = 60
    seeds: int = 300


QUICK = Crossfeed(generations=30, seeds=200)


class Exchange(ModifiedPolicy):
    """Each model trains on as many samples as it drew, in equal parts from every model.

    Values are (N, seeds, models, d). Part j of the rows goes to the j-th next model.
    """

    def change(self, mixed: sc.Samples, stream: sc.Stream) -> sc.Samples:
        parts = mixed.values.tensor_split(mixed.values.shape[2])
        return mixed.with_values(torch.cat([part.roll(shift, dims=2) for shift, part in enumerate(parts)]))


def toy(settings: Crossfeed) -> sc.toys.Toy:
    """Declare closed and crossfed loops."""

    def set_up(stream: sc.Stream) -> sc.toys.Setup:
        shape = (settings.seeds, settings.models, DIMENSION)
        generator = stream.child("real").generator()
        real = sc.Samples.real(torch.randn((settings.real_count, *shape), generator=generator, dtype=torch.float64))
        arms = {
            CLOSED: sc.Arm(sc.Replace(), settings.generations),
            CROSSFED: sc.Arm(Exchange(sc.Replace()), settings.generations),
        }
        return sc.toys.Setup(sc.Task(sc.Gaussian.standard(*shape), real, measure_variance), arms)

    predicted = {
        CLOSED: theory.crossfed_variance(settings.real_count, 1, settings.generations),
        CROSSFED: theory.crossfed_variance(settings.real_count, settings.models, settings.generations),
    }
    times = (settings.generations // 4, settings.generations // 2)
    return sc.toys.Toy(
        [sc.toys.bundle_replicates("crossfeed", settings.seed, set_up)],
        sc.claims.mark_unpublished(
            *sc.claims.expect_predictions("{arm}: variance at generation {t}", "variance", predicted, 0.07, times),
            sc.claims.expect_above(
                "exchange slows the collapse down", sc.claims.final_difference(CROSSFED, CLOSED, "variance")
            ),
        ),
        [
            sc.toys.Column(
                "variance", "variance of each model (truth 1)", predicted=predicted, predicted_title="predicted"
            )
        ],
        title="Models that feed each other",
        source="after Alemohammad et al. 2024",
        notes=("Both arms hold the same number of models, of samples per model, and of real data.",),
    )


def measure_variance(candidate: sc.Candidate) -> dict[str, Tensor]:
    """Return the variance per dimension, the mean over the models, per seed."""
    model = candidate.model
    assert isinstance(model, sc.Gaussian)
    return {"variance": model.covariance.diagonal(dim1=-2, dim2=-1).mean((-2, -1))}
