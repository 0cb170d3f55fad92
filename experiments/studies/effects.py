"""Judge the differences between arms, adjusted for the number of differences that are tested together."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from selfcorrect.motion.measures.metrics import Metric
from selfcorrect.statistics import FEWEST_SEEDS, ROUNDING, UNMEASURED, Interval, holm, mean_interval, student_p

from .arm_curves import ArmCurves

_LEVEL = 0.05
"""Family-wise error level of all judgements of a report."""
DISTANCES = {"real": "distance to real data", "aim": "distance to the aim"}
"""Names of what is compared of a metric with an aim, by `Metric.better`."""


JUDGEMENT = (
    "Each interval is the 95 % interval of one difference (paired t), within the bounds of the score. P-values are "
    "adjusted for all differences tested together (Holm), and a difference counts if its adjusted p-value is at most "
    f"{_LEVEL}. An interval that excludes 0 is therefore not enough. With fewer than {FEWEST_SEEDS} seeds nothing is "
    "decided, and the row counts the seeds that agree. Differences that are the same in all seeds, up to rounding, "
    "cannot be tested and stay undecided. If a measure should be near a value, such as that of real data, distances to "
    "this value are compared."
)
"""Explanation of the words and intervals of `judge_effects`."""


@dataclass(frozen=True)
class Effect:
    """The difference of an arm from its reference in one metric at the last generation."""

    arm: ArmCurves
    reference: ArmCurves
    metric: Metric
    aim: float
    """Value of real data, or the number that is the aim; NaN if the metric has no aim."""
    change: Interval
    """Paired difference (arm − reference), or of the distances to `aim`, with the 95 % interval of this difference, not
    adjusted for other tests."""
    p_value: float
    """P-value, adjusted for all effects that are tested together."""
    word: str
    """One of "better", "worse", "no clear difference". "higher" or "lower" if no direction is better. A count such as
    "3 of 3 seeds lower" for fewer than `FEWEST_SEEDS`, "undecided" without spread over seeds, "one seed" for a single
    one, "not measured" if a seed has no value, "no aim" if real data have none."""

    @property
    def is_found(self) -> bool:
        """Return True if the test found a difference."""
        return self.word in ("better", "worse", "higher", "lower")


def judge_effects(
    pairs: Sequence[tuple[ArmCurves, ArmCurves]],
    metrics: Sequence[Metric],
    aims: Sequence[Mapping[str, float]],
    rounding: float = ROUNDING,
) -> list[Effect]:
    """Judge each (arm, reference) pair in each metric by paired t tests, adjusted over all tests (Holm 1979).

    Args:
        pairs: Curves of an arm and of the reference.
        aims: For each pair, key of a metric that has an aim → the value of real data or the number that is the aim.
        rounding: Share of each value that may be rounding; differences that vary by less are equal.

    Returns:
        An effect for each metric of each pair, the metrics of a pair together.
    """
    tested = []
    for (arm, reference), levels in zip(pairs, aims, strict=True):
        for metric in metrics:
            aim = levels.get(metric.key, np.nan) if metric.better in DISTANCES else np.nan
            tested.append(_test_pair(arm, reference, metric, aim, rounding))
    adjusted = holm({str(index): effect.p_value for index, effect in enumerate(tested)})
    return [_adjust(effect, p_value) for effect, p_value in zip(tested, adjusted.values(), strict=True)]


def _test_pair(arm: ArmCurves, reference: ArmCurves, metric: Metric, aim: float, rounding: float) -> Effect:
    """Test a pair in one metric; the p-value is unadjusted, and the word is empty if a test can decide."""
    values = np.array([arm.last(metric.key), reference.last(metric.key)])
    error = rounding * float(np.abs(values).max(axis=1).sum() + np.nan_to_num(2 * abs(aim)))
    if metric.better in DISTANCES:
        values = np.abs(values - aim)
    changes = values[0] - values[1]
    is_measured = bool(np.isfinite(changes).all())
    change = mean_interval(changes, rounding=error) if is_measured else UNMEASURED
    if not np.isnan(change.low):
        span = metric.bounds[1] - metric.bounds[0]  # no change exceeds the range of the values
        change = replace(change, low=max(change.low, -span), high=min(change.high, span))
    p_value = student_p(changes, rounding=error) if is_measured else 1.0
    if metric.better in DISTANCES and np.isnan(aim):
        word = "no aim"
    elif not is_measured:
        word = "not measured"
    elif change.count < FEWEST_SEEDS:
        word = "one seed" if change.count < 2 else _count_seeds(metric, changes)
    else:
        word = "" if change.can_decide else "undecided"
    return Effect(arm, reference, metric, aim, change, p_value, word)


def _adjust(effect: Effect, p_value: float) -> Effect:
    """Adjust an effect's p-value, and its word if a test can decide."""
    word = effect.word
    rises = effect.change.estimate > 0
    if not word and p_value > _LEVEL:
        word = "no clear difference"
    elif not word and effect.metric.better == "neutral":
        word = "higher" if rises else "lower"
    elif not word:
        word = "better" if rises == (effect.metric.better == "higher") else "worse"
    return replace(effect, p_value=p_value, word=word)


