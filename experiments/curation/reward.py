"""Preferences of raters as a function of features, for samples that nobody rated.

A linear reward is fitted to choices by the Bradley–Terry model. It generalises only by the features: of two samples
with equal features it prefers neither, whatever people would say.
"""

from dataclasses import dataclass

import numpy as np

from selfcorrect.core.errors import InputError

from .choices import Choice, Ratings, differences, outcomes
from .strengths import best_fit

FEWEST_CHOICES = 10


@dataclass(frozen=True)
class Reward:
    """Rewards of raters, each linear in F features, in logits."""

    features: tuple[str, ...]
    """Names of the features."""
    common: tuple[float, ...]
    """(F,) weights of all raters together."""
    raters: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]
    """(R, F) weights of each rater, shrunk towards the common weights."""
    choices: int
    """Number of choices that the weights were fitted to."""

    def joint_reward(self, features: np.ndarray) -> np.ndarray:
        """Return the rewards (N,) that all raters together give to samples with features (N, F)."""
        return features @ np.array(self.common)

    def rater_rewards(self, features: np.ndarray) -> np.ndarray:
        """Return the rewards (R, N) of each rater."""
        return np.array(self.weights) @ features.T


def fit_reward(ratings: Ratings) -> Reward:
    """Fit the rewards of all raters; the prior of a rater's weights has the common weights as its mean.

    Raises:
        InputError: Fewer than `FEWEST_CHOICES` choices compare samples with features.
    """
    choices, samples, table = select_comparisons(ratings)
    if len(choices) < FEWEST_CHOICES:
        raise InputError(
            f"{ratings.name}: a reward needs at least {FEWEST_CHOICES} comparisons of motions whose features are "
            f"known, got {len(choices)}"
        )
    deviations = np.maximum(table.std(0), 1e-9)
    table = table / deviations
    common = best_fit(differences(choices, samples) @ table, outcomes(choices)).weights
    weights = {}
    for rater in sorted({choice.rater for choice in choices}):
        answered = [choice for choice in choices if choice.rater == rater]
        fit = best_fit(differences(answered, samples) @ table, outcomes(answered), common)
        weights[rater] = tuple((fit.weights / deviations).tolist())
    common_weights = tuple((common / deviations).tolist())
    return Reward(ratings.features, common_weights, tuple(weights), tuple(weights.values()), len(choices))


def select_comparisons(ratings: Ratings) -> tuple[list[Choice], list[str], np.ndarray]:
    """Return the choices about samples with features, their samples, and the features (N, F) of these."""
    features = {
        key: item.features for key, item in ratings.items.items() if len(item.features) == len(ratings.features)
    }
    choices = [choice for choice in ratings.choices if choice.pair <= features.keys()]
    samples = sorted(set().union(*(choice.pair for choice in choices)))
    table = np.array([features[sample] for sample in samples]).reshape(len(samples), len(ratings.features))
    return choices, samples, table
