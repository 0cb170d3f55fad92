"""Verifiers that are wrong or blind (Yi et al. 2026; Qiao et al. 2026).

A verifier that believes something wrong: linear regression is retrained on its own labels, of which the verifier keeps
those near its own belief. The loop gains at first, then settles at the belief, not at the truth.

A verifier that has seen only part of the truth: it knows the frequent words and removes the rare ones faster than no
selection would.

    selfcorrect toy examples/loops/biased_corrector.py --quick
"""

from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from scipy import stats
from torch import Tensor
from toy_data.draws import zipf
from toy_models.regression import LinearRegression, regression_replace_error, true_pairs, weight_errors
from toy_models.words import word_task

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.loop.correctors.contract import Corrector

UNVERIFIED = "no verifier"
BLIND, FREE = "blind verifier", "no selection"


@dataclass(frozen=True)
class BlindVerifier:
    """A vocabulary of which the verifier knows the more frequent half and lets others pass with some probability."""

    size: int = 60
    count: int = 400
    pass_rate: float = 0.7

    @property
    def known_count(self) -> int:
        """Number of words that the verifier knows."""
        return self.size // 2


@dataclass(frozen=True)
class BiasedCorrector(toys.ToySettings):
    """Regression: T real pairs, verifiers whose belief is off by each of `biases` in every weight.

    The verifiers keep labels within `radius` of their belief. Words: see `BlindVerifier`.
    """

    samples: int = 60
    dimension: int = 2
    biases: tuple[float, ...] = (0.0, 0.05, 0.4)
    radius: float = 1.0
    synthetic_per_real: float = 20.0
    generations: int = 12
    seeds: int = 100
    """Half an interval of the first contraction is 2 % of its law, for large samples; 30 seeds left it undecided."""
    words: BlindVerifier = field(default_factory=BlindVerifier)


QUICK = BiasedCorrector(generations=8, seeds=20)


def toy(settings: BiasedCorrector) -> toys.Toy:
    """Declare both experiments."""
    tail_share = predict_tail_share(settings)
    return toys.Toy(
        bundles=[
            toys.bundle_seeds(settings, partial(set_up, settings)) for set_up in (set_up_regression, set_up_words)
        ],
        claims=[*claim_of_beliefs(settings), *claim_of_words(settings)],
        columns=[
            toys.Column("mean_weight", "mean weight (truth 1)", ".3f", panel=False),
            toys.Column("error", "squared error of the weights", ".3f", log=True),
            toys.Column("vocabulary", "words in use", ".0f"),
            toys.Column("tail_share", "share of the words that the verifier does not know", predicted=tail_share),
        ],
        title="Verifiers that are wrong or blind",
        source="Yi et al. 2026; Qiao et al. 2026",
        notes=("A loop can be stable and wrong: it converges to what its verifier believes.",),
    )


# --- a verifier with a wrong belief ---


def set_up_regression(settings: BiasedCorrector, stream: sc.Stream) -> toys.Setup:
    """Set up the same real pairs for each belief, and a loop without a verifier."""
    untrained = LinearRegression.zero(settings.dimension)
    real = true_pairs((settings.dimension,), settings.samples, stream.child("real"))
    unverified = sc.Arm(sc.Replace(settings.synthetic_per_real), settings.generations)
    arms = {UNVERIFIED: unverified}
    for bias in settings.biases:
        correction = sc.Correction(accept_near_belief(1 + bias, settings.radius))
        arms[name_belief(bias)] = replace(unverified, correction=correction)
    return toys.Setup(sc.Task(untrained, real, weight_errors), arms)


def name_belief(bias: float) -> str:
    return f"belief off by {bias:g}"


def accept_near_belief(weight: float, radius: float) -> Corrector:
    """Keep pairs whose label is near a belief.

    A pair is kept if its label is within `radius` of the label that the belief predicts. The belief has `weight` in
    every weight.
    """

    def accept(pairs: sc.Samples) -> Tensor:
        covariates = pairs.values[:, :-1]
        labels = pairs.values[:, -1]
        believed = weight * covariates.sum(1)
        return (labels - believed).abs() <= radius

    return sc.verifier(accept)