def _count_seeds(metric: Metric, changes: np.ndarray) -> str:
    """Count the seeds with the most frequent direction of change, such as "3 of 3 seeds lower"."""
    lower_count = int((changes < 0).sum())
    higher_count = int((changes > 0).sum())
    if not lower_count and not higher_count:
        return f"{len(changes)} of {len(changes)} seeds equal"
    lower, higher = ("nearer", "further") if metric.better in DISTANCES else ("lower", "higher")
    if lower_count >= higher_count:
        return f"{lower_count} of {len(changes)} seeds {lower}"
    return f"{higher_count} of {len(changes)} seeds {higher}"


def tabulate_effects(effects: Iterable[Effect]) -> list[dict[str, str | float]]:
    """Return a row per effect, with a separate 95 % interval and the adjusted p-value, for frames."""
    rows = []
    for effect in effects:
        row: dict[str, str | float] = {
            "arm": effect.arm.label,
            "reference": effect.reference.label,
            "quality": effect.metric.key,
            "difference_of": DISTANCES.get(effect.metric.better, "values"),
            "difference": effect.change.estimate,
            "low": effect.change.low,
            "high": effect.change.high,
            "adjusted_p": effect.p_value,
            "word": effect.word,
            "seeds": effect.change.count,
        }
        rows.append(row)
    return rows


def format_change(effect: Effect) -> str:
    """Format a change of a value, or of its distance to the aim, with sign, interval and adjusted p-value."""
    change = effect.change
    if np.isnan(change.estimate):
        return ""
    digits = effect.metric.digits
    text = f"{DISTANCES.get(effect.metric.better, '')} {change.estimate:+z.{digits}f}".lstrip()
    if np.isnan(change.low):
        return text
    return f"{text} [{change.low:+.{digits}f}, {change.high:+.{digits}f}], p = {effect.p_value:.2g}"


ONE_SEED = "One seed proves nothing. These numbers show that the program works; they are not a result."


def format_headline(results: Sequence[Effect]) -> str:
    """Say in how many comparisons each metric became better and worse; "" without comparisons."""
    if not results:
        return ""
    seeds = min(len(effect.arm.last(effect.metric.key)) for effect in results)
    if seeds == 1:
        return ONE_SEED
    if seeds < FEWEST_SEEDS:
        return f"{seeds} seeds are too few for a verdict, which takes at least {FEWEST_SEEDS}: see the differences."
    parts = []
    for metric in dict.fromkeys(effect.metric for effect in results):
        name = f"{metric.axis} ({metric.title})" if metric.axis else metric.title
        words = [effect.word for effect in results if effect.metric == metric]
        counts = [f"{word} in {count} of {len(words)}" for word, count in Counter(words).most_common()]
        parts.append(f"{name}: {', '.join(counts)}")
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]} comparisons."
