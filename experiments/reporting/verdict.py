"""From curves to words: what correction changed on both axes, adjusted for judging many differences at once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from selfcorrect.motion.measures.metrics import Metric
from selfcorrect.statistics import UNMEASURED, Interval, holm, holm_levels, student_interval, student_p

from .results import ArmCurves

LEVEL = 0.05
"""Family-wise error level of all judgements of a report."""


JUDGEMENT = (
    "P-values are of paired t tests and adjusted for all differences judged together (Holm). A difference counts where "
    f"its p-value is at most {LEVEL}. Its interval is at the level at which it is judged, and so excludes 0 exactly "
    "where the difference counts. Where the value of real data is the aim, distances to it are compared."
)
"""How words and intervals of `effects` are to be read."""


@dataclass(frozen=True)
class Effect:
    """What an arm changed against its reference in one metric, at the last generation."""

    arm: ArmCurves
    reference: ArmCurves
    metric: Metric
    aim: float
    """The value of real data where that is the aim, else NaN."""
    change: Interval
    """The paired difference (arm − reference), or of the distances to `aim`. Its interval is at the level at which
    Holm's procedure judges it, so that it excludes 0 exactly where a difference is found."""
    p_value: float
    """Adjusted for all effects judged together."""
    word: str
    """One of "better", "worse", "no clear difference", "one seed" where nothing can be judged, or "not measured" where
    a seed has no value; "higher" or "lower" where nobody said which way is good."""


def effects(
    pairs: Sequence[tuple[ArmCurves, ArmCurves]], metrics: Sequence[Metric], real: Sequence[Mapping[str, float]]
) -> list[Effect]:
    """Judge each (arm, reference) pair in each metric by paired t tests, adjusted over all of them (Holm 1979).

    real: for each pair the value of real data for the metrics whose aim is that value.
    """
    asked = [
        (*pair, metric, level.get(metric.key, np.nan) if metric.better == "real" else np.nan)
        for pair, level in zip(pairs, real, strict=True)
        for metric in metrics
    ]
    changes = {str(place): _changes(*each) for place, each in enumerate(asked)}
    p_values = {place: 1.0 if np.isnan(values).any() else student_p(values) for place, values in changes.items()}
    adjusted, levels = holm(p_values), holm_levels(p_values, LEVEL)
    judged = []
    for (place, values), each in zip(changes.items(), asked, strict=True):
        change = UNMEASURED if np.isnan(values).any() else student_interval(values, 1 - levels[place])
        judged.append(Effect(*each, change, adjusted[place], _word(each[2], change)))
    return judged


def _changes(arm: ArmCurves, reference: ArmCurves, metric: Metric, aim: float) -> np.ndarray:
    """(S,) paired differences of values, or of their distances to the aim."""
    first, second = arm.last(metric.key), reference.last(metric.key)
    return first - second if metric.better != "real" else np.abs(first - aim) - np.abs(second - aim)


def _word(metric: Metric, change: Interval) -> str:
    if np.isnan(change.estimate):
        return "not measured"
    if change.count < 2:
        return "one seed"
    if change.low <= 0 <= change.high:
        return "no clear difference"
    if metric.better == "neutral":
        return "higher" if change.estimate > 0 else "lower"
    return "better" if (change.estimate > 0) == (metric.better == "higher") else "worse"


def format_change(effect: Effect) -> str:
    """Return what changed, with its sign and interval: the value, or its distance to that of real data."""
    name = "distance to real data" if effect.metric.better == "real" else "change"
    return f"{name} {_format_signed(effect.change, effect.metric.digits)}"


def _format_signed(change: Interval, digits: int) -> str:
    """Return a change with its sign and interval."""
    if np.isnan(change.low):
        return f"{change.estimate:+z.{digits}f}"
    return f"{change.estimate:+z.{digits}f} [{change.low:+z.{digits}f}, {change.high:+z.{digits}f}]"


ONE_SEED = "One seed proves nothing: these numbers are a smoke test of the machinery, not a result."


def headline(judged: Sequence[Effect]) -> str:
    """Return one sentence: in how many comparisons each metric became better and worse."""
    if any(effect.word == "one seed" for effect in judged):
        return ONE_SEED
    parts = []
    for metric in dict.fromkeys(effect.metric for effect in judged):
        name = f"{metric.axis} ({metric.title})" if metric.axis else metric.title
        words = [effect.word for effect in judged if effect.metric == metric]
        counts = Counter(words).most_common()
        parts.append(f"{name}: {', '.join(f'{word} in {count} of {len(words)}' for word, count in counts)}")
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]} comparisons."
