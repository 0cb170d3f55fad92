"""A verifier that believes something wrong: the loop gains at first, then settles at its belief, not at the truth.

Yi et al. 2026: linear regression retrained on its own labels, of which a verifier keeps those near its own belief.
Beside it stands a verifier of words that has seen only part of the truth.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from selfcorrect.analysis import theory
from selfcorrect.analysis.estimation import fitted_contraction
from selfcorrect.core.randomness import Stream
from selfcorrect.correctors.contract import Corrector, verifier
from selfcorrect.correctors.correction import Correction
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.run import Plan, Task
from selfcorrect.statistics import Interval

from ...studies.claims import Claim, Curves, above, agrees, as_predicted, at, below, end, ratio, rise, start
from ..declaration import Column, Setup, Toy, ToySettings, by_seed
from ..models.regression import LinearRegression
from ..text.blind_verifier import BlindVerifier
from .linear import true_pairs, weight_errors

UNVERIFIED, believing = "no verifier", "belief off by {:g}".format


@dataclass(frozen=True)
class BiasedCorrector(ToySettings):
    """Regression: T real pairs, verifiers whose belief is off by each of `biases` in every weight, which keep labels
    within `radius`. Words: see `BlindVerifier`.
    """

    samples: int = 60
    dimension: int = 2
    biases: tuple[float, ...] = (0.0, 0.05, 0.4)
    radius: float = 1.0
    synthetic_per_real: float = 20.0
    generations: int = 12
    words: BlindVerifier = field(default_factory=BlindVerifier)


QUICK = BiasedCorrector(generations=8, seeds=20)


def toy(settings: BiasedCorrector) -> Toy:
    """Both experiments."""
    vocabulary, tail = settings.words.predicted(settings.generations)
    return Toy(
        [
            by_seed(settings, lambda stream: _setup(settings, stream)),
            by_seed(settings, lambda stream: settings.words.setup(settings.generations, stream)),
        ],
        [*_claims(settings), *settings.words.claims(settings.generations)],
        [
            Column("mean_weight", "mean weight (truth 1)", ".3f", panel=False),
            Column("error", "squared error of the weights", ".3f", log=True),
            Column("vocabulary", "words in use", ".0f", predicted=vocabulary),
            Column("tail_share", "share of the words that the verifier does not know", predicted=tail),
        ],
        notes=("A loop can be stable and wrong: it converges to what its verifier believes.",),
    )


def _setup(settings: BiasedCorrector, stream: Stream) -> Setup:
    shape, policy = (settings.dimension,), Replace(settings.synthetic_per_real)
    plans = {UNVERIFIED: Plan(policy, settings.generations)}
    for bias in settings.biases:
        correction = Correction(_near_belief(1 + bias, settings.radius))
        plans[believing(bias)] = Plan(policy, settings.generations, correction=correction)
    real = true_pairs(shape, settings.samples, stream.child("real"))
    return Setup(Task(LinearRegression.zero(*shape), real, weight_errors), plans)


def _near_belief(weight: float, radius: float) -> Corrector:
    """Keeps pairs whose label is within `radius` of the believed one, with every weight equal to `weight`."""
    return verifier(lambda pairs: (pairs.values[:, -1] - weight * pairs.values[:, :-1].sum(1)).abs() <= radius)


def _claims(settings: BiasedCorrector) -> list[Claim]:
    largest, small = max(settings.biases), settings.biases[1]
    wrong, early = believing(largest), believing(small)
    beliefs = {believing(bias): np.array([1 + bias]) for bias in settings.biases}
    contraction = theory.verified_contraction(settings.radius, 1.0)
    first_step = ratio(*(at(wrong, "mean_weight", generation) - 1 - largest for generation in (1, 0)))
    sizes = (settings.samples, round(settings.synthetic_per_real * settings.samples))
    first, step = (theory.regression_replace_error(size, settings.dimension, 1.0, 0)[0] for size in sizes)
    unverified = float(first + settings.generations * step)  # one step of the larger synthetic sets per generation

    def fitted(curves: Curves) -> Interval:
        return fitted_contraction(np.abs(curves[wrong]["mean_weight"] - 1 - largest))

    return [
        *as_predicted("{arm}: the weights settle at the belief, not at the truth", "mean_weight", beliefs, 0.01),
        agrees("contraction towards the belief in the first generation", first_step, contraction, 0.1),
        agrees("contraction fitted to the whole run", fitted, contraction, 0.15),
        below(f"{early}: early gain", at(early, "error", 2) - start(early, "error")),
        above(f"{wrong}: ends worse than generation 0", rise(wrong, "error")),
        agrees("no verifier: error at the end", end(UNVERIFIED, "error"), unverified, 0.1),
    ]
