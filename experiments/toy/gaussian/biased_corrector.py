"""A verifier that believes something wrong, and one that has seen only part of the truth.

Yi et al. 2026: linear regression retrained on its own labels, of which a verifier keeps those near its own belief. The
loop gains at first, then settles at the verifier's belief, not at the truth. Qiao et al. 2026: a verifier that knows
only the frequent words removes the rare ones faster than no selection would.
"""

from __future__ import annotations

from collections.abc import Mapping
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
from selfcorrect.statistics import mean_interval, ratio_interval

from ..models.categorical import Categorical
from ..models.regression import LinearRegression
from ..result import Check, Line, Panel, Result, above, agrees, below
from ..running import Comparison, Curves, run_seeds


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


def quick() -> BiasedCorrector:
    return BiasedCorrector(generations=8, seeds=20)


def run(settings: BiasedCorrector | None = None) -> Result:
    """Both experiments."""
    settings = settings or BiasedCorrector()
    seeds = range(settings.seed, settings.seed + settings.seeds)
    regression = run_seeds(lambda stream: _regression(settings, stream), seeds)
    words = run_seeds(lambda stream: _words(settings, stream), seeds)
    generations = np.arange(settings.generations + 1)
    errors = [Line(arm, table["error"]) for arm, table in regression.items()]
    vocabulary = [
        Line(arm, table["vocabulary"], _predicted_words(settings)["vocabulary"].get(arm))
        for arm, table in words.items()
    ]
    tails = [
        Line(arm, table["tail_share"], _predicted_words(settings)["tail_share"][arm]) for arm, table in words.items()
    ]
    return Result(
        reading=_reading(settings, regression, words),
        checks=[*_regression_checks(settings, regression), *_word_checks(settings, words)],
        figures=[
            Panel("Verified regression", "generation", "|weight − truth|²", generations, errors, log_y=True),
            Panel("Words in use", "generation", "words", generations, vocabulary),
            Panel("Share of the words that the verifier does not know", "generation", "share", generations, tails),
        ],
        warnings=_warnings(settings, regression),
    )


# --- a wrong belief --------------------------------------------------------------------------------------------------


def _regression(settings: BiasedCorrector, stream: Stream) -> Comparison:
    truth = LinearRegression(torch.ones(settings.dimension, dtype=torch.float64))
    real = Samples.real(truth.sample(torch.zeros(settings.samples), stream.child("real")))
    task = Task(LinearRegression.zero(settings.dimension), real, _regression_scores)
    policy = Replace(settings.synthetic_per_real)
    corrections = {f"belief off by {bias:g}": _near_belief(1 + bias, settings.radius) for bias in settings.biases}
    plans = {
        name: Plan(policy, settings.generations, correction=Correction(corrector))
        for name, corrector in corrections.items()
    }
    return task, {"no verifier": Plan(policy, settings.generations), **plans}


def _near_belief(weight: float, radius: float) -> Corrector:
    """Keeps pairs whose label is within `radius` of the believed one, with every weight equal to `weight`."""

    def near(samples: Samples) -> Tensor:
        return (samples.values[:, -1] - weight * samples.values[:, :-1].sum(1)).abs() <= radius

    return verifier(near)


def _regression_scores(candidate: Candidate) -> dict[str, Tensor]:
    model = candidate.model
    assert isinstance(model, LinearRegression)
    return {"error": (model.weight - 1).square().sum(), "mean_weight": model.weight.mean()}


def _regression_checks(settings: BiasedCorrector, curves: Curves) -> list[Check]:
    checks = []
    for bias in settings.biases:
        arm, belief = curves[f"belief off by {bias:g}"], 1 + bias
        settled = mean_interval(arm["mean_weight"][:, -1])
        checks.append(
            agrees(f"belief off by {bias:g}: the weights settle at the belief, not at the truth", settled, belief, 0.01)
        )
    largest, small = max(settings.biases), settings.biases[1]
    wrong = curves[f"belief off by {largest:g}"]
    first_step = ratio_interval(wrong["mean_weight"][:, 1] - 1 - largest, wrong["mean_weight"][:, 0] - 1 - largest)
    contraction = theory.verified_contraction(settings.radius, 1.0)
    fitted = estimate(np.abs(wrong["mean_weight"] - 1 - largest)).contraction
    error = curves[f"belief off by {small:g}"]["error"]
    unverified = mean_interval(curves["no verifier"]["error"][:, -1])
    return [
        *checks,
        agrees("contraction towards the belief in the first generation", first_step, contraction, 0.1),
        *([agrees("contraction fitted to the whole run", fitted, contraction, 0.15)] if fitted else []),
        below(f"belief off by {small:g}: early gain", mean_interval(error[:, 2] - error[:, 0])),
        above(
            f"belief off by {largest:g}: ends worse than generation 0",
            mean_interval(wrong["error"][:, -1] - wrong["error"][:, 0]),
        ),
        agrees("no verifier: error at the end", unverified, _unverified_error(settings), 0.1),
    ]


