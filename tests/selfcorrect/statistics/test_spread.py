"""Variance of samples, in all and within labels."""

import numpy as np
import pytest

from selfcorrect.statistics.spread import total_variance, trace_ratio, within_label_ratio


@pytest.fixture
def clusters() -> tuple[np.ndarray, np.ndarray]:
    """Return three classes, ten apart, with unit variance in two dimensions."""
    labels = np.repeat([0, 1, 2], 400)
    samples = np.random.default_rng(0).normal(size=(1200, 2))
    samples[:, 0] += 10 * labels
    return samples, labels


def test_total_variance_is_trace(clusters):
    samples, _ = clusters
    assert total_variance(samples) == pytest.approx(np.trace(np.cov(samples, rowvar=False)))


def test_scaling_squares_ratios(clusters):
    samples, labels = clusters
    assert trace_ratio(samples, 0.5 * samples) == pytest.approx(0.25)
    assert within_label_ratio(samples, labels, 0.5 * samples, labels) == pytest.approx(0.25)


def test_trace_hides_class_collapse(clusters):
    samples, labels = clusters
    means = np.stack([samples[labels == label].mean(0) for label in range(3)])
    collapsed = means[labels] + 0.01 * samples
    assert trace_ratio(samples, collapsed) > 0.9
    assert within_label_ratio(samples, labels, collapsed, labels) < 1e-3


def test_label_frequencies_are_ignored(clusters):
    samples, labels = clusters
    samples = samples * np.where(labels == 2, 3.0, 1.0)[:, None]
    fewer = np.concatenate([np.flatnonzero(labels < 2), np.flatnonzero(labels == 2)[:100]])
    assert within_label_ratio(samples, labels, samples[fewer], labels[fewer]) == pytest.approx(1.0, abs=0.15)


def test_known_value_weighs_labels_as_the_reference():
    """The reference weighs the labels.

    Label 0 is twice as frequent in the reference as label 1, and its variance is four times as large in samples.
    """
    reference = np.array([[0.0], [2.0], [0.0], [2.0], [0.0], [2.0]])
    candidate = np.array([[0.0], [4.0], [0.0], [4.0], [0.0], [2.0]])
    labels = np.array([0, 0, 0, 0, 1, 1])
    first, second = 4 / 3, 2.0  # variances with N − 1 as the divisor
    expected = (4 * 4 * first + 2 * second) / (4 * first + 2 * second)
    assert within_label_ratio(reference, labels, candidate, labels) == pytest.approx(expected)
    assert trace_ratio(reference[:2], candidate[:4]) == pytest.approx((16 / 3) / 2)


def test_no_shared_label_raises(clusters):
    samples, labels = clusters
    with pytest.raises(ValueError, match="no label"):
        within_label_ratio(samples, labels, samples, labels + 10)
