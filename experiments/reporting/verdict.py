"""From curves to words: what correction changed on both axes, adjusted for judging many differences at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from selfcorrect.motion.measures.metrics import Metric
from selfcorrect.statistics import UNMEASURED, Interval, compare_paired, holm, mean_interval

from .results import ArmCurves

LEVEL = 0.05
"""Family-wise error level of all judgements of a report."""


@dataclass(frozen=True)
class Effect:
    """What an arm changed against its reference in one metric, at the last generation."""

    arm: ArmCurves
    reference: ArmCurves
    metric: Metric
    change: Interval
    """The paired difference (arm − reference), or of the distances to the real value where that is the aim."""
    p_value: float
    """Adjusted for all effects judged together."""
    word: str
    """One of "better", "worse", "no clear difference", "one seed" where nothing can be judged, or "not measured" where
    a seed has no value; "higher" or "lower" where nobody said which way is good."""


def effects(
    pairs: Sequence[tuple[ArmCurves, ArmCurves]], metrics: Sequence[Metric], real: Mapping[str, float]
) -> list[Effect]:
    """Judge each (arm, reference) pair in each metric, Holm-adjusted over all of them.

    real: the value of real data for the metrics whose aim is that value.
    """
    compared = {
        (pair, column): _compare(arm, reference, metric, real)
        for pair, (arm, reference) in enumerate(pairs)
        for column, metric in enumerate(metrics)
    }
    adjusted = holm({f"{pair} {column}": p_value for (pair, column), (_, p_value) in compared.items()})
    return [
        _judged(*pairs[pair], metrics[column], change, adjusted[f"{pair} {column}"])
        for (pair, column), (change, _) in compared.items()
    ]


def _compare(arm: ArmCurves, reference: ArmCurves, metric: Metric, real: Mapping[str, float]) -> tuple[Interval, float]:
    """The paired change and its unadjusted p-value."""
    first, second = arm.last(metric.key), reference.last(metric.key)
    if metric.better == "real":
        first, second = np.abs(first - real[metric.key]), np.abs(second - real[metric.key])
    if np.isnan(first).any() or np.isnan(second).any():
        return UNMEASURED, 1.0
    if len(first) < 2:
        return mean_interval(first - second), 1.0
    comparison = compare_paired(first, second)
    return comparison.difference, comparison.p_value


def _judged(arm: ArmCurves, reference: ArmCurves, metric: Metric, change: Interval, p_value: float) -> Effect:
    return Effect(arm, reference, metric, change, p_value, _word(metric, change, p_value))


def _word(metric: Metric, change: Interval, p_value: float) -> str:
    if np.isnan(change.estimate):
        return "not measured"
    if change.count < 2:
        return "one seed"
    if p_value > LEVEL:
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
    return f"{who[0].upper()}{who[1:]}, generation {generation}, {seeds} seed{'s' * (seeds != 1)}: {'; '.join(parts)}."


def _change_in_words(effect: Effect, baseline: ArmCurves | None) -> str:
    if effect.word == "not measured":
        return f"{effect.metric.title} was not measured in every seed"
    key, digits = effect.metric.key, effect.metric.digits
    before, after = (arm.last(key).mean() for arm in (effect.reference, effect.arm))
    real_only = f"; baseline {baseline.last(key).mean():.{digits}f}" if baseline else ""
    return (
        f"{effect.metric.title} {before:.{digits}f} → {after:.{digits}f} "
        f"(change {signed(effect.change, digits)}, {effect.word}{real_only})"
    )


def signed(change: Interval, digits: int) -> str:
    """A change with its sign and interval, "" where there is none."""
    if np.isnan(change.estimate):
        return ""
    if np.isnan(change.low):
        return f"{change.estimate:+.{digits}f}"
    return f"{change.estimate:+.{digits}f} [{change.low:+.{digits}f}, {change.high:+.{digits}f}]"


ONE_SEED = "One seed proves nothing: these numbers are a smoke test of the machinery, not a result."


def headline(judged: Sequence[Effect]) -> str:
    """The whole in one sentence: in how many comparisons a corrector helped realism, and in how many diversity."""
    if any(effect.word == "one seed" for effect in judged):
        return ONE_SEED
    told = tallies(judged)
    return f"{told[0].upper()}{told[1:]}."


def tallies(judged: Sequence[Effect]) -> str:
    """For each axis, in how many comparisons it became better and worse."""
    axes = {metric.axis: metric for metric in (effect.metric for effect in judged)}
    return "; ".join(
        f"{axis} ({metric.title}) is {tally([one.word for one in judged if one.metric == metric])}"
        for axis, metric in axes.items()
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
