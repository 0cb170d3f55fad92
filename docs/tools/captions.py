"""Do rare captions collapse first? What each arm loses of retrieval by the frequency of captions, paired by seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from tables import table_lines
from values import arms_of

from selfcorrect.experiments.reporting.results import ArmCurves
from selfcorrect.experiments.reporting.summary import Summary
from selfcorrect.statistics import Interval, mean_interval

SUMMARY, DENOISER = "text", "dct-mlp"
_KEY = "r_precision_3_{}"


def captions_table(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Lines of a table: R-precision (top 3) that rare and common captions lose, and the difference, with a verdict."""
    summary = summaries[SUMMARY]
    heads = ["arm", "rare captions lose", "common captions lose", "rare − common", "rare − common, per generation", ""]
    rows = []
    for arm, curves, _ in arms_of(summary, DENOISER):
        rare, common = (curves.values[_KEY.format(third)] for third in ("rare", "common"))
        difference = mean_interval(lost(rare) - lost(common))
        cells = [mean_interval(lost(rare)), mean_interval(lost(common)), difference, slopes_apart(curves)]
        rows.append([arm.label, *map(_signed, cells), verdict(difference)])
    yield from table_lines(heads, rows)


def lost(values: np.ndarray) -> np.ndarray:
    """(S,) what is lost from generation 0 to the last, of values (S, G + 1)."""
    return values[:, 0] - values[:, -1]


def slopes_apart(curves: ArmCurves) -> Interval:
    """By how much more rare captions lose in each generation, as slopes of straight lines through all generations."""
    rare, common = (_slopes(curves.values[_KEY.format(third)]) for third in ("rare", "common"))
    return mean_interval(common - rare)


def _slopes(values: np.ndarray) -> np.ndarray:
    """(S,) slopes of values (S, G + 1), by least squares."""
    return np.polyfit(np.arange(values.shape[1]), values.T, 1)[0]


def verdict(difference: Interval) -> str:
    """Which captions lose more, where the interval excludes 0."""
    if difference.low > 0:
        return "rare ones lose more"
    return "common ones lose more" if difference.high < 0 else "open"


def _signed(interval: Interval) -> str:
    numbers = f"{interval.estimate:+.2f} [{interval.low:+.2f} … {interval.high:+.2f}]"
    return numbers.replace("-", "−")
