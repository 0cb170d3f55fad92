"""Do raters agree? Krippendorff's alpha, which takes any number of raters and pairs that some of them did not see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.randomness import streams
from ..statistics import Interval
from .choices import Choice

_RESAMPLES = 2000
_FIRST, _SECOND, _TIE, _NEITHER = range(4)
_KINDS = 4


@dataclass(frozen=True)
class Agreement:
    """How far raters agree on pairs that two or more of them judged."""

    alpha: Interval
    """Krippendorff's alpha: 1 for full agreement, 0 for that of chance, NaN where nothing can be said."""
    same: Interval
    """Share of two raters' answers about a pair that are the same."""
    pairs: int


def agreement_of(choices: Sequence[Choice], confidence: float = 0.95) -> Agreement:
    """Agreement on answers "this one", "that one", "tie" and "neither", with bootstrap intervals over pairs.

    Which sample of a pair is "this one" is arbitrary. So each pair counts in both orders, which makes both answers
    equally likely by chance. The last answer of a rater about a pair counts.
    """
    answers: dict[frozenset[str], dict[str, int]] = defaultdict(dict)
    for choice in choices:
        answers[choice.pair][choice.rater] = _answer(choice)
    units = [list(own.values()) for own in answers.values() if len(own) > 1]
    if not units:
        unknown = _interval(np.nan, [], 0, confidence)
        return Agreement(unknown, unknown, 0)
    tables = np.array([(_coinciding(unit) + _coinciding([_mirror_answer(one) for one in unit])) / 2 for unit in units])
    drawn = streams(0).child("agreement").numpy().multinomial(len(units), [1 / len(units)] * len(units), _RESAMPLES)
    resampled = np.tensordot(drawn, tables, axes=1)
    total = tables.sum(0)
    return Agreement(
        _interval(alpha_of(total), [alpha_of(table) for table in resampled], len(units), confidence),
        _interval(_same(total), [_same(table) for table in resampled], len(units), confidence),
        len(units),
    )


def krippendorff_alpha(table: np.ndarray) -> float:
    """Alpha for nominal values: table (units, raters) of whole numbers from 0 on, negative where a value is missing.

    Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability". NaN where all values are equal.
    """
    kinds = int(table.max(initial=0)) + 1
    return alpha_of(np.sum([coincidences([value for value in row if value >= 0], kinds) for row in table], axis=0))


def coincidences(values: Sequence[int], kinds: int) -> np.ndarray:
    """(kinds, kinds) how often two values of a unit coincide, each value counting 1 in all; 0 for a single one."""
    if len(values) < 2:
        return np.zeros((kinds, kinds))
    counts = np.bincount(values, minlength=kinds)
    return (np.outer(counts, counts) - np.diag(counts)) / (len(values) - 1)


def alpha_of(table: np.ndarray) -> float:
    """Alpha from a table of coincidences, summed over units."""
    counts, total = table.sum(0), table.sum()
    expected = total**2 - (counts**2).sum()
    return float(1 - (total - 1) * (total - np.trace(table)) / expected) if expected > 0 else np.nan


def _coinciding(answers: Sequence[int]) -> np.ndarray:
    return coincidences(answers, _KINDS)


def _same(table: np.ndarray) -> float:
    return float(np.trace(table) / table.sum()) if table.sum() else np.nan


def _answer(choice: Choice) -> int:
    """0 where the sample of the smaller id won, 1 where the other one did, 2 for a tie, 3 for neither."""
    if choice.outcome is None:
        return _NEITHER
    if choice.outcome == 0:
        return _TIE
    won = choice.left if choice.outcome > 0 else choice.right
    return _FIRST if won == min(choice.pair) else _SECOND


def _mirror_answer(answer: int) -> int:
    return {_FIRST: _SECOND, _SECOND: _FIRST}.get(answer, answer)


def _interval(estimate: float, resampled: Sequence[float], count: int, confidence: float) -> Interval:
    """An estimate with the percentiles of its resamples, without bounds below two pairs."""
    known = np.array([value for value in resampled if not np.isnan(value)])
    outside = (1 - confidence) / 2
    low, high = np.quantile(known, [outside, 1 - outside]) if count > 1 and len(known) else (np.nan, np.nan)
    return Interval(estimate, float(low), float(high), count, "bootstrap", confidence)
