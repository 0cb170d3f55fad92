"""Strengths from comparisons: closed forms, a plain version, and raters whose taste is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from simulated_raters import answers, choose, random_pairs

from selfcorrect.experiments.curation.choices import Answer, Choice, differences, outcomes
from selfcorrect.experiments.curation.strengths import Fit, best_fit, fit_choices

NAMES = [f"s{number}" for number in range(8)]


def strengths(choices: list[Choice], samples: list[str]) -> Fit:
    return best_fit(differences(choices, samples), outcomes(choices))


def draw_strengths(seed: int, deviation: float = 1.5) -> dict[str, float]:
    values = np.random.default_rng(seed).normal(0, deviation, len(NAMES))
    return dict(zip(NAMES, (values - values.mean()).tolist(), strict=True))


def test_two_samples_have_the_logarithm_of_their_wins_between_them() -> None:
    """Wins w and v and t ties are matched exactly: a − b = log(w / v), ν = t / √(w v) (Davidson 1970)."""
    won = 3000
    lost = 1000
    ties = 2000
    words: list[tuple[Answer, Answer, int]] = [("left", "right", won), ("right", "left", lost), ("tie", "tie", ties)]
    choices = [choose("ada", "a", "b", word) for word, _, count in words for _ in range(count // 2)]
    choices += [choose("ada", "b", "a", word) for _, word, count in words for _ in range(count // 2)]
    fit = fit_choices(differences(choices, ["a", "b"]), outcomes(choices), deviation=1e3)
    assert fit.weights[0] - fit.weights[1] == pytest.approx(np.log(won / lost), abs=1e-3)
    assert fit.parameters[-1] == pytest.approx(np.log(ties / np.sqrt(won * lost)), abs=1e-3)
    assert fit.side == pytest.approx(0, abs=1e-6)


def test_it_agrees_with_a_plain_version() -> None:
    random = np.random.default_rng(1)
    choices = answers(draw_strengths(1), random_pairs(NAMES, 40, random), random, side=0.5, tie=-0.5)

    def loss(at: np.ndarray) -> float:
        total = (at[:-2] ** 2).sum() / (2 * 0.8**2) + at[-2] ** 2 / 2 + at[-1] ** 2 / 8
        for choice in choices:
            advantage = at[NAMES.index(choice.left)] - at[NAMES.index(choice.right)] + at[-2]
            weights = {"left": np.exp(advantage / 2), "tie": np.exp(at[-1]), "right": np.exp(-advantage / 2)}
            total -= np.log(weights[choice.answer] / sum(weights.values()))
        return float(total)

    plain = minimize(loss, np.zeros(len(NAMES) + 2), options={"gtol": 1e-6}).x
    fit = fit_choices(differences(choices, NAMES), outcomes(choices), deviation=0.8)
    np.testing.assert_allclose(fit.parameters, plain, atol=1e-4)


def test_strengths_side_and_ties_of_simulated_raters_are_recovered() -> None:
    random = np.random.default_rng(2)
    true = draw_strengths(2)
    choices = answers(true, random_pairs(NAMES, 6000, random), random, side=0.7, tie=-0.5)
    fit = strengths(choices, NAMES)
    np.testing.assert_allclose(fit.weights, list(true.values()), atol=0.25)
    assert fit.side == pytest.approx(0.7, abs=3 * fit.errors[-2])
    assert 0.01 < fit.errors[-2] < 0.05
    assert fit.parameters[-1] == pytest.approx(-0.5, abs=0.15)


def test_intervals_cover_what_they_should() -> None:
    """Of differences between two samples, in 40 simulated studies."""
    hits = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        true = draw_strengths(seed, 1.0)
        fit = strengths(answers(true, random_pairs(NAMES, 120, random), random), NAMES)
        contrast = np.zeros(len(NAMES) + 2)
        contrast[[0, 1]] = 1, -1
        error = np.sqrt(contrast @ fit.covariance @ contrast)
        hits.append(abs(contrast @ fit.parameters - (true["s0"] - true["s1"])) < 1.96 * error)
    assert 34 <= sum(hits) <= 40  # 38 ± 1.4 expected


def test_what_beats_the_better_one_is_expected_to_beat_the_worse_one() -> None:
    choices = [choose("ada", "a", "b", "left"), choose("ada", "c", "b", "right")] * 10
    first, second, third = strengths(choices, ["a", "b", "c"]).weights
    assert first > second + 0.1 > third + 0.2


def test_turning_every_pair_round_turns_the_pull_alone() -> None:
    random = np.random.default_rng(3)
    choices = answers(draw_strengths(3), random_pairs(NAMES, 60, random), random, side=1.0)
    flip: dict[str, Answer] = {"left": "right", "right": "left", "tie": "tie"}
    turned = [choose("ada", choice.right, choice.left, flip[choice.answer]) for choice in choices]
    fit = strengths(choices, NAMES)
    turned_fit = strengths(turned, NAMES)
    np.testing.assert_allclose(fit.weights, turned_fit.weights, atol=1e-6)
    assert fit.side == pytest.approx(-turned_fit.side, abs=1e-6)
    assert fit.side > 0.3


def test_without_choices_nothing_is_known() -> None:
    fit = strengths([], NAMES)
    assert np.abs(fit.weights).max() == 0
    assert fit.errors.min() > 0.2
