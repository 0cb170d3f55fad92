"""Measures react to known losses as docs/results/tables.md says, on real windows."""

from collections.abc import Mapping
from importlib import import_module

import pytest

Scores = Mapping[str, Mapping[str, float]]


@pytest.fixture(scope="module")
def losses():
    pytest.importorskip("torch")
    return import_module("known_losses")


@pytest.fixture(scope="module")
def shares(losses) -> Scores:
    """Return the made sets' scores over those of fresh windows, in one seed."""
    made, scores = losses.score_sets(seeds=1, draws=3)
    ratios = scores / scores[0]
    return {
        candidate.name: dict(zip(losses.TITLES, row, strict=True)) for candidate, row in zip(made, ratios, strict=True)
    }


def test_losses_lower_diversity_measures(losses, shares):
    made, _ = losses.score_sets(seeds=1, draws=1)
    for candidate in made:
        if candidate.loses_diversity:
            row = shares[candidate.name]
            assert min(row["coverage"], row["within_label_ratio"]) < 0.85, candidate.name


def test_neither_alone_would_do(shares):
    assert shares["variance within labels × 0.64"]["coverage"] > 0.9
    assert shares["half of the labels dropped"]["within_label_ratio"] > 0.75
    assert shares["half of the labels dropped"]["coverage"] < 0.65


def test_no_loss_keeps_variance(shares):
    kept = shares["training windows"]
    assert 0.85 < kept["within_label_ratio"] < 1.15
    assert kept["coverage"] > 0.85
    noisy = shares["noise of 25 % on top"]
    assert noisy["within_label_ratio"] > 1
    assert noisy["coverage"] < 0.5
    assert noisy["precision"] < 0.5


def test_recall_and_variance_are_fooled(shares):
    assert shares["variance within labels × 0.64"]["recall"] > 0.9
    assert shares["variance within labels × 0.25, noise to full variance"]["recall"] > 0.85
    assert shares["a quarter, four copies each"]["trace_ratio"] > 0.85


def test_fixed_recall_misses_shrinking(shares):
    for share in (0.64, 0.25):
        assert shares[f"variance within labels × {share}"]["equal_recall"] > 0.9
    assert shares["half of the labels dropped"]["equal_recall"] < 0.75


def test_only_novelty_sees_copies(shares):
    for name in ("training windows", "the memoriser: training windows drawn with replacement"):
        assert shares[name]["novelty"] == 0
        assert shares[name]["precision"] > 0.9


def test_shrunk_gaussian_covers_more(losses):
    coverage = losses.score_clouds(draws=2)
    assert coverage[1.0] < min(coverage[0.64], coverage[0.25])
    assert coverage[0.0] > 0.4
