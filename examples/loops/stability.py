"""Bertrand et al. 2024 and Gillman et al. 2024: for which λ and γ is an augmented loop stable?

The contraction is measured by twin runs: two loops that share every random draw and differ only in the variance of
generation 0. Their difference shrinks or grows by the contraction rate, free of sampling noise to first order.

`selfcorrect toy examples/loops/stability.py --quick` runs the loop.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor
from toy_models.gaussian_tasks import DIMENSION, draw_truth, gaussian_task, per_seed
from toy_models.laws import critical_ratio, linear_contraction

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.experiments.studies.figures import PlainNumbers
from selfcorrect.loop.bias import sampling_settings
from selfcorrect.statistics import Interval


@dataclass(frozen=True)
class StabilityLoop(toys.ToySettings):
    """The grid, and two samplers: a faithful sampler and a sampler that multiplies the variance by `spread`."""

    ratios: tuple[float, ...] = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.5, 6.0, 8.0)
    strengths: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
    spread: float = 3.0
    real_count: int = 100
    generations: int = 3
    seeds: int = 200

    @property
    def cells(self) -> list[tuple[float, float]]:
        """Return γ and λ of each cell, row by row of the map."""
        return list(itertools.product(self.strengths, self.ratios))


QUICK = StabilityLoop(ratios=(0.2, 0.5, 1.0, 3.0, 8.0), strengths=(0.0, 0.5, 1.0, 2.0))
WIDENING = 1.1
"""Factor on the variance of a twin's generation 0."""
TOLERANCE = 0.08
"""Relative distance from the exact contraction that counts as agreement."""


@dataclass(frozen=True)
class InAllCells:
    """A claim about every cell of the map."""

    statement: str
    test_cells: Callable[[claims.Curves], np.ndarray]
    """Curves → whether the claim is true, a bool per cell that it is about."""
    published: bool = False

    def check(self, curves: claims.Curves) -> claims.Check:
        """Hold the claim against curves."""
        is_true = self.test_cells(curves)
        return claims.Check(
            statement=self.statement,
            outcome="holds" if is_true.all() else "fails",
            measured=f"{is_true.sum()} of {is_true.size} cells",
            predicted="all cells",
            published=self.published,
        )


def toy(settings: StabilityLoop) -> toys.Toy:
    """Declare the maps of both samplers."""
    ratios, strengths = np.meshgrid(settings.ratios, settings.strengths)
    is_guaranteed = ratios < np.vectorize(guaranteed_ratio)(strengths)
    bound = np.vectorize(contraction_bound)(ratios, strengths)

    def claim_exact_rate(spread: float) -> InAllCells:
        law = linear_contraction(ratios, strengths, spread)

        def agrees(curves: claims.Curves) -> np.ndarray:
            rate, low, high = measure_contraction(settings, curves, spread)
            is_inside = (low <= law) & (law <= high)
            return is_inside | (np.abs(rate / law - 1) <= TOLERANCE)

        return InAllCells(f"sampler with spread {spread:g}: contraction is spread · λ / ((1 + λ)(1 + γ))", agrees)

    def is_within_bound(curves: claims.Curves) -> np.ndarray:
        _, low, _ = measure_contraction(settings, curves, 1.0)
        return (low <= bound)[is_guaranteed]

    def contracts_without_guarantee(curves: claims.Curves) -> np.ndarray:
        _, _, high = measure_contraction(settings, curves, 1.0)
        return (high < 1)[~is_guaranteed]

    boundaries = []
    for row, strength in enumerate(settings.strengths):
        critical = critical_ratio(strength, settings.spread)
        if settings.ratios[0] < critical < settings.ratios[-1]:
            boundaries.append(_claim_boundary(settings, row, critical))
    spreads = (1.0, settings.spread)
    statements = [
        claim_exact_rate(1.0),
        InAllCells("where stability is guaranteed, the rate is within ρ/(1 + γ)", is_within_bound, published=True),
        InAllCells("the loop contracts also where the theorem is silent", contracts_without_guarantee),
        claim_exact_rate(settings.spread),
        *claims.mark_unpublished(*boundaries),
    ]
    return toys.Toy(
        bundles=[
            toys.bundle_replicates("stability", settings.seed, partial(set_up, settings, spread)) for spread in spreads
        ],
        claims=statements,
        figures=[partial(draw_map, settings, spread) for spread in spreads],
        notes=(
            "Crosses: the published condition λ(1 + εL/α) < (1 + γ)/(2 + γ), here with ε = 0, does not hold, so the "
            "theorem is silent there.",
            "The erring sampler is far outside the theorem's small ε; its boundary is λ = (1 + γ)/(spread − 1 − γ).",
        ),
        title="Where augmented loops are stable",
        source="Bertrand et al. 2024; Gillman et al. 2024",
    )


