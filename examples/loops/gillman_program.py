"""The program of Gillman et al. 2024, as the authors wrote it: its corrector, and what it trains on.

It differs from their text in two ways. It redraws the samples from a histogram even at strength 0, and it keeps a
growing share of old synthetic data. `gaussian_correct.py` beside it has the loop of their text.

`selfcorrect toy examples/loops/gillman_program.py --quick` runs the loop.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from toy_models.gaussian_tasks import distance_to_truth, gaussian_task, per_seed

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.core.samples import concatenate
from selfcorrect.loop.correctors.contract import Corrector
from selfcorrect.loop.policy import History

STRENGTHS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 5.0)
REPEATED = (0.587, 0.553, 0.510, 0.414, 0.273, 0.128, 0.076, 0.038)
"""Distance at the end of their program with each strength, mean over 12 seeds."""
ARM = "the authors' program"
UNTOUCHED = "no correction"


@dataclass(frozen=True)
class GillmanProgram(toys.ToySettings):
    """The paper's setting: 50 real points in the plane, λ = 0.5, 500 generations; seeds for each strength."""

    real_count: int = 50
    ratio: float = 0.5
    generations: int = 500
    seeds: int = 20


QUICK = GillmanProgram(seeds=6)


def toy(settings: GillmanProgram) -> toys.Toy:
    """Declare all strengths as replicates of an arm.

    Claims compare them with the results of the authors' program.
    """
    distances = {strength: claims.final_value(ARM, name_distance(strength)) for strength in STRENGTHS}
    statements = [
        claims.expect_agreement(f"authors' variant at γ = {strength:g}", distances[strength], repeated, 0.15)
        for strength, repeated in zip(STRENGTHS, REPEATED, strict=True)
    ]
    departure = claims.expect_above(
        "the authors' program departs from its text: γ = 0 redraws all samples, which adds to the distance",
        distances[0.0] - claims.final_value(ARM, UNTOUCHED),
    )
    sweep = toys.Sweep(
        title="The authors' program: distance at the end",
        x_label="γ",
        y_label="2-Wasserstein distance to the truth",
        x=STRENGTHS[1:],
        lines={ARM: [distances[strength] for strength in STRENGTHS[1:]]},
        predicted={"their own run": np.array(REPEATED[1:])},
        log=True,
    )
    return toys.Toy(
        bundles=[
            toys.Bundle(partial(set_up, settings), [sc.streams(settings.seed).child("gaussian-correct", "authors")])
        ],
        claims=[*statements, *claims.mark_unpublished(departure)],
        figures=[sweep],
        notes=("Histogram resampling and a growing share of old synthetic data, also at γ = 0.",),
        title="A Gaussian, corrected by the authors' program",
        source="Gillman et al. 2024",
    )


def name_distance(strength: float) -> str:
    """Return the distance's name for a strength."""
    return f"γ = {strength:g}"


def set_up(settings: GillmanProgram, stream: sc.Stream) -> toys.Setup:
    """Set up loops without and with correction, as replicates of an arm per strength."""
    each_loop = torch.tensor([torch.nan, *STRENGTHS], dtype=torch.float64).repeat_interleave(settings.seeds)
    correction = per_seed(histogram_corrector(each_loop), math.inf)
    arm = sc.Arm(TaperedAccumulate(settings.ratio), settings.generations, correction=correction)

    def measure(candidate: sc.Candidate) -> Mapping[str, Tensor]:
        parts = distance_to_truth(candidate)["distance"].chunk(1 + len(STRENGTHS))
        return dict(zip((UNTOUCHED, *map(name_distance, STRENGTHS)), parts, strict=True))

    return toys.Setup(gaussian_task(settings.real_count, len(each_loop), stream, measure), {ARM: arm})


@dataclass(frozen=True)
class TaperedAccumulate:
    """Accumulates real and tapered synthetic data.

    In generation t these are all real data, and of generation i the first i/t of its synthetic samples.
    """

    synthetic_ratio: float

    def count(self, real_count: int, generation: int) -> int:
        return round(self.synthetic_ratio * real_count)

    def mix(self, real: sc.Samples, history: History, generation: int, stream: sc.Stream) -> sc.Samples:
        batches = []
        for past in range(1, generation + 1):
            batch = history.batch(past)
            batches.append(batch.take(torch.arange(len(batch) * past // generation)))
        return concatenate([real, *batches])


def histogram_corrector(strengths: Tensor, bins: int = 10, candidates: int = 128) -> Corrector:
    """Redraw (p_histogram + γ p_truth) / (1 + γ).

    Samples are drawn by rejection from the truth N(0, I), as in the authors' program. `strengths` has γ per replicate,
    (replicates,); NaN leaves a replicate unchanged. Their acceptance bound is the mixture's highest density over the
    proposal's at the origin. Far from the origin it is too low, which cuts the tails.
    """
    share = (strengths / (1 + strengths)).nan_to_num()

    def redraw(samples: sc.Samples, stream: sc.Stream) -> sc.Samples:
        values = samples.values
        generator = stream.generator()
        table, low, width = _histogram(values, bins)
        peak = (1 - share) * table.amax((1, 2)) + share / (2 * torch.pi)
        drawn = values.clone()
        filled = torch.where(strengths.isnan(), len(values), 0)
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
    """Return a histogram's densities, edges and bin widths.

    Densities (replicates, bins, bins) are those of values (N, replicates, 2).
    """
    low = values.amin(0)
    high = values.amax(0)
    width = ((high - low) / bins).clamp(min=1e-12)
    cell = ((values - low) / width).long().clamp(max=bins - 1)
    flat = cell[..., 0] * bins + cell[..., 1]
    counts = torch.zeros(values.shape[1], bins * bins, dtype=values.dtype)
    counts.scatter_add_(1, flat.T, torch.ones_like(flat.T, dtype=values.dtype))
    return (counts / len(values) / width.prod(-1, keepdim=True)).unflatten(1, (bins, bins)), low, width


def _look_up(table: Tensor, low: Tensor, width: Tensor, points: Tensor) -> Tensor:
    """Look up densities (N, replicates) at points.

    Points have the shape (N, replicates, 2). The first bin includes points just below its edge.
    """
    cell = ((points - low) / width).trunc().long()
    inside = ((cell >= 0) & (cell < table.shape[1])).all(-1)
    cell = cell.clamp(0, table.shape[1] - 1)
    return table[torch.arange(len(table)), cell[..., 0], cell[..., 1]] * inside
