"""A Gaussian under each data policy: Shumailov, MAD, Bertrand, Gerstgrasser side by side.

Maximum likelihood with a faithful sampler contracts at any λ; `stability.py` has the thresholds of samplers that err.

`selfcorrect toy examples/loops/gaussian_collapse.py --quick` runs the loop.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from torch import Tensor
from toy_models.gaussian_tasks import (
    DIMENSION,
    SUPPORT_RADIUS,
    TAIL_RADIUS,
    distance_to_truth,
    fresh_normal,
    gaussian_task,
    share_inside,
)
from toy_models.laws import (
    accumulate_error,
    augment_error,
    expected_wasserstein,
    replace_log_volume,
    replace_variance,
    weighted_error,
)

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.datasets.toy.draws import normal
from selfcorrect.statistics import Verdict, evaluate_quality

REPLACE, AUGMENT, ACCUMULATE, FRESH = POLICY_ARMS = ("replace", "augment", "accumulate", "fresh")


@dataclass(frozen=True)
class GaussianCollapse(toys.ToySettings):
    """n real points in the plane; λ = 1 unless said."""

    real_count: int = 20
    generations: int = 60
    sizes: tuple[int, ...] = (20, 80)
    seeds: int = 300


QUICK = GaussianCollapse(generations=30, seeds=120)


def toy(settings: GaussianCollapse) -> toys.Toy:
    """Declare all policies and training set sizes."""
    n = settings.real_count
    suffixes = {size: "" if size == n else f", n = {size}" for size in settings.sizes}
    errors = {
        AUGMENT: augment_error(n, 1.0, 0.0, settings.generations),
        ACCUMULATE: accumulate_error(n, 1.0, 0.0, settings.generations),
        FRESH: np.array([1 / n] + [float(weighted_error(n, n, 0.5))] * settings.generations),
    }
    distance = {arm: expected_wasserstein(error, DIMENSION) for arm, error in errors.items()}
    volume = {REPLACE: replace_log_volume(n, DIMENSION, settings.generations)}
    bundles = [
        toys.bundle_replicates("gaussian-collapse", settings.seed, partial(set_up, settings, size, suffix))
        for size, suffix in suffixes.items()
    ]
    statements = _make_claims(settings, distance, volume)
    columns = [
        toys.Column("distance", "distance to the truth", "", predicted=distance),
        toys.Column("distance", "distance to the truth, relative to generation 0", _format_growth, panel=False),
        toys.Column("distance", "verdict", lambda curves: _judge_end(curves).label, panel=False),
        toys.Column("log_volume", "log volume of the model (truth 0)", "", predicted=volume),
        toys.Column("variance", "variance (truth 1)", "", log=True),
        toys.Column("tail_mass", "share of the truth's tail within the model", ""),
    ]
    return toys.Toy(
        bundles=bundles,
        claims=statements,
        columns=columns,
        rows=POLICY_ARMS,
        groups={"policies": POLICY_ARMS},
        risk="distance",
        profiled=POLICY_ARMS,
        sizes=suffixes,
        title="A Gaussian under each data policy",
        source="Shumailov et al. 2024; Alemohammad et al. 2024; Bertrand et al. 2024; Gerstgrasser et al. 2024",
        notes=(
            f"Tails: the truth beyond the radius {TAIL_RADIUS:.2f} (5 % of it), reached where the model's 99.9 % "
            f"ellipse covers it; outside the support: samples beyond {SUPPORT_RADIUS:.2f} (0.1 % of the truth).",
        ),
        caveat=f"predicted to first order in 1/n, here n = {n}",
    )


def set_up(settings: GaussianCollapse, size: int, suffix: str, stream: sc.Stream) -> toys.Setup:
    """Set up all policies with `size` real points.

    The suffix ends the names of the arms.
    """
    fresh = sc.Fresh(fresh_normal(settings.seeds), size, 1.0)
    policies = {REPLACE: sc.Replace(), AUGMENT: sc.Augment(1.0), ACCUMULATE: sc.Accumulate(1.0), FRESH: fresh}
    arms = {f"{arm}{suffix}": sc.Arm(policy, settings.generations) for arm, policy in policies.items()}
    return toys.Setup(gaussian_task(size, settings.seeds, stream, _measure), arms)


def _make_claims(
    settings: GaussianCollapse, distance: Mapping[str, np.ndarray], volume: Mapping[str, np.ndarray]
) -> list[claims.Claim]:
    half_count = settings.real_count // 2
    variance = {REPLACE: replace_variance(settings.real_count, half_count)}
    first_distance = claims.initial_value(REPLACE, "distance")
    squared_growth = claims.ratio_of_means(
        claims.final_value(ACCUMULATE, "distance").map(np.square), first_distance.map(np.square)
    )
    return [
        *claims.expect_predictions("replace: variance at generation {t}", "variance", variance, times=(half_count,)),
        *claims.expect_predictions("replace: log volume at the end", "log_volume", volume),
        *claims.mark_unpublished(*claims.expect_predictions("{arm}: distance at the end", "distance", distance, 0.1)),
        claims.expect_below(
            "accumulate: squared distance over that of generation 0 stays bounded", squared_growth, 2.0
        ),
        claims.expect_below(
            "fresh: ends better than generation 0", claims.final_value(FRESH, "distance") - first_distance
        ),
    ]


def _measure(candidate: sc.Candidate) -> dict[str, Tensor]:
    samples = candidate.samples(400).values
    points = normal(8000, sc.streams(0).child("tail points"), DIMENSION)
    tail = points[points.norm(dim=-1) > TAIL_RADIUS]  # the truth beyond the radius that 5 % exceed
    return {
        **distance_to_truth(candidate),
        "tail_mass": share_inside(candidate.model, tail[:200], SUPPORT_RADIUS),
        "outside_share": (samples.norm(dim=-1) > SUPPORT_RADIUS).double().mean(0),
    }


def _judge_end(curves: np.ndarray) -> Verdict:
    """Judge the last of distances (S, T + 1) against generation 0's."""
    return evaluate_quality(curves[:, -1], curves[:, 0], "lower")


def _format_growth(curves: np.ndarray) -> str:
    return f"×{_judge_end(curves).ratio.estimate:.3g}"
