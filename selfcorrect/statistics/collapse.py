"""Definitions of model collapse, applied to the curves of a loop."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ..core.checks import check_number
from ..core.errors import InputError
from .intervals import Interval, log_ratio_interval, mean_interval, ratio_interval
from .seeds import ROUNDING, UNBOUNDED, Bounds, as_curves

Status = Literal["present", "absent", "not measurable"]


@dataclass(frozen=True)
class CollapseFinding:
    """One definition of collapse applied to a run: rule, measurement and outcome."""

    definition: str
    status: Status
    rule: str
    measure: Interval | None = None


def collapse_profile(
    curves: Mapping[str, ArrayLike], by_training_size: Mapping[int, ArrayLike] | None = None
) -> list[CollapseFinding]:
    """Apply eight definitions of model collapse to a run.

    The definitions follow Schaeffer et al. (2025). A definition is "not measurable" if its curve is missing or has a
    single generation, or if the interval cannot decide or lies on both sides of the threshold. A risk that is
    below 0 in any seed has no growth by a factor. Definitions 3 and 5 concern limits that no finite run reaches, so
    their rules state what is measured instead.

    Args:
        curves: Curves (S, T) of each seed, generation 0 first, under any of the names
            "risk", the distance to the truth, lower is better (loss, FID, Wasserstein);
            "variance", the total variance of the samples;
            "tail_mass", the share of samples (or recall) in the tails of the real data;
            "outside_share", the share of samples outside the support of the real data (1 − precision);
            "mixed_share", the share of samples that mix modes of the real data (e.g. 1 − class accuracy).
        by_training_size: Risk curves (S, T) per number of training samples, for the scaling law. At least two sizes.

    Raises:
        InputError: A curve does not consist of real numbers, or is out of the range of its quantity.
    """
    tables = {}
    for name in (name for name in _RANGES if name in curves):
        tables[name] = as_curves(curves[name])
        low, high = _RANGES[name]
        if tables[name].min() < low - ROUNDING or tables[name].max() > high + ROUNDING:
            got = f"{tables[name].min():g} to {tables[name].max():g}"
            raise InputError(f"expected {name} from {low:g} to {high:g}, got {got}")
    tables = {name: table for name, table in tables.items() if table.shape[1] > 1}
    risk = tables.get("risk")
    variance_loss = _lost_share(tables.get("variance"), is_log_normal=True)
    tail_loss = _lost_share(tables.get("tail_mass"))
    outside_rise = _rise(tables.get("outside_share"))
    mixed_rise = _rise(tables.get("mixed_share"))
    exponent_rise = _exponent_rise(by_training_size)
    return [
        _find("catastrophic increase of population risk", _growth(risk), 10, "last / first risk ≥ 10"),
        _find("any increase of population risk", _rise(risk), 0, "last − first risk > 0"),
        _find("diverging population risk", _late_rise(risk), 0, _LATE_RISE_RULE),
        _find("collapsing variance", variance_loss, 0.5, "variance lost ≥ 50 %"),
        _find("changed scaling law", exponent_rise, 0, "exponent of risk in size, last − first > 0"),
        _find("vanishing tails", tail_loss, 0.5, "tail mass lost ≥ 50 %"),
        _find("hallucinated data", outside_rise, 0.05, "share outside the support rises > 5 points"),
        _find("entangled modes", mixed_rise, 0.05, "share between modes rises > 5 points"),
    ]


_RANGES: Mapping[str, Bounds] = {
    "risk": UNBOUNDED,
    "variance": (0.0, math.inf),
    "tail_mass": (0.0, math.inf),
    "outside_share": (0.0, 1.0),
    "mixed_share": (0.0, 1.0),
}
"""Minimum and maximum of each curve."""
_LATE_RISE_RULE = "rise in the last quarter > 0.6 × rise in the quarter before (a 1/t approach gives 0.5, log t 0.71)"


def _find(definition: str, measure: Interval | None, threshold: float, rule: str) -> CollapseFinding:
    status: Status = "not measurable"
    if measure is not None and measure.is_above(threshold):
        status = "present"
    elif measure is not None and measure.is_below(threshold):
        status = "absent"
    return CollapseFinding(definition, status, rule, measure)


def _growth(curve: np.ndarray | None) -> Interval | None:
    """Return the growth, last / first, or None for a risk below 0."""
    if curve is None or curve[:, [0, -1]].min() < 0:
        return None
    return ratio_interval(curve[:, -1], curve[:, 0])


def _rise(curve: np.ndarray | None) -> Interval | None:
    return None if curve is None else mean_interval(curve[:, -1] - curve[:, 0], rounding=_rounding_of(curve))


def _rounding_of(curve: np.ndarray) -> float:
    """Return the rounding error of differences within a curve."""
    return 2 * ROUNDING * float(np.abs(curve).max())


def _lost_share(curve: np.ndarray | None, *, is_log_normal: bool = False) -> Interval | None:
    """Return the share that was lost, 1 − last / first."""
    if curve is None:
        return None
    first, last = curve[:, 0], curve[:, -1]
    has_logarithms = is_log_normal and min(first.min(), last.min()) > 0
    remaining = log_ratio_interval(last, first) if has_logarithms else ratio_interval(last, first)
    return replace(remaining, estimate=1 - remaining.estimate, low=1 - remaining.high, high=1 - remaining.low)


def _late_rise(curve: np.ndarray | None) -> Interval | None:
    """Return how much the risk accelerates late in the run.

    The acceleration is the rise in the last quarter minus 0.6 times the rise in the quarter before.
    """
    if curve is None or curve.shape[1] < 9:
        return None
    last = curve.shape[1] - 1
    middle = last // 2
    late = 3 * last // 4
    rise_before = curve[:, late] - curve[:, middle]
    rise_after = curve[:, last] - curve[:, late]
    return mean_interval(rise_after - 0.6 * np.maximum(rise_before, 0), rounding=_rounding_of(curve))


def _exponent_rise(by_training_size: Mapping[int, ArrayLike] | None) -> Interval | None:
    """Return how much the exponent of risk in training size rises.

    Risk is modelled as ∝ size^exponent, and the rise is taken from the first to the last generation.
    """
    if by_training_size is None or len(by_training_size) < 2:
        return None
    for size in by_training_size:
        check_number("a number of training samples", size, 1.0, sys.float_info.max)
    risks = [as_curves(curve)[:, [0, -1]] for curve in by_training_size.values()]
    if len({len(risk) for risk in risks}) > 1:
        raise InputError("risks by training size need the same seeds in each size")
    if any(as_curves(curve).shape[1] < 2 for curve in by_training_size.values()) or np.min(risks) <= 0:
        return None  # no time to change in, or a risk without a logarithm
    log_sizes = np.log(list(by_training_size))
    log_risks = np.log(risks)
    centred = log_sizes - log_sizes.mean()
    exponents = np.tensordot(centred, log_risks, axes=1) / (centred**2).sum()
    return mean_interval(exponents[:, 1] - exponents[:, 0], rounding=2 * ROUNDING * float(np.abs(log_risks).max()))
