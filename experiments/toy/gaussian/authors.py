"""The program of Gillman et al. 2024, as the authors wrote it: its corrector, and what it trains on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples, concatenate
from selfcorrect.correctors.contract import Corrector
from selfcorrect.loop.policy import History
from selfcorrect.loop.run import Arm

from ...studies.claims import Claim, expect_above, expect_agreement, final_difference, final_value, mark_unpublished
from ..toys import Bundle, Setup
from .tasks import gaussian_task, per_seed

PAPER_STRENGTHS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 5.0)
AUTHORS = ("authors: true identity", *(f"authors: γ = {g:g}" for g in PAPER_STRENGTHS))
"""Arms. Their γ = 0 differs from doing nothing."""
AUTHORS_REPEATED = (0.587, 0.553, 0.510, 0.414, 0.273, 0.128, 0.076, 0.038)  # their program, mean over 12 seeds


def authors_bundle(real_count: int, ratio: float, generations: int, seeds: int, seed: int) -> list[Bundle]:
    """Return all strengths as replicates of an arm; nothing for no seeds.

    Args:
        ratio: Synthetic samples per real one.
        generations: Generations after generation 0.
        seeds: Number of loops for each strength.
    """
    strengths = torch.tensor([torch.nan, *PAPER_STRENGTHS], dtype=torch.float64).repeat_interleave(seeds)

    def setup(stream: Stream) -> Setup:
        arm = Arm(TaperedAccumulate(ratio), generations, correction=per_seed(histogram_corrector(strengths), math.inf))
        return Setup(gaussian_task(real_count, len(strengths), stream), {"authors": arm})

    stream = streams(seed).child("gaussian-correct", "authors")
    if not seeds:
        return []
    split_strengths = dict(zip(AUTHORS, (0.0, *PAPER_STRENGTHS), strict=True))
    return [Bundle(setup, [stream], split={"authors": AUTHORS}, split_strengths=split_strengths)]


def authors_claims() -> list[Claim]:
    """Return claims that each strength ends as it did in a run of their program, with its departure from the paper."""
    nothing, *corrected = AUTHORS
    return [
        *(
            expect_agreement(f"authors' variant at γ = {g:g}", final_value(arm, "distance"), repeated, 0.15)
            for g, arm, repeated in zip(PAPER_STRENGTHS, corrected, AUTHORS_REPEATED, strict=True)
        ),
        *mark_unpublished(
            expect_above(
                "the authors' program departs from its text: γ = 0 redraws all samples, which adds to the distance",
                final_difference(corrected[0], nothing, "distance"),
            )
        ),
    ]


@dataclass(frozen=True)
class TaperedAccumulate:
    """All real data, and of generation i the first i/t of its synthetic samples in generation t."""

    synthetic_ratio: float

    def count(self, real_count: int, generation: int) -> int:
        return round(self.synthetic_ratio * real_count)

    def mix(self, real: Samples, history: History, generation: int, stream: Stream) -> Samples:
        batches = []
        for past in range(1, generation + 1):
            batch = history.batch(past)
            batches.append(batch.take(torch.arange(len(batch) * past // generation)))
        return concatenate([real, *batches])


def histogram_corrector(strengths: Tensor, bins: int = 10, candidates: int = 128) -> Corrector:
    """Redraw (p_histogram + γ p_truth) / (1 + γ) by rejection from the truth N(0, I), as the authors' program does.

    strengths: γ per replicate, (replicates,); NaN leaves a replicate untouched. Their acceptance bound is the mixture's
    highest density over the proposal's at the origin; far from the origin it is too low, which cuts the tails.
    """
    share = (strengths / (1 + strengths)).nan_to_num()

    def redraw(samples: Samples, stream: Stream) -> Samples:
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
    """Return densities (replicates, bins, bins) of values (N, replicates, 2), with edges and widths of bins."""
    low = values.amin(0)
    high = values.amax(0)
    width = ((high - low) / bins).clamp(min=1e-12)
    cell = ((values - low) / width).long().clamp(max=bins - 1)
    flat = cell[..., 0] * bins + cell[..., 1]
    counts = torch.zeros(values.shape[1], bins * bins, dtype=values.dtype)
    counts.scatter_add_(1, flat.T, torch.ones_like(flat.T, dtype=values.dtype))
    return (counts / len(values) / width.prod(-1, keepdim=True)).unflatten(1, (bins, bins)), low, width


def _look_up(table: Tensor, low: Tensor, width: Tensor, points: Tensor) -> Tensor:
    """Return the density (N, replicates) at points (N, replicates, 2); the first bin has points just below its edge."""
    cell = ((points - low) / width).trunc().long()
    inside = ((cell >= 0) & (cell < table.shape[1])).all(-1)
    cell = cell.clamp(0, table.shape[1] - 1)
    return table[torch.arange(len(table)), cell[..., 0], cell[..., 1]] * inside
