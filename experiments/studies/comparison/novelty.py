"""Measure how far evaluated samples lie from the training data.

The evaluation draws the samples anyway, so the measure costs no sampling and changes no other score.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from selfcorrect.core.samples import Samples
from selfcorrect.loop.ancestry import BLOCK
from selfcorrect.loop.run import Candidate, Task
from selfcorrect.motion.measures.metrics import NOVELTY

MAX_SAMPLES = 200
"""Number of samples that are compared with the training data, evenly spaced among those drawn."""


def measure_novelty_of(task: Task) -> Task:
    """Return a task that also measures the novelty of the samples that its evaluation draws.

    Novelty is the median distance of a sample to the nearest training sample, divided by the median distance of a
    training sample to the nearest other training sample: 0 for copies, about 1 for new samples of the same
    distribution. An evaluation that draws no samples, or gives a number per replicate, measures only what it did
    before.
    """
    return replace(task, evaluate=NoveltyEvaluation(task.evaluate, task.real))


@dataclass(frozen=True)
class RecordingCandidate(Candidate):
    """A candidate that records some of the samples that its evaluation draws."""

    draws: list[Tensor] = field(default_factory=list)
    """For each draw at most `MAX_SAMPLES` of its values, (N, *event)."""

    def samples(self, count: int) -> Samples:
        samples = super().samples(count)
        self.draws.append(_select_evenly(samples.values))
        return samples


@dataclass(frozen=True)
class NoveltyEvaluation:
    """An evaluation with novelty of its samples."""

    evaluate: Callable[[Candidate], Any]
    """The evaluation."""
    training: Samples
    """The real training data."""

    def __call__(self, candidate: Candidate) -> Any:
        copied = {copied_field.name: getattr(candidate, copied_field.name) for copied_field in fields(Candidate)}
        recording = RecordingCandidate(**copied)
        scores = self.evaluate(recording)
        if not isinstance(scores, Mapping) or NOVELTY in scores or not recording.draws:
            return scores
        has_replicates = any(_count_numbers(score) > 1 for score in scores.values())
        if has_replicates or not self._spacing > 0:
            return scores
        largest = max(recording.draws, key=len)
        distance = float(self._distances_to_training(largest, rank=1).median())
        return {**scores, NOVELTY: distance / self._spacing}

    @cached_property
    def _spacing(self) -> float:
        """Median distance of a training sample to the nearest other one, NaN for fewer than two."""
        if len(self.training) < 2:
            return float("nan")
        return float(self._distances_to_training(_select_evenly(self.training.values), rank=2).median())

    def _distances_to_training(self, values: Tensor, rank: int) -> Tensor:
        """Return distances (N,) to the nearest training sample, or to one of another rank."""
        vectors = values.flatten(1).double().cpu()
        nearest = torch.full((len(vectors), rank), torch.inf, dtype=torch.float64)
        for start in range(0, len(self.training), BLOCK):
            piece = self.training.values[start : start + BLOCK].flatten(1).double().cpu()
            distances = torch.cat([nearest, torch.cdist(vectors, piece)], dim=1)
            nearest = distances.topk(rank, dim=1, largest=False).values
        return nearest[:, rank - 1]


def _count_numbers(score: Any) -> int:
    return score.numel() if isinstance(score, Tensor) else np.size(score)


def _select_evenly(values: Tensor) -> Tensor:
    rows = torch.linspace(0, len(values) - 1, min(len(values), MAX_SAMPLES)).round().long()
    return values[rows].clone()
