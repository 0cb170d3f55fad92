"""A reward on features: it recovers taste, judges samples that nobody rated, and says how well."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_raters import answers, random_pairs

from selfcorrect.experiments.curation.choices import Choice, RatedItem, Ratings
from selfcorrect.experiments.curation.reward import fit_reward

WEIGHTS = np.array([1.5, -0.8, 0.0])
NAMES = ("first", "second", "third")


def rate(choices: list[Choice], features: dict[str, np.ndarray]) -> Ratings:
    items = {key: RatedItem(key, key, "", "", tuple(values.tolist())) for key, values in features.items()}
    return Ratings("choices.jsonl", NAMES, items, choices)


def study(
    seed: int, count: int, weights: np.ndarray = WEIGHTS, rater: str = "ada"
) -> tuple[dict[str, np.ndarray], list[Choice]]:
    random = np.random.default_rng(seed)
    samples = [f"s{number:02d}" for number in range(30)]
    features = {sample: random.normal(3.0, 2.0, 3) for sample in samples}
    taste = {sample: float(weights @ (value - 3.0) / 2.0) for sample, value in features.items()}
    return features, answers(taste, random_pairs(samples, count, random), random, rater=rater)


def test_it_recovers_the_weights_of_taste() -> None:
    features, choices = study(0, 1500)
    reward = fit_reward(rate(choices, features))
    np.testing.assert_allclose(np.array(reward.common) * 2.0, WEIGHTS, atol=0.25)
    assert reward.raters == ("ada",)
    assert reward.choices == len(choices)


def test_it_judges_samples_that_nobody_rated() -> None:
    features, choices = study(1, 300)
    unseen = np.random.default_rng(9).normal(3.0, 2.0, (400, 3))
    true = (unseen - 3.0) @ WEIGHTS
    assert np.corrcoef(fit_reward(rate(choices, features)).joint_reward(unseen), true)[0, 1] > 0.95


def test_it_prefers_neither_of_two_samples_with_equal_features() -> None:
    features, choices = study(2, 100)
    same = np.tile(features["s00"], (2, 1))
    first, second = fit_reward(rate(choices, features)).joint_reward(same)
    assert first == second


def test_raters_of_opposite_taste_keep_theirs_and_cancel_in_common() -> None:
    features, ada = study(3, 300)
    _, bob = study(3, 300, -WEIGHTS, "bob")
    reward = fit_reward(rate([*ada, *bob], features))
    first, second = reward.rater_rewards(np.array(list(features.values())))
    assert np.corrcoef(first, second)[0, 1] < -0.9
    assert np.abs(reward.common).max() < 0.3 < np.abs(reward.weights).max()


def test_too_few_choices_are_refused_and_measure_nothing() -> None:
    features, choices = study(5, 9)
    with pytest.raises(ValueError, match="needs at least 10 comparisons of motions whose features are known, got 9"):
        fit_reward(rate(choices, features))
    unmeasured = {sample: np.zeros(0) for sample in features}
    ratings = Ratings("choices.jsonl", NAMES, rate(choices, unmeasured).items, study(5, 40)[1])
    with pytest.raises(ValueError, match="got 0"):
        fit_reward(ratings)
