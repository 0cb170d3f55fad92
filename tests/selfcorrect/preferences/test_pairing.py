"""Which pair comes next: the same for the same answers, within groups, on both sides, and until enough is said."""

from __future__ import annotations

import numpy as np
from simulated_raters import answers

from selfcorrect.core.randomness import streams
from selfcorrect.preferences.choices import Choice
from selfcorrect.preferences.pairing import Design

GROUPS = {f"{group}{number}": group for group in ("walk", "run") for number in range(6)}
TASTE = {sample: float(number) for number, sample in enumerate(GROUPS)}


def design(pairs: int = 24, seed: int = 0) -> Design:
    return Design(GROUPS, pairs, streams(seed).child("pairs"))


def answer_all(rater: str, pairing_design: Design, before: list[Choice], seed: int = 0) -> list[Choice]:
    """What a rater answers until nothing is left, after the choices of others."""
    random = np.random.default_rng(seed)
    choices = list(before)
    while (pair := pairing_design.next_pair(rater, choices)) is not None:
        choices += answers(TASTE, [pair], random, rater=rater)
    return choices[len(before) :]


def test_the_same_seed_and_answers_give_the_same_pairs_and_another_seed_others() -> None:
    first = answer_all("ada", design(seed=0), [])
    same = answer_all("ada", design(seed=0), [])
    from_another_seed = answer_all("ada", design(seed=1), [])
    assert first == same
    assert [choice.pair for choice in first] != [choice.pair for choice in from_another_seed]


def test_no_pair_comes_twice_or_from_two_groups_and_the_number_is_kept() -> None:
    choices = answer_all("ada", design(), [])
    assert len({choice.pair for choice in choices}) == len(choices) == 24
    assert all(GROUPS[choice.left] == GROUPS[choice.right] for choice in choices)
    everything = answer_all("ada", design(pairs=100), [])
    assert len(everything) == design().possible == 2 * 15


def test_all_raters_see_common_pairs_first_on_sides_of_their_own() -> None:
    ada = answer_all("ada", design(), [])
    bob = answer_all("bob", design(), ada, seed=1)
    common = {frozenset(pair) for pair in design().common_pairs()}
    for choices in (ada, bob):
        assert {choice.pair for choice in choices[: len(common)]} == common
    assert any(first.left != second.left for first, second in zip(ada[: len(common)], bob[: len(common)], strict=True))
    assert {sample for pair in common for sample in pair} >= set(GROUPS) - {"none"} or len(common) < len(GROUPS)


def test_either_side_is_as_likely() -> None:
    lefts = [choice.left < choice.right for seed in range(8) for choice in answer_all("ada", design(seed=seed), [])]
    assert 0.35 < np.mean(lefts) < 0.65  # of 192


def test_a_rejected_sample_is_not_shown_again_to_that_rater() -> None:
    pairing = design()
    first = pairing.next_pair("ada", [])
    assert first is not None
    rejecting = [Choice("ada", *first, "reject left")]
    assert all(first[0] not in choice.pair for choice in answer_all("ada", pairing, rejecting))
    assert any(first[0] in choice.pair for choice in answer_all("bob", pairing, rejecting))


def test_a_sample_that_nobody_compared_comes_next() -> None:
    groups = dict.fromkeys("abcd", "")
    pairing = Design(groups, 6, streams(0))
    all_choices = [Choice("bob", *pair, "left") for pair in (("a", "b"), ("a", "c"), ("b", "c"))] * 6
    seen = [Choice("ada", first, second, "left") for first, second in pairing.common_pairs()]
    assert pairing.next_pair("ada", seen) is None  # all pairs of four samples are common
    fit_for = Design(groups, 6, streams(0))._most_informative([("a", "c"), ("a", "d")], all_choices)
    assert fit_for == ("a", "d")
