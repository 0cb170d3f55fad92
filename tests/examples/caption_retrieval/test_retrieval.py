"""R-precision has the values that can be counted by hand, and the mean of drawn batches."""

import numpy as np
import pytest
from caption_retrieval.retrieval import DISTRACTORS, r_precision, retrieval_ranks
from hypothesis import given, settings
from hypothesis import strategies as st

from selfcorrect.core.errors import InputError


def test_ranks_of_points_on_a_line_are_those_that_one_counts() -> None:
    candidates = np.array([[0.0], [1.0], [3.0], [7.0]])
    queries = np.array([[0.1], [0.1], [0.1], [2.9], [100.0]])
    ranks = np.array([0, 1, 3, 2, 0])
    assert retrieval_ranks(queries, candidates, ranks).tolist() == [0, 1, 3, 0, 3]


def test_embeddings_that_are_all_equal_find_nothing() -> None:
    ranks = retrieval_ranks(np.ones((5, 3)), np.ones((40, 3)), np.arange(5))
    assert ranks.tolist() == [39] * 5
    assert r_precision(ranks, 40, top=3).tolist() == [0.0] * 5


def test_precision_is_sure_for_the_first_and_is_0_or_1_where_all_candidates_are_drawn() -> None:
    ranks = np.arange(32)
    for top in (1, 2, 3):
        assert r_precision(ranks, 32, top).tolist() == [1.0] * top + [0.0] * (32 - top)
        assert r_precision(np.zeros(4, dtype=int), 100, top).tolist() == [1.0] * 4
    assert r_precision(np.array([0, 1, 2]), 2 + 1, top=1).tolist() == [1.0, 0.0, 0.0]  # fewer than 31 others


def test_the_expectation_is_the_mean_of_drawn_distractors() -> None:
    rng = np.random.default_rng(0)
    candidates = 57
    rank = 4
    others = np.arange(candidates - 1)  # those below `rank` lie nearer than the own one
    nearer = np.array([(rng.permutation(others)[:DISTRACTORS] < rank).sum() for _ in range(20_000)])
    for top in (1, 2, 3):
        assert r_precision(np.array([rank]), candidates, top)[0] == pytest.approx((nearer < top).mean(), abs=0.01)


def test_chance_is_the_share_of_places() -> None:
    ranks = np.arange(57)  # every rank as likely as the others
    for top in (1, 2, 3):
        assert r_precision(ranks, 57, top).mean() == pytest.approx(top / (DISTRACTORS + 1))


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 10))
def test_turning_moving_and_scaling_both_spaces_changes_no_rank(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    queries = rng.normal(size=(20, 4))
    candidates = rng.normal(size=(9, 4))
    ranks = rng.integers(9, size=20)
    turn, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    moved = [scale * points @ turn + 3.0 for points in (queries, candidates)]
    assert (retrieval_ranks(*moved, ranks) == retrieval_ranks(queries, candidates, ranks)).all()


def test_a_batch_of_pairs_is_the_published_protocol() -> None:
    """Guo et al. rank each motion's own text among the 32 of its batch, by counting."""
    rng = np.random.default_rng(1)
    motions = rng.normal(size=(32, 8))
    texts = motions + 0.8 * rng.normal(size=(32, 8))
    distances = np.linalg.norm(motions[:, None] - texts[None], axis=-1)
    order = np.argsort(distances, axis=1)
    ranks = retrieval_ranks(motions, texts, np.arange(32))
    for top in (1, 2, 3):
        is_match = (order[:, :top] == np.arange(32)[:, None]).any(axis=1)
        assert 0.1 < is_match.mean() < 1
        assert r_precision(ranks, 32, top).tolist() == is_match.tolist()


@pytest.mark.parametrize(
    ("queries", "candidates", "ranks", "words"),
    [
        (np.ones((2, 3)), np.ones((4, 2)), np.zeros(2, dtype=int), "got \\(2, 3\\) and \\(4, 2\\)"),
        (np.ones((2, 3)), np.ones((4, 3)), np.array([0, 4]), "one of 4 candidates"),
        (np.ones((2, 3)), np.ones((4, 3)), np.zeros(3, dtype=int), "for each of 2 queries"),
        (np.full((2, 3), np.nan), np.ones((4, 3)), np.zeros(2, dtype=int), "finite"),
    ],
)
def test_what_does_not_fit_is_refused(
    queries: np.ndarray, candidates: np.ndarray, ranks: np.ndarray, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        retrieval_ranks(queries, candidates, ranks)
    with pytest.raises(InputError, match="top"):
        r_precision(np.zeros(1, dtype=int), 4, top=0)
