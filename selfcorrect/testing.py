"""A test that your own loop does not collapse, in seconds and within a test suite.

    from selfcorrect.testing import assert_loop_stable

    def test_my_corrector_keeps_the_loop_stable():
        assert_loop_stable(Gaussian.standard(2), torch.randn(400, 2), Replace(), my_corrector)

The loop runs on several seeds beside a baseline that trains on real data only, with equal steps and from the same
generation 0. Realism and diversity are evaluated on held-out data, averaged over the later half of the generations,
with the thresholds of `statistics.evaluate_quality`. A trial ends as soon as the seeds so far decide it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from .core.checks import check_count
from .core.errors import SettingError
from .core.randomness import Stream, streams
from .core.samples import Samples
from .loop.correctors.contract import Corrector
from .loop.correctors.loop_correction import Correction
from .loop.models.protocol import GenerativeModel
from .loop.policy import Policy, RealOnly
from .loop.run import Arm, Candidate, Task, run_loop, train_first_generation
from .loop.store.memory import MemoryStore
from .statistics import (
    FEWEST_SEEDS,
    MAX_SEEDS,
    Better,
    Label,
    Thresholds,
    Verdict,
    evaluate_quality,
    plan_looks,
    seeds_to_decide,
    worst_verdict,
)
from .statistics.frechet import frechet_distance
from .statistics.neighbours import neighbour_metrics
from .statistics.spread import within_label_ratio

FEWEST = 4
"""Minimum number of real samples in a trial, half of which are held out."""

FeatureFunction = Callable[[Tensor], Tensor]
"""Function from values (N, *event) to vectors (N, D) in which samples are compared."""


@dataclass(frozen=True)
class Stability:
    """Verdicts on a loop, compared with training on real data only.

    Fréchet distance, coverage and variance within labels are averaged over the later half of the generations.
    """

    realism: Verdict
    coverage: Verdict
    variance: Verdict
    generations: int
    """Generations after generation 0."""
    seeds: int
    """Number of seeds that were run, which may be fewer than the trial allows."""
    seeds_needed: int | None
    """Estimated number of seeds that would decide what is undecided; None for more than `statistics.MAX_SEEDS`."""

    @property
    def diversity(self) -> Verdict:
        """Verdict on diversity: the worse of coverage and variance within labels."""
        return worst_verdict([self.coverage, self.variance])

    @property
    def label(self) -> Label:
        """Label of the worse of realism and diversity."""
        return worst_verdict([self.realism, self.diversity]).label

    def __str__(self) -> str:
        confidence = self.realism.ratio.confidence
        return (
            f"over generations {_first_evaluated(self.generations)} to {self.generations}, {self.seeds} seeds, "
            f"{confidence:.1%} intervals, against training on real data alone:\n"
            f"  Fréchet distance {self.realism}\n  coverage {self.coverage}\n  variance within labels {self.variance}"
        )


@dataclass(frozen=True)
class Trial:
    """Settings of a stability test: length, seeds, and what counts as stable."""

    generations: int = 10
    """Generations after generation 0."""
    seeds: int = 20
    """Maximum number of runs of the loop, at least 5 (`FEWEST_SEEDS`). A trial ends earlier if fewer decide it
    (`plan_looks`)."""
    initial_steps: int = 0
    """Optimiser steps of generation 0."""
    steps: int = 0
    """Optimiser steps of each later generation."""
    features: FeatureFunction = torch.Tensor.double
    """Function to the space in which samples are compared, see `FeatureFunction`."""
    thresholds: Thresholds = field(default_factory=Thresholds)
    """Factors by which a quality may worsen, see `Thresholds`."""

    def __post_init__(self) -> None:
        for name, least in {"generations": 1, "initial_steps": 0, "steps": 0}.items():
            check_count(name, getattr(self, name), least)
        check_count("seeds (for a verdict on stability)", self.seeds, FEWEST_SEEDS)


def assert_loop_stable(
    model: GenerativeModel,
    data: Tensor | Samples,
    policy: Policy,
    corrector: Corrector | Correction | None = None,
    trial: Trial | None = None,
    undecided: Literal["fail", "pass"] = "fail",
) -> Stability:
    """Raise AssertionError if a loop's realism or diversity is not stable.

    Args:
        model: The untrained model.
        data: Real values (N, *event) or Samples. Every seed trains on a random half and is evaluated on the other half.
        policy: Choice of the samples that train each generation.
        corrector: Corrector that is applied fully, or a Correction with a strength.
        trial: Length, seeds and thresholds; by default those of `Trial()`.
        undecided: Whether a loop passes or fails if its intervals are too wide to decide. The message of a failure says
            how many seeds would decide it.

    Returns:
        The verdicts.

    Raises:
        AssertionError: The loop is degraded, collapsed, or undecided.
        SettingError: An argument is not as expected, such as fewer than 4 real samples.
        LoopError: A generation fails.
    """
    __tracebackhide__ = True  # a failure is shown where the caller asserts
    if undecided not in ("fail", "pass"):
        raise SettingError(f"undecided must be 'fail' or 'pass', got {undecided!r}")
    stability = measure_stability(model, data, policy, corrector, trial)
    if stability.label == "stable" or (stability.label == "undecided" and undecided == "pass"):
        return stability
    raise AssertionError(f"the loop is {stability.label}, {stability}{_advise(stability)}")


def _advise(stability: Stability) -> str:
    """Return advice on what would decide a trial, or "" if it is decided."""
    if stability.label != "undecided":
        return ""
    if stability.seeds_needed is None:
        return f"\nmore than {MAX_SEEDS} seeds would be needed: the loop lies on the threshold, or varies widely"
    return (
        f"\nabout {stability.seeds_needed} seeds would decide it: Trial(seeds={stability.seeds_needed}); "
        "undecided='pass' lets it pass"
    )


def measure_stability(
    model: GenerativeModel,
    data: Tensor | Samples,
    policy: Policy,
    corrector: Corrector | Correction | None = None,
    trial: Trial | None = None,
) -> Stability:
    """Return the verdicts of `assert_loop_stable` without asserting anything.

    PyTorch and linear algebra use a single thread meanwhile, because more threads only waste processor time on small
    models.
    """
    trial = trial or Trial()
    real = data if isinstance(data, Samples) else Samples.real(data)
    check_count("the number of real samples, of which half are held out,", len(real), FEWEST)
    correction = corrector if corrector is None or isinstance(corrector, Correction) else Correction(corrector)
    arm = Arm(policy, trial.generations, steps=trial.steps, correction=correction)
    baseline = replace(arm, policy=RealOnly(), correction=None)
    resolutions = {"realism": 0.0, "coverage": 1 / (len(real) - len(real) // 2), "variance": 0.0}
    scores: list[_SeedScores] = []
    verdicts: dict[str, Verdict] = {}
    confidence = 0.0
    with threadpool_limits(1):
        for seeds, confidence in plan_looks(trial.seeds).items():
            scores += [_run_seed(model, real, (arm, baseline), trial, streams(s)) for s in range(len(scores), seeds)]
            for key, resolution in resolutions.items():
                inputs = _quality_inputs(scores, key, trial)
                verdicts[key] = evaluate_quality(*inputs, confidence, resolution)
            if worst_verdict([*verdicts.values()]).label != "undecided":
                break
    needed: list[int | None] = []
    for key, verdict in verdicts.items():
        if verdict.label == "undecided":
            inputs = _quality_inputs(scores, key, trial)
            needed.append(seeds_to_decide(*inputs, confidence, resolutions[key]))
    seeds_needed = None if None in needed else max([count for count in needed if count], default=len(scores))
    return Stability(**verdicts, generations=trial.generations, seeds=len(scores), seeds_needed=seeds_needed)


_SeedScores: TypeAlias = Sequence[Mapping[str, float]]
"""Mean scores over the later generations of one seed: the loop's, then the baseline's."""

_BETTER: Mapping[str, Better] = {"realism": "lower", "coverage": "higher", "variance": "higher"}


def _quality_inputs(
    scores: Sequence[_SeedScores], key: str, trial: Trial
) -> tuple[list[float], list[float], Better, Thresholds]:
    """Return a quality's values and the rule to evaluate them.

    Values are per seed, for loop and baseline.
    """
    values = [loop[key] for loop, _ in scores]
    baseline = [baseline[key] for _, baseline in scores]
    return values, baseline, _BETTER[key], trial.thresholds


def _first_evaluated(generations: int) -> int:
    """Return the first generation of the later half."""
    return generations // 2 + 1


def _run_seed(
    model: GenerativeModel, real: Samples, arms: Sequence[Arm], trial: Trial, stream: Stream
) -> list[Mapping[str, float]]:
    """Run all arms of a seed from a common generation 0.

    Returns mean scores over the later half of the generations.
    """
    order = torch.randperm(len(real), generator=stream.child("split").generator())
    half = len(order) // 2
    held_out = real.take(order[half:])
    task = Task(model, real.take(order[:half]), _make_evaluation(held_out, trial), trial.initial_steps)
    first = MemoryStore()
    train_first_generation(task, first, stream)
    scores = []
    for arm in arms:
        store = MemoryStore()
        run_loop(task, arm, store, first, stream)
        later = [
            store.metrics(generation) for generation in range(_first_evaluated(trial.generations), store.latest + 1)
        ]
        scores.append({key: float(np.mean([metrics[key] for metrics in later])) for key in _BETTER})
    return scores


def _make_evaluation(held_out: Samples, trial: Trial) -> Callable[[Candidate], dict[str, float]]:
    """Return the evaluation of later generations on held-out samples.

    Scores have the names of `Stability`'s fields.
    """

    def vectors(samples: Samples) -> np.ndarray:
        return trial.features(samples.values).flatten(1).double().numpy()

    reference = vectors(held_out)

    def evaluate(candidate: Candidate) -> dict[str, float]:
        if candidate.generation < _first_evaluated(trial.generations):
            return {}
        samples = candidate.samples(len(held_out))
        drawn = vectors(samples)
        distance = math.sqrt(max(frechet_distance(reference, drawn), 0.0))
        coverage = neighbour_metrics(reference, drawn)["coverage"]
        variance = within_label_ratio(reference, held_out.labels.numpy(), drawn, samples.labels.numpy())
        return {"realism": distance, "coverage": coverage, "variance": variance}

    return evaluate
