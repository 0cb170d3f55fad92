"""Gillman et al. 2024: a Gaussian in an augmented loop, corrected towards the truth with growing strength.

Beside the ideal corrector, which knows the truth, stands an empirical one, which knows the training data. A control
gets as many fresh real samples as the ideal corrector injects. The authors' program differs from their text in two ways
and is reproduced as theirs. It redraws the samples from a histogram even at strength 0, and it keeps the synthetic data
of former generations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.loop.policy import Augment, RealOnly
from selfcorrect.loop.run import Plan

from ...studies.claims import Claim, Curves, Quantity, above, agrees, below, end, gain, late, start
from ..declaration import Bundle, Column, Setup, Sweep, Toy, replicated
from .authors import AUTHORS_REPEATED, PAPER_STRENGTHS, TaperedAccumulate, histogram_corrector
from .tasks import DIMENSION, RealAndFresh, draw_from, draw_truth, fresh_normal, gaussian_task, per_seed

DISTANCE = "2-Wasserstein distance to the truth"
AUTHORS = ("authors: true identity", *(f"authors: γ = {g:g}" for g in PAPER_STRENGTHS))
"""Arms of the authors' program. Its γ = 0 differs from doing nothing."""


@dataclass(frozen=True)
class GaussianCorrect:
    """The paper's setting: 50 real points in the plane, λ = 0.5, 500 generations."""

    real_count: int = 50
    ratio: float = 0.5
    strengths: tuple[float, ...] = PAPER_STRENGTHS
    generations: int = 500
    seeds: int = 100
    authors_seeds: int = 20
    seed: int = 0

    def injected(self, strength: float) -> int:
        """Fresh samples per generation that a mixture correction of this strength injects."""
        return round(round(self.ratio * self.real_count) * strength / (1 + strength))


QUICK = GaussianCorrect(strengths=(0.0, 0.3, 2.0), generations=60, seeds=200, authors_seeds=0)


def toy(settings: GaussianCorrect) -> Toy:
    """The three kinds of corrector, and the authors' program."""
    errors = {g: theory.augment_error(settings.real_count, settings.ratio, g, settings.generations)
              for g in settings.strengths}  # fmt: skip
    laws = {ideal(g): theory.expected_wasserstein(error, DIMENSION) for g, error in errors.items()}
    weak, strong = settings.strengths[0], settings.strengths[-1]
    injecting = [g for g in settings.strengths if settings.injected(g)]
    count = max(1, (settings.generations + 1) // 10)
    kinds = {"ideal": ideal, "empirical": empirical, "fresh samples instead": fresh}
    groups = {"measured (lines) and predicted (dashes)": {f"γ = {g:g}": ideal(g) for g in settings.strengths}}
    authors = {"the authors' variant": {name.partition(": ")[2]: name for name in AUTHORS}}
    return Toy(
        [
            replicated("gaussian-correct", settings.seed, lambda stream: _setup(settings, stream)),
            *_authors_part(settings),
        ],
        [*_claims(settings, laws, count), *(_authors_claims() if settings.authors_seeds else ())],
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
                "Settled distance: what the corrector knows",
                "γ",
                DISTANCE,
                injecting,
                {title: [late(arm(g), "distance", count) for g in injecting] for title, arm in kinds.items()},
                log=True,
            )
        ],
        profile={"risk": "distance", "variance": "variance"},
        profiled=[arm for arm in (ideal(0.0), ideal(1.0)) if arm in laws],
        notes=(
            "The prediction has no fitted constant; it is first order in 1/n.",
            "Authors' variant: histogram resampling and a growing share of old synthetic data, also at γ = 0.",
        ),
    )


def ideal(strength: float) -> str:
    """The arm that is corrected towards the truth."""
    return f"ideal γ = {strength:g}"


def empirical(strength: float) -> str:
    """The arm that is corrected towards the training data."""
    return f"empirical γ = {strength:g}"


def fresh(strength: float) -> str:
    """The arm without synthetic samples that gets as many real ones as correction injects."""
    return f"fresh data as γ = {strength:g}"


def _setup(settings: GaussianCorrect, stream: Stream) -> Setup:
    task = gaussian_task(settings.real_count, settings.seeds, stream)
    augment = Plan(Augment(settings.ratio), settings.generations)
    source, towards_data = fresh_normal(settings.seeds), draw_from(task.real)
    plans = {ideal(g): replace(augment, correction=per_seed(draw_truth, g)) for g in settings.strengths}
    for g in (g for g in settings.strengths if settings.injected(g)):
        plans[empirical(g)] = replace(augment, correction=per_seed(towards_data, g))
        plans[fresh(g)] = replace(augment, policy=RealAndFresh(source, settings.injected(g)))
    return Setup(task, {**plans, "real only": replace(augment, policy=RealOnly())})


def _claims(settings: GaussianCorrect, laws: Mapping[str, np.ndarray], count: int) -> list[Claim]:
    """Which part of the gain is stability, and which is information that the real data do not hold."""
    strong, begin = settings.strengths[-1], start("real only", "distance")
    settled = {g: late(ideal(g), "distance", count) for g in settings.strengths}

    def slope(curves: Curves) -> np.ndarray:
        rows = np.array([one.per_seed(curves) for one in settled.values()])
        return np.polynomial.polynomial.polyfit(np.arange(len(rows)), rows, 1)[1]

    return [
        *(
            agrees(f"settled distance at γ = {g:g} is the predicted one", one, laws[ideal(g)][-1], published=False)
            for g, one in settled.items()
        ),
        below("stronger correction towards the truth ends nearer to it", Quantity(slope)),
        above("no correction ends worse than generation 0", settled[settings.strengths[0]] - begin),
        below("strong correction ends better than generation 0", settled[strong] - begin),
        above(
            f"a corrector that knows only the training data (γ = {strong:g}) cannot beat generation 0",
            late(empirical(strong), "distance", count) - begin,
            published=False,
        ),
        above(
            f"the ideal corrector (γ = {strong:g}) is no better than the fresh samples it injects",
            settled[strong] - late(fresh(strong), "distance", count),
            -0.005,
            published=False,
        ),
    ]


# --- the authors' program --------------------------------------------------------------------------------------------


def _authors_part(settings: GaussianCorrect) -> list[Bundle]:
    """All strengths as replicates of one arm."""
    if not settings.authors_seeds:
        return []
    strengths = torch.tensor([torch.nan, *PAPER_STRENGTHS], dtype=torch.float64).repeat_interleave(
        settings.authors_seeds
    )

    def setup(stream: Stream) -> Setup:
        correction = per_seed(histogram_corrector(strengths), float("inf"))
        plan = Plan(TaperedAccumulate(settings.ratio), settings.generations, correction=correction)
        return Setup(gaussian_task(settings.real_count, len(strengths), stream), {"authors": plan})

    stream = streams(settings.seed).child("gaussian-correct", "authors")
    return [Bundle(setup, [stream], split={"authors": AUTHORS})]


def _authors_claims() -> list[Claim]:
    nothing, *corrected = AUTHORS
    return [
        *(
            agrees(f"authors' variant at γ = {g:g}", end(arm, "distance"), repeated, 0.15)
            for g, arm, repeated in zip(PAPER_STRENGTHS, corrected, AUTHORS_REPEATED, strict=True)
        ),
        below("γ = 0 of the authors' program is no correction at all", gain(corrected[0], nothing, "distance"), 0.05),
    ]
