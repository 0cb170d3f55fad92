"""Replace, accumulate, or accumulate and subsample, after Kazdan et al. 2025 ("Collapse or Thrive?").

A Gaussian is fitted again and again, with n real points and n new samples per generation. `--n` sweeps n:

    selfcorrect toy examples/loops/kazdan.py --n 10 30 100
"""

from dataclasses import dataclass
from functools import partial

from torch import Tensor
from toy_models.gaussian_tasks import gaussian_task
from toy_models.laws import replace_variance
from toy_models.workflows import REPLACE, claim_order, make_arms, name_arm

import selfcorrect as sc
from selfcorrect import claims, toys


@dataclass(frozen=True)
class Kazdan(toys.ToySettings):
    """Numbers n of real points in the plane; each generation draws n samples."""

    sizes: tuple[int, ...] = (10, 30, 100)
    generations: int = 100
    seeds: int = 200


QUICK = Kazdan(sizes=(10, 30), generations=30)


def toy(settings: Kazdan) -> toys.Toy:
    """Declare the three workflows with each n."""
    bundles = []
    statements = []
    predicted = {}
    for size in settings.sizes:
        bundles.append(toys.bundle_replicates("kazdan", settings.seed, partial(set_up, settings, size)))
        predicted[name_arm(REPLACE, size)] = replace_variance(size, settings.generations)
        statements += claim_order(size, "variance", "keeps more variance", claims.expect_below)
    smallest = min(settings.sizes)
    law = {name_arm(REPLACE, smallest): predicted[name_arm(REPLACE, smallest)]}
    times = (smallest // 2,)
    decay = claims.expect_predictions("{arm}: variance at generation {t}", "variance", law, times=times)
    return toys.Toy(
        bundles=bundles,
        claims=[*statements, *claims.mark_unpublished(*decay)],
        columns=[toys.Column("variance", "variance (truth 1)", predicted=predicted)],
        groups=[f"n = {size}" for size in settings.sizes],
        title="Replace, subsample or accumulate",
        source="Kazdan et al. 2025",
        notes=(
            "The Gaussian of the paper; `kazdan_density.py` has its kernel densities, nothing its language models.",
        ),
    )


def set_up(settings: Kazdan, size: int, stream: sc.Stream) -> toys.Setup:
    """All workflows with `size` real points."""
    task = gaussian_task(size, settings.seeds, stream, measure_variance)
    return toys.Setup(task, make_arms(size, settings.generations))


def measure_variance(candidate: sc.Candidate) -> dict[str, Tensor]:
    """Return the variance per dimension, per seed."""
    model = candidate.model
    assert isinstance(model, sc.Gaussian)
    return {"variance": model.covariance.diagonal(dim1=-2, dim2=-1).mean(-1)}
