"""The density ratio as a corrector: a discriminator of real against synthetic samples accepts them, or moves them.

After arXiv 2606.19162, whose reward is the discriminator's logit. The model is a kernel density estimate, which blurs
every generation a little more. Controls: a discriminator trained with shuffled labels, acceptance at random at
the same rate, and steps as long in random directions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

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
from selfcorrect.statistics import Interval, mean_interval

from ..models.kernel_density import KernelDensity
from ..result import Check, Line, Panel, Result, above, below, ends_of
from ..running import Comparison, Curves, run_seeds
from .shapes import wasserstein

ACCEPTED, SHUFFLED, AT_RANDOM = "accepted by ratio", "accepted by shuffled labels", "accepted at random"
MOVED, MOVED_SHUFFLED, PLACEBO = "moved by ratio", "moved by shuffled labels", "moved at random"


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


def quick() -> DensityRatio:
    return DensityRatio(steps=60, generations=3, seeds=5, judged=200)


def run(settings: DensityRatio | None = None) -> Result:
    """All arms."""
    settings = settings or DensityRatio()
    seeds = range(settings.seed, settings.seed + settings.seeds)
    curves = run_seeds(lambda stream: _compare(settings, stream), seeds)
    shown = {"distance": "2-Wasserstein distance", "coverage": "coverage", "precision": "precision"}
    generations = np.arange(settings.generations + 1)
    return Result(
        reading=_reading(curves),
        ends=ends_of(curves, {"distance": ("distance", ".3f"), "coverage": ("coverage", ".2f")}),
        checks=_checks(curves),
        figures=[
            Panel(title, "generation", title, generations, [Line(arm, table[key]) for arm, table in curves.items()])
            for key, title in shown.items()
        ],
        notes=(
            f"Each generation trains a discriminator for {settings.steps} steps on the {settings.real_count} real "
            "training points, so that the real data stay in the loop; it is judged on points that it has not seen.",
        ),
    )


def _compare(settings: DensityRatio, stream: Stream) -> Comparison:
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
        "real only": replace(plan, policy=RealOnly()),
        "uncorrected": plan,
        **{name: replace(plan, bias=selected(settings.draws, rule)) for name, rule in rules.items()},
        **{name: replace(plan, correction=Correction(one)) for name, one in steps.items()},
    }
    return Task(KernelDensity.empty(2), real, scores), plans


def _checks(curves: Curves) -> list[Check]:
    def more(arm: str, than: str, key: str = "distance") -> Interval:
        return mean_interval(curves[arm][key][:, -1] - curves[than][key][:, -1])

    pairs = [(ACCEPTED, other) for other in ("uncorrected", AT_RANDOM, SHUFFLED)]
    pairs += [(MOVED, other) for other in ("uncorrected", PLACEBO, MOVED_SHUFFLED)]
    return [
        *(
            below(f"{arm}: nearer than {than}", more(arm, than), published=than == "uncorrected")
            for arm, than in pairs
        ),
        *(
            above(f"{arm}: more coverage than {than}", more(arm, than, "coverage"), published=False)
            for arm, than in pairs
        ),
        above(f"{ACCEPTED}: still farther than real data only", more(ACCEPTED, "real only"), published=False),
    ]  # fmt: skip


def _reading(curves: Curves) -> str:
    arms = ("uncorrected", "accepted by ratio", "moved by ratio")
    ends = [curves[arm]["distance"][:, -1].mean() for arm in arms]
    return (
        f"Without correction the distance ends at {ends[0]:.3f}. Accepting by the density ratio leaves {ends[1]:.3f}, "
        f"moving by it {ends[2]:.3f}."
    )
