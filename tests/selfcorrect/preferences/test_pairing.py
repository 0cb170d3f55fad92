"""Which pairs a rater sees: the same for the same seed, within groups, on both sides, common ones first."""

from __future__ import annotations

import numpy as np

from selfcorrect.core.randomness import streams
from selfcorrect.preferences.pairing import Design

GROUPS = {f"{group}{number}": group for group in ("walk", "run") for number in range(6)}


def design(pairs: int = 24, seed: int = 0) -> Design:
    return Design(GROUPS, pairs, streams(seed).child("pairs"))


def test_the_same_seed_gives_the_same_pairs_and_another_seed_or_rater_others() -> None:
    planned = design().plan_pairs("ada")
    assert planned == design().plan_pairs("ada")
    assert planned != design(seed=1).plan_pairs("ada")
    assert planned != design().plan_pairs("bob")


def test_each_pair_of_a_group_comes_once() -> None:
    planned = design().plan_pairs("ada")
    assert all(GROUPS[left] == GROUPS[right] for left, right in planned)
    assert len({frozenset(pair) for pair in planned}) == len(planned) == 2 * 15


def test_all_raters_see_common_pairs_first_on_sides_of_their_own() -> None:
    common = {frozenset(pair) for pair in design().common_pairs()}
    ada = design().plan_pairs("ada")[: len(common)]
    bob = design().plan_pairs("bob")[: len(common)]
    assert {frozenset(pair) for pair in ada} == {frozenset(pair) for pair in bob} == common
    assert any(first != second for first, second in zip(ada, bob, strict=True))


def test_either_side_is_as_likely() -> None:
    lefts = [left < right for seed in range(8) for left, right in design(seed=seed).plan_pairs("ada")]
    assert 0.4 < np.mean(lefts) < 0.6  # of 240
