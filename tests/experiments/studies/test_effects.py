"""Known differences between curves get their names."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from selfcorrect.experiments.studies.arm_curves import ArmCurves
from selfcorrect.experiments.studies.effects import Effect, format_change, format_headline, judge_effects
from selfcorrect.experiments.studies.tables import marked_cell
from selfcorrect.motion.measures.metrics import Metric

DISTANCE = Metric("distance", "Distance", "realism", "lower", 1)
RECALL = Metric("recall", "Recall", "diversity", "higher", bounds=(0.0, 1.0))
JERK = Metric("jerk", "Jerk", "realism", "real")


def arm(title: str, **last: list[float]) -> ArmCurves:
    """Make an arm of two generations that ends in the given values, one per seed."""
    return ArmCurves(
        title, "fully synthetic", title, {key: np.array([[9.0, value] for value in ends]) for key, ends in last.items()}
    )


UNCORRECTED = arm("uncorrected", distance=[80.0, 85.0, 90.0, 82.0, 88.0], recall=[0.1, 0.2, 0.15, 0.1, 0.2])


def effects(
    pairs: list[tuple[ArmCurves, ArmCurves]], metrics: Sequence[Metric], real: dict[str, float]
) -> list[Effect]:
    """Judge pairs that share their real data."""
    return judge_effects(pairs, metrics, [real] * len(pairs))


def words(corrected: ArmCurves, *metrics: Metric, **real: float) -> list[str]:
    return [effect.word for effect in effects([(corrected, UNCORRECTED)], metrics, real)]


@pytest.mark.parametrize(
    ("metric", "scores", "word"),
    [
        (DISTANCE, [40.0, 46.0, 50.0, 41.0, 45.0], "better"),
        (DISTANCE, [120.0, 126.0, 129.0, 121.0, 125.0], "worse"),
        (DISTANCE, [20.0, 140.0, 80.0, 10.0, 150.0], "no clear difference"),  # seeds disagree
        (RECALL, [0.6, 0.7, 0.66, 0.62, 0.68], "better"),  # more is better
    ],
)
def test_clear_changes_are_judged(metric: Metric, scores: list[float], word: str):
    assert words(arm("physics", **{metric.key: scores}), metric) == [word]


def test_real_aim_is_two_sided():
    jittery = arm("uncorrected", jerk=[300.0, 310.0, 305.0, 301.0, 309.0])
    frozen = arm("physics", jerk=[0.0, 5.0, 2.0, 1.0, 4.0])
    near = arm("physics", jerk=[104.0, 101.0, 98.0, 103.0, 99.0])
    (effect,) = effects([(near, jittery)], [JERK], {"jerk": 100.0})
    assert effect.word == "better"
    assert format_change(effect).startswith("distance to real data -202.8")
    far = arm("physics", jerk=[-200.0, -195.0, -202.0, -199.0, -196.0])
    assert [e.word for e in effects([(far, jittery)], [JERK], {"jerk": 100.0})] == ["worse"]
    assert [e.word for e in effects([(frozen, jittery)], [JERK], {"jerk": 100.0})] == ["better"]


def test_one_seed_judges_nothing():
    single = [arm("physics", distance=[1.0]), arm("uncorrected", distance=[99.0])]
    judged = effects([(single[0], single[1])], [DISTANCE], {})
    assert judged[0].word == "one seed"
    assert "One seed proves nothing" in format_headline(judged)


def test_many_tests_need_more_evidence():
    corrected = arm("physics", distance=[77.0, 71.0, 81.0, 78.0, 76.0])
    alone = effects([(corrected, UNCORRECTED)], [DISTANCE], {})
    many = effects([(corrected, UNCORRECTED)] * 8, [DISTANCE], {})
    assert many[0].p_value == pytest.approx(8 * alone[0].p_value)
    assert (alone[0].word, many[0].word) == ("better", "no clear difference")


def test_headline_counts_both_axes():
    corrected = arm("physics", distance=[40.0, 46.0, 50.0, 41.0, 45.0], recall=[0.1, 0.2, 0.15, 0.1, 0.2])
    plain = arm("uncorrected", distance=[80.0, 85.0, 90.0, 82.0, 88.0], recall=[0.1, 0.2, 0.15, 0.1, 0.2])
    text = format_headline(effects([(corrected, plain)], [DISTANCE, RECALL], {}))
    distance, recall = text.split(";")
    assert "better in 1 of 1" in distance
    assert "better" not in recall


def test_few_seeds_give_no_verdict():
    ends = [40.0, 46.0, 50.0, 41.0, 45.0]
    for count in range(2, 6):
        plain = arm("uncorrected", distance=[80.0, 85.0, 90.0, 82.0, 88.0][:count])
        judged = effects([(arm("physics", distance=ends[:count]), plain)], [DISTANCE], {})
        assert judged[0].p_value < 0.05
        assert judged[0].word == ("better" if count == 5 else f"{count} of {count} seeds lower")
        assert judged[0].is_found == (count == 5)
        assert ("better" in format_headline(judged)) == (count == 5)
        assert (f"{count} seeds are too few for a verdict, which takes at least 5" in format_headline(judged)) == (
            count < 5
        )


@given(arrays(float, (2, 4), elements=st.floats(-5, 5, width=32)))
def test_counted_seeds_share_direction(ends: np.ndarray) -> None:
    (effect,) = effects(
        [(arm("physics", distance=list(ends[0])), arm("plain", distance=list(ends[1])))], [DISTANCE], {}
    )
    counts = {"lower": (ends[0] < ends[1]).sum(), "higher": (ends[0] > ends[1]).sum()}
    number, _, total, _, direction = effect.word.split()
    assert total == "4"
    assert int(number) == max(counts.values()) or direction == "equal"
    assert counts.get(direction, 4) == int(number)


def test_no_difference_needs_a_test():
    plain = arm("uncorrected", recall=[0.1, 0.2, 0.15, 0.1, 0.2])
    same = arm("physics", recall=[0.2, 0.1, 0.1, 0.2, 0.15])
    few = [arm(curves.title, recall=list(curves.last("recall")[:3])) for curves in (same, plain)]
    one = [arm(curves.title, recall=list(curves.last("recall")[:1])) for curves in (same, plain)]
    lacking = arm("physics", recall=[0.2, 0.1, np.nan, 0.2, 0.15])
    marks = []
    for pair in ((same, plain), tuple(few), tuple(one), (lacking, plain)):
        (effect,) = effects([pair], [RECALL], {})
        marks.append(marked_cell(pair[0], RECALL, effect).value.split()[1])
    assert marks == ["·", "?", "?", "?"]


def test_differences_without_spread_are_undecided():
    """Counts that tie in five seeds, recall that rises from 0.997 to 1 in each, are no certainty."""
    corrected = arm("physics", recall=[1.0] * 5)
    plain = arm("uncorrected", recall=[0.997] * 5)
    (effect,) = effects([(corrected, plain)], [RECALL], {})
    assert (effect.word, effect.p_value) == ("undecided", 1.0)
    assert format_change(effect) == "+0.00"
    (same,) = effects([(plain, plain)], [RECALL], {})
    assert same.word == "undecided"


@given(
    values=arrays(float, (3, 5), elements=st.floats(0.1, 1.0), unique=True),
    better=st.sampled_from(("lower", "higher", "neutral", "real")),
    scale=st.sampled_from((1e-6, 1.0, 1e6)),
)
def test_rounding_is_undecided(values: np.ndarray, better: str, scale: float) -> None:
    """An arm that repeats its reference up to rounding is neither better nor worse."""
    metric = Metric("jerk", "Jerk", "realism", better, 9)  # type: ignore[arg-type]
    reference, far, noise = values * scale
    repeated = reference * (1 + 1e-12) + 1e-13 * noise
    pairs = [(arm("physics", jerk=list(ends)), arm("uncorrected", jerk=list(reference))) for ends in (repeated, far)]
    results = effects(pairs, [metric], {"jerk": 0.0})
    assert (results[0].word, results[0].p_value) == ("undecided", 1.0)
    assert results[1].word != "undecided"


@given(
    values=arrays(float, (2, 6), elements=st.floats(0.1, 1.0), unique=True),
    better=st.sampled_from(("lower", "higher", "neutral", "real")),
    scale=st.sampled_from((1e-6, 1e6)),
)
def test_verdict_is_unit_free(values: np.ndarray, better: str, scale: float) -> None:
    metric = Metric("jerk", "Jerk", "realism", better, 9)  # type: ignore[arg-type]
    first, second = [arm("arm", jerk=list(ends)) for ends in values]
    (effect,) = effects([(first, second)], [metric], {"jerk": 0.3})
    assume(abs(effect.p_value - 0.05) > 1e-6)
    (swapped,) = effects([(second, first)], [metric], {"jerk": 0.3})
    first, second = [arm("arm", jerk=list(ends * scale)) for ends in values]
    (scaled,) = effects([(first, second)], [metric], {"jerk": 0.3 * scale})
    mirrored = {"better": "worse", "worse": "better", "lower": "higher", "higher": "lower"}
    assert scaled.word == effect.word
    assert swapped.word == mirrored.get(effect.word, effect.word)
    assert swapped.change.estimate == -effect.change.estimate


def test_numeric_and_unknown_aims():
    near = arm("physics", score=[1.1, 0.9, 1.05, 1.0, 0.95])
    far = arm("uncorrected", score=[2.0, 2.1, 0.0, 1.9, 0.1])
    metric = Metric("score", "Score", "", "aim")
    (effect,) = effects([(near, far)], [metric], {"score": 1.0})
    assert effect.word == "better"
    assert format_change(effect).startswith("distance to the aim -0.9")
    (unknown,) = effects([(near, far)], [metric], {})
    assert unknown.word == "no aim"


@given(
    values=arrays(float, (4, 2, 5), elements=st.floats(-100, 100, width=32)),
    better=st.sampled_from(("lower", "higher", "neutral", "real")),
)
def test_word_interval_and_values_agree(values: np.ndarray, better: str) -> None:
    metric = Metric("jerk", "Jerk", "realism", better, 9)  # type: ignore[arg-type]
    pairs = [(arm("physics", jerk=list(first)), arm("uncorrected", jerk=list(second))) for first, second in values]
    for effect in effects(pairs, [metric], {"jerk": 3.0}):
        excludes_zero = effect.change.low > 0 or effect.change.high < 0
        has_difference = effect.word not in ("no clear difference", "undecided")
        assert has_difference == (effect.p_value <= 0.05)
        assert excludes_zero or not has_difference
        if better != "real":
            difference = effect.arm.last("jerk").mean() - effect.reference.last("jerk").mean()
            assert effect.change.estimate == pytest.approx(difference, abs=1e-9)
        if has_difference:
            rises = effect.change.estimate > 0
            words = {"neutral": ("lower", "higher"), "higher": ("worse", "better")}
            assert effect.word == words.get(better, ("better", "worse"))[rises]


SHARES = st.floats(0, 1, width=32)


@given(arrays(float, (7, 2, 5), elements=SHARES))
def test_interval_is_unadjusted(values: np.ndarray) -> None:
    """Intervals ignore what else is tested; p-values adjust for the other scores of their family only."""
    pairs = [(arm("physics", recall=list(first)), arm("uncorrected", recall=list(second))) for first, second in values]
    together = effects(pairs, [RECALL], {})
    for pair, effect in zip(pairs, together, strict=True):
        (alone,) = effects([pair], [RECALL], {})
        assert alone.p_value <= effect.p_value
        np.testing.assert_equal((alone.change.low, alone.change.high), (effect.change.low, effect.change.high))
        assert not effect.change.low < -1
        assert not effect.change.high > 1
