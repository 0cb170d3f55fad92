"""Effects of drift and of bias: matching against one, extrapolation against the other, under each way of training.

The points around a circle and the model of `remedies.py`. Loops that replace their data are fine-tuned, or trained anew
in every generation; others keep the real data beside one batch of samples, or all batches so far.

    selfcorrect toy examples/loops/mechanisms.py --quick
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from toy_models.circle import make_circle_task
from toy_models.ways import REMEDIES, WAYS, make_arms

import selfcorrect as sc
from selfcorrect import claims, toys


@dataclass(frozen=True)
class MechanismLoop(toys.ToySettings):
    """n real points, as many in every mode; training anew takes `initial_steps` in every generation."""

    real_count: int = 96
    generations: int = 12
    initial_steps: int = 1200
    steps: int = 60
    judged: int = 240
    seeds: int = 5
    ways: tuple[str, ...] = tuple(WAYS)


QUICK = MechanismLoop(generations=5, seeds=3, ways=("fully synthetic", "λ = 1"))


def toy(settings: MechanismLoop) -> toys.Toy:
    """Declare each kind of training without remedies, with either, and with both."""
    return toys.Toy(
        bundles=[toys.bundle_seeds(settings, partial(set_up, settings))],
        claims=claims.mark_unpublished(*make_claims(settings)),
        columns=[toys.Column("coverage", "share of modes left")],
        groups=settings.ways,
        title="Where drift and bias matter",
        source="this project",
        notes=(
            "Training anew leaves no weights in which a bias could add up; data drift all the same. Whether real data "
            "in every training set stop both losses without a remedy is what the checks of λ and accumulation ask.",
        ),
    )


def set_up(settings: MechanismLoop, stream: sc.Stream) -> toys.Setup:
    task = make_circle_task(settings.real_count, settings.initial_steps, settings.judged, stream)
    return toys.Setup(task, make_arms(task, settings.ways, settings.generations, settings.steps))


def make_claims(settings: MechanismLoop) -> Iterator[claims.Claim]:
    for way in settings.ways:
        plain = f"{way}, none"
        if not isinstance(WAYS[way][0], sc.Replace):
            missing = claims.final_value(plain, "coverage") - 0.9
            yield claims.expect_above(f"{way}: nine tenths of the modes stay without a remedy", missing)
            continue
        for remedy in REMEDIES[1:]:
            coverage = claims.final_difference(f"{way}, {remedy}", plain, "coverage")
            yield claims.expect_above(f"{way}: {remedy} keeps more modes than no remedy", coverage)
