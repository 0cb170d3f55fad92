"""Verifiers that are wrong or blind (Yi et al. 2026; Qiao et al. 2026).

A verifier that believes something wrong: linear regression is retrained on its own labels, of which the verifier keeps
those near its own belief. The loop gains at first, then settles at the belief, not at the truth.

A verifier that has seen only part of the truth: it knows the frequent words and removes the rare ones faster than no
selection would.

    selfcorrect toy examples/loops/biased_corrector.py --quick
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

import selfcorrect as sc
from selfcorrect.analysis import theory
from selfcorrect.analysis.estimation import estimate_contraction
from selfcorrect.correctors.contract import Corrector
from selfcorrect.datasets.toy.draws import zipf
from selfcorrect.models.protocol import TensorModel

UNVERIFIED = "no verifier"
BLIND, FREE = "blind verifier", "no selection"


@dataclass(frozen=True)
class BlindVerifier:
    """A vocabulary of which the verifier knows the more frequent half and lets others pass with some probability."""

    size: int = 60
    count: int = 400
    pass_rate: float = 0.7


@dataclass(frozen=True)
class BiasedCorrector(sc.toys.ToySettings):
    """Regression: T real pairs, verifiers whose belief is off by each of `biases` in every weight.

    They keep labels within `radius` of their belief. Words: see `BlindVerifier`.
    """

    samples: int = 60
    dimension: int = 2
    biases: tuple[float, ...] = (0.0, 0.05, 0.4)
    radius: float = 1.0
    synthetic_per_real: float = 20.0
    generations: int = 12
    words: BlindVerifier = field(default_factory=BlindVerifier)


QUICK = BiasedCorrector(generations=8, seeds=20)


def toy(settings: BiasedCorrector) -> sc.toys.Toy:
    """Declare both experiments."""
    vocabulary = predict_vocabulary(settings.words, settings.generations)
    tail_share = predict_tail_share(settings.words, settings.generations)
    return sc.toys.Toy(
        [
            sc.toys.bundle_seeds(settings, lambda stream: set_up_regression(settings, stream)),
            sc.toys.bundle_seeds(settings, lambda stream: set_up_words(settings.words, settings.generations, stream)),
        ],
        [*claim_of_beliefs(settings), *claim_of_words(settings)],
        [
            sc.toys.Column("mean_weight", "mean weight (truth 1)", ".3f", panel=False),
            sc.toys.Column("error", "squared error of the weights", ".3f", log=True),
            sc.toys.Column("vocabulary", "words in use", ".0f", predicted=vocabulary),
            sc.toys.Column("tail_share", "share of the words that the verifier does not know", predicted=tail_share),
        ],
        title="Verifiers that are wrong or blind",
        source="Yi et al. 2026; Qiao et al. 2026",
        notes=("A loop can be stable and wrong: it converges to what its verifier believes.",),
    )


# --- a verifier with a wrong belief ---


@dataclass(frozen=True)
class LinearRegression(TensorModel):
    """y = x · weight + ε with x ~ N(0, I) and ε ~ N(0, 1); samples are pairs (d + 1,), the label last."""

    weight: Tensor
    """(d,)."""

    def fit(self, samples: sc.Samples, steps: int, stream: sc.Stream) -> LinearRegression:
        """Return the weighted least-squares estimate."""
        values = samples.values.to(self.weight)
        weights = samples.weights.to(self.weight)
        covariates, labels = values[..., :-1], values[..., -1]
        gram = torch.einsum("n,n...i,n...j->...ij", weights, covariates, covariates)
        moment = torch.einsum("n,n...i,n...->...i", weights, covariates, labels)
        return replace(self, weight=torch.linalg.solve(gram, moment))

    def sample(self, labels: Tensor, stream: sc.Stream) -> Tensor:
        """Draw one pair per entry of `labels`, with new covariates."""
        generator = stream.generator()
        shape = (len(labels), *self.weight.shape)
        covariates = torch.randn(shape, generator=generator, dtype=self.weight.dtype)
        noise = torch.randn(shape[:-1], generator=generator, dtype=self.weight.dtype)
        answers = (covariates * self.weight).sum(-1) + noise
        return torch.cat([covariates, answers[..., None]], dim=-1)


def set_up_regression(settings: BiasedCorrector, stream: sc.Stream) -> sc.toys.Setup:
    """The same real pairs for each belief, and without a verifier."""
    truth = LinearRegression(torch.ones(settings.dimension, dtype=torch.float64))
    untrained = LinearRegression(torch.zeros(settings.dimension, dtype=torch.float64))
    real = sc.Samples.real(truth.sample(torch.zeros(settings.samples), stream.child("real")))
    unverified = sc.Arm(sc.Replace(settings.synthetic_per_real), settings.generations)
    arms = {UNVERIFIED: unverified}
    for bias in settings.biases:
        correction = sc.Correction(accept_near_belief(1 + bias, settings.radius))
        arms[name_belief(bias)] = replace(unverified, correction=correction)
    return sc.toys.Setup(sc.Task(untrained, real, measure_weights), arms)


def name_belief(bias: float) -> str:
    return f"belief off by {bias:g}"


def accept_near_belief(weight: float, radius: float) -> Corrector:
    """Keep pairs whose label is within `radius` of the one believed, with every weight equal to `weight`."""
    return sc.verifier(lambda pairs: (pairs.values[:, -1] - weight * pairs.values[:, :-1].sum(1)).abs() <= radius)


def measure_weights(candidate: sc.Candidate) -> dict[str, Tensor]:
    """Return the squared error of the weights, which is the excess test error, and their mean."""
    model = candidate.model
    assert isinstance(model, LinearRegression)
    return {"error": (model.weight - 1).square().sum(-1), "mean_weight": model.weight.mean(-1)}


def claim_of_beliefs(settings: BiasedCorrector) -> list[sc.claims.Claim]:
    """Return the level at which the loop settles, and the rate at which it gets there."""
    largest = max(settings.biases)
    wrong = name_belief(largest)
    slightly_wrong = name_belief(settings.biases[1])
    beliefs = {name_belief(bias): np.array([1 + bias]) for bias in settings.biases}
    contraction = theory.verified_contraction(settings.radius, 1.0)
    first_step = sc.claims.ratio_of_means(
        sc.claims.value_at(wrong, "mean_weight", 1) - 1 - largest,
        sc.claims.value_at(wrong, "mean_weight", 0) - 1 - largest,
    )
    synthetic_count = round(settings.synthetic_per_real * settings.samples)
    first_error = theory.regression_replace_error(settings.samples, settings.dimension, 1.0, 0)[0]
    error_per_generation = theory.regression_replace_error(synthetic_count, settings.dimension, 1.0, 0)[0]
    unverified_error = float(first_error + settings.generations * error_per_generation)

    def fit_contraction(curves: sc.claims.Curves) -> sc.statistics.Interval:
        return estimate_contraction(np.abs(curves[wrong]["mean_weight"] - 1 - largest))

    return [
        *sc.claims.expect_predictions(
            "{arm}: the weights settle at the belief, not at the truth", "mean_weight", beliefs, 0.01
        ),
        sc.claims.expect_agreement(
            "contraction towards the belief in the first generation", first_step, contraction, 0.1
        ),
        sc.claims.expect_agreement("contraction fitted to the whole run", fit_contraction, contraction, 0.15),
        sc.claims.expect_below(
            f"{slightly_wrong}: early gain",
            sc.claims.value_at(slightly_wrong, "error", 2) - sc.claims.initial_value(slightly_wrong, "error"),
        ),
        sc.claims.expect_above(f"{wrong}: ends worse than generation 0", sc.claims.final_change(wrong, "error")),
        sc.claims.expect_agreement(
            "no verifier: error at the end", sc.claims.final_value(UNVERIFIED, "error"), unverified_error, 0.1
        ),
    ]


# --- a verifier that does not know all words ---


@dataclass(frozen=True)
class WordFrequencies(TensorModel):
    """Independent draws from V words; a sample (1,) holds the number of its word."""

    probabilities: Tensor
    """(1, V)."""

    def fit(self, samples: sc.Samples, steps: int, stream: sc.Stream) -> WordFrequencies:
        """Return the relative frequencies."""
        words = samples.values.long().flatten(1).T
        weights = samples.weights.to(self.probabilities) / samples.weights.sum()
        frequencies = torch.zeros_like(self.probabilities).scatter_add_(1, words, weights.expand(words.shape))
        return replace(self, probabilities=frequencies)

    def sample(self, labels: Tensor, stream: sc.Stream) -> Tensor:
        """Draw one word per entry of `labels`."""
        words = torch.multinomial(self.probabilities, len(labels), replacement=True, generator=stream.generator())
        return words.T.float()


def set_up_words(words: BlindVerifier, generations: int, stream: sc.Stream) -> sc.toys.Setup:
    """Words of Zipf's law, with the verifier and without."""
    known_count = words.size // 2
    truth = WordFrequencies(zipf(words.size)[None])
    untrained = WordFrequencies(torch.full((1, words.size), 1 / words.size, dtype=torch.float64))
    real = sc.Samples.real(truth.sample(torch.zeros(words.count), stream.child("words")))

    def measure_words(candidate: sc.Candidate) -> dict[str, Tensor]:
        assert isinstance(candidate.model, WordFrequencies)
        probabilities = candidate.model.probabilities
        return {"vocabulary": (probabilities > 0).sum(), "tail_share": probabilities[:, known_count:].sum()}

    free = sc.Arm(sc.Replace(), generations)
    blind = replace(free, correction=sc.Correction(accept_frequent_words(known_count, words.pass_rate)))
    return sc.toys.Setup(sc.Task(untrained, real, measure_words), {FREE: free, BLIND: blind})


