"""Shumailov et al. 2024: a mixture of Gaussians on its own samples; tails and rare components go first."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.anchors import AnchoredCorrector, fit_anchors
from selfcorrect.correctors.contract import Corrector
from selfcorrect.correctors.correction import Correction
from selfcorrect.loop.policy import Augment, Replace
from selfcorrect.loop.run import Candidate, Plan, Task

from ...studies.claims import Curves, Quantity, above, agrees, below, end, gain, rise
from ..declaration import Column, Setup, Toy, by_seed
from ..models.mixture import Mixture

PLAIN, AUGMENTED = "replace", "augment"
ANCHORED, FITTED = "replace, k-means corrector", "replace, mixture corrector"
TRUTH = Mixture(
    weights=torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64),
    means=torch.tensor([[-4.0, 0.0], [4.0, 0.0], [0.0, 6.0]], dtype=torch.float64),
    covariances=torch.eye(2, dtype=torch.float64).repeat(3, 1, 1),
)


@dataclass(frozen=True)
class MixtureLoop:
    """n real points of three Gaussians with weights 0.6, 0.3 and 0.1; the model knows that there are three."""

    real_count: int = 150
    generations: int = 25
    samples_per_centroid: int = 5
    judged: int = 1000
    seeds: int = 30
    seed: int = 0


QUICK = MixtureLoop(generations=12, seeds=12)


def toy(settings: MixtureLoop) -> Toy:
    """All arms."""
    simpson = theory.expected_simpson(TRUTH.weights.numpy(), settings.real_count, settings.generations + 1)[-1]
    straying = {arm: (end(arm, "rare_share") - 0.1).map(np.abs) for arm in (PLAIN, ANCHORED)}

    def left(key: str) -> Quantity:
        """The last generation's, over the mean of generation 0."""

        def share(curves: Curves) -> np.ndarray:
            table = curves[PLAIN][key]
            return table[:, -1] / table[:, 0].mean()

        return Quantity(share)

    return Toy(
        [by_seed(settings.seed, settings.seeds, lambda stream: _setup(settings, stream))],
        [
            agrees("replace: Σ weight² at the end", end(PLAIN, "simpson"), simpson, 0.03),
            below("replace: the tails go", rise(PLAIN, "tail_coverage")),
            above(
                "replace: more of the tails is lost than of the variance",
                left("variance") - left("tail_coverage"),
            ),
            above("replace: the held-out loss grows", rise(PLAIN, "risk")),
            above("augment keeps more of the tails", gain(AUGMENTED, PLAIN, "tail_coverage")),
            above(
                "the mixture corrector keeps more of the tails", gain(FITTED, PLAIN, "tail_coverage"), published=False
            ),
            below(
                "the k-means corrector holds the share of the rare component",
                straying[ANCHORED] - straying[PLAIN],
                published=False,
            ),
        ],
        [
            Column("tail_coverage", "share of the tails", ".0%"),
            Column("rare_share", "share of the rare component (10 %)", ""),
            Column("risk", "loss (truth 0)"),
        ],
        profile={
            "risk": "risk",
            "variance": "variance",
            "tail_mass": "tail_coverage",
            "outside_share": "outside_share",
        },
        notes=(
            "The loss is the held-out one above the truth's, in nats.",
            f"The k-means corrector remembers {settings.real_count // settings.samples_per_centroid} centroids of the "
            "training data; the mixture corrector draws from a mixture fitted to them, at γ = 1.",
        ),
    )


def _setup(settings: MixtureLoop, stream: Stream) -> Setup:
    real = Samples.real(TRUTH.sample(torch.zeros(settings.real_count), stream.child("real")))
    task = Task(Mixture.untrained(3, 2), real, lambda candidate: _scores(settings, candidate), initial_steps=100)
    anchors = fit_anchors(real, settings.samples_per_centroid, stream.child("anchors"))
    fitted = task.model.fit(real, 100, stream.child("corrector"))
    corrections = {ANCHORED: Correction(AnchoredCorrector(anchors)), FITTED: Correction(_draw_from(fitted), 1.0)}
    plan = Plan(Replace(), settings.generations, 100)
    corrected = {arm: replace(plan, correction=one) for arm, one in corrections.items()}
    return Setup(task, {PLAIN: plan, AUGMENTED: replace(plan, policy=Augment(1.0)), **corrected})


def _draw_from(model) -> Corrector:
    def redraw(samples: Samples, stream: Stream) -> Samples:
        return samples.with_values(model.sample(samples.labels, stream))

    return redraw


def log_density(model: Mixture, points: Tensor) -> Tensor:
    """Log-density (N, K) of each weighted component at points (N, d)."""
    offset = points[:, None] - model.means
    precision = torch.linalg.inv(model.covariances)
    distance = torch.einsum("nki,kij,nkj->nk", offset, precision, offset)
    volume = torch.logdet(model.covariances) + points.shape[1] * math.log(2 * math.pi)
    return model.weights.log() - (distance + volume) / 2


def _tail_threshold(share: float) -> float:
    points = TRUTH.sample(torch.zeros(20_000), streams(0).child("tails"))
    return float(log_density(TRUTH, points).logsumexp(1).quantile(share))


TAIL, SUPPORT = _tail_threshold(0.05), _tail_threshold(0.001)


def _reached(model: Mixture) -> Tensor:
    """Share of the truth's tail where the model is as dense as the truth is at the edge of its support."""
    points = TRUTH.sample(torch.zeros(8000), streams(0).child("tail points"))
    tail = points[log_density(TRUTH, points).logsumexp(1) < TAIL]
    return (log_density(model, tail).logsumexp(1) > SUPPORT).double().mean()


def _scores(settings: MixtureLoop, candidate: Candidate) -> dict[str, Tensor]:
    model = candidate.model
    assert isinstance(model, Mixture)
    samples = candidate.samples(settings.judged).values
    held_out = TRUTH.sample(torch.zeros(settings.judged), candidate.stream.child("truth"))
    by_component = log_density(TRUTH, samples)
    truth = by_component.logsumexp(1)
    excess = log_density(TRUTH, held_out).logsumexp(1) - log_density(model, held_out).logsumexp(1)
    return {
        "tail_coverage": _reached(model),
        "outside_share": (truth < SUPPORT).double().mean(),
        "rare_share": (by_component.argmax(1) == 2).double().mean(),
        "simpson": model.weights.square().sum(),
        "variance": samples.var(0).sum(),
        "risk": excess.mean(),
    }
