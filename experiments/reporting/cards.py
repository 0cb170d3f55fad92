"""Cards of a report: what an experiment is about at a glance, a metric in words and intervals as bars."""

import math
from collections.abc import Mapping

from selfcorrect.motion.measures.metrics import Metric
from selfcorrect.statistics import Interval

from .figures import looks
from .webpage import Bar, Card


def card(heading: str, metric: Metric, groups: Mapping[str, Mapping[str, Interval]], real: Interval | None) -> Card:
    """A card with the intervals of some arms by group and label, on an axis from 0; real: the value of real data."""
    everything = [interval for group in groups.values() for interval in group.values()]
    top = max([_top(one) for one in (*everything, *([real] if real else []))], default=1.0) or 1.0
    colours = looks([label for group in groups.values() for label in group])
    bars = {
        title: [bar(label, interval, top, metric.digits, colours[label][0]) for label, interval in group.items()]
        for title, group in groups.items()
        if group
    }
    goal = {"lower": "lower is better", "higher": "higher is better", "neutral": "no direction given"}.get(
        metric.better, f"real data: {real.estimate:.{metric.digits}f}" if real else "as in real data"
    )
    return Card(heading, f"{metric.title}, {goal}", bars, None if real is None else real.estimate / top)


def _top(interval: Interval) -> float:
    return interval.estimate if math.isnan(interval.high) else interval.high


def bar(label: str, interval: Interval, top: float, digits: int, colour: str) -> Bar:
    """An interval on an axis from 0 to `top`."""
    low, high = (interval.estimate if math.isnan(end) else end for end in (interval.low, interval.high))
    told = "" if math.isnan(interval.low) else f"{low:.{digits}f} – {high:.{digits}f}"
    return Bar(label, f"{interval.estimate:.{digits}f}", told, low / top, interval.estimate / top, high / top, colour)
