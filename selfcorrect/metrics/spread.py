"""How much samples vary, in all and within their classes."""

from __future__ import annotations

import numpy as np

from ..core.errors import InputError


def trace_ratio(reference: np.ndarray, candidate: np.ndarray) -> float:
    """Total variance of candidates (M, D) over that of references (N, D): 1 is as diverse, 0 is collapsed."""
    return float(total_variance(candidate) / total_variance(reference))


def within_label_ratio(
    reference: np.ndarray, reference_labels: np.ndarray, candidate: np.ndarray, candidate_labels: np.ndarray
) -> float:
    """Variance left within labels, candidates (M, D) over references (N, D); labels (N,) and (M,).

    It falls to 0 where every class has become one sample, which the trace ratio cannot see as long as the
    classes differ from one another. Both are averages over the reference's labels with its frequencies, so that
    the ratio does not depend on how often the candidates have each label.
    """
    labels, counts = np.unique(reference_labels, return_counts=True)
    spreads = np.array(
        [
            [_variance_of(reference, reference_labels, label), _variance_of(candidate, candidate_labels, label)]
            for label in labels
        ]
    )
    known = np.isfinite(spreads).all(1)
    if not known.any():
        raise InputError("no label has two samples in both sets, so there is no variance within labels to compare")
    within_reference, within_candidate = counts[known] @ spreads[known]
    return float(within_candidate / within_reference)


def total_variance(samples: np.ndarray) -> float:
    """Trace of the covariance of samples (N, D)."""
    return float(samples.var(axis=0, ddof=1).sum())


def _variance_of(samples: np.ndarray, labels: np.ndarray, label: int) -> float:
    own = samples[labels == label]
    return total_variance(own) if len(own) > 1 else np.nan
