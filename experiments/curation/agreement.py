"""Agreement of raters: Krippendorff's alpha, for any number of raters and with pairs that some of them did not see."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from selfcorrect.core.randomness import streams
from selfcorrect.statistics import UNMEASURED, Interval

from .choices import Choice

_RESAMPLES = 2000
_KINDS = 3
"""Answers about a pair: its first sample by id, its second sample, or a tie."""


def measure_agreement(choices: Sequence[Choice]) -> Interval:
    """Return alpha of answers about pairs that two or more raters saw: 1 is full agreement, 0 agreement by chance.

    The order of a pair's samples is arbitrary. So each pair counts in both orders, which makes both answers equally
    likely by chance. The interval is a bootstrap over pairs; `count` is the number of pairs.
    """
    answers: dict[frozenset[str], dict[str, int]] = defaultdict(dict)
    for choice in choices:
        lead = choice.outcome if choice.left == min(choice.pair) else -choice.outcome
        answers[choice.pair][choice.rater] = {1: 0, -1: 1, 0: 2}[lead]
    units = [np.array([*by_rater.values()]) for by_rater in answers.values() if len(by_rater) > 1]
    if not units:
        return UNMEASURED
    mirror = np.array([1, 0, 2])
    tables = np.array([count_coincidences(unit, _KINDS) + count_coincidences(mirror[unit], _KINDS) for unit in units])
    estimate = compute_alpha(tables.sum(0) / 2)
    drawn = streams(0).child("agreement").numpy().multinomial(len(units), [1 / len(units)] * len(units), _RESAMPLES)
    resampled = [compute_alpha(table / 2) for table in np.tensordot(drawn, tables, axes=1)]
    low, high = np.nanquantile(resampled, [0.025, 0.975]) if len(units) > 1 else (np.nan, np.nan)
    return Interval(estimate, low, high, len(units), "bootstrap over pairs")


def count_coincidences(values: np.ndarray, kinds: int) -> np.ndarray:
    """Count coincidences of two values of a unit, (kinds, kinds); each value counts 1 in all."""
    counts = np.bincount(values, minlength=kinds)
    return (np.outer(counts, counts) - np.diag(counts)) / (len(values) - 1)


def compute_alpha(table: np.ndarray) -> float:
    """Return alpha of a table of coincidences, summed over units; NaN if all values are equal.

    Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", for nominal values.
    """
    total = table.sum()
    expected = total**2 - (table.sum(0) ** 2).sum()
    return float(1 - (total - 1) * (total - np.trace(table)) / expected) if expected > 0 else np.nan
