"""Falahati et al. 2026: raters who want different things, one drawn at random for each choice, keep variety.

With many candidates per choice the loop settles at the weighted Nash bargaining solution of its raters, with pairs it
does not. The control is one rater with the mean of their rewards, who sees as many candidates; a rater without opinions
picks at random.

`selfcorrect toy examples/loops/pluralistic.py --quick` runs the loop.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from toy_models.words import entropy, make_rater, word_task

import selfcorrect as sc
from selfcorrect import claims, toys

SEVERAL, PAIRS, MEAN, CHANCE = "several raters", "several raters, pairs", "their mean", "random choice"


@dataclass(frozen=True)
class Pluralistic(toys.ToySettings):
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


def toy(settings: Pluralistic) -> toys.Toy:
    """Declare all arms."""
    solution = nash_bargaining(settings.probabilities, settings.rewards)
    product = float(np.log(np.exp(np.array(settings.rewards)) @ solution).mean())
    bargained = {"bargaining solution": np.full(settings.generations + 1, product)}
    return toys.Toy(
        title="Curation by several raters",
        source="Falahati et al. 2026 (arXiv 2605.07724)",
        bundles=[toys.bundle_replicates("pluralistic", settings.seed, partial(set_up, settings))],
        claims=list(_make_claims(solution, product)),
        columns=[
            toys.Column("variety", "effective categories"),
            toys.Column("nash", "Nash product", predicted=bargained),
            toys.Column("worst", "utility of the worst-off rater", ""),
        ],
        notes=(
            f"The Nash product is the mean over raters of log E[e^reward]; the bargaining solution has {product:.2f}.",
            "A rater's weight is how often it is listed.",
            "All curated arms see as many candidates per choice, except the pairs.",
        ),
    )


def _make_claims(solution: np.ndarray, product: float) -> Iterator[claims.Claim]:
    first = claims.final_value(SEVERAL, "first")
    yield claims.expect_agreement("several raters: share of the majority's favourite", first, solution[0], 0.1)
    last = claims.final_value(SEVERAL, "last")
    yield claims.expect_agreement("several raters: share of the minority's favourite", last, solution[-1], 0.1)
    nash = claims.final_value(SEVERAL, "nash")
    yield claims.expect_agreement("several raters: Nash product at the end", nash, product, 0.02)
    variety = claims.final_difference(SEVERAL, MEAN, "variety")
    yield claims.expect_above("several raters keep more variety than their mean", variety)
    nash_over_mean = claims.final_difference(SEVERAL, MEAN, "nash")
    yield claims.expect_above("several raters: a higher Nash product than their mean", nash_over_mean)
    nash_over_chance = claims.final_difference(SEVERAL, CHANCE, "nash")
    yield claims.expect_above("several raters: a higher Nash product than by chance", nash_over_chance)
    yield claims.expect_below("their mean: the minority's favourite is lost", claims.final_value(MEAN, "last"), 0.01)
    variety_by_chance = claims.final_difference(CHANCE, SEVERAL, "variety")
    paired = "several raters, pairs: the minority's favourite is lost all the same"
    yield from claims.mark_unpublished(
        claims.expect_above("random choice keeps more variety than several raters", variety_by_chance),
        claims.expect_below(paired, claims.final_value(PAIRS, "last"), 0.01),
    )


def set_up(settings: Pluralistic, stream: sc.Stream) -> toys.Setup:
    """All arms with the same words."""
    rewards = np.array(settings.rewards)
    arms = {
        SEVERAL: _make_arm(settings, settings.candidates, rewards),
        PAIRS: _make_arm(settings, 2, rewards),
        MEAN: _make_arm(settings, settings.candidates, rewards.mean(0, keepdims=True)),
        CHANCE: _make_arm(settings, settings.candidates, 0 * rewards[:1]),
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

    return toys.Setup(word_task(settings.probabilities, settings.real_count, measure, stream, settings.seeds), arms)


def _make_arm(settings: Pluralistic, candidates: int, rewards: np.ndarray) -> sc.Arm:
    raters = [make_rater(table) for table in rewards]
    return sc.Arm(sc.Replace(), settings.generations, bias=sc.best_of(candidates, *raters, choice_noise=1.0))


def nash_bargaining(start: ArrayLike, rewards: ArrayLike, rounds: int = 20_000) -> np.ndarray:
    """Return the Nash bargaining distribution.

    This is the distribution p (categories,) that maximises the mean over raters of log E_p[e^r], a Nash product. With
    infinitely many candidates per choice, curation by a rater drawn at random is p ← p · mean_i e^{r_i} / E_p [e^{r_i}]
    (Falahati et al. 2026, arXiv 2605.07724; weights are repetitions of raters). It never lowers that product and
    settles at its maximum (Cover 1984) on the support of `start`.

    Args:
        start: (categories,) first distribution.
        rewards: (raters, categories).
    """
    p = np.asarray(start, dtype=float)
    utility = np.exp(np.atleast_2d(np.asarray(rewards, dtype=float)))
    for _ in range(rounds):
        p = p * (utility / (utility @ p)[:, None]).mean(0)
    return p / p.sum()