def _name_cell(spread: float, ratio: float, strength: float, *, is_twin: bool = False) -> str:
    cell = f"spread {spread:g}, λ = {ratio:g}, γ = {strength:g}"
    return f"{cell}, twin" if is_twin else cell


def set_up(settings: StabilityLoop, spread: float, stream: sc.Stream) -> toys.Setup:
    """Set up all cells with their twins, for the map of a sampler."""
    sampling = sampling_settings(temperature=spread)
    task = gaussian_task(settings.real_count, settings.seeds, stream)
    twin_task = replace(task, model=Widened.standard(settings.seeds, DIMENSION))
    arms = {}
    for is_twin in (False, True):
        for strength, ratio in settings.cells:
            correction = per_seed(draw_truth, strength)
            arm = sc.Arm(sc.Augment(ratio), settings.generations, bias=sampling, correction=correction)
            cell = _name_cell(spread, ratio, strength, is_twin=is_twin)
            arms[cell] = (twin_task if is_twin else task, arm)
    return toys.Setup(task, arms)


class Widened(sc.Gaussian):
    """A Gaussian that starts with a larger covariance than generation 0's."""

    def load_state(self, state: Mapping[str, Tensor]) -> Self:
        return super().load_state({**state, "covariance": WIDENING * state["covariance"]})


def measure_contraction(settings: StabilityLoop, curves: claims.Curves, spread: float) -> np.ndarray:
    """Measure the contraction per generation by the variance difference of twins.

    Args:
        settings: The grid, and the number of generations.
        curves: Arm → quantity → (S, T + 1).
        spread: Factor of the sampler on the variance.

    Returns:
        (3, strengths, ratios): estimate, lower and upper end of the interval.
    """
    cells = []
    for strength, ratio in settings.cells:
        plain = _name_cell(spread, ratio, strength)
        twin = _name_cell(spread, ratio, strength, is_twin=True)
        difference = claims.final_difference(twin, plain, "variance")
        first_difference = claims.initial_value(plain, "variance") * (WIDENING - 1)
        shrinkage = claims.ratio_of_means(difference, first_difference)(curves)
        cells.append([max(value, 0.0) for value in (shrinkage.estimate, shrinkage.low, shrinkage.high)])
    shape = (3, len(settings.strengths), len(settings.ratios))
    return (np.array(cells) ** (1 / settings.generations)).T.reshape(shape)


def _claim_boundary(settings: StabilityLoop, row: int, critical: float) -> claims.Claim:
    """Claim the λ at which rates reach 1, interpolated in the synthetic share.

    Higher rates reach 1 at a smaller λ.
    """
    shares = np.array(settings.ratios) / (1 + np.array(settings.ratios))

    def find_boundary(curves: claims.Curves) -> Interval:
        ends = []
        for rates in measure_contraction(settings, curves, settings.spread)[:, row]:
            share = float(np.interp(1.0, rates, shares))
            ends.append(share / (1 - share))
        estimate, high, low = ends
        return Interval(estimate, low, high, settings.seeds, "Fieller")

    statement = f"spread {settings.spread:g}, γ = {settings.strengths[row]:g}: stability ends at λ"
    return claims.expect_agreement(statement, find_boundary, critical, 0.1)


