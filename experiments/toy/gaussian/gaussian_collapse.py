"""What becomes of a Gaussian under each data policy: Shumailov, MAD, Bertrand, Gerstgrasser side by side.

Maximum likelihood with a faithful sampler contracts at any λ, so a stability threshold shows only when the learner
errs. Here a sampler spreads its variance by a known factor, for which the threshold is known exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats
from torch import Tensor

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import streams
from selfcorrect.datasets.toy.draws import normal
from selfcorrect.loop.bias import sampling_settings
from selfcorrect.loop.policy import Accumulate, Augment, Fresh, Policy, Replace
from selfcorrect.loop.run import Candidate, Plan
from selfcorrect.statistics import Verdict, collapse_profile, judge, mean_interval, ratio_interval

from ..result import Check, Ends, Line, Panel, Result, above, agrees, below
from ..running import Curves, run_arms
from .tasks import (
    DIMENSION,
    distance_to_truth,
    fresh_normal,
    gaussian_task,
    share_inside,
)

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


def quick() -> GaussianCollapse:
    return GaussianCollapse(generations=30, seeds=120)


def run(settings: GaussianCollapse | None = None) -> Result:
    """All policies."""
    settings = settings or GaussianCollapse()
    by_size = {n: _curves(settings, n, Replace()) for n in settings.sizes}
    curves = by_size[settings.real_count]
    names = {"risk": "distance", "variance": "variance", "tail_mass": "tail_coverage", "outside_share": "outside_share"}
    return Result(
        reading=_reading(curves),
        ends=_ends(curves),
        checks=_checks(settings, curves),
        figures=_panels(settings, curves),
        profiles={
            arm: collapse_profile(
                {key: curves[arm][name] for key, name in names.items()},
                {n: table[arm]["distance"] for n, table in by_size.items()},
            )
            for arm in POLICIES
        },
        notes=(
            f"Tails: the truth beyond the radius {TAIL_RADIUS:.2f} (5 % of it), reached where the model's 99.9 % "
            f"ellipse covers it; outside the support: samples beyond {SUPPORT_RADIUS:.2f} (0.1 % of the truth).",
        ),
    )


def _curves(settings: GaussianCollapse, real_count: int, replacing: Policy) -> Curves:
    stream = streams(settings.seed).child("gaussian-collapse")
    task = replace(gaussian_task(real_count, settings.seeds, stream), evaluate=_evaluate)
    fresh = Fresh(fresh_normal(settings.seeds), real_count, 1.0)
    policies = dict(zip(POLICIES, (replacing, Augment(1.0), Accumulate(1.0), fresh), strict=True))
    plans = {name: Plan(policy, settings.generations) for name, policy in policies.items()}
    spread = sampling_settings(temperature=settings.spread)
    for ratio in (settings.below_threshold, settings.above_threshold):
        plans[f"erring sampler, λ = {ratio:g}"] = Plan(Augment(ratio), settings.generations, bias=spread)
    return run_arms(task, plans, stream)


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


def _predicted(settings: GaussianCollapse) -> dict[str, np.ndarray]:
    """Predicted mean distance per policy where one exists."""
    n, generations = settings.real_count, settings.generations
    fresh = np.array([1 / n] + [float(theory.weighted_error(n, n, 0.5))] * generations)
    errors = {
        "augment": theory.augment_error(n, 1.0, 0.0, generations),
        "accumulate": theory.accumulate_error(n, 1.0, 0.0, generations),
        "fresh": fresh,
    }
    return {name: theory.expected_wasserstein(error, DIMENSION) for name, error in errors.items()}


def _checks(settings: GaussianCollapse, curves: Curves) -> list[Check]:
    last = {arm: table["distance"][:, -1] for arm, table in curves.items()}
    start, variance = curves["replace"]["distance"][:, 0], curves["replace"]["variance"]
    early = settings.real_count // 2
    volume = theory.replace_log_volume(settings.real_count, DIMENSION, settings.generations)
    expected = theory.replace_variance(settings.real_count, early)[-1]
    bounded = ratio_interval(last["accumulate"] ** 2, start**2)
    return [
        agrees(f"replace: variance at generation {early}", mean_interval(variance[:, early]), expected),
        agrees("replace: log volume at the end", mean_interval(curves["replace"]["log_volume"][:, -1]), volume[-1]),
        *(
            agrees(f"{name}: distance at the end", mean_interval(last[name]), prediction[-1], 0.1, published=False)
            for name, prediction in _predicted(settings).items()
        ),
        below("accumulate: squared distance over that of generation 0 stays bounded", bounded, 2.0),
        below("fresh: ends better than generation 0", mean_interval(last["fresh"] - start)),
        *_threshold_checks(settings, curves),
    ]


def _threshold_checks(settings: GaussianCollapse, curves: Curves) -> list[Check]:
    """Below the threshold the variance settles where predicted; above, it grows by the predicted factor."""
    low, high = settings.below_threshold, settings.above_threshold
    settled = curves[f"erring sampler, λ = {low:g}"]["variance"][:, -10:].mean(1)
    growing = curves[f"erring sampler, λ = {high:g}"]["variance"]
    half = growing.shape[1] // 2
    growth = ratio_interval(growing[:, half + 5], growing[:, half])
    return [
        agrees(
            f"λ = {low:g}, below the threshold {theory.critical_ratio(0.0, settings.spread):g}: the variance settles",
            mean_interval(settled),
            theory.settled_variance(low, 0.0, settings.spread),
            0.15,
        ),
        above(f"λ = {high:g}, above it: the variance grows without end, factor in 5 generations", growth, 1.5),
    ]


def _reading(curves: Curves) -> str:
    replaced = _end(curves, "replace").ratio.estimate
    return f"When data are replaced, the distance to the truth ends at {replaced:.3g} times that of generation 0."


def _end(curves: Curves, arm: str) -> Verdict:
    return judge(curves[arm]["distance"][:, -1], curves["replace"]["distance"][:, 0], "lower")


def _ends(curves: Curves) -> Ends:
    ends = {arm: _end(curves, arm) for arm in curves}
    rows = {arm: [f"×{verdict.ratio.estimate:.3g}", verdict.label] for arm, verdict in ends.items()}
    return Ends(["distance to the truth, relative to generation 0", "verdict"], rows)


def _panels(settings: GaussianCollapse, curves: Curves) -> list[Panel]:
    generations = np.arange(settings.generations + 1)
    predicted = _predicted(settings)
    distance = [Line(arm, curves[arm]["distance"], predicted.get(arm)) for arm in POLICIES]
    volume = theory.replace_log_volume(settings.real_count, DIMENSION, settings.generations)
    erring = [Line(arm, table["variance"]) for arm, table in curves.items() if arm.startswith("erring")]
    replaced = [Line("replace", curves["replace"]["log_volume"], volume)]
    tails = [Line(arm, curves[arm]["tail_coverage"]) for arm in POLICIES]
    return [
        Panel(
            "Distance to the truth",
            "generation",
            "2-Wasserstein distance",
            generations,
            distance,
            caveat=f"predicted to first order in 1/n, here n = {settings.real_count}",
        ),
        Panel("Fully synthetic: collapse", "generation", "log volume of the model (truth 0)", generations, replaced),
        Panel("Erring sampler: threshold", "generation", "variance (truth 1)", generations, erring, log_y=True),
        Panel("Tails", "generation", "share of the truth's tail within the model", generations, tails),
    ]
