"""Compute the registered tests and p-values of the experiment in docs/results/index.md."""

import csv
from collections.abc import Mapping

from scipy.stats import t as student
from tables import SUMMARIES

SAME, KEEPS, MORE, LESS = (
    ("T1", "T3", "T4"),
    ("T5", "T6", *(f"T{number}" for number in range(9, 21))),
    ("T7",),
    ("T2", "T8"),
)
"""Registered tests within a margin on both sides, within one below, above 0 and below 0; the others are two-sided."""
SEEDS = 8


def read_tests() -> list[dict[str, str]]:
    """Read the registered tests of all stages."""
    with (SUMMARIES / "recipe" / "tests.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def find_p(row: Mapping[str, str]) -> float:
    """Return a test's unadjusted p-value from its difference with its 95 % interval, and its margin."""
    difference, low, high = (float(row[key]) for key in ("difference", "low", "high"))
    error = (high - low) / 2 / student.ppf(0.975, SEEDS - 1)
    margin = float(row["margin"] or 0)
    is_above, is_below = (float(student.sf((sign * difference + margin) / error, SEEDS - 1)) for sign in (1, -1))
    test = row["test"]
    if test in SAME:
        return max(is_above, is_below)
    if test in LESS:
        return is_below
    return is_above if test in KEEPS + MORE else 2 * min(is_above, is_below)
