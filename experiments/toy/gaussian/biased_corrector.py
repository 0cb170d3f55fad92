"""A verifier that believes something wrong, and one that has seen only part of the truth.

Yi et al. 2026: linear regression retrained on its own labels, of which a verifier keeps those near its own belief. The
loop gains at first, then settles at the verifier's belief, not at the truth. Qiao et al. 2026: a verifier that knows
only the frequent words removes the rare ones faster than no selection would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from selfcorrect.analysis import theory
from selfcorrect.analysis.estimation import estimate
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import Corrected, Corrector, verifier
from selfcorrect.correctors.correction import Correction
from selfcorrect.datasets.toy.draws import zipf
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.run import Candidate, Plan, Task
from selfcorrect.statistics import UNMEASURED, Interval

from ...studies.claims import Claim, Curves, above, agrees, at, below, end, gain, ratio, rise, start
from ..declaration import Column, Setup, Toy, by_seed
from ..models.categorical import Categorical
from ..models.regression import LinearRegression

UNVERIFIED, BLIND, FREE = "no verifier", "blind verifier", "no selection"


@dataclass(frozen=True)
class BiasedCorrector:
    """Regression: T real pairs, verifiers whose belief is off by each of `biases` in every weight, which keep labels
    within `radius`. Words: a vocabulary of which the verifier knows the more frequent half and lets others pass with
    probability `pass_rate`.
    """

    samples: int = 60
    dimension: int = 2
    biases: tuple[float, ...] = (0.0, 0.05, 0.4)
    radius: float = 1.0
    synthetic_per_real: float = 20.0
    generations: int = 12
    words: int = 60
    word_count: int = 400
    pass_rate: float = 0.7
    seeds: int = 30
    seed: int = 0


QUICK = BiasedCorrector(generations=8, seeds=20)


def toy(settings: BiasedCorrector) -> Toy:
    """Both experiments."""
    vocabulary, tail = _predicted_words(settings)
    return Toy(
        [
            by_seed(settings.seed, settings.seeds, lambda stream: _regression(settings, stream)),
            by_seed(settings.seed, settings.seeds, lambda stream: _words(settings, stream)),
        ],
        [*_regression_claims(settings), *_word_claims(settings, vocabulary[FREE], tail[BLIND])],
        [
            Column("mean_weight", "mean weight (truth 1)", ".3f", panel=False),
            Column("error", "squared error of the weights", ".3f", log=True),
            Column("vocabulary", "words in use", ".0f", predicted=vocabulary),
            Column("tail_share", "share of the words that the verifier does not know", predicted=tail),
        ],
        notes=("A loop can be stable and wrong: it converges to what its verifier believes.",),
    )


def believing(bias: float) -> str:
    """The arm of a belief."""
    return f"belief off by {bias:g}"


# --- a wrong belief --------------------------------------------------------------------------------------------------


def _regression(settings: BiasedCorrector, stream: Stream) -> Setup:
    truth = LinearRegression(torch.ones(settings.dimension, dtype=torch.float64))
    real = Samples.real(truth.sample(torch.zeros(settings.samples), stream.child("real")))
    policy = Replace(settings.synthetic_per_real)
    verified = {
        believing(bias): Plan(
            policy, settings.generations, correction=Correction(_near_belief(1 + bias, settings.radius))
        )
        for bias in settings.biases
    }
    task = Task(LinearRegression.zero(settings.dimension), real, _regression_scores)
    return Setup(task, {UNVERIFIED: Plan(policy, settings.generations), **verified})


def _near_belief(weight: float, radius: float) -> Corrector:
    """Keeps pairs whose label is within `radius` of the believed one, with every weight equal to `weight`."""

    def near(samples: Samples) -> Tensor:
        return (samples.values[:, -1] - weight * samples.values[:, :-1].sum(1)).abs() <= radius

    return verifier(near)


def _regression_scores(candidate: Candidate) -> dict[str, Tensor]:
    model = candidate.model
    assert isinstance(model, LinearRegression)
    return {"error": (model.weight - 1).square().sum(), "mean_weight": model.weight.mean()}


def _regression_claims(settings: BiasedCorrector) -> list[Claim]:
    largest, small = max(settings.biases), settings.biases[1]
    wrong, early = believing(largest), believing(small)
    contraction = theory.verified_contraction(settings.radius, 1.0)
    first_step = ratio(*(at(wrong, "mean_weight", generation) - 1 - largest for generation in (1, 0)))

    def fitted(curves: Curves) -> Interval:
        return estimate(np.abs(curves[wrong]["mean_weight"] - 1 - largest)).contraction or UNMEASURED

    return [
        *(
            agrees(f"{believing(bias)}: the weights settle at the belief, not at the truth",
                   end(believing(bias), "mean_weight"), 1 + bias, 0.01)
            for bias in settings.biases
        ),
        agrees("contraction towards the belief in the first generation", first_step, contraction, 0.1),
        agrees("contraction fitted to the whole run", fitted, contraction, 0.15),
        below(f"{early}: early gain", at(early, "error", 2) - start(early, "error")),
        above(f"{wrong}: ends worse than generation 0", rise(wrong, "error")),
        agrees("no verifier: error at the end", end(UNVERIFIED, "error"), _unverified_error(settings), 0.1),
    ]  # fmt: skip


def _unverified_error(settings: BiasedCorrector) -> float:
    """Generation 0's error from the real pairs, and one step of the larger synthetic sets per generation after it."""
    sizes = (settings.samples, round(settings.synthetic_per_real * settings.samples))
    first, step = (theory.regression_replace_error(size, settings.dimension, 1.0, 0)[0] for size in sizes)
    return float(first + settings.generations * step)


