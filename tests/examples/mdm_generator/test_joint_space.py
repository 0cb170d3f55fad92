"""Retrieval gives known answers, chance, and the results of a slow plain version."""

import numpy as np
import pytest
from mdm_generator.joint_space import batch_precision, diversity, matching_distance

RNG = np.random.default_rng


def by_sorting(captions: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Compute R-precision as the field does, by sorting all distances of a batch."""
    hits = np.zeros(3)
    total = 0
    for start in range(0, len(captions) - 31, 32):
        caption_block = captions[start : start + 32]
        sample_block = samples[start : start + 32]
        for row in range(32):
            order = sorted(
                range(32), key=lambda column: float(np.sqrt(((caption_block[row] - sample_block[column]) ** 2).sum()))
            )
            hits += [row in order[:k] for k in (1, 2, 3)]
            total += 1
    return hits / total


def test_samples_at_captions_are_found() -> None:
    points = RNG(0).normal(size=(96, 5))
    assert batch_precision(points, points).tolist() == [1, 1, 1]
    assert matching_distance(points, points) == 0
    assert matching_distance(points, points + np.array([3, 0, 4, 0, 0])) == pytest.approx(5)


def test_shuffled_samples_score_chance() -> None:
    rng = RNG(1)
    count = 32 * 120
    points = rng.normal(size=(count, 8))
    shares = batch_precision(points, rng.permutation(points))
    for k, share in enumerate(shares, start=1):
        chance = k / 32
        reach = 2.58 * np.sqrt(chance * (1 - chance) / count)  # a 99 % interval
        assert abs(share - chance) < reach


def test_constant_sample_scores_chance() -> None:
    captions = RNG(2).normal(size=(64, 4))
    shares = batch_precision(captions, np.ones((64, 4)))
    np.testing.assert_allclose(shares, np.arange(1, 4) / 32)


def test_it_agrees_with_sorting() -> None:
    rng = RNG(3)
    captions = rng.normal(size=(75, 6))
    samples = captions + rng.normal(size=(75, 6))
    shares = batch_precision(captions, samples)
    np.testing.assert_allclose(shares, by_sorting(captions[:64], samples[:64]))
    assert 0.1 < shares[0] < shares[1] < shares[2] < 0.99, "neither perfect nor chance, or little is tested"


def test_diversity_is_mean_pair_distance() -> None:
    rng = RNG(4)
    assert diversity(np.ones((400, 3)), rng) == 0
    far = np.where(np.arange(4000)[:, None] % 2, 1.0, 0.0) * [3.0, 4.0]
    assert diversity(far, rng, 2000) == pytest.approx(2.5, abs=0.15)  # half of all pairs are 5 apart
    gaussian = rng.normal(size=(5000, 200))
    assert diversity(gaussian, rng, 2000) == pytest.approx(20, rel=0.02)  # √(2 · 200)


def test_multimodality_looks_within_captions_alone() -> None:
    rng = RNG(5)
    captions = 100 * rng.normal(size=(20, 1, 50))
    assert diversity(np.repeat(captions, 30, axis=1), rng, 10) == 0
    spread = captions + rng.normal(size=(20, 30, 50))
    # of 10 pairs of 30 motions, one in 30 compares a motion with itself
    drawn = [diversity(spread, rng, 10) for _ in range(200)]
    assert np.mean(drawn) == pytest.approx(10 * 29 / 30, rel=0.03)
