"""What becomes of a Gaussian under each data policy: Shumailov, MAD, Bertrand, Gerstgrasser side by side.

Maximum likelihood with a faithful sampler contracts at any λ, so a stability threshold shows only when the learner
errs. Here a sampler spreads its variance by a known factor, for which the threshold is known exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from torch import Tensor

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.datasets.toy.draws import normal
from selfcorrect.loop.bias import sampling_settings
from selfcorrect.loop.policy import Accumulate, Augment, Fresh, Replace
from selfcorrect.loop.run import Candidate, Plan
from selfcorrect.statistics import Verdict, judge

from ...studies.claims import (
    expect_above,
    expect_agreement,
    expect_below,
    expect_predictions,
    final_value,
    initial_value,
    late_mean,
    mark_unpublished,
    ratio_of_means,
    value_at,
)
from ..declaration import Column, Setup, Toy, ToySettings, bundle_replicates
from .tasks import DIMENSION, SUPPORT_RADIUS, TAIL_RADIUS, distance_to_truth, fresh_normal, gaussian_task, share_inside

POLICIES = ("replace", "augment", "accumulate", "fresh")


@dataclass(frozen=True)
class GaussianCollapse(ToySettings):
    """n real points in the plane; λ = 1 unless said."""

    real_count: int = 20
    generations: int = 60
    spread: float = 3.0
    """Factor of the erring sampler on the variance."""
    erring_ratios: tuple[float, float] = (0.25, 1.0)
    """λ of the loops with the erring sampler, below and above the threshold."""
    sizes: tuple[int, ...] = (20, 80)
    seeds: int = 300


QUICK = GaussianCollapse(generations=30, seeds=120)


def toy(settings: GaussianCollapse) -> Toy:
    """All policies, with each size of the training set."""
    n, generations, (low, high) = settings.real_count, settings.generations, settings.erring_ratios
    added = {size: "" if size == n else f", n = {size}" for size in settings.sizes}
    erring = {ratio: f"erring sampler, λ = {ratio:g}" for ratio in (low, high)}

    def setup(size: int, stream: Stream) -> Setup:
        fresh = Fresh(fresh_normal(settings.seeds), size, 1.0)
        policies = dict(zip(POLICIES, (Replace(), Augment(1.0), Accumulate(1.0), fresh), strict=True))
        plans = {arm: Plan(policy, generations) for arm, policy in policies.items()}
        spread = sampling_settings(temperature=settings.spread)
        plans |= {arm: Plan(Augment(ratio), generations, bias=spread) for ratio, arm in erring.items()}
        task = gaussian_task(size, settings.seeds, stream, _evaluate)
        return Setup(task, {f"{arm}{added[size]}": plan for arm, plan in plans.items()})

    errors = {
        "augment": theory.augment_error(n, 1.0, 0.0, generations),
        "accumulate": theory.accumulate_error(n, 1.0, 0.0, generations),
        "fresh": np.array([1 / n] + [float(theory.weighted_error(n, n, 0.5))] * generations),
    }
    distance = {name: theory.expected_wasserstein(error, DIMENSION) for name, error in errors.items()}
    volume = {"replace": theory.replace_log_volume(n, DIMENSION, generations)}
    variance = {"replace": theory.replace_variance(n, n // 2)}
    begin, half = initial_value("replace", "distance"), (generations + 1) // 2
    growth = ratio_of_means(final_value("accumulate", "distance").map(np.square), begin.map(np.square))
    threshold = theory.critical_ratio(0.0, settings.spread)
    settled = theory.settled_variance(low, 0.0, settings.spread)
    grown = ratio_of_means(value_at(erring[high], "variance", half + 5), value_at(erring[high], "variance", half))
    return Toy(
        [bundle_replicates("gaussian-collapse", settings.seed, partial(setup, size)) for size in settings.sizes],
        [
            *expect_predictions("replace: variance at generation {t}", "variance", variance, times=(n // 2,)),
            *expect_predictions("replace: log volume at the end", "log_volume", volume),
            *mark_unpublished(*expect_predictions("{arm}: distance at the end", "distance", distance, 0.1)),
            expect_below("accumulate: squared distance over that of generation 0 stays bounded", growth, 2.0),
            expect_below("fresh: ends better than generation 0", final_value("fresh", "distance") - begin),
            expect_agreement(f"λ = {low:g}, below the threshold {threshold:g}: the variance settles",
                   late_mean(erring[low], "variance", 10), settled, 0.15),
            expect_above(f"λ = {high:g}, above it: the variance grows without end, factor in 5 generations",
                         grown, 1.5),
        ],
        [
            Column("distance", "distance to the truth", "", predicted=distance),
            Column("distance", "distance to the truth, relative to generation 0", _growth, panel=False),
            Column("distance", "verdict", lambda curves: _end(curves).label, panel=False),
            Column("log_volume", "log volume of the model (truth 0)", "", predicted=volume),
            Column("variance", "variance (truth 1)", "", log=True),
            Column("tail_mass", "share of the truth's tail within the model", ""),
        ],
        rows=(*POLICIES, *erring.values()),
        groups={"policies": POLICIES, "erring sampler": [*erring.values()]},
        risk="distance",
        profiled=POLICIES,
        sizes=added,
        notes=(
            f"Tails: the truth beyond the radius {TAIL_RADIUS:.2f} (5 % of it), reached where the model's 99.9 % "
            f"ellipse covers it; outside the support: samples beyond {SUPPORT_RADIUS:.2f} (0.1 % of the truth).",
        ),
        caveat=f"predicted to first order in 1/n, here n = {n}",
    )  # fmt: skip


def _evaluate(candidate: Candidate) -> dict[str, Tensor]:
    samples = candidate.samples(400).values
    return {
        **distance_to_truth(candidate),
        "tail_mass": share_inside(candidate.model, _tail_points(200), SUPPORT_RADIUS),
        "outside_share": (samples.norm(dim=-1) > SUPPORT_RADIUS).double().mean(0),
    }


def _tail_points(count: int) -> Tensor:
    """Draws of the truth beyond the radius that 5 % exceed, (count, 2)."""
    points = normal(40 * count, streams(0).child("tail points"), DIMENSION)
    return points[points.norm(dim=-1) > TAIL_RADIUS][:count]


def _end(curves: np.ndarray) -> Verdict:
    """Of distances (S, T + 1), the last against generation 0."""
    return judge(curves[:, -1], curves[:, 0], "lower")


def _growth(curves: np.ndarray) -> str:
    return f"×{_end(curves).ratio.estimate:.3g}"
