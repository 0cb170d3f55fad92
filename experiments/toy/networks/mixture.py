"""Shumailov et al. 2024: a mixture of Gaussians on its own samples; tails and rare components go first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.anchors import AnchoredCorrector, fit_anchors
from selfcorrect.correctors.contract import Corrector
from selfcorrect.correctors.loop_correction import Correction
from selfcorrect.loop.policy import Augment, Replace
from selfcorrect.loop.run import Arm, Candidate, Task
from selfcorrect.models.protocol import GenerativeModel

from ...studies.claims import (
    Quantity,
    expect_above,
    expect_agreement,
    expect_below,
    final_change,
    final_difference,
    final_value,
    mark_unpublished,
)
from ..models.mixture import Mixture
from ..toys import Column, Setup, Toy, ToySettings, bundle_seeds

PLAIN = "replace"
AUGMENTED = "augment"
ANCHORED = "replace, k-means corrector"
FITTED = "replace, mixture corrector"
RARE = 2
"""Index of the rare component."""
RARE_SHARE = 0.1
"""Weight of the rare component."""
TRUTH = Mixture(
    weights=torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64),
    means=torch.tensor([[-4.0, 0.0], [4.0, 0.0], [0.0, 6.0]], dtype=torch.float64),
    covariances=torch.eye(2, dtype=torch.float64).repeat(3, 1, 1),
)


@dataclass(frozen=True)
class MixtureLoop(ToySettings):
    """n real points of three Gaussians with weights 0.6, 0.3 and 0.1; the model knows that there are three."""

    real_count: int = 150
    generations: int = 25
    samples_per_centroid: int = 5
    judged: int = 1000


QUICK = MixtureLoop(generations=12, seeds=12)


def toy(settings: MixtureLoop) -> Toy:
    """Declare all arms."""
    simpson = theory.expected_simpson(TRUTH.weights.numpy(), settings.real_count, settings.generations + 1)[-1]

    def measure_remainder(key: str) -> Quantity:
        """The last generation, over the mean of generation 0."""
        return Quantity(lambda curves: curves[PLAIN][key][:, -1] / curves[PLAIN][key][:, 0].mean())

    def measure_rare_error(arm: str) -> Quantity:
        return (final_value(arm, "rare_share") - RARE_SHARE).map(np.abs)

    tail_loss = measure_remainder("variance") - measure_remainder("tail_mass")
    tail_gain = final_difference(FITTED, PLAIN, "tail_mass")
    rare_gain = measure_rare_error(ANCHORED) - measure_rare_error(PLAIN)

    claims = [
        expect_agreement("replace: Σ weight² at the end", final_value(PLAIN, "simpson"), simpson, 0.03),
        expect_below("replace: the tails go", final_change(PLAIN, "tail_mass")),
        expect_above("replace: more of the tails is lost than of the variance", tail_loss),
        expect_above("replace: the held-out loss grows", final_change(PLAIN, "risk")),
        expect_above("augment keeps more of the tails", final_difference(AUGMENTED, PLAIN, "tail_mass")),
        *mark_unpublished(
            expect_above("the mixture corrector keeps more of the tails", tail_gain),
            expect_below("the k-means corrector holds the share of the rare component", rare_gain),
        ),
    ]
    columns = [
        Column("tail_mass", "share of the tails", ".0%"),
        Column("rare_share", "share of the rare component (10 %)", ""),
        Column("risk", "loss (truth 0)"),
    ]
    return Toy(
        bundles=[bundle_seeds(settings, partial(set_up, settings))],
        claims=claims,
        columns=columns,
        risk="risk",
        notes=(
            "The loss is the held-out one above the truth's, in nats.",
            f"The k-means corrector remembers {settings.real_count // settings.samples_per_centroid} centroids of the "
            "training data; the mixture corrector draws from a mixture fitted to them, at γ = 1.",
        ),
    )


def set_up(settings: MixtureLoop, stream: Stream) -> Setup:
    """All arms with the same points."""
    real = Samples.real(TRUTH.sample(torch.zeros(settings.real_count), stream.child("real")))
    task = Task(Mixture.make_untrained(3, 2), real, partial(_measure, settings), initial_steps=100)
    anchors = fit_anchors(real, settings.samples_per_centroid, stream.child("anchors"))
    fitted = task.model.fit(real, 100, stream.child("corrector"))
    plain = Arm(Replace(), settings.generations, 100)
    arms = {
        PLAIN: plain,
        AUGMENTED: replace(plain, policy=Augment(1.0)),
        ANCHORED: replace(plain, correction=Correction(AnchoredCorrector(anchors))),
        FITTED: replace(plain, correction=Correction(redraw_from(fitted), 1.0)),
    }
    return Setup(task, arms)


def redraw_from(model: GenerativeModel) -> Corrector:
    """Return a corrector that replaces every sample by one of a model."""

    def redraw(samples: Samples, stream: Stream) -> Samples:
        return samples.with_values(model.sample(samples.labels, stream))

    return redraw


def _find_threshold(share: float) -> float:
    """Return the log-density that a share of the truth does not reach."""
    points = TRUTH.sample(torch.zeros(20_000), streams(0).child("tails"))
    return float(TRUTH.log_density(points).logsumexp(1).quantile(share))


TAIL = _find_threshold(0.05)
SUPPORT = _find_threshold(0.001)


def _measure(settings: MixtureLoop, candidate: Candidate) -> dict[str, Tensor]:
    """Measure a model; its tail mass is the share of the truth's tail where it is as dense as the truth at its edge."""
    model = candidate.model
    assert isinstance(model, Mixture)
    tail_points = TRUTH.sample(torch.zeros(8000), streams(0).child("tail points"))
    tail = tail_points[TRUTH.log_density(tail_points).logsumexp(1) < TAIL]
    samples = candidate.samples(settings.judged).values
    held_out = TRUTH.sample(torch.zeros(settings.judged), candidate.stream.child("truth"))
    is_covered = model.log_density(tail).logsumexp(1) > SUPPORT
    log_density = TRUTH.log_density(samples)
    is_outside = log_density.logsumexp(1) < SUPPORT
    is_rare = log_density.argmax(1) == RARE
    true_loss = -TRUTH.log_density(held_out).logsumexp(1)
    model_loss = -model.log_density(held_out).logsumexp(1)
    return {
        "tail_mass": is_covered.double().mean(),
        "outside_share": is_outside.double().mean(),
        "rare_share": is_rare.double().mean(),
        "simpson": model.weights.square().sum(),
        "variance": samples.var(0).sum(),
        "risk": (model_loss - true_loss).mean(),
    }
