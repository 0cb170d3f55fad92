"""Tests of paired differences, singly or many at once."""

import math
from collections.abc import Mapping

import scipy
from numpy.typing import ArrayLike

from ..core.checks import check_number
from .seeds import check_options, has_spread, per_seed, standard_deviation


def student_p(values: ArrayLike, resolution: float = 0.0, rounding: float = 0.0) -> float:
    """Return the p-value of Student's two-sided t test that the mean is 0.

    Args:
        values: (S,) one value per seed.
        resolution: Smallest step of a value, as in `mean_interval`.
        rounding: Rounding error of the values, as in `has_spread`.

    Returns:
        The p-value, or 1 if there is nothing to test: for a single seed, and for seeds without spread.
    """
    check_options(resolution=resolution, rounding=rounding)
    seeds = per_seed(values)
    count = len(seeds)
    if count == 1 or not has_spread(seeds, resolution, rounding):
        return 1.0
    t_statistic = abs(seeds.mean()) / (standard_deviation(seeds, resolution) / math.sqrt(count))
    return float(2 * scipy.special.stdtr(count - 1, -t_statistic))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjust p-values of simultaneous tests by Holm's method (1979).

    A result is significant if its adjusted p-value is at most the level.

    Raises:
        SettingError: A p-value is not a number from 0 to 1.
    """
    for name, p_value in p_values.items():
        check_number(f"the p-value of {name}", p_value, 0.0, 1.0)
    largest = 0.0
    adjusted = {}
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}