@dataclass(frozen=True)
class StabilityMap:
    """A map of contraction over λ and γ.

    The picture shows measured rates, their boundaries, and crosses where the theorem is silent.
    """

    settings: StabilityLoop
    spread: float
    contraction: np.ndarray
    """(strengths, ratios)."""

    @property
    def title(self) -> str:
        return f"Contraction per generation, sampler with spread {self.spread:g}"

    def draw(self) -> Figure:
        """Return the map as a figure."""
        ratios, strengths = self.settings.ratios, self.settings.strengths
        page = Figure(figsize=(6.0, 4.0), layout="constrained")
        axes = page.subplots()
        axes.set_title(self.title)
        limits = {"vmin": 0, "vmax": 2, "shading": "nearest"}
        mesh = axes.pcolormesh(ratios, strengths, self.contraction, cmap="RdBu_r", **limits)
        page.colorbar(mesh, ax=axes, label="below 1 stable, above 1 unstable")
        xlim, ylim = axes.get_xlim(), axes.get_ylim()
        line = {"color": "#111827"}
        steps = np.linspace(strengths[0], strengths[-1], 200)
        axes.plot((1 + steps) / (2 + steps), steps, "-", label="published sufficient condition", **line)
        if self.spread > 1:
            critical = np.array([critical_ratio(strength, self.spread) for strength in steps])
            is_shown = critical <= ratios[-1]
            axes.plot(critical[is_shown], steps[is_shown], "--", label="exact boundary", **line)
        silent = [cell for cell in self.settings.cells if cell[1] >= guaranteed_ratio(cell[0])]
        rows, columns = np.reshape(silent, (-1, 2)).T
        axes.plot(columns, rows, "x", color="#4b5563", markersize=3, label="theorem silent")
        axes.set(xlabel="λ, synthetic per real sample", ylabel="γ, correction strength")
        axes.set(xlim=xlim, ylim=ylim, xscale="log")
        axes.xaxis.set_major_formatter(PlainNumbers())
        axes.xaxis.set_minor_formatter(PlainNumbers())
        axes.grid(visible=False)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), frameon=False, fontsize=8)
        return page


def draw_map(settings: StabilityLoop, spread: float, curves: claims.Curves) -> StabilityMap:
    return StabilityMap(settings, spread, measure_contraction(settings, curves, spread)[0])


def contraction_bound(synthetic_ratio: float, strength: float = 0.0) -> float:
    """Return the guaranteed contraction per generation.

    The bound is λ / (1 − λ) / (1 + γ), and infinite if λ ≥ 1: Bertrand et al. 2024, Theorem 1 (γ = 0), and Gillman et
    al. 2024, Theorem 4.3, with λκ in place of λ and κ = 1 + εL/α. Here α is the strong concavity of the expected
    log-likelihood at its optimum. L is the Lipschitz constant of its Hessian in the data, and ε the Wasserstein error
    of the model class, here 0. The theorems assume infinitely many samples and a start near the optimum. For maximum
    likelihood in an exponential family, the exact rate is `linear_contraction`.
    """
    return math.inf if synthetic_ratio >= 1 else synthetic_ratio / (1 - synthetic_ratio) / (1 + strength)


def guaranteed_ratio(strength: float = 0.0) -> float:
    """Return the λ of guaranteed stability.

    A loop is stable if λκ < (1 + γ) / (2 + γ), the sufficient condition of Gillman et al. 2024; for γ = 0, it is that
    of Bertrand et al. 2024. Here κ = 1.
    """
    return 1.0 if math.isinf(strength) else (1 + strength) / (2 + strength)
