"""Gillman et al. 2024: a Gaussian in an augmented loop, corrected towards the truth with growing strength.

Beside the ideal corrector, which knows the truth, stands an empirical one, which knows the training data. A control
gets as many fresh real samples as the ideal corrector injects. The authors' program differs from their text in two ways
and is reproduced as theirs. It redraws the samples from a histogram even at strength 0, and it keeps the synthetic data
of former generations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream
from selfcorrect.loop.policy import Augment, RealOnly
from selfcorrect.loop.run import Plan

from ...studies.claims import (
    Curves,
    Quantity,
    expect_above,
    expect_agreement,
    expect_below,
    initial_value,
    late_mean,
    mark_unpublished,
)
from ..declaration import Column, Setup, Sweep, Toy, ToySettings, bundle_replicates
from .authors import AUTHORS, PAPER_STRENGTHS, authors_bundle, authors_claims
from .tasks import DIMENSION, RealAndFresh, draw_from, draw_truth, fresh_normal, gaussian_task, per_seed

DISTANCE = "2-Wasserstein distance to the truth"
ideal, empirical, fresh = "ideal γ = {:g}".format, "empirical γ = {:g}".format, "fresh data as γ = {:g}".format
"""Names of arms by strength: corrected towards the truth, towards the training data, with fresh real data instead."""


@dataclass(frozen=True)
class GaussianCorrect(ToySettings):
    """The paper's setting: 50 real points in the plane, λ = 0.5, 500 generations."""

    real_count: int = 50
    ratio: float = 0.5
    strengths: tuple[float, ...] = PAPER_STRENGTHS
    generations: int = 500
    seeds: int = 100
    authors_seeds: int = 20

    def injected(self, strength: float) -> int:
        """Fresh samples per generation that a mixture correction of this strength injects."""
        return round(round(self.ratio * self.real_count) * strength / (1 + strength))


QUICK = GaussianCorrect(strengths=(0.0, 0.3, 2.0), generations=60, seeds=200, authors_seeds=0)


def toy(settings: GaussianCorrect) -> Toy:
    """The three kinds of corrector, and the authors' program."""
    n, strengths, generations = settings.real_count, settings.strengths, settings.generations
    errors = {g: theory.augment_error(n, settings.ratio, g, generations) for g in strengths}
    laws = {ideal(g): theory.expected_wasserstein(error, DIMENSION) for g, error in errors.items()}
    weak, strong, count = strengths[0], strengths[-1], max(1, (generations + 1) // 10)
    injecting = [g for g in strengths if settings.injected(g)]
    kinds = {"ideal": ideal, "empirical": empirical, "fresh samples instead": fresh}
    groups = {"measured (lines) and predicted (dashes)": {f"γ = {g:g}": ideal(g) for g in strengths}}
    authors = {"the authors' variant": {name.partition(": ")[2]: name for name in AUTHORS}}

    def setup(stream: Stream) -> Setup:
        task = gaussian_task(n, settings.seeds, stream)
        augment = Plan(Augment(settings.ratio), generations)
        source, towards_data = fresh_normal(settings.seeds), draw_from(task.real)
        plans = {ideal(g): replace(augment, correction=per_seed(draw_truth, g)) for g in strengths}
        for g in injecting:
            plans[empirical(g)] = replace(augment, correction=per_seed(towards_data, g))
            plans[fresh(g)] = replace(augment, policy=RealAndFresh(source, settings.injected(g)))
        return Setup(task, {**plans, "real only": replace(augment, policy=RealOnly())})

    begin, settled = (
        initial_value("real only", "distance"),
        {g: late_mean(ideal(g), "distance", count) for g in strengths},
    )

    def slope(curves: Curves) -> np.ndarray:
        rows = np.array([one.per_seed(curves) for one in settled.values()])
        return np.polynomial.polynomial.polyfit(np.arange(len(rows)), rows, 1)[1]

    return Toy(
        [
            bundle_replicates("gaussian-correct", settings.seed, setup),
            *(authors_bundle(n, settings.ratio, generations, settings.authors_seeds, settings.seed)),
        ],
        [
            *mark_unpublished(*(
                expect_agreement(f"settled distance at γ = {g:g} is the predicted one", one, laws[ideal(g)][-1])
                for g, one in settled.items()
            )),
            expect_below("stronger correction towards the truth ends nearer to it", Quantity(slope)),
            expect_above("no correction ends worse than generation 0", settled[weak] - begin),
            expect_below("strong correction ends better than generation 0", settled[strong] - begin),
            *mark_unpublished(
                expect_above(f"a corrector that knows only the training data (γ = {strong:g}) cannot beat generation 0",
                      late_mean(empirical(strong), "distance", count) - begin),
                expect_above(f"the ideal corrector (γ = {strong:g}) is no better than the fresh samples it injects",
                      settled[strong] - late_mean(fresh(strong), "distance", count), -0.005),
            ),
            *(authors_claims() if settings.authors_seeds else ()),
        ],
        [Column("distance", DISTANCE, lambda curve: f"{curve[:, -count:].mean(1).mean():.3f}", predicted=laws)],
        rows={
            "uncorrected": ideal(weak),
            "corrected towards the training data": empirical(strong),
            "corrected towards the truth": ideal(strong),
            "as many fresh real samples, no loop": fresh(strong),
        },
        groups=groups | (authors if settings.authors_seeds else {}),
        figures=[
            Sweep(
                "Settled distance: what the corrector knows", "γ", DISTANCE, injecting,
                {title: [late_mean(arm(g), "distance", count) for g in injecting] for title, arm in kinds.items()},
                log=True,
            )
        ],
        risk="distance",
        profiled=[arm for arm in (ideal(0.0), ideal(1.0)) if arm in laws],
        notes=(
            "The prediction has no fitted constant; it is first order in 1/n.",
            "Authors' variant: histogram resampling and a growing share of old synthetic data, also at γ = 0.",
        ),
    )  # fmt: skip
