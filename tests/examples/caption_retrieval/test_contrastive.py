"""The encoders find descriptions of samples that they did not see, and nothing where there is nothing to find."""

import numpy as np
import pytest
import torch
from caption_retrieval.contrastive import ContrastiveEncoders, ContrastiveSettings
from caption_retrieval.retrieval import retrieval_ranks

from selfcorrect.core.errors import InputError
from selfcorrect.core.randomness import streams

QUICK = ContrastiveSettings(width=32, outputs=8, dropout=0.1, steps=120, batch_size=64)
KINDS = 12
FEATURES = 20
CENTRES = np.random.default_rng(0).normal(size=(KINDS, FEATURES))
VECTORS = torch.from_numpy(np.random.default_rng(1).normal(size=(KINDS, 6))).float()


def draw_pairs(seed: int, count: int = 360) -> tuple[np.ndarray, np.ndarray]:
    """Samples around a centre per description; one feature never varies."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % KINDS
    features = CENTRES[labels] + 0.4 * rng.normal(size=(count, FEATURES))
    return np.column_stack([features, np.ones(count)]), labels


def retrieval_rate(encoders: ContrastiveEncoders, features: np.ndarray, labels: np.ndarray) -> float:
    return float((retrieval_ranks(encoders.encode(features), encoders.describe(VECTORS), labels) == 0).mean())


def test_new_samples_find_their_descriptions_and_shuffled_ones_do_not() -> None:
    features, labels = draw_pairs(2)
    encoders = ContrastiveEncoders.fit(features, labels, VECTORS, QUICK, streams(0))
    new, their_labels = draw_pairs(3)
    assert retrieval_rate(encoders, new, their_labels) > 0.9
    shuffled = np.random.default_rng(4).permutation(their_labels)
    assert retrieval_rate(encoders, new, shuffled) < 3 / KINDS
    assert np.linalg.norm(encoders.encode(new), axis=1) == pytest.approx(1, abs=1e-5)


def test_training_on_shuffled_descriptions_finds_nothing() -> None:
    features, labels = draw_pairs(2)
    shuffled = np.random.default_rng(5).permutation(labels)
    encoders = ContrastiveEncoders.fit(features, shuffled, VECTORS, QUICK, streams(0))
    assert retrieval_rate(encoders, *draw_pairs(3)) < 3 / KINDS


@pytest.mark.slow
def test_the_same_stream_gives_the_same_encoders_and_no_global_draw() -> None:
    features, labels = draw_pairs(2)
    before = torch.random.get_rng_state()
    first = ContrastiveEncoders.fit(features, labels, VECTORS, QUICK, streams(0)).encode(features)
    repeated = ContrastiveEncoders.fit(features, labels, VECTORS, QUICK, streams(0)).encode(features)
    from_another_stream = ContrastiveEncoders.fit(features, labels, VECTORS, QUICK, streams(1)).encode(features)
    assert (first == repeated).all()
    assert (first != from_another_stream).any()
    assert torch.equal(before, torch.random.get_rng_state())


def test_rare_descriptions_are_learned_as_common_ones_are() -> None:
    """Fifty times as many samples of one half of the descriptions as of the other."""
    features, labels = draw_pairs(2, 12 * 50)
    rare = labels >= KINDS // 2
    is_kept = ~rare | (np.arange(len(labels)) < 2 * KINDS)
    encoders = ContrastiveEncoders.fit(features[is_kept], labels[is_kept], VECTORS, QUICK, streams(0))
    new, theirs = draw_pairs(3)
    is_rare = theirs >= KINDS // 2
    assert retrieval_rate(encoders, new[is_rare], theirs[is_rare]) > 0.7
    assert retrieval_rate(encoders, new[~is_rare], theirs[~is_rare]) > 0.9


@pytest.mark.parametrize("labels", [np.zeros(3, dtype=int), np.full(360, KINDS), np.zeros(0, dtype=int)])
def test_labels_that_do_not_fit_are_refused(labels: np.ndarray) -> None:
    with pytest.raises(InputError, match=f"one of {KINDS} labels"):
        ContrastiveEncoders.fit(draw_pairs(2)[0], labels, VECTORS, QUICK, streams(0))
