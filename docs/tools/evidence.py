"""Apply the rule of evidence of all pages.

docs/how-it-works.md states it in words.
"""

import numpy as np

from selfcorrect.experiments.studies.arm_curves import ArmCurves
from selfcorrect.experiments.studies.summary import Summary
from selfcorrect.motion.measures.metrics import Metric
from selfcorrect.statistics import Interval, mean_interval

REAL = "real against real"
"""Title of the scores of real data in summaries."""


def arms_by_name(summary: Summary, denoiser: str) -> dict[str, ArmCurves]:
    """Map names to a denoiser's arms."""
    return {curves.name: curves for curves in summary.arms[denoiser]}


def average_late(curves: ArmCurves, key: str) -> np.ndarray:
    """Return late means (S,) of a metric.

    They are over the later half of the generations, of those in which the metric was measured.
    """
    values = curves.values[key]
    later = values[:, (values.shape[1] - 1) // 2 + 1 :]
    return later[:, np.isfinite(later).all(axis=0)].mean(axis=1)


def real_values(summary: Summary, key: str) -> np.ndarray | None:
    """Return real data's values (S,), if any.

    They are against other real data if the metric compares.
    """
    return summary.floors.get(REAL, {}).get(key)


def distances(curves: ArmCurves, metric: Metric, summary: Summary) -> np.ndarray | None:
    """Return distances (S,) to real data, if any.

    They are to its value.
    """
    real = real_values(summary, metric.key)
    return None if real is None else np.abs(average_late(curves, metric.key) - real)


def late_change(curves: ArmCurves, reference: ArmCurves, key: str) -> Interval:
    """Return the paired late difference of two arms.

    It is over the later half of the generations.
    """
    return mean_interval(average_late(curves, key) - average_late(reference, key))


def mean_cell(values: np.ndarray, metric: Metric) -> str:
    """Format the mean ± half its 95 % interval.

    It is over seeds.
    """
    interval = mean_interval(values)
    return f"{interval.estimate:.{metric.digits}f}{_half_width(interval, metric.digits)}"


def change_cell(interval: Interval, digits: int) -> str:
    """Format a difference ± half its 95 % interval.

    It has a sign.
    """
    return use_minus_signs(f"{interval.estimate:+.{digits}f}{_half_width(interval, digits)}")


def format_interval(interval: Interval, digits: int) -> str:
    """Format a difference and its interval's ends.

    The difference has a sign, the interval 95 %.
    """
    return use_minus_signs(f"{interval.estimate:+.{digits}f} [{interval.low:+.{digits}f}, {interval.high:+.{digits}f}]")


def use_minus_signs(text: str) -> str:
    """Return a text with true minus signs."""
    return text.replace("-", "−")


def _half_width(interval: Interval, digits: int) -> str:
    half = (interval.high - interval.low) / 2
    return f" ± {half:.{digits}f}" if np.isfinite(half) else ""
