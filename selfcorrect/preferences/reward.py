"""What raters prefer as a function of features, for samples that nobody rated.

A linear reward is fitted to choices by the Bradley–Terry model. It generalises by the features alone: of two samples
with equal features it prefers neither, whatever people would say.
"""

from __future__ import annotations

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
    """Names."""
    means: tuple[float, ...]
    """(F,) of the rated samples."""
    deviations: tuple[float, ...]
    """(F,) likewise."""
    common: tuple[float, ...]
    """(F,) weights of all raters together."""
    raters: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]
    """(R, F) weights of each rater, shrunk towards the common ones."""
    choices: int
    """How many choices they were fitted to."""

    def joint_reward(self, features: np.ndarray) -> np.ndarray:
        """(N,) rewards that all raters together give to samples with features (N, F)."""
        return self._standardize(features) @ np.array(self.common)

    def rater_rewards(self, features: np.ndarray) -> np.ndarray:
        """(R, N) rewards of each rater."""
        return np.array(self.weights) @ self._standardize(features).T

    def _standardize(self, features: np.ndarray) -> np.ndarray:
        if features.ndim != 2 or features.shape[1] != len(self.features):
            raise InputError(f"a reward needs features of shape (N, {len(self.features)}), got {features.shape}")
        return (features - np.array(self.means)) / np.array(self.deviations)


def fit_reward(choices: Sequence[Choice], features: Mapping[str, np.ndarray], names: Sequence[str]) -> Reward:
    """The rewards of all raters of choices. features: sample → (F,); choices about other samples do not count.

    The weights of a rater have the common weights as the mean of their prior. InputError for fewer than
    `FEWEST_CHOICES` choices.
    """
    used = _usable(choices, features)
    if len(used) < FEWEST_CHOICES:
        needed = f"a reward needs at least {FEWEST_CHOICES} comparisons of samples with features"
        raise InputError(f"{needed}, got {len(used)}")
    samples, table = _table(used, features)
    means, deviations = table.mean(0), np.maximum(table.std(0), 1e-9)
    standardised = (table - means) / deviations
    common = best_fit(differences(used, samples) @ standardised, outcomes(used)).weights
    raters = sorted({choice.rater for choice in used})
    weights = []
    for rater in raters:
        own = [choice for choice in used if choice.rater == rater]
        fitted = best_fit(differences(own, samples) @ standardised, outcomes(own), common).weights
        weights.append(tuple(fitted.tolist()))
    return Reward(
        tuple(names),
        tuple(means.tolist()),
        tuple(deviations.tolist()),
        tuple(common.tolist()),
        tuple(raters),
        tuple(weights),
        len(used),
    )


def predicted_share(choices: Sequence[Choice], features: Mapping[str, np.ndarray]) -> Interval:
    """How many decided choices a reward predicts that has seen neither of their samples; 0.5 is chance.

    Samples are dealt into five folds. Choices between two folds are predicted from those that touch neither. The
    interval is a bootstrap over samples, because choices share these. NaN where too few choices are left to fit.
    """
    used = [choice for choice in _usable(choices, features) if choice.outcome]
    samples, table = _table(used, features)
    table = (table - table.mean(0)) / np.maximum(table.std(0), 1e-9) if used else table
    dealt = streams(0).child("folds").numpy().permutation(len(samples)) % _FOLDS
    fold_of = dict(zip(samples, dealt.tolist(), strict=True))
    tested: list[tuple[Choice, float]] = []
    for folds in combinations_with_replacement(range(_FOLDS), 2):
        unseen = [choice for choice in used if {fold_of[sample] for sample in choice.pair} == set(folds)]
        known = [choice for choice in used if all(fold_of[sample] not in folds for sample in choice.pair)]
        if unseen and len(known) >= FEWEST_CHOICES:
            weights = best_fit(differences(known, samples) @ table, outcomes(known)).weights
            hits = np.sign(differences(unseen, samples) @ table @ weights) == outcomes(unseen)
            tested += zip(unseen, hits.astype(float).tolist(), strict=True)
    if not tested:
        return Interval(np.nan, np.nan, np.nan, 0, "bootstrap over samples")
    hits = np.array([hit for _, hit in tested])
    drawn = (
        streams(0).child("resamples").numpy().multinomial(len(samples), [1 / len(samples)] * len(samples), _RESAMPLES)
    )
    rows = {sample: row for row, sample in enumerate(samples)}
    sides = [[rows[sample] for sample in (choice.left, choice.right)] for choice, _ in tested]
    counts = drawn[:, np.array(sides)].prod(axis=2)
    shares = (counts @ hits)[counts.sum(1) > 0] / counts.sum(1)[counts.sum(1) > 0]
    low, high = np.quantile(shares, [0.025, 0.975])
    return Interval(float(hits.mean()), float(low), float(high), len(hits), "bootstrap over samples")


def _usable(choices: Sequence[Choice], features: Mapping[str, np.ndarray]) -> list[Choice]:
    return [choice for choice in drop_rejections(choices) if choice.pair <= features.keys()]


def _table(choices: Sequence[Choice], features: Mapping[str, np.ndarray]) -> tuple[list[str], np.ndarray]:
    """The samples of choices, and their features (N, F)."""
    samples = sorted(set().union(*(choice.pair for choice in choices)))
    return samples, np.array([features[sample] for sample in samples])
