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
from selfcorrect.loop.policy import Augment, History, Policy
from selfcorrect.loop.run import Candidate, Plan, Task

from ...studies.claims import Quantity, above, agrees, below, end, gain
from ..declaration import Column, Setup, Sweep, Toy, replicated
from ..models.categorical import Categorical

NONE, BOTH, OWN = "no curation", "both curated", "own curation only"
CURATED = {NONE: (False, False), BOTH: (True, True), OWN: (True, False)}
"""Which of the two models people curate; the first is judged by its own raters."""


@dataclass(frozen=True)
class CrossCuration:
    """Two models, whose raters want the opposite ends of a scale, with λ synthetic samples per real one."""

    probabilities: tuple[float, ...] = (0.2, 0.2, 0.2, 0.2, 0.2)
    rewards: tuple[tuple[float, ...], ...] = ((0.0, 0.5, 1.0, 1.5, 2.0), (2.0, 1.5, 1.0, 0.5, 0.0))
    own_shares: tuple[float, ...] = (1.0, 0.8, 0.5, 0.2, 0.0)
    """Of the synthetic training samples of a model, how many are its own."""
    ratio: float = 1.0
    real_count: int = 1000
    generations: int = 20
    seeds: int = 30
    seed: int = 0


QUICK = CrossCuration(own_shares=(1.0, 0.5, 0.2), real_count=500, generations=15, seeds=20)


@dataclass(frozen=True)
class ShareOut:
    """Each of two models trains on `own` of its synthetic samples and, beside them, on samples of the other.

    Values are (N, replicates, 2). The real samples stay with their models.
    """

    policy: Policy
    own: float

    def count(self, real_count: int, generation: int) -> int:
        return self.policy.count(real_count, generation)

    def mix(self, real: Samples, history: History, generation: int, stream: Stream) -> Samples:
        mixed = self.policy.mix(real, history, generation, stream)
        synthetic = torch.from_numpy(mixed.provenance.synthetic).nonzero().flatten()
        given = synthetic[round(self.own * len(synthetic)) :]
        values = mixed.values.clone()
        values[given] = values[given].flip(2)
        return mixed.with_values(values)


def toy(settings: CrossCuration) -> Toy:
    """Each share of own samples, with and without curation."""
    shares, label = settings.own_shares, "mean reward of the own raters"
    groups = {f"{own:.0%} own samples": {curated: name_of(own, curated) for curated in CURATED} for own in shares}
    laws = {name_of(own, curated): _predicted(settings, own, curated) for own in shares for curated in CURATED}
    least = min(shares)

    def served(own: float, curated: str) -> Quantity:
        """By how much curation raises the first model's own mean reward at the end."""
        return gain(name_of(own, curated), name_of(own, NONE), "first")

    return Toy(
        [replicated("cross-curation", settings.seed, lambda stream: _setup(settings, stream))],
        [
            above("without exchange, curation raises the own raters' reward", served(max(shares), BOTH)),
            below("exchange dampens what own curation gains", served(0.5, OWN) - served(max(shares), BOTH)),
            below(f"with {least:.0%} own samples, curation lowers the own raters' reward", served(least, BOTH)),
            above(
                f"with {least:.0%} own samples, own curation alone does not lower it",
                served(least, OWN),
                -0.02,
                published=False,
            ),
            *(
                agrees(f"{arm}: mean reward at the end", end(arm, "first"), laws[arm][-1], 0.03, published=False)
                for arm in (name_of(own, curated) for own in shares for curated in (BOTH, OWN))
            ),
        ],
        [Column("first", label, predicted=laws)],
        groups=groups,
        figures=[
            Sweep(
                "Whom curation serves",
                "share of own samples",
                label,
                shares,
                {curated: [end(name_of(own, curated), "first") for own in shares] for curated in CURATED},
                {curated: np.array([laws[name_of(own, curated)][-1] for own in shares]) for curated in CURATED},
            )
        ],
        notes=("Every arm draws pairs and keeps one; without curation the choice between them is a coin's.",),
        caveat=f"predicted for infinitely many samples, here {settings.real_count}",
    )


def _setup(settings: CrossCuration, stream: Stream) -> Setup:
    event = (settings.seeds, 2, len(settings.probabilities))
    truth = Categorical.replicated(settings.probabilities, *event[:2])
    real = Samples.real(truth.sample(torch.zeros(settings.real_count), stream.child("real")))
    raters = {curated: best_of(2, _rater(settings, curated), choice_noise=1.0) for curated in CURATED}
    plans = {
        name_of(own, curated): Plan(ShareOut(Augment(settings.ratio), own), settings.generations, bias=bias)
        for own in settings.own_shares
        for curated, bias in raters.items()
    }
    return Setup(Task(Categorical.uniform(*event), real, lambda candidate: _scores(settings, candidate)), plans)


def name_of(own: float, curated: str) -> str:
    """An arm's name."""
    return f"{own:.0%} own samples, {curated}"


def _rewards(settings: CrossCuration, curated: str) -> np.ndarray:
    """(2, categories), zeros where nobody curates."""
    return np.array(settings.rewards) * np.array(CURATED[curated])[:, None]


def _rater(settings: CrossCuration, curated: str) -> Score:
    table = torch.tensor(_rewards(settings, curated), dtype=torch.float64)
    return lambda values: torch.stack([table[model][values[..., model].long()] for model in (0, 1)], dim=-1)


def _scores(settings: CrossCuration, candidate: Candidate) -> dict[str, Tensor]:
    """The mean rewards of each model's own raters."""
    model = candidate.model
    assert isinstance(model, Categorical)
    rewards = torch.tensor(settings.rewards, dtype=torch.float64)
    aligned = (model.probabilities * rewards).sum(-1)
    return {"first": aligned[:, 0], "second": aligned[:, 1]}


def _predicted(settings: CrossCuration, own: float, curated: str) -> np.ndarray:
    """The mean reward of the first model's raters, (t + 1,), for infinitely many samples."""
    share = 1 / (1 + settings.ratio)
    table = exchanged_curation(settings.probabilities, _rewards(settings, curated), own, share, settings.generations)
    return table[:, 0] @ np.array(settings.rewards[0])
