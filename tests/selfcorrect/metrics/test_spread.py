"""Variance of samples, in all and within labels."""

import numpy as np
import pytest

from selfcorrect.metrics.spread import total_variance, trace_ratio, within_label_ratio


@pytest.fixture
def clusters() -> tuple[np.ndarray, np.ndarray]:
    """Three classes, ten apart, each with unit variance in two dimensions."""
    labels = np.repeat([0, 1, 2], 400)
    samples = np.random.default_rng(0).normal(size=(1200, 2))
    samples[:, 0] += 10 * labels
    return samples, labels


def test_total_variance_is_the_trace_of_the_covariance(clusters):
    samples, _ = clusters
    assert total_variance(samples) == pytest.approx(np.trace(np.cov(samples, rowvar=False)))


def test_scaling_scales_both_ratios_by_its_square(clusters):
    samples, labels = clusters
    assert trace_ratio(samples, 0.5 * samples) == pytest.approx(0.25)
    assert within_label_ratio(samples, labels, 0.5 * samples, labels) == pytest.approx(0.25)


def test_collapse_within_classes_hides_from_the_trace(clusters):
    samples, labels = clusters
    means = np.stack([samples[labels == label].mean(0) for label in range(3)])
    collapsed = means[labels] + 0.01 * samples
    assert trace_ratio(samples, collapsed) > 0.9
    assert within_label_ratio(samples, labels, collapsed, labels) < 1e-3


def test_label_frequencies_of_the_candidate_do_not_matter(clusters):
    samples, labels = clusters
    samples = samples * np.where(labels == 2, 3.0, 1.0)[:, None]
    fewer = np.concatenate([np.flatnonzero(labels < 2), np.flatnonzero(labels == 2)[:100]])
    assert within_label_ratio(samples, labels, samples[fewer], labels[fewer]) == pytest.approx(1.0, abs=0.15)


def test_without_a_shared_label_there_is_nothing_to_compare(clusters):
    samples, labels = clusters
    with pytest.raises(ValueError, match="no label"):
        within_label_ratio(samples, labels, samples, labels + 10)
