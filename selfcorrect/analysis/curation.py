"""Curation by several raters and across several models, in the limit of infinitely many samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit


def nash_bargaining(start: ArrayLike, rewards: ArrayLike, rounds: int = 20_000) -> np.ndarray:
    """Return the distribution p (categories,) that maximises the mean over raters of log E_p[e^r], a Nash product.

    With infinitely many candidates per choice, curation by a rater drawn at random is p ← p · mean_i e^{r_i} / E_p
    [e^{r_i}] (Falahati et al. 2026, arXiv 2605.07724; weights are repetitions of raters). It never lowers that product
    and settles at its maximum (Cover 1984) on the support of `start`.

    Args:
        start: (categories,) first distribution.
        rewards: (raters, categories).
    """
    p = np.asarray(start, dtype=float)
    utility = np.exp(np.atleast_2d(np.asarray(rewards, dtype=float)))
    for _ in range(rounds):
        p = p * (utility / (utility @ p)[:, None]).mean(0)
    return p / p.sum()


def exchanged_curation(
    probabilities: ArrayLike, rewards: ArrayLike, own_share: float, real_share: float, generations: int
) -> np.ndarray:
    """Return categorical models that are curated by pairs and trained on each other's curated samples.

    As `curated_categories`, for several models with a reward each. Infinitely many samples.

    Args:
        probabilities: (categories,) true distribution.
        rewards: (models, categories), 0 for no curation.
        own_share: Share of its own curated samples in a model's training set; those of the others have equal shares of
            the rest.
        real_share: Share of the true distribution that is mixed in afterwards.

    Returns:
        (t + 1, models, categories).
    """
    real = np.asarray(probabilities, dtype=float)
    table = np.asarray(rewards, dtype=float)
    models = len(table)
    wins = expit(table[:, :, None] - table[:, None, :])
    shares = np.full((models, models), (1 - own_share) / max(1, models - 1))
    np.fill_diagonal(shares, own_share if models > 1 else 1.0)
    history = [np.tile(real, (models, 1))]
    for _ in range(generations):
        curated = 2 * history[-1] * np.einsum("mij,mj->mi", wins, history[-1])
        history.append(real_share * real + (1 - real_share) * shares @ curated)
    return np.array(history)
