"""Bertrand et al. 2024 and Gillman et al. 2024: for which λ and γ is an augmented loop stable?

The contraction is measured by twin runs: two loops that share every random draw and differ only in the variance of
generation 0. Their difference shrinks or grows by the contraction rate, free of sampling noise to first order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.loop.bias import sampling_settings
from selfcorrect.loop.policy import Augment
from selfcorrect.loop.run import Plan, Task, run_loop, train_first_generation
from selfcorrect.models.gaussian import Gaussian
from selfcorrect.statistics import Interval, ratio_interval
from selfcorrect.storage.runs.memory import MemoryStore
from selfcorrect.storage.runs.protocol import Generation

from ..result import Check, Ends, Map, Outcome, Result, agrees
from .tasks import draw_truth, gaussian_task, per_seed


@dataclass(frozen=True)
class Stability:
    """The grid, and two samplers: a faithful one and one that multiplies the variance by `spread`."""

    ratios: tuple[float, ...] = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.5, 6.0, 8.0)
    strengths: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
    spread: float = 3.0
    real_count: int = 100
    generations: int = 3
    seeds: int = 200
    seed: int = 0


def quick() -> Stability:
    return Stability(ratios=(0.2, 0.5, 1.0, 3.0, 8.0), strengths=(0.0, 0.5, 1.0, 2.0))


def run(settings: Stability | None = None) -> Result:
    """Both maps."""
    settings = settings or Stability()
    faithful, erring = (_measure(settings, spread) for spread in (1.0, settings.spread))
    boundary = _boundary_checks(settings, erring)
    return Result(
        reading=_reading(settings, faithful),
        ends=_ends(settings, boundary),
        checks=[*_faithful_checks(settings, faithful), _exact_check(settings, settings.spread, erring), *boundary],
        figures=[_map(settings, 1.0, faithful), _map(settings, settings.spread, erring)],
        notes=(
            "Crosses: the published condition λ(1 + εL/α) < (1 + γ)/(2 + γ), here with ε = 0, does not hold, so the "
            "theorem is silent there.",
            "The erring sampler is far outside the theorem's small ε; its boundary is λ = (1 + γ)/(spread − 1 − γ).",
        ),
    )


def _measure(settings: Stability, spread: float) -> np.ndarray:
    """Contraction per generation: estimate, low and high over the grid, (3, strengths, ratios)."""
    stream = streams(settings.seed).child("stability")
    task = gaussian_task(settings.real_count, settings.seeds, stream)
    first = MemoryStore()
    train_first_generation(task, first, stream)
    bias = sampling_settings(temperature=spread)

    def plan(ratio: float, strength: float) -> Plan:
        correction = per_seed(draw_truth, strength)
        return Plan(Augment(ratio), settings.generations, bias=bias, correction=correction)

    cells = [
        _contraction(task, plan(ratio, strength), first, stream)
        for strength in settings.strengths
        for ratio in settings.ratios
    ]
    return np.array(cells).T.reshape(3, len(settings.strengths), len(settings.ratios))


def _contraction(task: Task, plan: Plan, first: MemoryStore, stream: Stream) -> tuple[float, ...]:
    """Per generation, from the difference in variance between twins: estimate, low, high."""
    start, twin = first.state(0), MemoryStore()
    twin.commit(Generation(0, {**start, "covariance": 1.1 * start["covariance"]}, None, {}, {}))
    plain, wider = (_variance(run_loop(task, plan, MemoryStore(), store, stream)) for store in (first, twin))
    started = 0.1 * np.trace(start["covariance"].numpy(), axis1=-2, axis2=-1)
    whole = ratio_interval(wider - plain, started)
    return tuple(max(value, 0.0) ** (1 / plan.generations) for value in (whole.estimate, whole.low, whole.high))


def _variance(model: object) -> np.ndarray:
    assert isinstance(model, Gaussian)
    return np.trace(model.covariance.numpy(), axis1=-2, axis2=-1)


def _grid(settings: Stability) -> tuple[np.ndarray, np.ndarray]:
    """λ and γ of every cell, (strengths, ratios) each."""
    ratios, strengths = np.meshgrid(settings.ratios, settings.strengths)
    return ratios, strengths


def _guaranteed(settings: Stability) -> np.ndarray:
    return np.vectorize(theory.is_guaranteed_stable)(*_grid(settings))


def _faithful_checks(settings: Stability, measured: np.ndarray) -> list[Check]:
    known, bound = _guaranteed(settings), np.vectorize(theory.contraction_bound)(*_grid(settings))
    return [
        _exact_check(settings, 1.0, measured),
        _in_all_cells("where stability is guaranteed, the rate is within ρ/(1 + γ)", (measured[1] <= bound)[known]),
        _in_all_cells("the loop contracts also where the theorem is silent", (measured[2] < 1)[~known], ours=True),
    ]


def _exact_check(settings: Stability, spread: float, measured: np.ndarray) -> Check:
    exact = theory.linear_contraction(*_grid(settings), spread)
    inside = (measured[1] <= exact) & (exact <= measured[2])
    near = np.abs(measured[0] / exact - 1) <= 0.08
    statement = f"sampler with spread {spread:g}: contraction is spread · λ / ((1 + λ)(1 + γ))"
    return _in_all_cells(statement, inside | near, ours=True)


def _in_all_cells(statement: str, true: np.ndarray, ours: bool = False) -> Check:
    outcome: Outcome = "holds" if true.all() else "fails"
    return Check(statement, outcome, f"{true.sum()} of {true.size} cells", "all cells", not ours)


def _boundary_checks(settings: Stability, measured: np.ndarray) -> list[Check]:
    """The λ at which the measured contraction reaches 1, per γ, beside the predicted one."""
    checks = []
    for row, strength in enumerate(settings.strengths):
        if _has_boundary(settings, strength):
            found = _ratio_at_one(settings, measured[:, row])
            statement = f"spread {settings.spread:g}, γ = {strength:g}: stability ends at λ"
            critical = theory.critical_ratio(strength, settings.spread)
            checks.append(agrees(statement, found, critical, 0.1, published=False))
    return checks


def _has_boundary(settings: Stability, strength: float) -> bool:
    """Whether stability ends within the ratios that are tried."""
    return settings.ratios[0] < theory.critical_ratio(strength, settings.spread) < settings.ratios[-1]


def _ratio_at_one(settings: Stability, rates: np.ndarray) -> Interval:
    """The λ at which rates (3, ratios) reach 1, interpolated in the synthetic share. A higher rate is there sooner."""
    shares = np.array(settings.ratios) / (1 + np.array(settings.ratios))
    estimate, high, low = (share / (1 - share) for share in (float(np.interp(1.0, row, shares)) for row in rates))
    return Interval(estimate, low, high, settings.seeds, "Fieller")


def _reading(settings: Stability, faithful: np.ndarray) -> str:
    guaranteed = _guaranteed(settings)
    return (
        f"With a faithful sampler {int((faithful[0] < 1).sum())} of {guaranteed.size} cells contract; the published "
        f"condition holds in {int(guaranteed.sum())}. The table has the boundary for a sampler that spreads the "
        f"variance ×{settings.spread:g}."
    )


def _ends(settings: Stability, boundary: Sequence[Check]) -> Ends:
    strengths = [strength for strength in settings.strengths if _has_boundary(settings, strength)]
    rows = {
        f"γ = {strength:g}": [check.measured.split()[0], check.predicted]
        for strength, check in zip(strengths, boundary, strict=True)
    }
    return Ends(["boundary in λ, measured", "predicted"], rows)


def _map(settings: Stability, spread: float, measured: np.ndarray) -> Map:
    ratios, strengths = np.array(settings.ratios), np.array(settings.strengths)
    fine = np.linspace(strengths[0], strengths[-1], 200)
    curves = {"published sufficient condition": ((1 + fine) / (2 + fine), fine)}
    if spread > 1:
        exact = np.array([theory.critical_ratio(strength, spread) for strength in fine])
        seen = exact <= ratios[-1]
        curves["exact boundary"] = (exact[seen], fine[seen])
    return Map(
        f"Contraction per generation, sampler with spread {spread:g}",
        "λ, synthetic per real sample",
        "γ, correction strength",
        ratios,
        strengths,
        measured[0],
        curves,
        ~_guaranteed(settings),
        value_label="below 1 stable, above 1 unstable",
        crossed_label="theorem silent",
    )
