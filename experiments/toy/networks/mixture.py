"""Shumailov et al. 2024: a mixture of Gaussians on its own samples; tails and rare components go first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.anchors import AnchoredCorrector, fit_anchors
from selfcorrect.correctors.contract import Corrector
from selfcorrect.correctors.correction import Correction
from selfcorrect.loop.policy import Augment, Policy, Replace
from selfcorrect.loop.run import Candidate, Plan, Task
from selfcorrect.statistics import CollapseFinding, Interval, collapse_profile, mean_interval

from ..models.mixture import Mixture
from ..result import Check, Line, Panel, Result, above, agrees, below, ends_of
from ..running import Comparison, Curves, run_seeds

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


def quick() -> MixtureLoop:
    return MixtureLoop(generations=12, seeds=12)


QUANTITIES = {
    "tail_coverage": "share of the truth's tails that the model reaches",
    "rare_share": "share of the rare component (10 %)",
    "risk": "held-out loss above the truth's, nats",
}


def run(settings: MixtureLoop | None = None) -> Result:
    """All arms."""
    settings = settings or MixtureLoop()
    seeds = range(settings.seed, settings.seed + settings.seeds)
    curves = run_seeds(lambda stream: _compare(settings, stream, Replace()), seeds)
    generations = np.arange(settings.generations + 1)
    lines = {key: [Line(arm, table[key]) for arm, table in curves.items()] for key in QUANTITIES}
    return Result(
        reading=_reading(curves),
        ends=ends_of(curves, {"share of the tails": ("tail_coverage", ".0%"), "loss (truth 0)": ("risk", ".2f")}),
        checks=_checks(settings, curves),
        figures=[
            Panel(label, "generation", key.replace("_", " "), generations, lines[key])
            for key, label in QUANTITIES.items()
        ],
        profiles={arm: _profile(table) for arm, table in curves.items()},
        notes=(
            f"The k-means corrector remembers {settings.real_count // settings.samples_per_centroid} centroids of the "
            "training data; the mixture corrector draws from a mixture fitted to them, at γ = 1.",
        ),
    )


def _profile(table: Mapping[str, np.ndarray]) -> list[CollapseFinding]:
    names = {"risk": "risk", "variance": "variance", "tail_mass": "tail_coverage", "outside_share": "outside_share"}
    return collapse_profile({definition: table[key] for definition, key in names.items()})


def _compare(settings: MixtureLoop, stream: Stream, replacing: Policy) -> Comparison:
    real = Samples.real(TRUTH.sample(torch.zeros(settings.real_count), stream.child("real")))
    task = Task(Mixture.untrained(3, 2), real, lambda candidate: _scores(settings, candidate), initial_steps=100)
    anchors = fit_anchors(real, settings.samples_per_centroid, stream.child("anchors"))
    fitted = task.model.fit(real, 100, stream.child("corrector"))
    plan = Plan(replacing, settings.generations, steps=100)
    return task, {
        "replace": plan,
        "augment": Plan(Augment(1.0), settings.generations, steps=100),
        "replace, k-means corrector": Plan(
            replacing, settings.generations, steps=100, correction=Correction(AnchoredCorrector(anchors))
        ),
        "replace, mixture corrector": Plan(
            replacing, settings.generations, steps=100, correction=Correction(_draw_from(fitted), 1.0)
        ),
    }


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


def _change(curves: Curves, arm: str, key: str) -> Interval:
    """From generation 0 to the last."""
    return mean_interval(curves[arm][key][:, -1] - curves[arm][key][:, 0])


def _difference(curves: Curves, arm: str, other: str, key: str) -> Interval:
    """Between two arms at the last generation."""
    return mean_interval(curves[arm][key][:, -1] - curves[other][key][:, -1])


def _checks(settings: MixtureLoop, curves: Curves) -> list[Check]:
    replaced, anchored = curves["replace"], "replace, k-means corrector"
    simpson = theory.expected_simpson(TRUTH.weights.numpy(), settings.real_count, settings.generations + 1)[-1]
    lost = {key: 1 - replaced[key][:, -1] / replaced[key][:, 0].mean() for key in ("tail_coverage", "variance")}
    straying = {arm: np.abs(curves[arm]["rare_share"][:, -1] - 0.1) for arm in ("replace", anchored)}
    return [
        agrees("replace: Σ weight² at the end", mean_interval(replaced["simpson"][:, -1]), simpson, 0.03),
        below("replace: the tails go", _change(curves, "replace", "tail_coverage")),
        above(
            "replace: more of the tails is lost than of the variance",
            mean_interval(lost["tail_coverage"] - lost["variance"]),
        ),
        above("replace: the held-out loss grows", _change(curves, "replace", "risk")),
        above("augment keeps more of the tails", _difference(curves, "augment", "replace", "tail_coverage")),
        above(
            "the mixture corrector keeps more of the tails",
            _difference(curves, "replace, mixture corrector", "replace", "tail_coverage"),
            published=False,
        ),
        below(
            "the k-means corrector holds the share of the rare component",
            mean_interval(straying[anchored] - straying["replace"]),
            published=False,
        ),
    ]


def _reading(curves: Curves) -> str:
    replace, corrected = (
        curves[arm]["tail_coverage"][:, -1].mean() for arm in ("replace", "replace, k-means corrector")
    )
    return f"The fully synthetic loop ends with {replace:.0%} of the tails, with k-means correction {corrected:.0%}."
