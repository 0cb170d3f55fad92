"""Replace, accumulate, or accumulate and subsample, after Kazdan et al. 2025 ("Collapse or Thrive?").

A Gaussian is fitted again and again, with n real points and n new samples per generation. `--n` sweeps n:

    selfcorrect toy examples/loops/kazdan.py --n 10 30 100
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from toy_models.laws import replace_variance

import selfcorrect as sc
from selfcorrect import claims, toys

DIMENSION = 2
REPLACE, SUBSAMPLE, ACCUMULATE = WORKFLOWS = ("replace", "accumulate and subsample", "accumulate")


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
        replace = name_arm(REPLACE, size)
        subsample = name_arm(SUBSAMPLE, size)
        accumulate = name_arm(ACCUMULATE, size)
        predicted[replace] = replace_variance(size, settings.generations)
        first = claims.final_difference(replace, subsample, "variance")
        statements.append(claims.expect_below(f"n = {size}: subsampling keeps more variance than replacing", first))
        second = claims.final_difference(subsample, accumulate, "variance")
        statements.append(claims.expect_below(f"n = {size}: accumulating keeps more variance than subsampling", second))
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


def name_arm(workflow: str, size: int) -> str:
    """Return the name of a workflow with n = `size`."""
    return f"n = {size}, {workflow}"


def set_up(settings: Kazdan, size: int, stream: sc.Stream) -> toys.Setup:
    """All workflows with `size` real points."""
    generator = stream.child("real").generator()
    shape = (settings.seeds, DIMENSION)
    real = sc.Samples.real(torch.randn((size, *shape), generator=generator, dtype=torch.float64))
    policies = {
        REPLACE: sc.Replace(),
        SUBSAMPLE: sc.AccumulateSubsample(budget=size),
        ACCUMULATE: sc.Accumulate(1.0),
    }
    arms = {name_arm(workflow, size): sc.Arm(policy, settings.generations) for workflow, policy in policies.items()}
    return toys.Setup(sc.Task(sc.Gaussian.standard(*shape), real, measure_variance), arms)


def measure_variance(candidate: sc.Candidate) -> dict[str, Tensor]:
    """Return the variance per dimension, per seed."""
    model = candidate.model
    assert isinstance(model, sc.Gaussian)
    return {"variance": model.covariance.diagonal(dim1=-2, dim2=-1).mean(-1)}
