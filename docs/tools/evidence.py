"""Apply the rule of evidence of all pages, which docs/how-it-works.md states in words."""

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
    """Return a metric's means (S,) over the later half of the generations in which it was measured."""
    values = curves.values[key]
    later = values[:, (values.shape[1] - 1) // 2 + 1 :]
    return later[:, np.isfinite(later).all(axis=0)].mean(axis=1)


def real_values(summary: Summary, key: str) -> np.ndarray | None:
    """Return real data's values (S,), against other real data if the metric compares; None without values."""
    return summary.floors.get(REAL, {}).get(key)


def distances(curves: ArmCurves, metric: Metric, summary: Summary) -> np.ndarray | None:
    """Return distances (S,) to the value of real data, if there is one."""
    real = real_values(summary, metric.key)
    return None if real is None else np.abs(average_late(curves, metric.key) - real)


def late_change(curves: ArmCurves, reference: ArmCurves, key: str) -> Interval:
    """Return the paired difference of two arms over the later half of the generations."""
    return mean_interval(average_late(curves, key) - average_late(reference, key))


def mean_cell(values: np.ndarray, metric: Metric) -> str:
    """Format the mean over seeds ± half its 95 % interval."""
    interval = mean_interval(values)
    return f"{interval.estimate:.{metric.digits}f}{_half_width(interval, metric.digits)}"


def change_cell(interval: Interval, digits: int) -> str:
    """Format a difference with its sign ± half its 95 % interval."""
    return use_minus_signs(f"{interval.estimate:+.{digits}f}{_half_width(interval, digits)}")


def format_interval(interval: Interval, digits: int) -> str:
    """Format a difference with its sign and the ends of its 95 % interval."""
    return use_minus_signs(f"{interval.estimate:+.{digits}f} [{interval.low:+.{digits}f}, {interval.high:+.{digits}f}]")


def use_minus_signs(text: str) -> str:
    """Return a text with true minus signs."""
    return text.replace("-", "−")


def _half_width(interval: Interval, digits: int) -> str:
    half = (interval.high - interval.low) / 2
    return f" ± {half:.{digits}f}" if np.isfinite(half) else ""
