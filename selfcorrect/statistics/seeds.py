"""Values per seed: their checks, and whether they have a spread."""

import math
import sys
from collections.abc import Sequence
from numbers import Real
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ..core.checks import check_number, describe_value
from ..core.errors import InputError, SettingError

ROUNDING = 1e-9
"""Relative rounding error. Values that vary by less are equal."""

CONFIDENCE = 0.95
"""Usual confidence level of intervals."""

Bounds: TypeAlias = tuple[float, float]
"""Minimum and maximum of a quantity, infinite if there is none."""
UNBOUNDED: Bounds = (-math.inf, math.inf)


def has_spread(values: ArrayLike, resolution: float = 0.0, rounding: float = 0.0) -> bool:
    """Return whether the spread over seeds is known.

    Seeds must differ by more than rounding, or have a resolution.

    Args:
        values: (S,) one value per seed.
        resolution: Smallest step of a value; 0 for continuous values.
        rounding: Rounding error of the values, if it is larger than the share `ROUNDING` of them. For differences, it
            is that share of the compared values.
    """
    check_options(resolution=resolution, rounding=rounding)
    seeds = per_seed(values)
    return resolution > 0 or bool(np.ptp(seeds) > max(ROUNDING * np.abs(seeds).max(), rounding))


def standard_deviation(seeds: np.ndarray, resolution: float) -> float:
    """Return the standard deviation over seeds, at least the resolution."""
    return max(float(seeds.std(ddof=1)), resolution)


def check_options(confidence: float = CONFIDENCE, resolution: float = 0.0, rounding: float = 0.0) -> None:
    """Raise SettingError for an option that is not a number or out of its range."""
    check_number("confidence", confidence, 0.0, 1.0)
    if confidence in (0, 1):
        raise SettingError(f"confidence must be between 0 and 1, got {confidence}")
    for name, value in (("resolution", resolution), ("rounding", rounding)):
        check_number(name, value, 0.0, sys.float_info.max)


def check_bounds(bounds: Bounds) -> None:
    """Raise SettingError unless bounds are ordered numbers."""
    if not isinstance(bounds, Sequence) or len(bounds) != 2:
        raise SettingError(f"bounds must be the lowest and the highest value, got {describe_value(bounds)}")
    for name, bound in zip(("lower bound", "upper bound"), bounds, strict=True):
        check_number(name, bound, -math.inf, math.inf)
    if not bounds[0] < bounds[1]:
        raise SettingError(f"bounds must be the lowest and the highest value, got {bounds[0]:g} and {bounds[1]:g}")


def as_numbers(values: ArrayLike, expected: str, *dimensions: int) -> np.ndarray:
    """Return values as an array of real numbers.

    Args:
        expected: Description of the values in messages.
        dimensions: Valid numbers of dimensions. No dimension may be empty.

    Raises:
        InputError: The values are text, complex, ragged, empty, or of another shape.
    """
    try:
        array = np.asarray(values)
        is_real = array.dtype.kind in "biuf" or (
            array.dtype.kind == "O" and all(isinstance(value, Real) for value in array.ravel())
        )
        numbers = array.astype(float) if is_real else np.zeros(0)
    except (TypeError, ValueError, OverflowError):
        is_real, numbers = False, np.zeros(0)
    if not is_real:
        raise InputError(f"expected real numbers, {expected}, got {describe_value(values)}")
    if numbers.ndim not in dimensions or not numbers.size:
        raise InputError(f"expected {expected}, got {'no value' if not numbers.size else f'shape {numbers.shape}'}")
    return numbers


def as_curves(curves: ArrayLike) -> np.ndarray:
    """Return curves (S, T), one per seed.

    A single curve (T,) counts as one seed.
    """
    return np.atleast_2d(as_numbers(curves, "a curve per seed, shape (S, T)", 1, 2))


def per_seed(values: ArrayLike) -> np.ndarray:
    expected = "one finite value per seed, shape (S,) with S ≥ 1"
    seeds = as_numbers(values, expected, 1)
    if not np.isfinite(seeds).all():
        raise InputError(f"expected {expected}, got {seeds!r}")
    return seeds


def pair_seeds(first: ArrayLike, second: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the values (S,) of two arms, paired by seed.

    Raises:
        InputError: The numbers of seeds differ.
    """
    above = per_seed(first)
    below = per_seed(second)
    if len(above) != len(below):
        raise InputError(f"paired arms need the same seeds, got {len(above)} and {len(below)} values")
    return above, below
