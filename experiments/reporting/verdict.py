"""From curves to words: what correction changed on both axes, adjusted for judging many differences at once."""

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


def sentence(effects_of_pair: Sequence[Effect], baseline: ArmCurves | None, generation: int) -> str:
    """One sentence on one arm against its reference: both axes, values, interval, and the baseline if there is one."""
    first = effects_of_pair[0]
    seeds = len(first.arm.last(first.metric.key))
    parts = [_change_in_words(effect, baseline) for effect in effects_of_pair]
    who = ", ".join(filter(None, (first.arm.group, f"{first.arm.title} against {first.reference.title}")))
    return f"{who}, generation {generation}, {seeds} seed{'s' * (seeds != 1)}: {'; '.join(parts)}."


def _change_in_words(effect: Effect, baseline: ArmCurves | None) -> str:
    if effect.word == "not measured":
        return f"{effect.metric.title} was not measured in every seed"
    key, digits = effect.metric.key, effect.metric.digits
    before, after = (arm.last(key).mean() for arm in (effect.reference, effect.arm))
    real_only = f"; baseline {baseline.last(key).mean():.{digits}f}" if baseline else ""
    aim = f", real data {effect.aim:.{digits}f}" if effect.metric.better == "real" else ""
    return (
        f"{effect.metric.title} {before:.{digits}f} → {after:.{digits}f}{aim} "
        f"({change_of(effect)}, {word_of(effect)}{real_only})"
    )


def change_of(effect: Effect) -> str:
    """What changed, with its sign and interval: the value, or its distance to that of real data."""
    return f"{what_changed(effect)} {signed(effect.change, effect.metric.digits)}"


def what_changed(effect: Effect) -> str:
    """What the figures of a change are of."""
    return "distance to real data" if effect.metric.better == "real" else "change"


def word_of(effect: Effect) -> str:
    """The word, and the adjusted p-value where there is one."""
    return effect.word if np.isnan(effect.change.low) else f"{effect.word}, p {shown_p(effect.p_value)}"


def shown_p(p_value: float) -> str:
    """A p-value with two digits, "< 0.0001" below that."""
    return "< 0.0001" if p_value < 1e-4 else f"= {p_value:.2g}"


def signed(change: Interval, digits: int) -> str:
    """A change with its sign and interval, "" where there is none."""
    if np.isnan(change.estimate):
        return ""
    if np.isnan(change.low):
        return f"{change.estimate:+z.{digits}f}"
    return f"{change.estimate:+z.{digits}f} [{change.low:+z.{digits}f}, {change.high:+z.{digits}f}]"


ONE_SEED = "One seed proves nothing: these numbers are a smoke test of the machinery, not a result."


def headline(judged: Sequence[Effect]) -> str:
    """The whole in one sentence: in how many comparisons a corrector helped realism, and in how many diversity."""
    if any(effect.word == "one seed" for effect in judged):
        return ONE_SEED
    told = tallies(judged)
    return f"{told[0].upper()}{told[1:]}."


def tallies(judged: Sequence[Effect]) -> str:
    """For each axis, or metric without one, in how many comparisons it became better and worse."""
    metrics = dict.fromkeys(effect.metric for effect in judged)
    named = {metric: f"{metric.axis} ({metric.title})" if metric.axis else metric.title for metric in metrics}
    return "; ".join(
        f"{name} is {tally([one.word for one in judged if one.metric == metric])}" for metric, name in named.items()
    )


def tally(words: Sequence[str]) -> str:
    """How often each word was said of how many comparisons."""
    told = {
        "better": "better",
        "no clear difference": "not detectably different",
        "worse": "worse",
        "one seed": "not judged, with one seed,",
        "higher": "higher",
        "lower": "lower",
        "not measured": "not measured",
    }
    counts = {text: words.count(word) for word, text in told.items()}
    return ", ".join(f"{text} in {count} of {len(words)} comparisons" for text, count in counts.items() if count)
