"""Curation agrees with known answers, and for one model with a recursion.

There are several raters and models.
"""

import numpy as np
import pytest
from helpers import load_loop
from scipy.optimize import minimize

curated_categories = load_loop("curation").curated_categories
exchanged_curation = load_loop("cross-curation").exchanged_curation
nash_bargaining = load_loop("pluralistic").nash_bargaining
START = np.array([0.3, 0.25, 0.2, 0.15, 0.1])


def test_raters_share_by_weight() -> None:
    """Utilities of e¹⁰ against 1 give shares by weight.

    Such utilities leave nothing to bargain for.
    """
    rewards = [[10, 0, 0, 0, 0]] * 3 + [[0, 0, 0, 0, 10]]
    assert nash_bargaining(START, rewards)[[0, -1]] == pytest.approx([0.75, 0.25], abs=1e-3)


def test_bargain_maximises_nash_product() -> None:
    rewards = np.random.default_rng(0).normal(size=(3, 5))

    def product(logits: np.ndarray) -> float:
        p = np.exp(logits - logits.max())
        return -np.log(np.exp(rewards) @ (p / p.sum())).mean()

    best = min(minimize(product, start, method="BFGS").fun for start in np.random.default_rng(1).normal(size=(5, 5)))
    best_product = -np.log(np.exp(rewards) @ nash_bargaining(START, rewards)).mean()
    assert best_product == pytest.approx(best, abs=1e-4)


def test_one_rater_takes_all() -> None:
    assert nash_bargaining(START, [[0, 0, 0, 0, 1]])[-1] == pytest.approx(1)
    assert nash_bargaining(START, np.zeros((2, 5))) == pytest.approx(START)


def test_without_exchange_loops_are_separate() -> None:
    rewards = np.array([[0, 0.5, 1, 1.5, 2], [2, 1.5, 1, 0.5, 0]])
    together = exchanged_curation(START, rewards, 1.0, 0.5, 10)
    for model in (0, 1):
        assert together[:, model] == pytest.approx(curated_categories(START, rewards[model], 0.5, 10))


def test_swapped_models_serve_each_other() -> None:
    rewards = np.array([[0, 0.5, 1, 1.5, 2], [2, 1.5, 1, 0.5, 0]])
    ends = {
        share: exchanged_curation(np.full(5, 0.2), rewards, share, 0.5, 30)[-1, 0] @ rewards[0] for share in (0, 0.5, 1)
    }
    assert ends[0] < 1 - 0.05 < 1 + 0.05 < ends[1]
    assert ends[0.5] == pytest.approx(1)
