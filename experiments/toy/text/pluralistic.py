"""Falahati et al. 2026: raters who want different things, one drawn at random for each choice, keep variety.

With many candidates per choice the loop settles at the weighted Nash bargaining solution of its raters, with pairs it
does not. The control is
one rater with the mean of their rewards, who sees as many candidates; a rater without opinions picks at random.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from selfcorrect.analysis.curation import nash_bargaining
from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.bias import best_of
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.run import Candidate, Plan, Task
from selfcorrect.statistics import mean_interval

from ..models.categorical import Categorical
from ..result import Check, Line, Panel, Result, above, agrees, below, ends_of
from ..running import Curves, run_arms


@dataclass(frozen=True)
class Pluralistic:
    """Categories with the truth's probabilities, and the rewards of raters, as often as their weight asks."""

    probabilities: tuple[float, ...] = (0.3, 0.25, 0.2, 0.15, 0.1)
    rewards: tuple[tuple[float, ...], ...] = (
        (3.0, 1.0, 0.0, 0.0, 0.0),
        (3.0, 1.0, 0.0, 0.0, 0.0),
        (0.0, 0.0, 0.0, 1.0, 3.0),
    )
    """Two of three raters want the first category, one the last; none wants the third."""
    candidates: int = 32
    """Per choice; pairs are run beside them."""
    real_count: int = 2000
    generations: int = 40
    seeds: int = 30
    seed: int = 0


def quick() -> Pluralistic:
    return Pluralistic(candidates=16, real_count=1000, generations=30, seeds=20)


def run(settings: Pluralistic | None = None) -> Result:
    """All arms."""
    settings = settings or Pluralistic()
    stream = streams(settings.seed).child("pluralistic")
    truth = Categorical(torch.tensor(settings.probabilities).double().expand(settings.seeds, -1).contiguous())
    real = Samples.real(truth.sample(torch.zeros(settings.real_count), stream.child("real")))
    untrained = Categorical.uniform(settings.seeds, len(settings.probabilities))
    task = Task(untrained, real, lambda candidate: _scores(settings, candidate))
    curves = run_arms(task, _plans(settings), stream)
    return Result(
        reading=_reading(settings, curves),
        ends=ends_of(curves, {"effective categories": ("variety", ".2f"), "Nash product": ("nash", ".2f")}),
        checks=_checks(settings, curves),
        figures=_panels(settings, curves),
        notes=(
            "The Nash product is the mean over raters of log E[e^reward]; a rater's weight is how often it is listed.",
            "All curated arms see as many candidates per choice, except the pairs.",
        ),
    )


def _plans(settings: Pluralistic) -> dict[str, Plan]:
    raters = [_rater(rewards) for rewards in settings.rewards]
    mean = _rater(np.mean(settings.rewards, axis=0))
    nobody = _rater(np.zeros(len(settings.probabilities)))

    def plan(count: int, *chosen: Callable[[Tensor], Tensor]) -> Plan:
        return Plan(Replace(), settings.generations, bias=best_of(count, *chosen, choice_noise=1.0))

    return {
        "several raters": plan(settings.candidates, *raters),
        "several raters, pairs": plan(2, *raters),
        "their mean": plan(settings.candidates, mean),
        "random choice": plan(settings.candidates, nobody),
    }


def _rater(rewards) -> Callable[[Tensor], Tensor]:
    table = torch.tensor(np.asarray(rewards), dtype=torch.float64)
    return lambda values: table[values.long()]


def _scores(settings: Pluralistic, candidate: Candidate) -> dict[str, Tensor]:
    model = candidate.model
    assert isinstance(model, Categorical)
    probabilities = model.probabilities
    utilities = probabilities @ torch.tensor(settings.rewards, dtype=torch.float64).exp().T
    return {
        "variety": torch.special.entr(probabilities).sum(-1).exp(),
        "nash": utilities.log().mean(-1),
        "worst": utilities.log().min(-1).values,
        "first": probabilities[:, 0],
        "last": probabilities[:, -1],
    }


def _bargain(settings: Pluralistic) -> tuple[np.ndarray, float]:
    """The distribution of the Nash bargaining solution, and its product."""
    solution = nash_bargaining(settings.probabilities, settings.rewards)
    return solution, float(np.log(np.exp(np.array(settings.rewards)) @ solution).mean())


def _checks(settings: Pluralistic, curves: Curves) -> list[Check]:
    ends = {arm: {key: values[:, -1] for key, values in table.items()} for arm, table in curves.items()}
    (solution, product), several, mean = _bargain(settings), ends["several raters"], ends["their mean"]
    chance = ends["random choice"]
    return [
        agrees("several raters: share of the majority's favourite", mean_interval(several["first"]), solution[0], 0.1),
        agrees("several raters: share of the minority's favourite", mean_interval(several["last"]), solution[-1], 0.1),
        agrees("several raters: Nash product at the end", mean_interval(several["nash"]), product, 0.02),
        above("several raters keep more variety than their mean", mean_interval(several["variety"] - mean["variety"])),
        above("several raters: a higher Nash product than their mean", mean_interval(several["nash"] - mean["nash"])),
        above("several raters: a higher Nash product than by chance", mean_interval(several["nash"] - chance["nash"])),
        below("their mean: the minority's favourite is lost", mean_interval(mean["last"]), 0.01),
        above(
            "random choice keeps more variety than several raters",
            mean_interval(chance["variety"] - several["variety"]),
            published=False,
        ),
        below(
            "several raters, pairs: the minority's favourite is lost all the same",
            mean_interval(ends["several raters, pairs"]["last"]),
            0.01,
            published=False,
        ),
    ]  # fmt: skip


def _reading(settings: Pluralistic, curves: Curves) -> str:
    end = curves["several raters"]["nash"][:, -1].mean()
    return (
        f"After {settings.generations} generations several raters reach a Nash product of {end:.2f}. "
        f"The bargaining solution has {_bargain(settings)[1]:.2f}."
    )


def _panels(settings: Pluralistic, curves: Curves) -> list[Panel]:
    generations, (_, product) = np.arange(settings.generations + 1), _bargain(settings)
    shown = {
        "variety": "effective number of categories",
        "nash": "Nash product",
        "worst": "utility of the worst-off rater",
    }
    return [
        Panel(
            f"Curation by several raters: {title}",
            "generation",
            title,
            generations,
            [
                *(Line(arm, table[key]) for arm, table in curves.items()),
                *([Line("bargaining solution", None, np.full(len(generations), product))] if key == "nash" else []),
            ],
        )
        for key, title in shown.items()
    ]
