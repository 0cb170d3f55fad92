"""Bertrand et al. 2024 and Gillman et al. 2024: for which λ and γ is an augmented loop stable?

The contraction is measured by twin runs: two loops that share every random draw and differ only in the variance of
generation 0. Their difference shrinks or grows by the contraction rate, free of sampling noise to first order.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import numpy as np
from torch import Tensor

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream
from selfcorrect.loop.bias import sampling_settings
from selfcorrect.loop.policy import Augment
from selfcorrect.loop.run import Plan
from selfcorrect.models.gaussian import Gaussian
from selfcorrect.statistics import Interval

from ...studies.claims import (
    Check,
    Claim,
    Curves,
    expect_agreement,
    final_difference,
    initial_value,
    mark_unpublished,
    ratio_of_means,
)
from ..declaration import Setup, Toy, ToySettings, bundle_replicates
from ..result import Map
from .tasks import DIMENSION, draw_truth, gaussian_task, per_seed


@dataclass(frozen=True)
class StabilityLoop(ToySettings):
    """The grid, and two samplers: a faithful one and one that multiplies the variance by `spread`."""

    ratios: tuple[float, ...] = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.5, 6.0, 8.0)
    strengths: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
    spread: float = 3.0
    real_count: int = 100
    generations: int = 3
    seeds: int = 200


QUICK = StabilityLoop(ratios=(0.2, 0.5, 1.0, 3.0, 8.0), strengths=(0.0, 0.5, 1.0, 2.0))
WIDENED = 1.1
"""By how much the variance of a twin's generation 0 is larger."""


@dataclass(frozen=True)
class InAllCells:
    """A claim about every cell of the map."""

    statement: str
    inside: Callable[[Curves], np.ndarray]
    """Curves → where it is true, one bool per cell that it is about."""
    published: bool = False

    def check(self, curves: Curves) -> Check:
        true = self.inside(curves)
        outcome, measured = "holds" if true.all() else "fails", f"{true.sum()} of {true.size} cells"
        return Check(self.statement, outcome, measured, "all cells", self.published)


def toy(settings: StabilityLoop) -> Toy:
    """Both maps."""
    grid, spreads = np.meshgrid(settings.ratios, settings.strengths), (1.0, settings.spread)
    known, bound = (np.vectorize(law)(*grid) for law in (theory.is_guaranteed_stable, theory.contraction_bound))
    critical = {strength: theory.critical_ratio(strength, settings.spread) for strength in settings.strengths}

    def exact(spread: float) -> InAllCells:
        def inside(curves: Curves) -> np.ndarray:
            rate, low, high = contraction(settings, curves, spread)
            law = theory.linear_contraction(*grid, spread)
            return ((low <= law) & (law <= high)) | (np.abs(rate / law - 1) <= 0.08)

        return InAllCells(f"sampler with spread {spread:g}: contraction is spread · λ / ((1 + λ)(1 + γ))", inside)

    def within(curves: Curves) -> np.ndarray:
        return (contraction(settings, curves, 1.0)[1] <= bound)[known]

    def beyond(curves: Curves) -> np.ndarray:
        return (contraction(settings, curves, 1.0)[2] < 1)[~known]

    return Toy(
        [bundle_replicates("stability", settings.seed, partial(_setup, settings, spread)) for spread in spreads],
        [
            exact(1.0),
            InAllCells("where stability is guaranteed, the rate is within ρ/(1 + γ)", within, published=True),
            InAllCells("the loop contracts also where the theorem is silent", beyond),
            exact(settings.spread),
            *mark_unpublished(
                *(
                    _boundary(settings, row, law)
                    for row, law in enumerate(critical.values())
                    if settings.ratios[0] < law < settings.ratios[-1]
                )
            ),
        ],
        figures=[partial(_map, settings, spread, known) for spread in spreads],
        notes=(
            "Crosses: the published condition λ(1 + εL/α) < (1 + γ)/(2 + γ), here with ε = 0, does not hold, so the "
            "theorem is silent there.",
            "The erring sampler is far outside the theorem's small ε; its boundary is λ = (1 + γ)/(spread − 1 − γ).",
        ),
    )


def _cell(spread: float, ratio: float, strength: float, twin: str) -> str:
    return f"spread {spread:g}, λ = {ratio:g}, γ = {strength:g}{twin}"


def _setup(settings: StabilityLoop, spread: float, stream: Stream) -> Setup:
    plan = Plan(Augment(0.0), settings.generations, bias=sampling_settings(temperature=spread))
    task = gaussian_task(settings.real_count, settings.seeds, stream)
    twins = {"": task, ", twin": replace(task, model=Widened.standard(settings.seeds, DIMENSION))}
    cells = itertools.product(twins.items(), settings.strengths, settings.ratios)
    arms = {
        _cell(spread, ratio, strength, twin): (
            each,
            replace(plan, policy=Augment(ratio), correction=per_seed(draw_truth, strength)),
        )
        for (twin, each), strength, ratio in cells
    }
    return Setup(task, arms)


class Widened(Gaussian):
    """A Gaussian that begins with a larger covariance than that of generation 0."""

    def load_state(self, state: Mapping[str, Tensor]) -> Self:
        return super().load_state({**state, "covariance": WIDENED * state["covariance"]})


def contraction(settings: StabilityLoop, curves: Curves, spread: float) -> np.ndarray:
    """Per generation, from the difference in variance between twins: estimate, low, high (3, strengths, ratios)."""
    cells = []
    for strength, each in itertools.product(settings.strengths, settings.ratios):
        plain, wider = (_cell(spread, each, strength, twin) for twin in ("", ", twin"))
        whole = ratio_of_means(
            final_difference(wider, plain, "variance"), initial_value(plain, "variance") * (WIDENED - 1)
        )(curves)
        cells.append([max(value, 0.0) for value in (whole.estimate, whole.low, whole.high)])
    shape = (3, len(settings.strengths), len(settings.ratios))
    return (np.array(cells) ** (1 / settings.generations)).T.reshape(shape)


def _boundary(settings: StabilityLoop, row: int, critical: float) -> Claim:
    """The λ at which rates reach 1, interpolated in the synthetic share. A higher rate is there sooner."""
    shares = np.array(settings.ratios) / (1 + np.array(settings.ratios))

    def found(curves: Curves) -> Interval:
        rates = contraction(settings, curves, settings.spread)[:, row]
        estimate, high, low = (share / (1 - share) for share in (float(np.interp(1.0, one, shares)) for one in rates))
        return Interval(estimate, low, high, settings.seeds, "Fieller")

    statement = f"spread {settings.spread:g}, γ = {settings.strengths[row]:g}: stability ends at λ"
    return expect_agreement(statement, found, critical, 0.1)


def _map(settings: StabilityLoop, spread: float, known: np.ndarray, curves: Curves) -> Map:
    ratios, strengths = np.array(settings.ratios), np.array(settings.strengths)
    fine = np.linspace(strengths[0], strengths[-1], 200)
    lines = {"published sufficient condition": ((1 + fine) / (2 + fine), fine)}
    if spread > 1:
        exact = np.array([theory.critical_ratio(strength, spread) for strength in fine])
        seen = exact <= ratios[-1]
        lines["exact boundary"] = (exact[seen], fine[seen])
    return Map(
        f"Contraction per generation, sampler with spread {spread:g}",
        "λ, synthetic per real sample",
        "γ, correction strength",
        ratios,
        strengths,
        contraction(settings, curves, spread)[0],
        lines,
        ~known,
        value_label="below 1 stable, above 1 unstable",
        crossed_label="theorem silent",
    )