def _unverified_error(settings: BiasedCorrector) -> float:
    """Generation 0's error from the real pairs, and one step of the larger synthetic sets per generation after it."""
    sizes = (settings.samples, round(settings.synthetic_per_real * settings.samples))
    first, step = (theory.regression_replace_error(size, settings.dimension, 1.0, 0)[0] for size in sizes)
    return float(first + settings.generations * step)


# --- a partial view --------------------------------------------------------------------------------------------------


def _words(settings: BiasedCorrector, stream: Stream) -> Comparison:
    truth = Categorical(zipf(settings.words)[None])
    real = Samples.real(truth.sample(torch.zeros(settings.word_count), stream.child("words")))

    def scores(candidate: Candidate) -> dict[str, Tensor]:
        model = candidate.model
        assert isinstance(model, Categorical)
        return {
            "vocabulary": (model.probabilities > 0).sum(),
            "tail_share": model.probabilities[:, settings.words // 2 :].sum(),
        }

    plan = Plan(Replace(), settings.generations)
    blind = Correction(_knows_frequent_words(settings.words // 2, settings.pass_rate))
    return Task(Categorical.uniform(1, settings.words), real, scores), {
        "no selection": plan,
        "blind verifier": Plan(Replace(), settings.generations, correction=blind),
    }


def _knows_frequent_words(known: int, pass_rate: float) -> Corrector:
    def corrector(samples: Samples, stream: Stream) -> Corrected:
        passes = torch.rand(len(samples), generator=stream.torch()) < pass_rate
        return Corrected(samples, (samples.values[:, 0] < known) | passes)

    return corrector


def _predicted_words(settings: BiasedCorrector) -> Mapping[str, Mapping[str, np.ndarray]]:
    """Expected vocabulary without selection; share of unknown words with and without, for large samples."""
    probabilities = zipf(settings.words).numpy()
    tail = probabilities[settings.words // 2 :].sum()
    odds = tail / (1 - tail) * settings.pass_rate ** np.arange(settings.generations + 1)
    vocabulary = theory.expected_vocabulary(probabilities, settings.word_count, settings.generations + 1)[1:]
    return {
        "vocabulary": {"no selection": vocabulary},
        "tail_share": {"no selection": np.full(len(odds), tail), "blind verifier": odds / (1 + odds)},
    }


def _word_checks(settings: BiasedCorrector, curves: Curves) -> list[Check]:
    predicted, blind, free = _predicted_words(settings), curves["blind verifier"], curves["no selection"]
    half = settings.generations // 2
    vocabulary = mean_interval(free["vocabulary"][:, -1])
    lost = mean_interval(blind["vocabulary"][:, -1] - free["vocabulary"][:, -1])
    share = mean_interval(blind["tail_share"][:, half])
    return [
        agrees("no selection: words left at the end", vocabulary, predicted["vocabulary"]["no selection"][-1]),
        agrees(
            f"blind verifier: share of unknown words at generation {half}",
            share,
            predicted["tail_share"]["blind verifier"][half],
            0.1,
        ),
        below("a blind verifier loses more words than no selection", lost),
    ]


def _reading(settings: BiasedCorrector, regression: Curves, words: Curves) -> str:
    wrong = regression[f"belief off by {max(settings.biases):g}"]
    weight, (start, end) = wrong["mean_weight"][:, -1].mean(), wrong["error"].mean(0)[[0, -1]]
    left = {arm: table["vocabulary"][:, -1].mean() for arm, table in words.items()}
    return (
        f"A verifier whose belief is off by {max(settings.biases):g} takes the weights to {weight:.3f} (truth 1). "
        f"The error goes from {start:.3f} to {end:.3f}. A verifier that knows half of the words leaves "
        f"{left['blind verifier']:.0f} of {settings.words}, no selection {left['no selection']:.0f}."
    )


def _warnings(settings: BiasedCorrector, curves: Curves) -> list[str]:
    """A corrector can end beside the truth while the loop looks perfectly stable."""
    beliefs = [f"belief off by {bias:g}" for bias in settings.biases]
    growth = {arm: ratio_interval(curves[arm]["error"][:, -1], curves[arm]["error"][:, 0]) for arm in beliefs}
    return [
        f"{arm}: the loop is stable, but its error ends at {factor} times that of generation 0; it has converged to "
        "what the verifier believes."
        for arm, factor in growth.items()
        if factor.low > 1
    ]
