"""A detector of synthetic samples in front of the training set: how good must it be to stop collapse?

The pool of every generation holds the real data and many cherry-picked synthetic samples. A detector removes synthetic
samples with its true positive rate and, by mistake, real ones with its false positive rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.bias import sampling_settings
from selfcorrect.loop.policy import Augment, History, Policy
from selfcorrect.loop.run import Plan
from selfcorrect.statistics import Interval, mean_interval

from ..result import Check, Line, Panel, Result, agrees, below
from ..running import Curves, run_arms
from .tasks import gaussian_task


@dataclass(frozen=True)
class Provenance:
    """n real points, λ synthetic ones per real, whose variance is cherry-picked down to `bias` of the model's."""

    real_count: int = 200
    ratio: float = 9.0
    bias: float = 0.5
    true_positive_rates: tuple[float, ...] = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 1.0)
    false_positive_rate: float = 0.1
    tolerated_variance: float = 0.8
    generations: int = 25
    seeds: int = 30
    seed: int = 0


def quick() -> Provenance:
    return Provenance(true_positive_rates=(0.0, 0.8, 0.95, 1.0), generations=15, seeds=20)


@dataclass(frozen=True)
class Detector:
    """Another policy's training set after a detector has removed what it takes for synthetic."""

    policy: Policy
    true_positive_rate: float
    false_positive_rate: float

    def count(self, real_count: int, generation: int) -> int:
        return self.policy.count(real_count, generation)

    def mix(self, real: Samples, history: History, generation: int, stream: Stream) -> Samples:
        pool = self.policy.mix(real, history, generation, stream.child("pool"))
        coins = torch.rand(len(pool), generator=stream.child("detector").torch(), dtype=torch.float64)
        synthetic = torch.from_numpy(pool.provenance.synthetic)
        return pool.take(coins >= torch.where(synthetic, self.true_positive_rate, self.false_positive_rate))


def run(settings: Provenance | None = None) -> Result:
    """All detectors."""
    settings = settings or Provenance()
    stream = streams(settings.seed).child("provenance")
    task = gaussian_task(settings.real_count, settings.seeds, stream)
    curves = run_arms(task, _plans(settings), stream)
    settled = np.stack([arm["variance"][:, -5:].mean(1) for arm in curves.values()], axis=1)
    needed = _needed(settings, settled)
    return Result(
        reading=_reading(settings, settled, needed),
        checks=_checks(settings, settled, needed),
        figures=_panels(settings, curves, settled),
        notes=(
            f"Cherry-picked to {settings.bias:g} of the variance; the detector loses "
            f"{settings.false_positive_rate:.0%} of the real data.",
        ),
    )


def _plans(settings: Provenance) -> dict[str, Plan]:
    bias = sampling_settings(temperature=settings.bias)
    lost = settings.false_positive_rate
    return {
        f"found {rate:.0%}": Plan(Detector(Augment(settings.ratio), rate, lost), settings.generations, bias=bias)
        for rate in settings.true_positive_rates
    }


def _panels(settings: Provenance, curves: Curves, settled: np.ndarray) -> list[Panel]:
    variance, rates = "variance (truth 1)", np.array(settings.true_positive_rates)
    ends = [Line("settled", settled, _predicted(settings))]
    lines = [Line(name, arm["variance"]) for name, arm in curves.items()]
    generations = np.arange(settings.generations + 1)
    return [
        Panel("Variance that the loop settles at", "share of synthetic samples found", variance, rates, ends),
        Panel("Variance over generations", "generation", variance, generations, lines),
    ]


def _predicted(settings: Provenance) -> np.ndarray:
    ratios = [
        theory.filtered_ratio(settings.ratio, rate, settings.false_positive_rate)
        for rate in settings.true_positive_rates
    ]
    return np.array([theory.settled_variance(ratio, 0.0, settings.bias) for ratio in ratios])


def _needed(settings: Provenance, settled: np.ndarray) -> Interval:
    """The true positive rate at which the measured variance reaches what is tolerated; 1 / variance is linear in it."""
    rates, goal = np.array(settings.true_positive_rates), 1 / settings.tolerated_variance
    per_seed = [float(np.interp(-goal, -1 / row, rates)) for row in settled]
    return mean_interval(per_seed)


def _checks(settings: Provenance, settled: np.ndarray, needed: Interval) -> list[Check]:
    predicted = _predicted(settings)
    tolerated = theory.tolerated_ratio(settings.tolerated_variance, settings.bias)
    rate = theory.needed_true_positive_rate(settings.ratio, tolerated, settings.false_positive_rate)
    checks = [
        agrees(
            f"detector that finds {found:.0%}: settled variance",
            mean_interval(settled[:, index]),
            predicted[index],
            published=False,
        )
        for index, found in enumerate(settings.true_positive_rates)
    ]
    return [
        *checks,
        below("without a detector the variance collapses", mean_interval(settled[:, 0]), 0.3, published=False),
        agrees(
            f"true positive rate needed for a variance of {settings.tolerated_variance:g}",
            needed,
            rate,
            0.03,
            published=False,
        ),
    ]


def _reading(settings: Provenance, settled: np.ndarray, needed: Interval) -> str:
    return (
        f"At λ = {settings.ratio:g} without a detector the variance settles at {settled[:, 0].mean():.2f}. To keep "
        f"{settings.tolerated_variance:g} of it, the detector must find {needed.estimate:.1%} of the synthetic samples."
    )