def accept_frequent_words(known_count: int, pass_rate: float) -> Corrector:
    """Accept the `known_count` most frequent words, and others with the probability `pass_rate`."""

    def verify(samples: sc.Samples, stream: sc.Stream) -> sc.Corrected:
        passes = torch.rand(len(samples), generator=stream.generator()) < pass_rate
        return sc.Corrected(samples, (samples.values[:, 0] < known_count) | passes)

    return verify


def predict_vocabulary(words: BlindVerifier, generations: int) -> dict[str, np.ndarray]:
    """Return the expected number of words in use without selection, (T + 1,)."""
    return {FREE: theory.expected_vocabulary(zipf(words.size).numpy(), words.count, generations + 1)[1:]}


def predict_tail_share(words: BlindVerifier, generations: int) -> dict[str, np.ndarray]:
    """Return the share of words that the verifier does not know, (T + 1,), for large samples."""
    tail = zipf(words.size).numpy()[words.size // 2 :].sum()
    odds = tail / (1 - tail) * words.pass_rate ** np.arange(generations + 1)
    return {FREE: np.full(generations + 1, tail), BLIND: odds / (1 + odds)}


def claim_of_words(settings: BiasedCorrector) -> list[sc.claims.Claim]:
    """Words left, the share of unknown ones half way, and the verifier against no selection."""
    half = settings.generations // 2
    vocabulary = predict_vocabulary(settings.words, settings.generations)
    tail_share = predict_tail_share(settings.words, settings.generations)
    return [
        *sc.claims.expect_predictions("no selection: words left at the end", "vocabulary", vocabulary),
        sc.claims.expect_agreement(
            f"blind verifier: share of unknown words at generation {half}",
            sc.claims.value_at(BLIND, "tail_share", half),
            tail_share[BLIND][half],
            0.1,
        ),
        sc.claims.expect_below(
            "a blind verifier loses more words than no selection", sc.claims.final_difference(BLIND, FREE, "vocabulary")
        ),
    ]
