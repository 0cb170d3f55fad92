"""Where drift and bias matter: matching against one, extrapolation against the other, under each way of training.

The points around a circle and the model of the remedies. Loops that replace their data are fine-tuned, or trained anew
in every generation; others keep the real data beside one batch of samples, or all batches so far.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from selfcorrect.core.randomness import Stream
from selfcorrect.loop.policy import Accumulate, Augment, Policy, Replace
from selfcorrect.loop.run import Plan, Task

from ...remedies.remedies import RemedyInputs, with_remedy
from ...studies.claims import Claim, above, end, gain, ours
from ..declaration import Arms, Column, Setup, Toy, ToySettings, by_seed
from .circle import COVERAGE, circle_task

REMEDIES = ("none", "matched", "extrapolated", "lineages")
WAYS: dict[str, tuple[Policy, bool]] = {
    "fully synthetic": (Replace(), False),
    "fully synthetic, trained anew": (Replace(), True),
    "λ = 1": (Augment(1.0), False),
    "accumulated": (Accumulate(1.0), False),
}
"""Ways of training by name: the policy, and whether every generation starts from an untrained model."""


@dataclass(frozen=True)
class MechanismLoop(ToySettings):
    """n real points, as many in every mode; training anew takes `first_steps` in every generation."""

    real_count: int = 96
    generations: int = 12
    first_steps: int = 1200
    steps: int = 60
    judged: int = 240
    seeds: int = 5
    ways: tuple[str, ...] = tuple(WAYS)


QUICK = MechanismLoop(generations=5, seeds=3, ways=("fully synthetic", "λ = 1"))


def toy(settings: MechanismLoop) -> Toy:
    """Each way of training, without a remedy, with either and with both."""

    def setup(stream: Stream) -> Setup:
        task = circle_task(settings.real_count, settings.first_steps, settings.judged, stream)
        lengths = settings.generations, settings.first_steps, settings.steps
        return Setup(task, arms_of(task, settings.ways, lengths, RemedyInputs()))

    return Toy(
        [by_seed(settings, setup)],
        ours(*_claims(settings)),
        [Column("coverage", COVERAGE)],
        groups=settings.ways,
        notes=(
            "Training anew leaves no weights in which a bias could add up; data drift all the same. Whether real data "
            "in every training set stop both losses without a remedy is what the checks of λ and accumulation ask.",
        ),
    )


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


def _claims(settings: MechanismLoop) -> Iterator[Claim]:
    for way in settings.ways:
        plain = arm_name(way, "none")
        if not isinstance(WAYS[way][0], Replace):
            kept = end(plain, "coverage") - 0.9
            yield above(f"{way}: nine tenths of the modes stay without a remedy", kept)
            continue
        for remedy in REMEDIES[1:]:
            more = gain(arm_name(way, remedy), plain, "coverage")
            yield above(f"{way}: {remedy} keeps more modes than no remedy", more)
