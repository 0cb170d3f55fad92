"""Correlate the recall of samples with that of founders, the real windows that a loop's samples descend from.

The scores are docs/results/founders-recall.csv; the script beside them made them.
"""

import csv

import numpy as np
from tables import SUMMARIES

from selfcorrect.statistics import Interval

RESULTS = SUMMARIES / "founders-recall.csv"
RESAMPLES = 10_000


def read_scores(arm: str, column: str) -> np.ndarray:
    """Read a column (seeds, generations) of an arm, which may be "all arms"."""
    with RESULTS.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if arm in (row["arm"], "all arms")]
    seeds = {row["seed"] for row in rows}
    return np.reshape([float(row[column]) for row in rows], (len(seeds), -1))


def correlate(pairs: np.ndarray) -> Interval:
    """Return Pearson's r with a bootstrap interval.

    Pairs are (seeds, pairs of a seed, 2); the interval is over seeds.
    """
    draw = np.random.default_rng(0)
    rows = draw.integers(len(pairs), size=(RESAMPLES, len(pairs)))
    resampled = [np.corrcoef(pairs[row].reshape(-1, 2).T)[0, 1] for row in rows]
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Interval(np.corrcoef(pairs.reshape(-1, 2).T)[0, 1], low, high, len(pairs), "bootstrap")


def correlate_recall(arm: str, samples: str, founders: str) -> Interval:
    """Correlate samples' and founders' columns over all generations."""
    return correlate(np.stack([read_scores(arm, samples), read_scores(arm, founders)], axis=-1))
