"""The density ratio as a corrector: a discriminator of real against synthetic samples accepts them, or moves them.

After arXiv 2606.19162, whose reward is the discriminator's logit. The model is a kernel density estimate, which blurs
every generation a little more. Controls: a discriminator trained with shuffled labels, acceptance at random at
the same rate, and steps as long in random directions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from selfcorrect.core.randomness import Stream
from selfcorrect.correctors.contract import Corrector, placebo
from selfcorrect.correctors.correction import Correction
from selfcorrect.correctors.density_ratio import Discrimination, towards_density_ratio
from selfcorrect.loop.policy import RealOnly, Replace
from selfcorrect.loop.run import Plan
from selfcorrect.remedies.selection import at_random, by_density_ratio, selected

from ...studies.claims import above, below, gain, ours
from ..declaration import Column, Setup, Toy, ToySettings, by_seed
from ..models.kernel_density import KernelDensity
from .planar import planar_task

REAL, PLAIN = "real only", "uncorrected"
ACCEPTED, SHUFFLED, AT_RANDOM = "accepted by ratio", "accepted by shuffled labels", "accepted at random"
MOVED, MOVED_SHUFFLED, PLACEBO = "moved by ratio", "moved by shuffled labels", "moved at random"
PAIRS = [
    *((ACCEPTED, control) for control in (PLAIN, AT_RANDOM, SHUFFLED)),
    *((MOVED, control) for control in (PLAIN, PLACEBO, MOVED_SHUFFLED)),
]
"""Arms and their controls."""


@dataclass(frozen=True)
class DensityRatio(ToySettings):
    """Points of a shape in the plane; one of `draws` candidates is accepted, or all move by `length` deviations."""

    shape: str = "moons"
    real_count: int = 300
    judged: int = 300
    draws: int = 4
    length: float = 0.1
    steps: int = 100
    generations: int = 5
    seeds: int = 6


QUICK = DensityRatio(steps=60, generations=3, seeds=5, judged=200)


def toy(settings: DensityRatio) -> Toy:
    """All arms."""
    nearer = [(than, below(f"{arm}: nearer than {than}", gain(arm, than, "distance"))) for arm, than in PAIRS]
    return Toy(
        [by_seed(settings, lambda stream: _setup(settings, stream))],
        [
            *(claim for than, one in nearer for claim in ([one] if than == PLAIN else ours(one))),
            *ours(
                *(above(f"{arm}: more coverage than {than}", gain(arm, than, "coverage")) for arm, than in PAIRS),
                above(f"{ACCEPTED}: still farther than real data only", gain(ACCEPTED, REAL, "distance")),
            ),
        ],
        [Column("distance", "distance", ".3f"), Column("coverage", "coverage"), Column("precision", "precision", "")],
        notes=(
            f"Each generation trains a discriminator for {settings.steps} steps on the {settings.real_count} real "
            "training points, so that the real data stay in the loop; it is judged on points that it has not seen.",
            "The distance is the 2-Wasserstein distance.",
        ),
    )


def _setup(settings: DensityRatio, stream: Stream) -> Setup:
    task = planar_task(KernelDensity.empty(2), settings.shape, settings.real_count, settings.judged, stream)
    real, length = task.real, settings.length
    told, untold = Discrimination(steps=settings.steps), Discrimination(steps=settings.steps, shuffled=True)
    rules = {ACCEPTED: by_density_ratio(real, told), SHUFFLED: by_density_ratio(real, untold), AT_RANDOM: at_random}
    step, untold_step = towards_density_ratio(real, length, told), towards_density_ratio(real, length, untold)
    steps: dict[str, Corrector] = {MOVED: step, MOVED_SHUFFLED: untold_step, PLACEBO: placebo(step)}
    plan = Plan(Replace(), settings.generations)
    plans = {
        REAL: replace(plan, policy=RealOnly()),
        PLAIN: plan,
        **{name: replace(plan, bias=selected(settings.draws, rule)) for name, rule in rules.items()},
        **{name: replace(plan, correction=Correction(one)) for name, one in steps.items()},
    }
    return Setup(task, plans)
