"""Which pairs a rater sees: the same for the same seed, within labels, on both sides, common ones first."""

from __future__ import annotations

import numpy as np

from selfcorrect.core.randomness import streams
from selfcorrect.experiments.curation.page import plan_pairs

LABELS = {f"{label}{number}": label for label in ("walk", "run") for number in range(6)}


def plan(rater: str, count: int = 24, seed: int = 0) -> list[tuple[str, str, bool]]:
    return plan_pairs(LABELS, count, rater, streams(seed).child("pairs"))


def test_the_same_seed_gives_the_same_pairs_and_another_seed_or_rater_others() -> None:
    assert plan("ada") == plan("ada")
    assert plan("ada") != plan("ada", seed=1)
    assert plan("ada") != plan("bob")


def test_each_pair_of_a_label_comes_once() -> None:
    planned = plan("ada", count=100)
    assert all(LABELS[left] == LABELS[right] for left, right, _ in planned)
    assert len({frozenset(pair[:2]) for pair in planned}) == len(planned) == 2 * 15


def test_all_raters_see_common_pairs_first_on_sides_of_their_own() -> None:
    ada = plan("ada")
    bob = plan("bob")
    common = [pair[:2] for pair in ada if pair[2]]
    assert [pair[2] for pair in ada] == [True] * 10 + [False] * 14
    assert {frozenset(pair) for pair in common} == {frozenset(pair[:2]) for pair in bob if pair[2]}
    assert any(first != second for first, second in zip(ada[:10], bob[:10], strict=True))


def test_either_side_is_as_likely() -> None:
    lefts = [left < right for seed in range(8) for left, right, _ in plan("ada", count=30, seed=seed)]
    assert 0.4 < np.mean(lefts) < 0.6  # of 240
