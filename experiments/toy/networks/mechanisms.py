"""Where drift and bias matter: matching against one, extrapolation against the other, under each way of training.

The points around a circle and the model of the remedies. Loops that replace their data are fine-tuned, or trained anew
in every generation; others keep the real data beside one batch of samples, or all batches so far.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from selfcorrect.core.randomness import Stream
from selfcorrect.loop.policy import Accumulate, Augment, Policy, Replace
from selfcorrect.loop.run import Plan, Task
from selfcorrect.statistics import mean_interval

from ...remedies.remedies import RemedyInputs, with_remedy
from ..result import Check, Ends, Line, Panel, Result, above
from ..running import Arms, Comparison, Curves, run_seeds
from .defences import circle_task

REMEDIES = ("none", "matched", "extrapolated", "lineages")
WAYS: dict[str, tuple[Policy, bool]] = {
    "fully synthetic": (Replace(), False),
    "fully synthetic, trained anew": (Replace(), True),
    "λ = 1": (Augment(1.0), False),
    "accumulated": (Accumulate(1.0), False),
}
"""Ways of training by name: the policy, and whether every generation starts from an untrained model."""


@dataclass(frozen=True)
class MechanismLoop:
    """n real points, as many in every mode; training anew takes `first_steps` in every generation."""

    real_count: int = 96
    generations: int = 12
    first_steps: int = 1200
    steps: int = 60
    judged: int = 240
    seeds: int = 5
    seed: int = 0
    ways: tuple[str, ...] = tuple(WAYS)


def quick() -> MechanismLoop:
    return MechanismLoop(generations=5, seeds=3, ways=("fully synthetic", "λ = 1"))


def run(settings: MechanismLoop | None = None) -> Result:
    """Each way of training, without a remedy, with either and with both."""
    settings = settings or MechanismLoop()
    seeds = range(settings.seed, settings.seed + settings.seeds)
    curves = run_seeds(lambda stream: _compare(settings, stream), seeds)
    return Result(
        reading=_reading(settings, curves),
        ends=ends_by_remedy(curves, settings.ways, "coverage", ".2f"),
        checks=list(_checks(settings, curves)),
        figures=panels(curves, settings.ways, "coverage", "share of the modes that samples reach"),
        notes=(
            "Training anew leaves no weights in which a bias could add up; data drift all the same. Whether real data "
            "in every training set stop both losses without a remedy is what the checks of λ and accumulation ask.",
        ),
    )


def panels(curves: Curves, ways: Sequence[str], key: str, title: str, *, log_y: bool = False) -> list[Panel]:
    """A quantity over the generations: a panel for each way of training, a line for each remedy."""
    return [
        Panel(
            f"{title}: {way}",
            "generation",
            key.replace("_", " "),
            np.arange(curves[arm_name(way, "none")][key].shape[1]),
            [Line(remedy, curves[arm_name(way, remedy)][key]) for remedy in REMEDIES],
            log_y=log_y,
        )
        for way in ways
    ]


def _compare(settings: MechanismLoop, stream: Stream) -> Comparison:
    task = circle_task(settings.real_count, settings.first_steps, settings.judged, stream)
    lengths = settings.generations, settings.first_steps, settings.steps
    return task, arms_of(task, settings.ways, lengths, RemedyInputs())


def arms_of(task: Task, ways: Sequence[str], lengths: tuple[int, int, int], inputs: RemedyInputs) -> Arms:
    """Each way of training with each remedy; lengths: generations, first steps and steps."""
    return {
        arm_name(way, remedy): with_remedy(task, plan_of(way, *lengths), remedy, inputs)
        for way in ways
        for remedy in REMEDIES
    }


def plan_of(way: str, generations: int, first_steps: int, steps: int) -> Plan:
    """The plan of a way of training; `first_steps` are those of generation 0, which training anew takes every time."""
    policy, anew = WAYS[way]
    return Plan(policy, generations, first_steps if anew else steps, from_scratch=anew)


def arm_name(way: str, remedy: str) -> str:
    return f"{way}, {remedy}"


def _checks(settings: MechanismLoop, curves: Curves) -> Iterator[Check]:
    for way in settings.ways:
        plain = curves[arm_name(way, "none")]["coverage"][:, -1]
        if not isinstance(WAYS[way][0], Replace):
            yield above(
                f"{way}: nine tenths of the modes stay without a remedy", mean_interval(plain - 0.9), published=False
            )
            continue
        for remedy in REMEDIES[1:]:
            kept = curves[arm_name(way, remedy)]["coverage"][:, -1]
            yield above(
                f"{way}: {remedy} keeps more modes than no remedy", mean_interval(kept - plain), published=False
            )


def _reading(settings: MechanismLoop, curves: Curves) -> str:
    way = settings.ways[0]
    none, both = (curves[arm_name(way, remedy)]["coverage"][:, -1].mean() for remedy in (REMEDIES[0], REMEDIES[-1]))
    return f"{way.capitalize()}, {none:.2f} of the modes are left; with both remedies {both:.2f}."


def ends_by_remedy(curves: Curves, ways: Sequence[str], key: str, form: str) -> Ends:
    """A table of means at the last generation, a row for each way of training and a column for each remedy."""
    rows = {
        way: [format(curves[arm_name(way, remedy)][key][:, -1].mean(), form) for remedy in REMEDIES] for way in ways
    }
    return Ends(REMEDIES, rows)
