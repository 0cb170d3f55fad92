"""What becomes of a Gaussian under each data policy: Shumailov, MAD, Bertrand, Gerstgrasser side by side.

Maximum likelihood with a faithful sampler contracts at any λ, so a stability threshold shows only when the learner
errs. Here a sampler spreads its variance by a known factor, for which the threshold is known exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats
from torch import Tensor

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.datasets.toy.draws import normal
from selfcorrect.loop.bias import sampling_settings
from selfcorrect.loop.policy import Accumulate, Augment, Fresh, Replace
from selfcorrect.loop.run import Candidate, Plan
from selfcorrect.statistics import Verdict, judge

from ...studies.claims import Claim, above, agrees, at, below, end, late, ratio, start
from ..declaration import Column, Setup, Toy, replicated
from .tasks import DIMENSION, distance_to_truth, fresh_normal, gaussian_task, share_inside

TAIL_RADIUS, SUPPORT_RADIUS = (math.sqrt(stats.chi2.ppf(share, DIMENSION)) for share in (0.95, 0.999))
POLICIES = ("replace", "augment", "accumulate", "fresh")


@dataclass(frozen=True)
class GaussianCollapse:
    """n real points in the plane; λ = 1 unless said."""

    real_count: int = 20
    generations: int = 60
    spread: float = 3.0
    """Factor of the erring sampler on the variance."""
    below_threshold: float = 0.25
    above_threshold: float = 1.0
    sizes: tuple[int, ...] = (20, 80)
    seeds: int = 300
    seed: int = 0


QUICK = GaussianCollapse(generations=30, seeds=120)


def toy(settings: GaussianCollapse) -> Toy:
    """All policies, with each size of the training set."""
    n, generations = settings.real_count, settings.generations
    errors = {
        "augment": theory.augment_error(n, 1.0, 0.0, generations),
        "accumulate": theory.accumulate_error(n, 1.0, 0.0, generations),
        "fresh": np.array([1 / n] + [float(theory.weighted_error(n, n, 0.5))] * generations),
    }
    distance = {name: theory.expected_wasserstein(error, DIMENSION) for name, error in errors.items()}
    volume = theory.replace_log_volume(n, DIMENSION, generations)
    erring = [_erring(each) for each in (settings.below_threshold, settings.above_threshold)]
    added = {size: "" if size == n else f", n = {size}" for size in settings.sizes}
    return Toy(
        [
            replicated(
                "gaussian-collapse", settings.seed, lambda stream, size=size: _setup(settings, size, added, stream)
            )
            for size in settings.sizes
        ],
        _claims(settings, distance, volume),
        [
            Column("distance", "distance to the truth", "", predicted=distance),
            Column("distance", "distance to the truth, relative to generation 0", _growth, panel=False),
            Column("distance", "verdict", lambda curves: _end(curves).label, panel=False),
            Column("log_volume", "log volume of the model (truth 0)", "", predicted={"replace": volume}),
            Column("variance", "variance (truth 1)", "", log=True),
            Column("tail_coverage", "share of the truth's tail within the model", ""),
        ],
        rows=(*POLICIES, *erring),
        groups={"policies": {arm: arm for arm in POLICIES}, "erring sampler": {arm: arm for arm in erring}},
        profile={
            "risk": "distance",
            "variance": "variance",
            "tail_mass": "tail_coverage",
            "outside_share": "outside_share",
        },
        profiled=POLICIES,
        sizes=added,
        notes=(
            f"Tails: the truth beyond the radius {TAIL_RADIUS:.2f} (5 % of it), reached where the model's 99.9 % "
            f"ellipse covers it; outside the support: samples beyond {SUPPORT_RADIUS:.2f} (0.1 % of the truth).",
        ),
        caveat=f"predicted to first order in 1/n, here n = {n}",
    )


def _erring(ratio: float) -> str:
    return f"erring sampler, λ = {ratio:g}"


def _setup(settings: GaussianCollapse, real_count: int, added: Mapping[int, str], stream: Stream) -> Setup:
    task = replace(gaussian_task(real_count, settings.seeds, stream), evaluate=_evaluate)
    fresh = Fresh(fresh_normal(settings.seeds), real_count, 1.0)
    policies = dict(zip(POLICIES, (Replace(), Augment(1.0), Accumulate(1.0), fresh), strict=True))
    plans = {name: Plan(policy, settings.generations) for name, policy in policies.items()}
    spread = sampling_settings(temperature=settings.spread)
    for each in (settings.below_threshold, settings.above_threshold):
        plans[_erring(each)] = Plan(Augment(each), settings.generations, bias=spread)
    return Setup(task, {f"{name}{added[real_count]}": plan for name, plan in plans.items()})


def _evaluate(candidate: Candidate) -> dict[str, Tensor]:
    samples = candidate.samples(400).values
    return {
        **distance_to_truth(candidate),
        "tail_coverage": share_inside(candidate.model, _tail_points(200), SUPPORT_RADIUS),
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


def _claims(settings: GaussianCollapse, distance: Mapping[str, np.ndarray], volume: np.ndarray) -> list[Claim]:
    """Below the threshold the variance settles where predicted; above, it grows by the predicted factor."""
    begin, early = start("replace", "distance"), settings.real_count // 2
    expected = theory.replace_variance(settings.real_count, early)[-1]
    low, high, half = settings.below_threshold, settings.above_threshold, (settings.generations + 1) // 2
    grown = ratio(*(at(_erring(high), "variance", generation) for generation in (half + 5, half)))
    squared = [one.map(np.square) for one in (end("accumulate", "distance"), begin)]
    return [
        agrees(f"replace: variance at generation {early}", at("replace", "variance", early), expected),
        agrees("replace: log volume at the end", end("replace", "log_volume"), volume[-1]),
        *(
            agrees(f"{arm}: distance at the end", end(arm, "distance"), law[-1], 0.1, published=False)
            for arm, law in distance.items()
        ),
        below("accumulate: squared distance over that of generation 0 stays bounded", ratio(*squared), 2.0),
        below("fresh: ends better than generation 0", end("fresh", "distance") - begin),
        agrees(
            f"λ = {low:g}, below the threshold {theory.critical_ratio(0.0, settings.spread):g}: the variance settles",
            late(_erring(low), "variance", 10),
            theory.settled_variance(low, 0.0, settings.spread),
            0.15,
        ),
        above(f"λ = {high:g}, above it: the variance grows without end, factor in 5 generations", grown, 1.5),
    ]
