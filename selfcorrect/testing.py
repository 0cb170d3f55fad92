"""Pin “my loop does not collapse” in a test suite of your own, within seconds.

    from selfcorrect.testing import assert_loop_stable

    def test_my_corrector_keeps_the_loop_stable():
        assert_loop_stable(Gaussian.standard(2), torch.randn(400, 2), Replace(), my_corrector)

The loop runs on several seeds beside a baseline that trains on real data alone, with equal steps, from the same
generation 0. Both realism and diversity are judged on held-out data, as means over the later half of the generations,
with the thresholds of `statistics.judge`. A trial ends as soon as the seeds so far decide it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from .core.checks import check_count
from .core.errors import SettingError
from .core.randomness import Stream, streams
from .core.samples import Samples
from .correctors.contract import Corrector
from .correctors.correction import Correction
from .loop.policy import Policy, RealOnly
from .loop.run import Candidate, Plan, Task, run_loop, train_first_generation
from .metrics.frechet import frechet_distance
from .metrics.neighbours import neighbour_metrics
from .models.protocol import GenerativeModel
from .motion.checks.check import check
from .motion.motion import Motion, MotionBatch
from .statistics import (
    MOST_SEEDS,
    Better,
    Label,
    Thresholds,
    Verdict,
    judge,
    looks,
    seeds_to_decide,
    worst_verdict,
)
from .storage.runs.memory import MemoryStore

_LINES = 10
FEWEST = 4
"""Real samples of a trial, of which half are held out."""

Features = Callable[[Tensor], Tensor]
"""Values (N, *event) to vectors (N, D) in which distance and recall are measured."""


@dataclass(frozen=True)
class Stability:
    """The verdicts on Fréchet distance and recall, over the later half of the generations, against real data only."""

    realism: Verdict
    diversity: Verdict
    generations: int
    """Generations after generation 0."""
    seeds: int
    """How many seeds were run, perhaps fewer than the trial allows."""
    seeds_needed: int | None
    """About how many would decide what is undecided; None for more than `statistics.MOST_SEEDS`."""

    @property
    def label(self) -> Label:
        """That of the weaker side."""
        return worst_verdict([self.realism, self.diversity]).label

    def __str__(self) -> str:
        confidence = self.realism.ratio.confidence
        return (
            f"over generations {_first_judged(self.generations)} to {self.generations}, {self.seeds} seeds, "
            f"{confidence:.1%} intervals, against training on real data alone:\n"
            f"  Fréchet distance {self.realism}\n  recall {self.diversity}"
        )


@dataclass(frozen=True)
class Trial:
    """How a loop is put to the test."""

    generations: int = 10
    seeds: int = 20
    """How often the loop is run at most, at least 2. A trial ends sooner where fewer decide it (`statistics.looks`)."""
    first_steps: int = 0
    """Optimiser steps of generation 0."""
    steps: int = 0
    """Optimiser steps of each later generation."""
    features: Features = torch.Tensor.double
    """The space in which distance and recall are measured, see `Features`."""
    thresholds: Thresholds = field(default_factory=Thresholds)
    """What counts as stable, and what as collapsed."""

    def __post_init__(self) -> None:
        for name, least in {"generations": 1, "first_steps": 0, "steps": 0}.items():
            check_count(name, getattr(self, name), least)
        check_count("seeds (for a verdict on stability)", self.seeds, 2)


def assert_loop_stable(
    model: GenerativeModel,
    data: Tensor | Samples,
    policy: Policy,
    corrector: Corrector | Correction | None = None,
    trial: Trial | None = None,
    undecided: Literal["fail", "pass"] = "fail",
) -> Stability:
    """Raise AssertionError unless the loop is stable in realism and in diversity; else return the verdicts.

    data: real values (N, *event) or Samples; every seed trains on a random half and is judged on the other.
    corrector: Applied in full, or a Correction that says how. undecided: The outcome for a loop whose intervals are too
    wide to decide. The message of a failure says how many seeds would decide it.
    """
    __tracebackhide__ = True  # a failure is shown where the caller asserts
    if undecided not in ("fail", "pass"):
        raise SettingError(f"undecided must be 'fail' or 'pass', got {undecided!r}")
    measured = measure_stability(model, data, policy, corrector, trial)
    if measured.label == "stable" or (measured.label == "undecided" and undecided == "pass"):
        return measured
    raise AssertionError(f"the loop is {measured.label}, {measured}{_advice(measured)}")


def _advice(measured: Stability) -> str:
    """What would decide an undecided trial."""
    if measured.label != "undecided":
        return ""
    if measured.seeds_needed is None:
        return f"\nmore than {MOST_SEEDS} seeds would be needed: the loop lies on the threshold, or varies widely"
    return (
        f"\nabout {measured.seeds_needed} seeds would decide it: Trial(seeds={measured.seeds_needed}); "
        "undecided='pass' lets it pass"
    )


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
    check_count("the number of real samples, of which half are held out,", len(real), FEWEST)
    correction = corrector if corrector is None or isinstance(corrector, Correction) else Correction(corrector)
    loop = Plan(policy, trial.generations, steps=trial.steps, correction=correction)
    plans = (loop, replace(loop, policy=RealOnly(), correction=None))
    ends: list[_Ends] = []
    verdicts: dict[str, Verdict] = {}
    confidence = 0.0
    for seeds, confidence in looks(trial.seeds).items():
        ends += [_later_scores(model, real, plans, trial, streams(seed)) for seed in range(len(ends), seeds)]
        verdicts = {key: _judged(judge, ends, key, trial, confidence) for key in _BETTER}
        if worst_verdict([*verdicts.values()]).label != "undecided":
            break
    undecided = [key for key, verdict in verdicts.items() if verdict.label == "undecided"]
    needed = [_judged(seeds_to_decide, ends, key, trial, confidence) for key in undecided]
    most = None if None in needed else max(needed, default=len(ends))
    return Stability(verdicts["distance"], verdicts["recall"], trial.generations, len(ends), most)


_Ends: TypeAlias = Sequence[Mapping[str, float]]
"""What the later generations of the loop and of its baseline score on average for one seed."""

_BETTER: Mapping[str, Better] = {"distance": "lower", "recall": "higher"}


def _judged(how: Callable[..., Any], ends: Sequence[_Ends], key: str, trial: Trial, confidence: float) -> Any:
    """What a function of statistics says of one quality."""
    scores = [[end[key] for end in arm] for arm in zip(*ends, strict=True)]
    return how(*scores, _BETTER[key], trial.thresholds, confidence)


def _first_judged(generations: int) -> int:
    """The first generation of the later half."""
    return generations // 2 + 1


def _later_scores(
    model: GenerativeModel, real: Samples, plans: tuple[Plan, ...], trial: Trial, stream: Stream
) -> list[Mapping[str, float]]:
    """Mean scores of every plan's later half of generations, all from one generation 0."""
    order = torch.randperm(len(real), generator=stream.child("split").torch())
    training, held_out = real.take(order[: len(order) // 2]), real.take(order[len(order) // 2 :])
    task = Task(model, training, _against(held_out, trial), trial.first_steps)
    first = MemoryStore()
    train_first_generation(task, first, stream)
    stores = [MemoryStore() for _ in plans]
    for plan, store in zip(plans, stores, strict=True):
        run_loop(task, plan, store, first, stream)
    judged = range(_first_judged(trial.generations), trial.generations + 1)
    return [
        {key: float(np.mean([store.metrics(generation)[key] for generation in judged])) for key in _BETTER}
        for store in stores
    ]


def _against(held_out: Samples, trial: Trial) -> Callable[[Candidate], dict[str, float]]:
    """Judges as many samples of each later generation as are held out: root of the Fréchet distance, and recall."""

    def vectors(samples: Samples) -> np.ndarray:
        return trial.features(samples.values).flatten(1).double().numpy()

    reference = vectors(held_out)

    def evaluate(candidate: Candidate) -> dict[str, float]:
        if candidate.generation < _first_judged(trial.generations):
            return {}
        drawn = vectors(candidate.samples(len(held_out)))
        distance = math.sqrt(max(frechet_distance(reference, drawn), 0.0))
        return {"distance": distance, "recall": neighbour_metrics(reference, drawn)["recall"]}

    return evaluate


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
