"""Falahati et al. 2026: raters who want different things, one drawn at random for each choice, keep variety.

With many candidates per choice the loop settles at the weighted Nash bargaining solution of its raters, with pairs it
does not. The control is one rater with the mean of their rewards, who sees as many candidates; a rater without opinions
picks at random.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from selfcorrect.analysis.curation import nash_bargaining
from selfcorrect.core.randomness import Stream
from selfcorrect.loop.bias import best_of
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.run import Arm

from ...studies.claims import (
    Claim,
    expect_above,
    expect_agreement,
    expect_below,
    final_difference,
    final_value,
    mark_unpublished,
)
from ..toys import Column, Setup, Toy, ToySettings, bundle_replicates
from .tasks import entropy, make_rater, word_task

SEVERAL, PAIRS, MEAN, CHANCE = "several raters", "several raters, pairs", "their mean", "random choice"


@dataclass(frozen=True)
class Pluralistic(ToySettings):
    """Categories with the truth's probabilities, and the rewards of raters, as often as their weight asks."""

    probabilities: tuple[float, ...] = (0.3, 0.25, 0.2, 0.15, 0.1)
    rewards: tuple[tuple[float, ...], ...] = (
        (3.0, 1.0, 0.0, 0.0, 0.0),
        (3.0, 1.0, 0.0, 0.0, 0.0),
        (0.0, 0.0, 0.0, 1.0, 3.0),
    )
    """Two of three raters want the first category, one the last; none wants the third."""
    candidates: int = 32
    """Candidates per choice; pairs are run beside them."""
    real_count: int = 2000
    generations: int = 40


QUICK = Pluralistic(candidates=16, real_count=1000, generations=30, seeds=20)


def toy(settings: Pluralistic) -> Toy:
    """Declare all arms."""
    solution = nash_bargaining(settings.probabilities, settings.rewards)
    product = float(np.log(np.exp(np.array(settings.rewards)) @ solution).mean())
    claims = list(_make_claims(solution, product))
    columns = [
        Column("variety", "effective categories"),
        Column("nash", "Nash product", predicted={"bargaining solution": np.full(settings.generations + 1, product)}),
        Column("worst", "utility of the worst-off rater", ""),
    ]
    return Toy(
        bundles=[bundle_replicates("pluralistic", settings.seed, partial(set_up, settings))],
        claims=claims,
        columns=columns,
        notes=(
            f"The Nash product is the mean over raters of log E[e^reward]; the bargaining solution has {product:.2f}.",
            "A rater's weight is how often it is listed.",
            "All curated arms see as many candidates per choice, except the pairs.",
        ),
    )


def _make_claims(solution: np.ndarray, product: float) -> Iterator[Claim]:
    first = final_value(SEVERAL, "first")
    yield expect_agreement("several raters: share of the majority's favourite", first, solution[0], 0.1)
    last = final_value(SEVERAL, "last")
    yield expect_agreement("several raters: share of the minority's favourite", last, solution[-1], 0.1)
    nash = final_value(SEVERAL, "nash")
    yield expect_agreement("several raters: Nash product at the end", nash, product, 0.02)
    variety = final_difference(SEVERAL, MEAN, "variety")
    yield expect_above("several raters keep more variety than their mean", variety)
    nash_over_mean = final_difference(SEVERAL, MEAN, "nash")
    yield expect_above("several raters: a higher Nash product than their mean", nash_over_mean)
    nash_over_chance = final_difference(SEVERAL, CHANCE, "nash")
    yield expect_above("several raters: a higher Nash product than by chance", nash_over_chance)
    yield expect_below("their mean: the minority's favourite is lost", final_value(MEAN, "last"), 0.01)
    variety_by_chance = final_difference(CHANCE, SEVERAL, "variety")
    paired = "several raters, pairs: the minority's favourite is lost all the same"
    yield from mark_unpublished(
        expect_above("random choice keeps more variety than several raters", variety_by_chance),
        expect_below(paired, final_value(PAIRS, "last"), 0.01),
    )


def set_up(settings: Pluralistic, stream: Stream) -> Setup:
    """All arms with the same words."""
    mean_rewards = np.mean(settings.rewards, axis=0)
    no_rewards = np.zeros(len(settings.probabilities))
    arms = {
        SEVERAL: _make_arm(settings, settings.candidates, settings.rewards),
        PAIRS: _make_arm(settings, 2, settings.rewards),
        MEAN: _make_arm(settings, settings.candidates, [mean_rewards]),
        CHANCE: _make_arm(settings, settings.candidates, [no_rewards]),
    }
    utility = torch.tensor(settings.rewards, dtype=torch.float64).exp().T

    def measure(probabilities: Tensor) -> dict[str, Tensor]:
        log_utility = (probabilities @ utility).log()
        return {
            "variety": entropy(probabilities).exp(),
            "nash": log_utility.mean(-1),
            "worst": log_utility.amin(-1),
            "first": probabilities[:, 0],
            "last": probabilities[:, -1],
        }

    return Setup(word_task(settings.probabilities, settings.real_count, measure, stream, settings.seeds), arms)


def _make_arm(settings: Pluralistic, candidates: int, rewards: Sequence[Sequence[float] | np.ndarray]) -> Arm:
    raters = [make_rater(table) for table in rewards]
    return Arm(Replace(), settings.generations, bias=best_of(candidates, *raters, choice_noise=1.0))
