"""Agreement of raters: a published example, its limits, and that the order within a pair does not count."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from simulated_raters import choose

from selfcorrect.experiments.curation.agreement import compute_alpha, count_coincidences, measure_agreement
from selfcorrect.experiments.curation.choices import Answer, Choice

NAMES = [f"s{number}" for number in range(10)]
PAIRS = list(combinations(NAMES, 2))
_ = -1


def test_alpha_of_the_published_example() -> None:
    """Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", example C: nominal alpha 0.743."""
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
        [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
    ]
    units = [[value for value in unit if value != _] for unit in zip(*observers, strict=True)]
    tables = np.array([count_coincidences(np.array(unit), 6) for unit in units if len(unit) > 1])
    assert compute_alpha(tables.sum(0)) == pytest.approx(0.743, abs=5e-4)


def make_choices(rater: str, words: list[Answer]) -> list[Choice]:
    return [choose(rater, left, right, word) for (left, right), word in zip(PAIRS, words, strict=True)]


def draw_answers(seed: int) -> list[Answer]:
    words: list[Answer] = ["left", "right", "tie"]
    return [words[row] for row in np.random.default_rng(seed).choice(3, len(PAIRS), p=[0.4, 0.4, 0.2])]


def test_raters_who_answer_the_same_agree_fully_wherever_the_samples_stood() -> None:
    flip: dict[str, Answer] = {"left": "right", "right": "left", "tie": "tie"}
    turned = [
        choose("bob", right, left, flip[word]) for (left, right), word in zip(PAIRS, draw_answers(0), strict=True)
    ]
    agreement = measure_agreement([*make_choices("ada", draw_answers(0)), *turned])
    assert agreement.estimate == agreement.low == 1
    assert agreement.count == len(PAIRS)


def test_raters_who_throw_dice_agree_by_chance_alone() -> None:
    agreement = measure_agreement(
        [choice for rater in range(5) for choice in make_choices(str(rater), draw_answers(rater))]
    )
    assert agreement.low < 0 < agreement.high < 0.2
    assert abs(agreement.estimate) < 0.1


def test_always_left_is_no_agreement() -> None:
    """Two raters who only look left agree in half of the pairs that stood the other way round for one of them."""
    random = np.random.default_rng(0)
    choices = [
        choose(rater, *(pair if random.random() < 0.5 else pair[::-1]), "left")
        for pair in PAIRS
        for rater in ("ada", "bob")
    ]
    assert measure_agreement(choices).high < 0.5


def test_one_rater_alone_or_one_pair_gives_no_interval() -> None:
    alone = measure_agreement(make_choices("ada", draw_answers(1)))
    assert np.isnan(alone.estimate)
    assert alone.count == 0
    once = measure_agreement([choose("ada", "a", "b", "left"), choose("bob", "b", "a", "right")])
    assert once.estimate == 1
    assert np.isnan(once.low)


def test_the_last_answer_of_a_rater_about_a_pair_counts() -> None:
    both = [choose("ada", "a", "b", "left"), choose("ada", "a", "b", "right"), choose("bob", "a", "b", "right")]
    assert measure_agreement(both).estimate == 1
