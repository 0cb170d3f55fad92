"""Why modes are lost: drift as in a population, and bias of the learner, each switched on alone.

A memoriser that draws evenly is Wright's and Fisher's population; theory gives its surviving founders exactly. Noise
makes it a kernel density estimate, whose founders drift removes all the same. A pull towards the mean of each label,
the bias of a learner, loses more than drift does, and descendants walk in one direction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.bias import Bias, unbiased
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.run import Candidate, Plan, Task
from selfcorrect.metrics.neighbours import near_by_label, neighbour_metrics
from selfcorrect.remedies.matching import lineage_matched
from selfcorrect.statistics import Interval, mean_interval

from ..models.memoriser import Memoriser
from ..result import Check, Ends, Line, Panel, Result, above, agrees, below
from ..running import Comparison, Curves, run_seeds

DIMENSION = 16


@dataclass(frozen=True)
class Lineages:
    """Points of labels with the sizes of the motion experiment; fully synthetic loops of memorisers."""

    label_sizes: tuple[int, ...] = (3, 4, 6, 7, 9, 9, 9, 10, 10, 10, 11, 13, 13, 14)
    unevenness: float = 0.67
    """c of the uneven arms."""
    bandwidths: tuple[float, ...] = (0.05, 0.1, 0.2)
    """Those of the kernel arms, in standard deviations of the data."""
    pull: float = 0.1
    """Of the biased arms: the share of the way to the mean."""
    preference: float = 1.0
    """Of the biased arms: how much points near the mean are preferred."""
    draws: int = 8
    """Candidates per sample of the matched arms."""
    generations: int = 12
    seeds: int = 30
    seed: int = 0


def quick() -> Lineages:
    return Lineages(bandwidths=(0.05, 0.2), seeds=20)


@dataclass(frozen=True)
class _Arm:
    model: Memoriser
    bias: Bias = unbiased
    offspring_variance: float = 1.0


def run(settings: Lineages | None = None) -> Result:
    """All arms."""
    settings = settings or Lineages()
    arms = _arms(settings)
    curves = _curves(settings, arms)
    predicted = {name: _predicted(settings, arm) for name, arm in arms.items()}
    generations = np.arange(settings.generations + 1)
    lines = [Line(name, _survival(table), predicted[name]) for name, table in curves.items()]
    covered = [Line(name, table["coverage"], table["coverage_by_drift"].mean(axis=0)) for name, table in curves.items()]
    walks = [Line(name, table["lineage_persistence"]) for name, table in curves.items()]
    return Result(
        reading=_reading(settings, curves, predicted),
        ends=_ends(curves, predicted),
        checks=_checks(settings, curves, predicted),
        figures=[
            Panel("Founders with a descendant", "generation", "surviving lines", generations, lines),
            Panel("Coverage of reference points", "generation", "coverage", generations, covered),
            Panel("Persistence of the lines' walks", "generation", "distance, of a random walk", generations, walks),
        ],
        notes=("Predictions are of drift alone, from the arm's settings; nothing is fitted to the loops.",),
    )


def _arms(settings: Lineages) -> dict[str, _Arm]:
    even = Memoriser.empty(DIMENSION)
    uneven = replace(even, unevenness=settings.unevenness)
    biased = replace(even, bandwidth=settings.bandwidths[0], pull=settings.pull, preference=settings.preference)
    excess = 1 + settings.unevenness
    match = lineage_matched(settings.draws, adaptive=False)
    by_matching = theory.matched_offspring_variance(settings.draws, settings.unevenness)
    return {
        "even": _Arm(even),
        "uneven": _Arm(uneven, offspring_variance=excess),
        "uneven, matched": _Arm(uneven, match, by_matching),
        **{f"kernel {width:g}": _Arm(replace(even, bandwidth=width)) for width in settings.bandwidths},
        "biased": _Arm(biased),
        "biased, matched": _Arm(replace(biased, unevenness=settings.unevenness), match, by_matching),
    }


def _curves(settings: Lineages, arms: Mapping[str, _Arm]) -> Curves:
    """Each arm has a separate model, and so a separate task; all share the seeds."""
    seeds = range(settings.seed, settings.seed + settings.seeds)
    curves: Curves = {}
    for name, arm in arms.items():
        curves |= run_seeds(lambda stream, name=name, arm=arm: _compare(settings, name, arm, stream), seeds)
    return curves


def _compare(settings: Lineages, name: str, arm: _Arm, stream: Stream) -> Comparison:
    real, reference = (_real(settings, stream.child(kind)) for kind in ("real", "reference"))
    near = near_by_label(reference.values.numpy(), real.values.numpy(), real.labels.numpy())
    drift = theory.coverage_by_drift(near, settings.label_sizes, settings.generations, arm.offspring_variance)

    def judge(candidate: Candidate) -> dict[str, float]:
        points = cast(Memoriser, candidate.model).points.numpy()  # all that it can draw, but for its noise
        coverage = neighbour_metrics(reference.values.numpy(), points)["coverage"]
        return {"coverage": coverage, "coverage_by_drift": float(drift[candidate.generation])}

    task = Task(arm.model, real, judge, space=_points)
    return task, {name: Plan(Replace(), settings.generations, bias=arm.bias)}


def _real(settings: Lineages, stream: Stream) -> Samples:
    labels = torch.repeat_interleave(torch.arange(len(settings.label_sizes)), torch.tensor(settings.label_sizes))
    return Samples.real(torch.randn((len(labels), DIMENSION), generator=stream.torch(), dtype=torch.float64), labels)


def _points(values: torch.Tensor) -> np.ndarray:
    return values.numpy()


def _predicted(settings: Lineages, arm: _Arm) -> np.ndarray:
    """Surviving lines under drift alone (T + 1,); the representatives of generation 1 count as matched."""
    return theory.surviving_lineages(settings.label_sizes, settings.generations, arm.offspring_variance)


def _survival(table: Mapping[str, np.ndarray]) -> np.ndarray:
    """(S, T + 1), all founders alive in generation 0."""
    survival = table["surviving_lineages"].copy()
    survival[:, 0] = 1
    return survival


def _drift_share(table: Mapping[str, np.ndarray], predicted: np.ndarray) -> np.ndarray:
    """(S,) share of the loss of lines at the end that drift explains."""
    return np.array([theory.drift_share(float(one), float(predicted[-1])) for one in _survival(table)[:, -1]])


def _checks(settings: Lineages, curves: Curves, predicted: Mapping[str, np.ndarray]) -> list[Check]:
    lawful = [name for name in curves if not name.startswith("biased")]
    survival = [
        agrees(
            f"{name}: lines that survive {generation} generations",
            mean_interval(_survival(curves[name])[:, generation]),
            float(predicted[name][generation]),
            published=False,
        )
        for name in lawful
        for generation in (2, settings.generations)
    ]
    coverage = [
        agrees(
            f"{name}: coverage at generation {settings.generations}, over drift's",
            mean_interval(_beyond_drift(curves[name])),
            0.0,
            published=False,
        )
        for name in ("even", "uneven", "uneven, matched")
    ]
    kernel = f"kernel {settings.bandwidths[-1]:g}"
    plain, biased = (mean_interval(_drift_share(curves[name], predicted[name])) for name in (kernel, "biased"))
    persistence = {name: mean_interval(curves[name]["lineage_persistence"][:, -1]) for name in (kernel, "biased")}
    return [
        *survival,
        *coverage,
        above("matching keeps lines", _lines_kept(curves, "uneven"), published=False),
        above("drift explains the loss of an unbiased kernel", plain, 0.9, published=False),
        below("a biased learner loses more than by drift", biased, 0.9, published=False),
        above("lines of a biased learner walk in one direction", persistence["biased"], 1.3, published=False),
        below("lines of an unbiased kernel walk at random", persistence[kernel], 1.3, published=False),
        above("matching keeps lines of a biased learner", _lines_kept(curves, "biased"), published=False),
    ]


def _beyond_drift(table: Mapping[str, np.ndarray]) -> np.ndarray:
    """(S,) coverage at the end, less what drift alone would leave."""
    return (table["coverage"] - table["coverage_by_drift"])[:, -1]


def _lines_kept(curves: Curves, arm: str) -> Interval:
    """Lines that matching saves at the end, as a share of all."""
    return mean_interval(_survival(curves[f"{arm}, matched"])[:, -1] - _survival(curves[arm])[:, -1])


def _reading(settings: Lineages, curves: Curves, predicted: Mapping[str, np.ndarray]) -> str:
    left = _survival(curves["even"])[:, -1].mean()
    return (
        f"After {settings.generations} generations {left:.2f} of the founders have descendants; "
        f"drift alone leaves {predicted['even'][-1]:.2f}."
    )


def _ends(curves: Curves, predicted: Mapping[str, np.ndarray]) -> Ends:
    rows = {
        name: [f"{_survival(table)[:, -1].mean():.2f}", f"{predicted[name][-1]:.2f}"] for name, table in curves.items()
    }
    return Ends(["founders with descendants", "by drift alone"], rows)
