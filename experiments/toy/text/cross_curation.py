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
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.bias import Score, best_of
from selfcorrect.loop.policy import Augment, History, Policy
from selfcorrect.loop.run import Candidate, Plan, Task
from selfcorrect.statistics import mean_interval

from ..models.categorical import Categorical
from ..result import Check, Ends, Line, Panel, Result, above, agrees, below
from ..running import Curves, run_arms

CURATED = {"no curation": (False, False), "both curated": (True, True), "own curation only": (True, False)}
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


def quick() -> CrossCuration:
    return CrossCuration(own_shares=(1.0, 0.5, 0.2), real_count=500, generations=15, seeds=20)


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


def run(settings: CrossCuration | None = None) -> Result:
    """Each share of own samples, with and without curation."""
    settings = settings or CrossCuration()
    stream = streams(settings.seed).child("cross-curation")
    event = (settings.seeds, 2, len(settings.probabilities))
    truth = Categorical(torch.tensor(settings.probabilities, dtype=torch.float64).expand(event).contiguous())
    real = Samples.real(truth.sample(torch.zeros(settings.real_count), stream.child("real")))
    plans = {
        name_of(own, curated): Plan(
            ShareOut(Augment(settings.ratio), own),
            settings.generations,
            bias=best_of(2, _rater(settings, curated), choice_noise=1.0),
        )
        for own in settings.own_shares
        for curated in CURATED
    }
    task = Task(Categorical.uniform(*event), real, lambda candidate: _scores(settings, candidate))
    curves = run_arms(task, plans, stream)
    return Result(
        reading=_reading(settings, curves),
        ends=_ends(settings, curves),
        checks=_checks(settings, curves),
        figures=_panels(settings, curves),
        notes=("Every arm draws pairs and keeps one; without curation the choice between them is a coin's.",),
    )


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


def gains(settings: CrossCuration, curves: Curves, own: float, curated: str) -> np.ndarray:
    """By how much curation raises the first model's own mean reward at the end, (seeds,)."""
    return curves[name_of(own, curated)]["first"][:, -1] - curves[name_of(own, "no curation")]["first"][:, -1]


def _checks(settings: CrossCuration, curves: Curves) -> list[Check]:
    measured = [
        agrees(
            f"{name_of(own, curated)}: mean reward at the end",
            mean_interval(curves[name_of(own, curated)]["first"][:, -1]),
            _predicted(settings, own, curated)[-1],
            0.03,
            published=False,
        )
        for own in settings.own_shares
        for curated in ("both curated", "own curation only")
    ]
    most, middle, least = max(settings.own_shares), 0.5, min(settings.own_shares)
    alone, mostly_others = gains(settings, curves, most, "both curated"), gains(settings, curves, least, "both curated")
    halved = gains(settings, curves, middle, "own curation only")
    return [
        above("without exchange, curation raises the own raters' reward", mean_interval(alone)),
        below("exchange dampens what own curation gains", mean_interval(halved - alone)),
        below(f"with {least:.0%} own samples, curation lowers the own raters' reward", mean_interval(mostly_others)),
        above(
            f"with {least:.0%} own samples, own curation alone does not lower it",
            mean_interval(gains(settings, curves, least, "own curation only")),
            -0.02,
            published=False,
        ),
        *measured,
    ]


def _reading(settings: CrossCuration, curves: Curves) -> str:
    own, others = (
        gains(settings, curves, share, "both curated").mean()
        for share in (settings.own_shares[0], settings.own_shares[-1])
    )
    return (
        f"Curation of both models changes the mean reward of the first one's raters by {own:+.2f} with "
        f"{settings.own_shares[0]:.0%} own samples, by {others:+.2f} with {settings.own_shares[-1]:.0%}."
    )


def _ends(settings: CrossCuration, curves: Curves) -> Ends:
    changed = {own: gains(settings, curves, own, "both curated").mean() for own in settings.own_shares}
    rows = {f"{own:.0%} own samples": [f"{gain:+.2f}"] for own, gain in changed.items()}
    return Ends(["change of the mean reward"], rows)


def _panels(settings: CrossCuration, curves: Curves) -> list[Panel]:
    generations = np.arange(settings.generations + 1)
    both, caveat = "both curated", f"predicted for infinitely many samples, here {settings.real_count}"
    by_share = np.array(settings.own_shares)
    ends = [
        Line(
            curated,
            np.stack([curves[name_of(own, curated)]["first"][:, -1] for own in settings.own_shares], axis=1),
            np.array([_predicted(settings, own, curated)[-1] for own in settings.own_shares]),
        )
        for curated in CURATED
    ]
    lines = [
        Line(f"{own:.0%} own samples", curves[name_of(own, both)]["first"], _predicted(settings, own, both))
        for own in settings.own_shares
    ]
    label = "mean reward of the own raters"
    return [
        Panel("Whom curation serves", "share of own samples", label, by_share, ends, caveat=caveat),
        Panel("Both models curated", "generation", label, generations, lines, caveat=caveat),
    ]
