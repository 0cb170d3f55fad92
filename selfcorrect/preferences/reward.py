"""Preferences of raters as a function of features, for samples that nobody rated.

A linear reward is fitted to choices by the Bradley–Terry model. It generalises only by the features: of two samples
with equal features it prefers neither, whatever people would say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from ..core.errors import InputError
from ..core.randomness import streams
from ..statistics import Interval
from .bradley_terry import best_fit
from .choices import Choice, differences, drop_rejections, outcomes

FEWEST_CHOICES = 10
_FOLDS = 5
_RESAMPLES = 2000


@dataclass(frozen=True)
class Reward:
    """Rewards of raters, each linear in F standardised features, in logits."""

    features: tuple[str, ...]
    """Names of the features."""
    means: tuple[float, ...]
    """(F,) means over the rated samples."""
    deviations: tuple[float, ...]
    """(F,) standard deviations over the rated samples."""
    common: tuple[float, ...]
    """(F,) weights of all raters together."""
    raters: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]
    """(R, F) weights of each rater, shrunk towards the common weights."""
    choices: int
    """Number of choices that they were fitted to."""

    def joint_reward(self, features: np.ndarray) -> np.ndarray:
        """Return the rewards (N,) that all raters together give to samples with features (N, F)."""
        return self._standardize(features) @ np.array(self.common)

    def rater_rewards(self, features: np.ndarray) -> np.ndarray:
        """Return the rewards (R, N) of each rater."""
        return np.array(self.weights) @ self._standardize(features).T

    def _standardize(self, features: np.ndarray) -> np.ndarray:
        if features.ndim != 2 or features.shape[1] != len(self.features):
            raise InputError(f"a reward needs features of shape (N, {len(self.features)}), got {features.shape}")
        return (features - np.array(self.means)) / np.array(self.deviations)


def fit_reward(choices: Sequence[Choice], features: Mapping[str, np.ndarray], names: Sequence[str]) -> Reward:
    """Fit the rewards of all raters.

    The weights of a rater have the common weights as the mean of their prior.

    Args:
        choices: The choices; those about samples without features do not count.
        features: Sample → (F,).

    Raises:
        InputError: Fewer than `FEWEST_CHOICES` choices compare samples with features.
    """
    comparisons = _select_comparisons(choices, features)
    if len(comparisons) < FEWEST_CHOICES:
        expected = f"a reward needs at least {FEWEST_CHOICES} comparisons of samples with features"
        raise InputError(f"{expected}, got {len(comparisons)}")
    samples, table = _make_table(comparisons, features)
    means = table.mean(0)
    deviations = np.maximum(table.std(0), 1e-9)
    standardised = (table - means) / deviations
    common = best_fit(differences(comparisons, samples) @ standardised, outcomes(comparisons)).weights
    raters = sorted({choice.rater for choice in comparisons})
    weights = []
    for rater in raters:
        answered = [choice for choice in comparisons if choice.rater == rater]
        fit = best_fit(differences(answered, samples) @ standardised, outcomes(answered), common)
        weights.append(tuple(fit.weights.tolist()))
    return Reward(
        features=tuple(names),
        means=tuple(means.tolist()),
        deviations=tuple(deviations.tolist()),
        common=tuple(common.tolist()),
        raters=tuple(raters),
        weights=tuple(weights),
        choices=len(comparisons),
    )


def predicted_share(choices: Sequence[Choice], features: Mapping[str, np.ndarray]) -> Interval:
    """Return the share of decided choices that a reward predicts that has seen neither sample; 0.5 is chance.

    Samples are dealt into five folds. Choices between two folds are predicted from choices that touch neither. The
    interval is a bootstrap over samples, because choices share these. NaN if too few choices are left to fit.
    """
    decided = [choice for choice in _select_comparisons(choices, features) if choice.outcome]
    samples, table = _make_table(decided, features)
    table = (table - table.mean(0)) / np.maximum(table.std(0), 1e-9) if decided else table
    generator = streams(0).child("folds").numpy()
    folds_of_samples = generator.permutation(len(samples)) % _FOLDS
    fold_of = dict(zip(samples, folds_of_samples.tolist(), strict=True))
    tested: list[tuple[Choice, float]] = []
    for folds in combinations_with_replacement(range(_FOLDS), 2):
        unseen = [choice for choice in decided if {fold_of[sample] for sample in choice.pair} == set(folds)]
        training = [choice for choice in decided if all(fold_of[sample] not in folds for sample in choice.pair)]
        if unseen and len(training) >= FEWEST_CHOICES:
            weights = best_fit(differences(training, samples) @ table, outcomes(training)).weights
            hits = np.sign(differences(unseen, samples) @ table @ weights) == outcomes(unseen)
            tested += zip(unseen, hits.astype(float).tolist(), strict=True)
    if not tested:
        return Interval(np.nan, np.nan, np.nan, 0, "bootstrap over samples")
    hits = np.array([hit for _, hit in tested])
    generator = streams(0).child("resamples").numpy()
    drawn = generator.multinomial(len(samples), [1 / len(samples)] * len(samples), _RESAMPLES)
    rows = {sample: row for row, sample in enumerate(samples)}
    sides = [[rows[sample] for sample in (choice.left, choice.right)] for choice, _ in tested]
    counts = drawn[:, np.array(sides)].prod(axis=2)
    totals = counts.sum(1)
    shares = (counts @ hits)[totals > 0] / totals[totals > 0]
    low, high = np.quantile(shares, [0.025, 0.975])
    return Interval(float(hits.mean()), float(low), float(high), len(hits), "bootstrap over samples")


def _select_comparisons(choices: Sequence[Choice], features: Mapping[str, np.ndarray]) -> list[Choice]:
    return [choice for choice in drop_rejections(choices) if choice.pair <= features.keys()]


def _make_table(choices: Sequence[Choice], features: Mapping[str, np.ndarray]) -> tuple[list[str], np.ndarray]:
    """Return the samples of choices, and their features (N, F)."""
    samples = sorted(set().union(*(choice.pair for choice in choices)))
    return samples, np.array([features[sample] for sample in samples])
