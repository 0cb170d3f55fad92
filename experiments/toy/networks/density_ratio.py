"""The density ratio as a corrector: a discriminator of real against synthetic samples accepts them, or moves them.

After arXiv 2606.19162, whose reward is the discriminator's logit. The model is a kernel density estimate, which blurs
every generation a little more. Controls: a discriminator trained with shuffled labels, acceptance at random at
the same rate, and steps as long in random directions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import Corrector, placebo
from selfcorrect.correctors.correction import Correction
from selfcorrect.correctors.density_ratio import Discrimination, towards_density_ratio
from selfcorrect.datasets.toy.draws import SHAPES
from selfcorrect.loop.policy import RealOnly, Replace
from selfcorrect.loop.run import Candidate, Plan, Task
from selfcorrect.metrics.neighbours import neighbour_metrics
from selfcorrect.remedies.selection import at_random, by_density_ratio, selected

from ...studies.claims import above, below, gain
from ..declaration import Column, Setup, Toy, by_seed
from ..models.kernel_density import KernelDensity
from .shapes import wasserstein

REAL, PLAIN = "real only", "uncorrected"
ACCEPTED, SHUFFLED, AT_RANDOM = "accepted by ratio", "accepted by shuffled labels", "accepted at random"
MOVED, MOVED_SHUFFLED, PLACEBO = "moved by ratio", "moved by shuffled labels", "moved at random"
PAIRS = [
    *((ACCEPTED, control) for control in (PLAIN, AT_RANDOM, SHUFFLED)),
    *((MOVED, control) for control in (PLAIN, PLACEBO, MOVED_SHUFFLED)),
]
"""Arms and their controls."""


@dataclass(frozen=True)
class DensityRatio:
    """Points of a shape in the plane; one of `draws` candidates is accepted, or all move by `length` deviations."""

    shape: str = "moons"
    real_count: int = 300
    judged: int = 300
    draws: int = 4
    length: float = 0.1
    steps: int = 100
    generations: int = 5
    seeds: int = 6
    seed: int = 0


QUICK = DensityRatio(steps=60, generations=3, seeds=5, judged=200)


def toy(settings: DensityRatio) -> Toy:
    """All arms."""
    return Toy(
        [by_seed(settings.seed, settings.seeds, lambda stream: _setup(settings, stream))],
        [
            *(
                below(f"{arm}: nearer than {than}", gain(arm, than, "distance"), published=than == PLAIN)
                for arm, than in PAIRS
            ),
            *(
                above(f"{arm}: more coverage than {than}", gain(arm, than, "coverage"), published=False)
                for arm, than in PAIRS
            ),
            above(f"{ACCEPTED}: still farther than real data only", gain(ACCEPTED, REAL, "distance"), published=False),
        ],
        [Column("distance", "distance", ".3f"), Column("coverage", "coverage"), Column("precision", "precision", "")],
        notes=(
            f"Each generation trains a discriminator for {settings.steps} steps on the {settings.real_count} real "
            "training points, so that the real data stay in the loop; it is judged on points that it has not seen.",
            "The distance is the 2-Wasserstein distance.",
        ),
    )


def _setup(settings: DensityRatio, stream: Stream) -> Setup:
    draw = SHAPES[settings.shape]
    real = Samples.real(draw(settings.real_count, stream.child("real"))[0])
    reference = draw(settings.judged, stream.child("reference"))[0].numpy()

    def scores(candidate: Candidate) -> dict[str, float]:
        drawn = candidate.samples(settings.judged).values.double().numpy()
        near = neighbour_metrics(reference, drawn)
        return {"distance": wasserstein(reference, drawn), "coverage": near["coverage"], "precision": near["precision"]}

    told, untold = Discrimination(steps=settings.steps), Discrimination(steps=settings.steps, shuffled=True)
    rules = {
        ACCEPTED: by_density_ratio(real, told),
        SHUFFLED: by_density_ratio(real, untold),
        AT_RANDOM: at_random,
    }
    step = towards_density_ratio(real, settings.length, told)
    steps: dict[str, Corrector] = {
        MOVED: step,
        MOVED_SHUFFLED: towards_density_ratio(real, settings.length, untold),
        PLACEBO: placebo(step),
    }
    plan = Plan(Replace(), settings.generations)
    plans = {
        REAL: replace(plan, policy=RealOnly()),
        PLAIN: plan,
        **{name: replace(plan, bias=selected(settings.draws, rule)) for name, rule in rules.items()},
        **{name: replace(plan, correction=Correction(one)) for name, one in steps.items()},
    }
    return Setup(Task(KernelDensity.empty(2), real, scores), plans)
