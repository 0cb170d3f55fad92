"""Zhang et al. 2026: models with conflicting curators that train on each other's curated samples.

Curation serves a model's own raters while it trains mostly on its own samples, and works against them when it trains
mostly on those of the other. Controls: no curation at the same exchange, and curation without exchange.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from selfcorrect.analysis.curation import exchanged_curation
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.bias import Score, best_of
from selfcorrect.loop.policy import Augment, ModifiedPolicy
from selfcorrect.loop.run import Plan

from ...studies.claims import (
    Quantity,
    expect_above,
    expect_below,
    expect_predictions,
    final_difference,
    final_value,
    mark_unpublished,
)
from ..declaration import Column, Setup, Sweep, Toy, ToySettings, bundle_replicates
from .tasks import word_task

NONE, BOTH, OWN = "no curation", "both curated", "own curation only"
CURATED = {NONE: (False, False), BOTH: (True, True), OWN: (True, False)}
"""Which of the two models people curate; the first is judged by its own raters."""


@dataclass(frozen=True)
class CrossCuration(ToySettings):
    """Two models, whose raters want the opposite ends of a scale, with λ synthetic samples per real one."""

    probabilities: tuple[float, ...] = (0.2, 0.2, 0.2, 0.2, 0.2)
    rewards: tuple[tuple[float, ...], ...] = ((0.0, 0.5, 1.0, 1.5, 2.0), (2.0, 1.5, 1.0, 0.5, 0.0))
    own_shares: tuple[float, ...] = (1.0, 0.8, 0.5, 0.2, 0.0)
    """Of the synthetic training samples of a model, how many are its own."""
    ratio: float = 1.0
    real_count: int = 1000
    generations: int = 20


QUICK = CrossCuration(own_shares=(1.0, 0.5, 0.2), real_count=500, generations=15, seeds=20)


@dataclass(frozen=True)
class ShareOut(ModifiedPolicy):
    """Each of two models trains on `own` of its synthetic samples and, beside them, on samples of the other.

    Values are (N, replicates, 2). The real samples stay with their models.
    """

    own: float

    def change(self, mixed: Samples, stream: Stream) -> Samples:
        synthetic = torch.from_numpy(mixed.provenance.synthetic).nonzero().flatten()
        given = synthetic[round(self.own * len(synthetic)) :]
        values = mixed.values.clone()
        values[given] = values[given].flip(2)
        return mixed.with_values(values)


def toy(settings: CrossCuration) -> Toy:
    """Each share of own samples, with and without curation."""
    shares, label, least = settings.own_shares, "mean reward of the own raters", min(settings.own_shares)
    arms = {name_of(own, curated): (own, curated) for own in shares for curated in CURATED}
    rewards = {curated: np.array(settings.rewards) * np.array(whom)[:, None] for curated, whom in CURATED.items()}

    def law(own: float, curated: str) -> np.ndarray:
        """The mean reward of the first model's raters, (T + 1,), for infinitely many samples."""
        given = settings.probabilities, rewards[curated], own, 1 / (1 + settings.ratio), settings.generations
        return exchanged_curation(*given)[:, 0] @ np.array(settings.rewards[0])

    def setup(stream: Stream) -> Setup:
        biases = {curated: best_of(2, rater(table), choice_noise=1.0) for curated, table in rewards.items()}
        plans = {
            arm: Plan(ShareOut(Augment(settings.ratio), own), settings.generations, bias=biases[curated])
            for arm, (own, curated) in arms.items()
        }
        first = torch.tensor(settings.rewards[0], dtype=torch.float64)

        def judge(probabilities: Tensor) -> dict[str, Tensor]:
            return {"first": (probabilities[:, 0] * first).sum(-1)}

        return Setup(word_task(settings.probabilities, settings.real_count, judge, stream, settings.seeds, 2), plans)

    def served(own: float, curated: str) -> Quantity:
        """By how much curation raises the first model's own mean reward at the end."""
        return final_difference(name_of(own, curated), name_of(own, NONE), "first")

    laws = {arm: law(*each) for arm, each in arms.items()}
    curated_laws = {arm: law for arm, law in laws.items() if not arm.endswith(NONE)}
    return Toy(
        [bundle_replicates("cross-curation", settings.seed, setup)],
        [
            expect_above("without exchange, curation raises the own raters' reward", served(max(shares), BOTH)),
            expect_below("exchange dampens what own curation gains", served(0.5, OWN) - served(max(shares), BOTH)),
            expect_below(f"with {least:.0%} own samples, curation lowers the own raters' reward", served(least, BOTH)),
            *mark_unpublished(
                expect_above(
                    f"with {least:.0%} own samples, own curation alone does not lower it", served(least, OWN), -0.02
                ),
                *expect_predictions("{arm}: mean reward at the end", "first", curated_laws, 0.03),
            ),
        ],
        [Column("first", label, predicted=laws)],
        groups=[f"{own:.0%} own samples" for own in shares],
        figures=[
            Sweep(
                "Whom curation serves",
                "share of own samples",
                label,
                shares,
                {curated: [final_value(name_of(own, curated), "first") for own in shares] for curated in CURATED},
                {curated: np.array([laws[name_of(own, curated)][-1] for own in shares]) for curated in CURATED},
            )
        ],
        notes=("Every arm draws pairs and keeps one; without curation the choice between them is a coin's.",),
        caveat=f"predicted for infinitely many samples, here {settings.real_count}",
    )


def name_of(own: float, curated: str) -> str:
    """An arm's name."""
    return f"{own:.0%} own samples, {curated}"


def rater(rewards: np.ndarray) -> Score:
    """Scores the categories (N, replicates, 2) of two models by their rewards (2, V)."""
    table = torch.from_numpy(rewards)
    return lambda values: table[torch.arange(2), values.long()]
