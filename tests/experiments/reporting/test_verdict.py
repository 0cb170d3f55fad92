"""Curves to words: known differences are called by their names."""

from __future__ import annotations

import numpy as np
import pytest

from selfcorrect.experiments.reporting.results import ArmCurves, collect
from selfcorrect.experiments.reporting.verdict import effects, headline, sentence
from selfcorrect.motion.measures.metrics import Metric

DISTANCE = Metric("distance", "Distance", "realism", "lower", 1)
RECALL = Metric("recall", "Recall", "diversity", "higher")
JERK = Metric("jerk", "Jerk", "realism", "real")


def arm(title: str, **last: list[float]) -> ArmCurves:
    """Curves of two generations that end in the given values per seed."""
    return ArmCurves(
        title, "fully synthetic", title, {key: np.array([[9.0, value] for value in ends]) for key, ends in last.items()}
    )


UNCORRECTED = arm("uncorrected", distance=[80.0, 85.0, 90.0], recall=[0.1, 0.2, 0.15])


def words(corrected: ArmCurves, *metrics: Metric, **real: float) -> list[str]:
    return [effect.word for effect in effects([(corrected, UNCORRECTED)], metrics, real)]


def test_a_clear_gain_is_better_and_a_clear_loss_worse():
    assert words(arm("physics", distance=[40.0, 46.0, 50.0], recall=[0.1, 0.2, 0.15]), DISTANCE) == ["better"]
    assert words(arm("physics", distance=[120.0, 126.0, 129.0]), DISTANCE) == ["worse"]


def test_for_recall_more_is_better():
    assert words(arm("physics", recall=[0.6, 0.7, 0.66]), RECALL) == ["better"]


def test_seeds_that_disagree_give_no_clear_difference():
    assert words(arm("physics", distance=[20.0, 140.0, 80.0]), DISTANCE) == ["no clear difference"]


def test_where_real_is_the_aim_both_sides_of_it_count_as_away():
    jittery = arm("uncorrected", jerk=[300.0, 310.0, 305.0])
    frozen = arm("physics", jerk=[0.0, 5.0, 2.0])
    near = arm("physics", jerk=[104.0, 101.0, 98.0])
    assert [e.word for e in effects([(near, jittery)], [JERK], {"jerk": 100.0})] == ["better"]
    far = arm("physics", jerk=[-200.0, -195.0, -202.0])
    assert [e.word for e in effects([(far, jittery)], [JERK], {"jerk": 100.0})] == ["worse"]
    assert [e.word for e in effects([(frozen, jittery)], [JERK], {"jerk": 100.0})] == ["better"]


def test_one_seed_judges_nothing_and_says_so():
    single = [arm("physics", distance=[1.0]), arm("uncorrected", distance=[99.0])]
    judged = effects([(single[0], single[1])], [DISTANCE], {})
    assert judged[0].word == "one seed"
    assert "One seed proves nothing" in headline(judged)


def test_judging_many_differences_needs_stronger_evidence_for_each():
    corrected = arm("physics", distance=[62.0, 74.0, 68.0])
    alone = effects([(corrected, UNCORRECTED)], [DISTANCE], {})
    many = effects([(corrected, UNCORRECTED)] * 8, [DISTANCE], {})
    assert many[0].p_value == pytest.approx(8 * alone[0].p_value)
    assert (alone[0].word, many[0].word) == ("better", "no clear difference")


def test_the_headline_counts_both_axes_apart():
    corrected = arm("physics", distance=[40.0, 46.0, 50.0], recall=[0.1, 0.2, 0.15])
    told = headline(effects([(corrected, UNCORRECTED)], [DISTANCE, RECALL], {}))
    assert "Realism (Distance) is better in 1 of 1" in told
    assert "diversity (Recall) is not detectably different in 1 of 1" in told


def test_the_sentence_has_values_interval_word_and_baseline():
    judged = effects([(arm("physics", distance=[40.0, 46.0, 50.0]), UNCORRECTED)], [DISTANCE], {})
    text = sentence(judged, arm("baseline", distance=[12.0, 13.0, 14.0]), 10)
    assert "generation 10, 3 seeds" in text
    assert "85.0 → 45.3" in text
    assert "better; baseline 13.0" in text
    assert "[" in text


ROWS = [
    {"seed": seed, "generation": generation, "recall": 0.1 * generation + seed}
    for seed in (0, 1)
    for generation in (0, 1)
]


def test_rows_become_curves_whatever_their_order():
    curves = collect(reversed(ROWS), "arm", "group", "title")
    assert curves.values["recall"].tolist() == [[0.0, 0.1], [1.0, 1.1]]


def test_missing_and_doubled_rows_are_refused():
    with pytest.raises(ValueError, match=r"no metrics for \(seed, generation\) \(0, 1\)"):
        collect([row for row in ROWS if (row["seed"], row["generation"]) != (0, 1)], "arm", "group", "title")
    with pytest.raises(ValueError, match="two rows for seed 1, generation 0"):
        collect([*ROWS, ROWS[2]], "arm", "group", "title")
