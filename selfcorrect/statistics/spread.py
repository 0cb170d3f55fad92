"""Variance of samples, overall and within labels."""

import numpy as np

from ..core.errors import InputError


def trace_ratio(reference: np.ndarray, candidate: np.ndarray) -> float:
    """Return the ratio of total variances, of candidates (M, D) to references (N, D).

    At 1, candidates are as diverse as references; at 0, they have collapsed.
    """
    return float(total_variance(candidate) / total_variance(reference))


def within_label_ratio(
    reference: np.ndarray, reference_labels: np.ndarray, candidate: np.ndarray, candidate_labels: np.ndarray
) -> float:
    """Return the ratio of variances within labels.

    It falls to 0 if every label has become a single sample, which the trace ratio cannot see as long as labels differ.
    Both variances are averaged over the reference's labels with their frequencies, so that the ratio does not depend on
    how often candidates have each label.

    Args:
        reference: (N, D) real vectors.
        reference_labels: (N,) labels of the real data.
        candidate: (M, D) synthetic vectors.
        candidate_labels: (M,) labels of the samples.

    Raises:
        InputError: No label has two samples in both sets.
    """
    labels, counts = np.unique(reference_labels, return_counts=True)
    spreads = np.empty((len(labels), 2))
    for row, label in enumerate(labels):
        spreads[row, 0] = _label_variance(reference, reference_labels, label)
        spreads[row, 1] = _label_variance(candidate, candidate_labels, label)
    is_measured = np.isfinite(spreads).all(1)
    if not is_measured.any():
        raise InputError("no label has two samples in both sets, so there is no variance within labels to compare")
    within = counts[is_measured] @ spreads[is_measured]
    return float(within[1] / within[0])


def total_variance(samples: np.ndarray) -> float:
    """Return the total variance of samples (N, D), the trace of their covariance."""
    return float(samples.var(axis=0, ddof=1).sum())


def _label_variance(samples: np.ndarray, labels: np.ndarray, label: int) -> float:
    """Return the total variance of a label's samples, or NaN for fewer than two."""
    members = samples[labels == label]
    return total_variance(members) if len(members) > 1 else np.nan
