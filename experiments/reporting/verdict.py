"""From curves to words: what correction changed on both axes, adjusted for judging many differences at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from selfcorrect.experiments.reporting.results import ArmCurves, Quantity
from selfcorrect.statistics import Interval, compare_paired, holm, mean_interval

LEVEL = 0.05
"""Family-wise error level of all judgements of a report."""


@dataclass(frozen=True)
class Effect:
    """What an arm changed against its reference in one quantity, at the last generation."""

    arm: ArmCurves
    reference: ArmCurves
    quantity: Quantity
    change: Interval
    """The paired difference (arm − reference), or of the distances to the real value where that is the aim."""
    p_value: float
    """Adjusted for all effects judged together."""
    word: str
    """One of "better", "worse", "no clear difference", or "one seed" where nothing can be judged."""


def effects(
    pairs: Sequence[tuple[ArmCurves, ArmCurves]], quantities: Sequence[Quantity], real: Mapping[str, float]
) -> list[Effect]:
    """Judge each (arm, reference) pair in each quantity, Holm-adjusted over all of them.

    real: the value of real data for the quantities whose aim is that value.
    """
    compared = {
        (pair, column): _compare(arm, reference, quantity, real)
        for pair, (arm, reference) in enumerate(pairs)
        for column, quantity in enumerate(quantities)
    }
    adjusted = holm({f"{pair} {column}": p_value for (pair, column), (_, p_value) in compared.items()})
    return [
        _judged(*pairs[pair], quantities[column], change, adjusted[f"{pair} {column}"])
        for (pair, column), (change, _) in compared.items()
    ]


def _compare(
    arm: ArmCurves, reference: ArmCurves, quantity: Quantity, real: Mapping[str, float]
) -> tuple[Interval, float]:
    """The paired change and its unadjusted p-value."""
    first, second = arm.last(quantity.key), reference.last(quantity.key)
    if quantity.better == "real":
        first, second = np.abs(first - real[quantity.key]), np.abs(second - real[quantity.key])
    if len(first) < 2:
        return mean_interval(first - second), 1.0
    comparison = compare_paired(first, second)
    return comparison.difference, comparison.p_value


def _judged(arm: ArmCurves, reference: ArmCurves, quantity: Quantity, change: Interval, p_value: float) -> Effect:
    return Effect(arm, reference, quantity, change, p_value, _word(quantity, change, p_value))


def _word(quantity: Quantity, change: Interval, p_value: float) -> str:
    if change.count < 2:
        return "one seed"
    if p_value > LEVEL:
        return "no clear difference"
    return "better" if (change.estimate > 0) == (quantity.better == "higher") else "worse"


def sentence(effects_of_pair: Sequence[Effect], baseline: ArmCurves, generation: int) -> str:
    """One sentence on one arm against its reference: both axes, values, interval, baseline."""
    first = effects_of_pair[0]
    seeds = first.change.count
    parts = [_change_in_words(effect, baseline) for effect in effects_of_pair]
    group = first.arm.group[0].upper() + first.arm.group[1:]
    return (
        f"{group}, {first.arm.title} against {first.reference.title}, generation {generation}, "
        f"{seeds} seed{'s' * (seeds != 1)}: {'; '.join(parts)}."
    )


def _change_in_words(effect: Effect, baseline: ArmCurves) -> str:
    key, digits = effect.quantity.key, effect.quantity.digits
    before, after, real_only = (arm.last(key).mean() for arm in (effect.reference, effect.arm, baseline))
    return (
        f"{effect.quantity.title} {before:.{digits}f} → {after:.{digits}f} "
        f"(change {signed(effect.change, digits)}, {effect.word}; baseline {real_only:.{digits}f})"
    )


def signed(change: Interval, digits: int) -> str:
    """A change with its sign and interval."""
    if np.isnan(change.low):
        return f"{change.estimate:+.{digits}f}"
    return f"{change.estimate:+.{digits}f} [{change.low:+.{digits}f}, {change.high:+.{digits}f}]"


def headline(judged: Sequence[Effect], corrector: str) -> str:
    """The whole in one sentence: in how many comparisons the corrector helped realism, and in how many diversity."""
    if not judged:
        return f"No arm with {corrector} correction was run against an uncorrected one."
    if any(effect.word == "one seed" for effect in judged):
        return "One seed proves nothing: the numbers below are a smoke test of the machinery, not a result."
    axes = {quantity.axis: quantity for quantity in (effect.quantity for effect in judged)}
    told = "; ".join(
        f"{axis} ({quantity.title}) is {_tally([one.word for one in judged if one.quantity == quantity])}"
        for axis, quantity in axes.items()
    )
    return f"Does {corrector} correction keep the loop from collapsing? {told[0].upper()}{told[1:]}."


def _tally(words: Sequence[str]) -> str:
    told = {"better": "better", "no clear difference": "not clearly different", "worse": "worse"}
    counts = {text: words.count(word) for word, text in told.items()}
    return ", ".join(f"{text} in {count} of {len(words)} comparisons" for text, count in counts.items() if count)