def claim_of_beliefs(settings: BiasedCorrector) -> list[claims.Claim]:
    """Claim the settled level and its rate.

    The loop settles at the belief's level, and approaches it at the rate of the theory.
    """
    largest = max(settings.biases)
    wrong = name_belief(largest)
    slightly_wrong = name_belief(settings.biases[1])
    beliefs = {name_belief(bias): np.array([1 + bias]) for bias in settings.biases}
    contraction = verified_contraction(settings.radius, 1.0)
    distance_before = claims.value_at(wrong, "mean_weight", 0) - 1 - largest
    distance_after = claims.value_at(wrong, "mean_weight", 1) - 1 - largest
    first_step = claims.ratio_of_means(distance_after, distance_before)
    synthetic_count = round(settings.synthetic_per_real * settings.samples)
    first_error = regression_replace_error(settings.samples, settings.dimension, 1.0, 0)[0]
    error_per_generation = regression_replace_error(synthetic_count, settings.dimension, 1.0, 0)[0]
    unverified_error = float(first_error + settings.generations * error_per_generation)

    early_gain = claims.value_at(slightly_wrong, "error", 2) - claims.initial_value(slightly_wrong, "error")
    last_error = claims.final_value(UNVERIFIED, "error")
    settled = "{arm}: the weights settle at the belief, not at the truth"
    return [
        *claims.expect_predictions(settled, "mean_weight", beliefs, 0.01),
        claims.expect_agreement("contraction towards the belief in the first generation", first_step, contraction, 0.1),
        claims.expect_below(f"{slightly_wrong}: early gain", early_gain),
        claims.expect_above(f"{wrong}: ends worse than generation 0", claims.final_change(wrong, "error")),
        claims.expect_agreement("no verifier: error at the end", last_error, unverified_error, 0.1),
    ]


# --- a verifier that does not know all words ---


def set_up_words(settings: BiasedCorrector, stream: sc.Stream) -> toys.Setup:
    """Words of Zipf's law, with the verifier and without."""
    words = settings.words

    def measure(probabilities: Tensor) -> dict[str, Tensor]:
        unknown = probabilities[:, words.known_count :]
        return {"vocabulary": (probabilities > 0).sum(), "tail_share": unknown.sum()}

    task = word_task(zipf(words.size), words.count, measure, stream, 1)
    free = sc.Arm(sc.Replace(), settings.generations)
    correction = sc.Correction(accept_frequent_words(words.known_count, words.pass_rate))
    return toys.Setup(task, {FREE: free, BLIND: replace(free, correction=correction)})


def accept_frequent_words(known_count: int, pass_rate: float) -> Corrector:
    """Accept frequent words, others by chance.

    The `known_count` most frequent words pass, others with the probability `pass_rate`.
    """

    def verify(samples: sc.Samples, stream: sc.Stream) -> sc.Corrected:
        passes = torch.rand(len(samples), generator=stream.generator()) < pass_rate
        return sc.Corrected(samples, (samples.values[:, 0] < known_count) | passes)

    return verify


def predict_tail_share(settings: BiasedCorrector) -> dict[str, np.ndarray]:
    """Predict the share (T + 1,) of unknown words.

    The verifier does not know them; samples are large.
    """
    tail = float(zipf(settings.words.size)[settings.words.known_count :].sum())
    odds = tail / (1 - tail) * settings.words.pass_rate ** np.arange(settings.generations + 1)
    return {FREE: np.full(len(odds), tail), BLIND: odds / (1 + odds)}


def claim_of_words(settings: BiasedCorrector) -> list[claims.Claim]:
    """Claim unknown words and words left.

    The share of unknown words follows the theory half way, and fewer words are left than without selection.
    """
    half = settings.generations // 2
    law = predict_tail_share(settings)[BLIND][half]
    share = claims.value_at(BLIND, "tail_share", half)
    more_words = claims.final_difference(BLIND, FREE, "vocabulary")
    return [
        claims.expect_agreement(f"blind verifier: share of unknown words at generation {half}", share, law, 0.1),
        claims.expect_below("a blind verifier loses more words than no selection", more_words),
    ]


def verified_contraction(radius: float, noise: float) -> float:
    """Return the contraction towards a verifier's belief.

    The factor is 1 − 2uφ(u) / (2Φ(u) − 1), u = r/σ. The mean residual of verified labels, a truncated normal's, falls
    by this factor near zero (Yi et al. 2026: contraction towards the "knowledge centre", whatever the truth). Large
    samples; 0 for a strict verifier, 1 for none.
    """
    bound = radius / noise
    return float(1 - 2 * bound * stats.norm.pdf(bound) / (2 * stats.norm.cdf(bound) - 1))
