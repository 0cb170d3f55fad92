"""Pin “my loop does not collapse” in a test suite of your own, within seconds.

    from selfcorrect.testing import assert_loop_stable

    def test_my_corrector_keeps_the_loop_stable():
        assert_loop_stable(Gaussian.standard(2), torch.randn(400, 2), Replace(), my_corrector)

The loop runs on several seeds beside a baseline that trains on real data alone, with equal steps, from the same
generation 0. Both realism and diversity are judged on held-out data, with the thresholds of `statistics.judge`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from selfcorrect.correction import Correction
from selfcorrect.corrector import Corrector
from selfcorrect.errors import SettingError
from selfcorrect.loop import Candidate, Plan, Task, run_loop, train_first_generation
from selfcorrect.metrics.frechet import frechet_distance
from selfcorrect.metrics.neighbours import neighbour_metrics
from selfcorrect.models.protocol import GenerativeModel
from selfcorrect.motion.checks.check import check
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.policy import Policy, RealOnly
from selfcorrect.randomness import Stream, streams
from selfcorrect.samples import Samples
from selfcorrect.statistics import SEVERITY, Label, Thresholds, Verdict, judge, worst_verdict
from selfcorrect.storage.memory import MemoryStore

_LINES = 10

Features = Callable[[Tensor], Tensor]
"""Values (N, *event) to vectors (N, D) in which distance and recall are measured."""


@dataclass(frozen=True)
class Stability:
    """The verdicts on a loop's last generation against the real-only baseline: Fréchet distance and recall."""

    realism: Verdict
    diversity: Verdict
    generations: int
    """Generations after generation 0."""

    @property
    def label(self) -> Label:
        """That of the weaker side."""
        return worst_verdict([self.realism, self.diversity]).label

    def __str__(self) -> str:
        return (
            f"after {self.generations} generations the Fréchet distance is {self.realism.ratio} times the real-only "
            f"baseline's ({self.realism.label}) and the recall {self.diversity.ratio} times ({self.diversity.label})"
        )


@dataclass(frozen=True)
class Trial:
    """How a loop is put to the test."""

    generations: int = 10
    seeds: int = 5
    """How often the loop is run, at least 2."""
    first_steps: int = 0
    """Optimiser steps of generation 0."""
    steps: int = 0
    """Optimiser steps of each later generation."""
    features: Features = torch.Tensor.double
    """The space in which distance and recall are measured, see `Features`."""
    thresholds: Thresholds = field(default_factory=Thresholds)
    """What counts as stable, and what as collapsed."""

    def __post_init__(self) -> None:
        if self.seeds < 2:
            raise SettingError(f"a verdict on stability needs at least 2 seeds, got {self.seeds}")


def assert_loop_stable(
    model: GenerativeModel,
    data: Tensor | Samples,
    policy: Policy,
    corrector: Corrector | Correction | None = None,
    trial: Trial | None = None,
    at_worst: Label = "undecided",
) -> Stability:
    """Raise AssertionError where the loop's verdict is worse than `at_worst`; else return the verdicts.

    data: real values (N, *event) or Samples; every seed trains on a random half and is judged on the other.
    corrector: applied in full, or a Correction that says how. at_worst: "undecided" lets intervals pass that are too
    wide to tell; "stable" does not.
    """
    measured = measure_stability(model, data, policy, corrector, trial)
    if SEVERITY.index(measured.label) > SEVERITY.index(at_worst):
        raise AssertionError(f"the loop is {measured.label}: {measured}; allowed is {at_worst} or better")
    return measured


def measure_stability(
    model: GenerativeModel,
    data: Tensor | Samples,
    policy: Policy,
    corrector: Corrector | Correction | None = None,
    trial: Trial | None = None,
) -> Stability:
    """The verdicts of `assert_loop_stable`, without the assertion."""
    trial = trial or Trial()
    real = data if isinstance(data, Samples) else Samples.real(data)
    correction = corrector if corrector is None or isinstance(corrector, Correction) else Correction(corrector)
    loop = Plan(policy, trial.generations, steps=trial.steps, correction=correction)
    plans = (loop, replace(loop, policy=RealOnly(), correction=None))
    ends = [_last_scores(model, real, plans, trial, stream) for stream in map(streams, range(trial.seeds))]
    distance, recall = (
        [[end[key] for end in arm] for arm in zip(*ends, strict=True)] for key in ("distance", "recall")
    )
    return Stability(
        realism=judge(*distance, better="lower", thresholds=trial.thresholds),
        diversity=judge(*recall, better="higher", thresholds=trial.thresholds),
        generations=trial.generations,
    )


def _last_scores(
    model: GenerativeModel, real: Samples, plans: tuple[Plan, ...], trial: Trial, stream: Stream
) -> list[Mapping[str, float]]:
    """Scores of every plan's last generation, all from one generation 0."""
    order = torch.randperm(len(real), generator=stream.child("split").torch())
    training, held_out = real.take(order[: len(order) // 2]), real.take(order[len(order) // 2 :])
    task = Task(model, training, _against(held_out, trial.features), trial.first_steps)
    first = MemoryStore()
    train_first_generation(task, first, stream)
    stores = [MemoryStore() for _ in plans]
    for plan, store in zip(plans, stores, strict=True):
        run_loop(task, plan, store, first, stream)
    return [_numbers(store.metrics(store.latest)) for store in stores]


def _against(held_out: Samples, features: Features) -> Callable[[Candidate], dict[str, float]]:
    """Judges as many samples as are held out: root of the Fréchet distance, and recall."""

    def vectors(samples: Samples) -> np.ndarray:
        return features(samples.values).flatten(1).double().numpy()

    reference = vectors(held_out)

    def evaluate(candidate: Candidate) -> dict[str, float]:
        drawn = vectors(candidate.samples(len(held_out)))
        distance = math.sqrt(max(frechet_distance(reference, drawn), 0.0))
        return {"distance": distance, "recall": neighbour_metrics(reference, drawn)["recall"]}

    return evaluate


def _numbers(metrics: Mapping[str, object]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if isinstance(value, float)}


def assert_plausible(
    motions: Sequence[Motion] | MotionBatch, select: Sequence[str] = (), ignore: Sequence[str] = (), allowed: int = 0
) -> None:
    """Raise AssertionError where more than `allowed` of the motions break rules of `selfcorrect.check`, and say which.

    select, ignore: codes or names of rules, or first letters of codes.
    """
    found = {index: check(motions[index], select, ignore) for index in range(len(motions))}
    lines = [f"motion {index}: {findings[0]}" for index, findings in found.items() if findings]
    if len(lines) > allowed:
        raise AssertionError("\n".join([f"{len(lines)} of {len(found)} motions are implausible", *lines[:_LINES]]))
