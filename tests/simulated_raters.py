"""Raters of known taste: choices drawn from the Bradley–Terry model with Davidson's ties."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from selfcorrect.experiments.curation.choices import Answer, Choice

RARELY = -3.0
"""Logarithm of Davidson's ν with which few answers are ties."""


def choose(rater: str, left: str, right: str, answer: Answer) -> Choice:
    """A choice about a common pair, made in 2 s."""
    return Choice(rater, left, right, answer, seconds=2.0, common=True)


def answers(
    strengths: Mapping[str, float],
    pairs: Iterable[tuple[str, str]],
    random: np.random.Generator,
    *,
    rater: str = "ada",
    side: float = 0.0,
    tie: float = RARELY,
) -> list[Choice]:
    """What a rater says about pairs, left and right, whose strengths are in logits."""
    return [
        choose(rater, left, right, _answer(strengths[left] - strengths[right] + side, tie, random))
        for left, right in pairs
    ]


def _answer(advantage: float, tie: float, random: np.random.Generator) -> Answer:
    weights = np.exp([advantage / 2, tie, -advantage / 2])
    words: tuple[Answer, ...] = ("left", "tie", "right")
    return words[random.choice(3, p=weights / weights.sum())]


def random_pairs(names: list[str], count: int, random: np.random.Generator) -> list[tuple[str, str]]:
    """Pairs of different names."""
    drawn = (random.choice(len(names), 2, replace=False) for _ in range(count))
    return [(names[left], names[right]) for left, right in drawn]
