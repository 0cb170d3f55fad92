"""What the arms of a study measured, and the scores of real data beside them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

REAL_AGAINST_REAL = "real against real"
"""Scores of real motions that no model is trained on, evaluated like samples."""
HELD_OUT = "held-out real data"
"""Scores of real data that no model is trained on: the level that no model can be expected to beat."""
MEMORISER = "memoriser: the training set resampled"
"""Scores of a model that returns the training data: reaching these does not show that a model generalises."""


@dataclass(frozen=True)
class ArmCurves:
    """All that was measured in an arm, for S seeds and generations 0 … G."""

    name: str
    group: str
    title: str
    values: Mapping[str, np.ndarray]
    """Key of a metric → (S, G + 1), NaN where not measured."""
    axes: Mapping[str, object] = field(default_factory=dict)
    """Value of the arm on each axis: policy, synthetic_ratio (λ), synthetic_share, corrector, strength, remedy, …"""

    @property
    def label(self) -> str:
        """Group and title, together unique."""
        return ", ".join(filter(None, (self.group, self.title)))

    @property
    def last_generation(self) -> int:
        """Number of the last generation, G."""
        return next(iter(self.values.values())).shape[1] - 1

    def last(self, key: str) -> np.ndarray:
        """(S,) values at the last generation."""
        return self.values[key][:, -1]


def find_aims(
    floors: Mapping[str, Mapping[str, np.ndarray]], floor_of: Mapping[str, str], task: str, numbers: Mapping[str, float]
) -> dict[str, float]:
    """Find the aim of each metric in a task: the mean score of real data, or the given number.

    Args:
        floors: Scores of real data: title → metric → (S,), NaN for a seed without a score.
        floor_of: Task → title of the scores of real data; tasks that are not named share the first scores.
        numbers: Metric → number that is the aim in place of the score of real data.
    """
    shared = next(iter(floors.values()), {})
    scores = floors.get(floor_of.get(task, ""), shared)
    return {**mean_scores(scores), **numbers}


def mean_scores(scores: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return each metric's mean over the seeds that have a score, NaN if none has."""
    means = {}
    for key, values in scores.items():
        known = values[np.isfinite(values)]
        means[key] = float(known.mean()) if len(known) else np.nan
    return means
