"""Agreement of raters: Krippendorff's alpha, for any number of raters and with pairs that some of them did not see."""

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
    """Agreement of raters on pairs that two or more of them rated."""

    alpha: Interval
    """Krippendorff's alpha: 1 for full agreement, 0 for agreement by chance, NaN if it cannot be measured."""
    same: Interval
    """Share of two raters' answers about a pair that are the same."""
    pairs: int


def agreement_of(choices: Sequence[Choice], confidence: float = 0.95) -> Agreement:
    """Measure agreement on answers "this one", "that one", "tie" and "neither", with bootstrap intervals over pairs.

    The order of a pair's samples is arbitrary. So each pair counts in both orders, which makes both answers equally
    likely by chance. The last answer of a rater about a pair counts.
    """
    answers: dict[frozenset[str], dict[str, int]] = defaultdict(dict)
    for choice in choices:
        answers[choice.pair][choice.rater] = _answer(choice)
    units = [list(by_rater.values()) for by_rater in answers.values() if len(by_rater) > 1]
    count = len(units)
    if not units:
        unknown = _percentile_interval(np.nan, [], 0, confidence)
        return Agreement(unknown, unknown, 0)
    counts = []
    for unit in units:
        mirrored = [{_FIRST: _SECOND, _SECOND: _FIRST}.get(answer, answer) for answer in unit]
        counts.append((coincidences(unit, _KINDS) + coincidences(mirrored, _KINDS)) / 2)
    tables = np.array(counts)
    generator = streams(0).child("agreement").numpy()
    drawn = generator.multinomial(count, [1 / count] * count, _RESAMPLES)
    resampled = np.tensordot(drawn, tables, axes=1)
    total = tables.sum(0)
    alphas = [alpha_of(table) for table in resampled]
    shares = [_share_on_diagonal(table) for table in resampled]
    return Agreement(
        alpha=_percentile_interval(alpha_of(total), alphas, count, confidence),
        same=_percentile_interval(_share_on_diagonal(total), shares, count, confidence),
        pairs=count,
    )


def coincidences(values: Sequence[int], kinds: int) -> np.ndarray:
    """Count coincidences of two values of a unit, (kinds, kinds); each value counts 1 in all, a single value 0."""
    if len(values) < 2:
        return np.zeros((kinds, kinds))
    counts = np.bincount(values, minlength=kinds)
    return (np.outer(counts, counts) - np.diag(counts)) / (len(values) - 1)


def alpha_of(table: np.ndarray) -> float:
    """Return alpha of a table of coincidences, summed over units; NaN if all values are equal.

    Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", for nominal values.
    """
    counts = table.sum(0)
    total = table.sum()
    expected = total**2 - (counts**2).sum()
    return float(1 - (total - 1) * (total - np.trace(table)) / expected) if expected > 0 else np.nan


def _share_on_diagonal(table: np.ndarray) -> float:
    return float(np.trace(table) / table.sum()) if table.sum() else np.nan


def _answer(choice: Choice) -> int:
    """Return 0 if the sample of the smaller id won, 1 for the larger id, 2 for a tie, 3 for neither."""
    if choice.outcome is None:
        return _NEITHER
    if choice.outcome == 0:
        return _TIE
    winner = choice.left if choice.outcome > 0 else choice.right
    return _FIRST if winner == min(choice.pair) else _SECOND


def _percentile_interval(estimate: float, resampled: Sequence[float], count: int, confidence: float) -> Interval:
    """Return an estimate with the percentiles of its resamples, without bounds below two pairs."""
    finite = np.array([value for value in resampled if not np.isnan(value)])
    low = high = np.nan
    if count > 1 and len(finite):
        tail = (1 - confidence) / 2
        low, high = np.quantile(finite, [tail, 1 - tail])
    return Interval(estimate, float(low), float(high), count, "bootstrap", confidence)
