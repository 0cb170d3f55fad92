"""Replace, accumulate, or accumulate and subsample a regression, in the workflows of Kazdan et al. 2025.

A linear regression is fitted again and again on its own labels, with n real pairs and n new ones per generation;
`linear.py` has the closed forms of Gerstgrasser et al. 2024. `--n` sweeps n:

    selfcorrect toy examples/loops/kazdan_regression.py --n 20 40 80
"""

from dataclasses import dataclass
from functools import partial

from toy_models.regression import LinearRegression, true_pairs, weight_errors
from toy_models.workflows import claim_order, make_arms

import selfcorrect as sc
from selfcorrect import claims, toys


@dataclass(frozen=True)
class KazdanRegression(toys.ToySettings):
    """Numbers n of real pairs with d standard normal covariates and label noise σ; the true weights are all 1."""

    sizes: tuple[int, ...] = (20, 40, 80)
    dimension: int = 5
    noise: float = 0.5
    generations: int = 20
    seeds: int = 400


QUICK = KazdanRegression(sizes=(20, 40), generations=10)


def toy(settings: KazdanRegression) -> toys.Toy:
    """Declare the three workflows with each n."""
    sizes = settings.sizes
    return toys.Toy(
        bundles=[
            toys.bundle_replicates("kazdan regression", settings.seed, partial(set_up, settings, size))
            for size in sizes
        ],
        claims=[claim for size in sizes for claim in claim_order(size, "error", "errs less", claims.expect_above)],
        columns=[toys.Column("error", "excess test error", ".3f")],
        groups=[f"n = {size}" for size in sizes],
        title="Regressions: replace, subsample or accumulate",
        source="Kazdan et al. 2025; Gerstgrasser et al. 2024",
    )


def set_up(settings: KazdanRegression, size: int, stream: sc.Stream) -> toys.Setup:
    """All workflows with `size` real pairs."""
    shape = (settings.seeds, settings.dimension)
    real = true_pairs(shape, size, stream.child("real"), settings.noise)
    task = sc.Task(LinearRegression.zero(*shape, noise=settings.noise), real, weight_errors)
    return toys.Setup(task, make_arms(size, settings.generations))
