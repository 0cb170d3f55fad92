"""Measurements, ready to draw and judge: curves of arms, and the contents of figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REAL_AGAINST_REAL = "real against real"
"""Scores of real motions that no model is trained on, evaluated like samples."""
HELD_OUT = "held-out real data"
"""Scores of real data that no model is trained on: the level that no model can be expected to beat."""
MEMORISER = "memoriser: the training set resampled"
"""Scores of a model that returns the training data: reaching these does not show that a model generalises."""

FEWEST_RATIOS = 3
"""Synthetic ratios that make a line."""


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
    """Find the aim of each metric.

    In a task it is the mean score of real data, or the given number.

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


def ratio_label(share: float) -> str:
    """Return λ of a synthetic share as text: 0.5 is "1", 1 is "∞"."""
    return "∞" if share >= 1 else f"{share / (1 - share):.3g}"


@dataclass(frozen=True)
class Line:
    """One line of a panel over x: values per seed (S, X), a prediction (X,), or both."""

    name: str
    values: np.ndarray | None = None
    prediction: np.ndarray | None = None


@dataclass(frozen=True)
class Panel:
    """A diagram."""

    title: str
    x_label: str
    y_label: str
    x: np.ndarray
    lines: Sequence[Line]
    log_x: bool = False
    log_y: bool = False
    caveat: str = ""
    """An assumption of the predictions that the run does not fully meet; written into the panel."""


class Drawable(Protocol):
    """A figure that draws itself."""

    @property
    def title(self) -> str: ...

    def draw(self) -> Figure:
        """Return the matplotlib figure in report style."""
        ...


@dataclass(frozen=True)
class Pictures:
    """Grey images in captioned rows.

    They are (count, height, width) in [0, 1], shown in rows of `columns` with a caption per row.
    """

    title: str
    images: np.ndarray
    columns: int
    captions: Sequence[str]


@dataclass(frozen=True)
class Scatter:
    """Points (N, 2) per named column."""

    title: str
    points: Mapping[str, np.ndarray]
