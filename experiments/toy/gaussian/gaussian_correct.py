"""Gillman et al. 2024: a Gaussian in an augmented loop, corrected towards the truth with growing strength.

Beside the ideal corrector, which knows the truth, stands an empirical one, which knows the training data. A control
gets as many fresh real samples as the ideal corrector injects. The authors' program differs from their text in two ways
and is reproduced as theirs. It redraws the samples from a histogram even at strength 0, and it keeps the synthetic data
of former generations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples, concatenate
from selfcorrect.correctors.contract import Corrector
from selfcorrect.loop.policy import Augment, History, RealOnly
from selfcorrect.loop.run import Plan, Task
from selfcorrect.statistics import Interval, collapse_profile, mean_interval

from ..result import Check, Ends, Line, Panel, Result, above, agrees, below
from ..running import Curves, run_arms
from .tasks import (
    DIMENSION,
    RealAndFresh,
    draw_from,
    draw_truth,
    fresh_normal,
    gaussian_task,
    per_seed,
)

PAPER_STRENGTHS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 5.0)
AUTHORS_REPEATED = (0.587, 0.553, 0.510, 0.414, 0.273, 0.128, 0.076, 0.038)  # their program, mean over 12 seeds


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

    @property
    def synthetic_count(self) -> int:
        return round(self.ratio * self.real_count)

    def injected(self, strength: float) -> int:
        """Fresh samples per generation that a mixture correction of this strength injects."""
        return round(self.synthetic_count * strength / (1 + strength))


def quick() -> GaussianCorrect:
    return GaussianCorrect(strengths=(0.0, 0.3, 2.0), generations=60, seeds=200, authors_seeds=0)


def run(settings: GaussianCorrect | None = None) -> Result:
    """All arms of the experiment."""
    settings = settings or GaussianCorrect()
    stream = streams(settings.seed).child("gaussian-correct")
    task = gaussian_task(settings.real_count, settings.seeds, stream)
    curves = run_arms(task, _plans(settings, task), stream)
    authors = _authors_curve(settings, stream.child("authors")) if settings.authors_seeds else None
    checks = [*_checks(settings, curves), *(_authors_checks(settings, authors) if authors is not None else ())]
    return Result(
        reading=_reading(settings, curves),
        ends=_ends(settings, curves),
        checks=checks,
        figures=_panels(settings, curves, authors),
        profiles={
            name: collapse_profile({"risk": arm["distance"], "variance": arm["variance"]})
            for name, arm in curves.items()
            if name in ("ideal γ = 0", "ideal γ = 1")
        },
        notes=(
            "The prediction has no fitted constant; it is first order in 1/n.",
            "Authors' variant: histogram resampling and a growing share of old synthetic data, also at γ = 0.",
        ),
    )


def _plans(settings: GaussianCorrect, task: Task) -> dict[str, Plan]:
    augment = Plan(Augment(settings.ratio), settings.generations)
    fresh = fresh_normal(settings.seeds)
    empirical = draw_from(task.real)
    plans = {f"ideal γ = {g:g}": replace(augment, correction=per_seed(draw_truth, g)) for g in settings.strengths}
    for strength in (g for g in settings.strengths if settings.injected(g)):
        plans[f"empirical γ = {strength:g}"] = replace(augment, correction=per_seed(empirical, strength))
        plans[f"fresh data as γ = {strength:g}"] = replace(
            augment, policy=RealAndFresh(fresh, settings.injected(strength))
        )
    return {**plans, "real only": replace(augment, policy=RealOnly())}


def _late(curves: Curves, arm: str) -> np.ndarray:
    """Distance per seed at the end: the mean over the last tenth of the generations, once settled."""
    distance = curves[arm]["distance"]
    return distance[:, -max(1, distance.shape[1] // 10) :].mean(1)


def _predicted(settings: GaussianCorrect, strength: float) -> np.ndarray:
    errors = theory.augment_error(settings.real_count, settings.ratio, strength, settings.generations)
    return theory.expected_wasserstein(errors, DIMENSION)


def _checks(settings: GaussianCorrect, curves: Curves) -> list[Check]:
    late = {g: _late(curves, f"ideal γ = {g:g}") for g in settings.strengths}
    start = curves["real only"]["distance"][:, 0]
    checks = [
        agrees(
            f"settled distance at γ = {g:g} is the predicted one",
            mean_interval(values),
            _predicted(settings, g)[-1],
            published=False,
        )
        for g, values in late.items()
    ]
    weakest, strongest = settings.strengths[0], settings.strengths[-1]
    slope = np.polynomial.polynomial.polyfit(np.arange(len(late)), np.array(list(late.values())), 1)[1]
    checks.append(below("stronger correction towards the truth ends nearer to it", mean_interval(slope)))
    checks.append(above("no correction ends worse than generation 0", mean_interval(late[weakest] - start)))
    checks.append(below("strong correction ends better than generation 0", mean_interval(late[strongest] - start)))
    return checks + _information_checks(settings, curves, strongest, start)


def _information_checks(settings: GaussianCorrect, curves: Curves, strength: float, start: np.ndarray) -> list[Check]:
    """Which part of the gain is stability, and which is information that the real data do not hold."""
    empirical = _late(curves, f"empirical γ = {strength:g}")
    fresh = _late(curves, f"fresh data as γ = {strength:g}")
    return [
        above(
            f"a corrector that knows only the training data (γ = {strength:g}) cannot beat generation 0",
            mean_interval(empirical - start),
            published=False,
        ),
        above(
            f"the ideal corrector (γ = {strength:g}) is no better than the fresh samples it injects",
            mean_interval(_late(curves, f"ideal γ = {strength:g}") - fresh),
            -0.005,
            published=False,
        ),
    ]


def _reading(settings: GaussianCorrect, curves: Curves) -> str:
    start = mean_interval(curves["real only"]["distance"][:, 0]).estimate
    weak, strong = (_late(curves, f"ideal γ = {settings.strengths[index]:g}").mean() for index in (0, -1))
    return (
        f"From {start:.3f} at generation 0 the uncorrected loop settles at {weak:.3f}. "
        f"With correction towards the truth it settles at {strong:.3f}."
    )


def _ends(settings: GaussianCorrect, curves: Curves) -> Ends:
    weak, strong = settings.strengths[0], settings.strengths[-1]
    arms = {
        "uncorrected": f"ideal γ = {weak:g}",
        "corrected towards the training data": f"empirical γ = {strong:g}",
        "corrected towards the truth": f"ideal γ = {strong:g}",
        "as many fresh real samples, no loop": f"fresh data as γ = {strong:g}",
    }
    return Ends(["distance to the truth"], {title: [f"{_late(curves, arm).mean():.3f}"] for title, arm in arms.items()})


def _panels(settings: GaussianCorrect, curves: Curves, authors: np.ndarray | None) -> list[Panel]:
    generations = np.arange(settings.generations + 1)
    lines = [
        Line(f"γ = {g:g}", curves[f"ideal γ = {g:g}"]["distance"], _predicted(settings, g)) for g in settings.strengths
    ]
    strengths = np.array([g for g in settings.strengths if settings.injected(g)])
    kinds = {"ideal": "ideal γ", "empirical": "empirical γ", "fresh samples instead": "fresh data as γ"}
    settled = [
        Line(title, np.stack([_late(curves, f"{prefix} = {g:g}") for g in strengths], axis=1))
        for title, prefix in kinds.items()
    ]
    distance = "2-Wasserstein distance to the truth"
    panels = [
        Panel("Ideal corrector, measured (lines) and predicted (dashes)", "generation", distance, generations, lines),
        Panel("Settled distance: what the corrector knows", "γ", distance, strengths, settled, log_x=True),
    ]
    if authors is not None:
        names = ("true identity", *(f"γ = {g:g}" for g in PAPER_STRENGTHS))
        theirs = [Line(name, authors[index]) for index, name in enumerate(names)]
        panels.append(Panel("The authors' variant", "generation", distance, generations, theirs))
    return panels


# --- the authors' program --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TaperedAccumulate:
    """All real data, and of generation i the first i/t of its synthetic samples in generation t."""

    synthetic_ratio: float

    def count(self, real_count: int, generation: int) -> int:
        return round(self.synthetic_ratio * real_count)

    def mix(self, real: Samples, history: History, generation: int, stream: Stream) -> Samples:
        batches = ((history.batch(past), past) for past in range(1, generation + 1))
        kept = [batch.take(torch.arange(len(batch) * past // generation)) for batch, past in batches]
        return concatenate([real, *kept])


def histogram_corrector(strengths: Tensor, bins: int = 10, candidates: int = 128) -> Corrector:
    """Redraws (p_histogram + γ p_truth) / (1 + γ) by rejection from the truth N(0, I), as the authors' program does.

    strengths: γ per replicate, (replicates,); NaN leaves a replicate untouched. Their acceptance bound is the mixture's
    highest density over the proposal's at the origin; far from the origin it is too low, which cuts the tails.
    """
    share = (strengths / (1 + strengths)).nan_to_num()

    def redraw(samples: Samples, stream: Stream) -> Samples:
        values, generator = samples.values, stream.torch()
        table, low, width = _histogram(values, bins)
        peak = (1 - share) * table.amax((1, 2)) + share / (2 * torch.pi)
        drawn, filled = values.clone(), torch.where(strengths.isnan(), len(values), 0)
        while (filled < len(values)).any():
            proposals = torch.randn((candidates, *values.shape[1:]), generator=generator, dtype=values.dtype)
            shape = (-proposals.square().sum(-1) / 2).exp()
            density = (1 - share) * _look_up(table, low, width, proposals) + share * shape / (2 * torch.pi)
            accepted = density > peak * shape * torch.rand(shape.shape, generator=generator, dtype=values.dtype)
            place = filled + accepted.cumsum(0) - 1
            used = accepted & (place < len(values))
            drawn[place[used], used.nonzero()[:, 1]] = proposals[used]
            filled = (filled + accepted.sum(0)).clamp(max=len(values))
        return samples.with_values(drawn)

    return redraw


def _histogram(values: Tensor, bins: int) -> tuple[Tensor, Tensor, Tensor]:
    """Densities (replicates, bins, bins) of values (N, replicates, 2), lower edges and bin widths (replicates, 2)."""
    low, high = values.amin(0), values.amax(0)
    width = ((high - low) / bins).clamp(min=1e-12)
    cell = ((values - low) / width).long().clamp(max=bins - 1)
    flat = cell[..., 0] * bins + cell[..., 1]
    counts = torch.zeros(values.shape[1], bins * bins, dtype=values.dtype)
    counts.scatter_add_(1, flat.T, torch.ones_like(flat.T, dtype=values.dtype))
    return (counts / len(values) / width.prod(-1, keepdim=True)).unflatten(1, (bins, bins)), low, width


def _look_up(table: Tensor, low: Tensor, width: Tensor, points: Tensor) -> Tensor:
    """Density (N, replicates) at points (N, replicates, 2); points just below the edge count for the first bin."""
    cell = ((points - low) / width).trunc().long()
    inside = ((cell >= 0) & (cell < table.shape[1])).all(-1)
    cell = cell.clamp(0, table.shape[1] - 1)
    return table[torch.arange(len(table)), cell[..., 0], cell[..., 1]] * inside


def _authors_curve(settings: GaussianCorrect, stream: Stream) -> np.ndarray:
    """Distances (1 + strengths, seeds, T + 1) of the authors' variant; the first row is the true identity."""
    strengths = torch.tensor([torch.nan, *PAPER_STRENGTHS], dtype=torch.float64).repeat_interleave(
        settings.authors_seeds
    )
    task = gaussian_task(settings.real_count, len(strengths), stream)
    correction = per_seed(histogram_corrector(strengths), float("inf"))
    plan = Plan(TaperedAccumulate(settings.ratio), settings.generations, correction=correction)
    distance = run_arms(task, {"authors' variant": plan}, stream)["authors' variant"]["distance"]
    return distance.reshape(-1, settings.authors_seeds, settings.generations + 1)


def _authors_checks(settings: GaussianCorrect, curves: np.ndarray) -> list[Check]:
    ends = curves[:, :, -1]
    checks = [
        agrees(f"authors' variant at γ = {g:g}", mean_interval(ends[index + 1]), AUTHORS_REPEATED[index], 0.15)
        for index, g in enumerate(PAPER_STRENGTHS)
    ]
    harm: Interval = mean_interval(ends[1] - ends[0])
    return [
        *checks,
        below("γ = 0 of the authors' program is no correction at all", harm, 0.05),
    ]