# --- a partial view --------------------------------------------------------------------------------------------------


def _words(settings: BiasedCorrector, stream: Stream) -> Setup:
    truth = Categorical(zipf(settings.words)[None])
    real = Samples.real(truth.sample(torch.zeros(settings.word_count), stream.child("words")))

    def scores(candidate: Candidate) -> dict[str, Tensor]:
        model = candidate.model
        assert isinstance(model, Categorical)
        return {
            "vocabulary": (model.probabilities > 0).sum(),
            "tail_share": model.probabilities[:, settings.words // 2 :].sum(),
        }

    blind = Correction(_knows_frequent_words(settings.words // 2, settings.pass_rate))
    corrections = {FREE: None, BLIND: blind}
    plans = {arm: Plan(Replace(), settings.generations, correction=one) for arm, one in corrections.items()}
    return Setup(Task(Categorical.uniform(1, settings.words), real, scores), plans)


def _knows_frequent_words(known: int, pass_rate: float) -> Corrector:
    def corrector(samples: Samples, stream: Stream) -> Corrected:
        passes = torch.rand(len(samples), generator=stream.torch()) < pass_rate
        return Corrected(samples, (samples.values[:, 0] < known) | passes)

    return corrector


def _predicted_words(settings: BiasedCorrector) -> Sequence[dict[str, np.ndarray]]:
    """Expected vocabulary without selection; share of unknown words with and without, for large samples."""
    probabilities = zipf(settings.words).numpy()
    tail = probabilities[settings.words // 2 :].sum()
    odds = tail / (1 - tail) * settings.pass_rate ** np.arange(settings.generations + 1)
    vocabulary = theory.expected_vocabulary(probabilities, settings.word_count, settings.generations + 1)[1:]
    return {FREE: vocabulary}, {FREE: np.full(len(odds), tail), BLIND: odds / (1 + odds)}


def _word_claims(settings: BiasedCorrector, vocabulary: np.ndarray, tail: np.ndarray) -> list[Claim]:
    half = settings.generations // 2
    share = at(BLIND, "tail_share", half)
    return [
        agrees("no selection: words left at the end", end(FREE, "vocabulary"), vocabulary[-1]),
        agrees(f"blind verifier: share of unknown words at generation {half}", share, tail[half], 0.1),
        below("a blind verifier loses more words than no selection", gain(BLIND, FREE, "vocabulary")),
    ]
