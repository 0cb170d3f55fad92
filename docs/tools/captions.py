"""Retrieval that each arm loses by the frequency of captions, paired by seed: do rare captions collapse first?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from tables import table_lines
from values import arms_of

from selfcorrect.experiments.studies.results import ArmCurves
from selfcorrect.experiments.studies.summary import Summary
from selfcorrect.statistics import Interval, mean_interval

SUMMARY, DENOISER = "text", "dct-mlp"
_KEY = "r_precision_3_{}"


def captions_table(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Yield lines of a table: R-precision (top 3) that rare and common captions lose, and the difference."""
    summary = summaries[SUMMARY]
    heads = ["arm", "rare captions lose", "common captions lose", "rare − common", "rare − common, per generation", ""]
    rows = []
    for arm, curves, _ in arms_of(summary, DENOISER):
        rare_loss = measure_loss(curves.values[_KEY.format("rare")])
        common_loss = measure_loss(curves.values[_KEY.format("common")])
        difference = mean_interval(rare_loss - common_loss)
        cells = [mean_interval(rare_loss), mean_interval(common_loss), difference, compare_slopes(curves)]
        rows.append([arm.label, *map(_format_cell, cells), verdict(difference)])
    yield from table_lines(heads, rows)


def measure_loss(values: np.ndarray) -> np.ndarray:
    """Return the loss (S,) from generation 0 to the last, of values (S, G + 1)."""
    return values[:, 0] - values[:, -1]


def compare_slopes(curves: ArmCurves) -> Interval:
    """Return the loss of rare minus that of common captions per generation, by straight lines through all of them."""
    rare_slopes = _fit_slopes(curves.values[_KEY.format("rare")])
    common_slopes = _fit_slopes(curves.values[_KEY.format("common")])
    return mean_interval(common_slopes - rare_slopes)


def _fit_slopes(values: np.ndarray) -> np.ndarray:
    """Return the slopes (S,) of values (S, G + 1), by least squares."""
    return np.polyfit(np.arange(values.shape[1]), values.T, 1)[0]


def verdict(difference: Interval) -> str:
    """Name the captions that lose more, if the interval excludes 0."""
    if difference.low > 0:
        return "rare ones lose more"
    return "common ones lose more" if difference.high < 0 else "open"


def _format_cell(interval: Interval) -> str:
    numbers = f"{interval.estimate:+.2f} [{interval.low:+.2f} … {interval.high:+.2f}]"
    return numbers.replace("-", "−")
