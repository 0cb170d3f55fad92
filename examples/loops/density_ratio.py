"""A discriminator as corrector, after arXiv 2606.19162, whose reward is the discriminator's logit.

A discriminator of real against synthetic samples accepts samples, or moves them. The model is a kernel density
estimate, which blurs every generation a little more. Controls: a discriminator trained with shuffled labels, acceptance
at random at the same rate, and steps as long in random directions.

    pip install ./examples/plugins/published_remedies
    selfcorrect toy examples/loops/density_ratio.py --quick
"""

from dataclasses import dataclass, replace
from functools import partial

from published_remedies.candidates import at_random, by_density_ratio, select_candidates
from published_remedies.density_ratio import Discrimination, towards_density_ratio
from toy_data.draws import SHAPES
from toy_models.distances import measure_wasserstein
from toy_models.kernel_density import KernelDensity

import selfcorrect as sc
from selfcorrect import claims, toys

REAL, PLAIN = "real only", "uncorrected"
ACCEPTED, SHUFFLED, AT_RANDOM = "accepted by ratio", "accepted by shuffled labels", "accepted at random"
MOVED, MOVED_SHUFFLED, PLACEBO = "moved by ratio", "moved by shuffled labels", "moved at random"
CONTROLS = {ACCEPTED: (PLAIN, AT_RANDOM, SHUFFLED), MOVED: (PLAIN, PLACEBO, MOVED_SHUFFLED)}
"""The arms that an arm is compared with."""


@dataclass(frozen=True)
class DensityRatio(toys.ToySettings):
    """Points of a shape in the plane; one of `draws` candidates is accepted, or all move by `length` deviations."""

    shape: str = "moons"
    real_count: int = 300
    judged: int = 300
    draws: int = 4
    length: float = 0.1
    steps: int = 100
    """Optimiser steps of the discriminator."""
    generations: int = 5
    seeds: int = 6


QUICK = DensityRatio(steps=60, generations=3, seeds=5, judged=200)


def toy(settings: DensityRatio) -> toys.Toy:
    """Declare all arms."""
    return toys.Toy(
        bundles=[toys.bundle_seeds(settings, partial(set_up, settings))],
        claims=make_claims(),
        columns=[
            toys.Column("distance", "distance", ".3f"),
            toys.Column("coverage", "coverage"),
            toys.Column("precision", "precision", ""),
        ],
        title="A discriminator as corrector",
        source="arXiv 2606.19162",
        notes=(
            f"Each generation trains a discriminator for {settings.steps} steps on the {settings.real_count} real "
            "training points, so that the real data stay in the loop; it is judged on points that it has not seen.",
            "The distance is the 2-Wasserstein distance.",
        ),
    )


def make_claims() -> list[claims.Claim]:
    """Compare each arm with its controls.

    The paper compares it with the plain loop only.
    """
    statements = []
    for arm, controls in CONTROLS.items():
        for control in controls:
            distance = claims.final_difference(arm, control, "distance")
            claim = claims.expect_below(f"{arm}: nearer than {control}", distance)
            statements.append(replace(claim, published=control == PLAIN))
    for arm, controls in CONTROLS.items():
        for control in controls:
            coverage = claims.final_difference(arm, control, "coverage")
            claim = claims.expect_above(f"{arm}: more coverage than {control}", coverage)
            statements.append(replace(claim, published=False))
    distance = claims.final_difference(ACCEPTED, REAL, "distance")
    claim = claims.expect_above(f"{ACCEPTED}: still farther than real data only", distance)
    return [*statements, replace(claim, published=False)]


def set_up(settings: DensityRatio, stream: sc.Stream) -> toys.Setup:
    draw_shape = SHAPES[settings.shape]
    real = sc.Samples.real(draw_shape(settings.real_count, stream.child("real")))
    reference = draw_shape(settings.judged, stream.child("reference")).numpy()

    def measure(candidate: sc.Candidate) -> dict[str, float]:
        drawn = candidate.samples(settings.judged).values.double().numpy()
        return {**sc.neighbour_metrics(reference, drawn), "distance": measure_wasserstein(reference, drawn)}

    trained = Discrimination(steps=settings.steps)
    shuffled = Discrimination(steps=settings.steps, shuffled=True)
    move = towards_density_ratio(real, settings.length, trained)
    move_shuffled = towards_density_ratio(real, settings.length, shuffled)
    plain = sc.Arm(sc.Replace(), settings.generations)
    scores = {
        ACCEPTED: by_density_ratio(real, trained),
        SHUFFLED: by_density_ratio(real, shuffled),
        AT_RANDOM: at_random,
    }
    correctors = {MOVED: move, MOVED_SHUFFLED: move_shuffled, PLACEBO: sc.random_perturbation(move)}
    arms = {REAL: replace(plain, policy=sc.RealOnly()), PLAIN: plain}
    for name, score in scores.items():
        arms[name] = replace(plain, bias=select_candidates(settings.draws, score))
    for name, corrector in correctors.items():
        arms[name] = replace(plain, correction=sc.Correction(corrector))
    return toys.Setup(sc.Task(KernelDensity.empty(2), real, measure), arms)
