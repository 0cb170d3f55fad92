"""Realism and diversity by nearest neighbours: precision and density, recall and coverage."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from ..core.errors import InputError


def neighbour_metrics(reference: np.ndarray, candidate: np.ndarray, neighbours: int = 5) -> dict[str, float]:
    """Precision, recall, density and coverage of candidates (M, D) against references (N, D).

    A ball around each sample reaches to its k-th nearest neighbour within its own set, itself not counted.
    Precision is the share of candidates in some reference ball. Recall is the share of references in some candidate
    ball (Kynkäänniemi et al. 2019). Density is the mean number of reference balls around a candidate, over k. Coverage
    is the share of reference balls that hold a candidate (Naeem et al. 2020). Recall and coverage depend on M and N:
    compare only at equal numbers.
    """
    for name, samples in (("reference", reference), ("candidate", candidate)):
        if len(samples) <= neighbours:
            raise InputError(f"{neighbours} nearest neighbours need more {name} samples, got {len(samples)}")
    reference_radii, candidate_radii = _radii(reference, neighbours), _radii(candidate, neighbours)
    distances = cdist(reference, candidate)
    in_reference_ball = distances < reference_radii[:, None]
    return {
        "precision": float(in_reference_ball.any(0).mean()),
        "recall": float((distances < candidate_radii).any(1).mean()),
        "density": float(in_reference_ball.sum(0).mean() / neighbours),
        "coverage": float(in_reference_ball.any(1).mean()),
    }


def near_by_label(reference: np.ndarray, candidate: np.ndarray, labels: np.ndarray, neighbours: int = 5) -> np.ndarray:
    """How many candidates (M, D) of each label (M,) lie in the ball of each reference (N, D) that coverage counts.

    (N, L) for the L labels that there are, in ascending order.
    """
    inside = cdist(reference, candidate) < _radii(reference, neighbours)[:, None]
    return np.stack([inside[:, labels == label].sum(axis=1) for label in np.unique(labels)], axis=1)


def _radii(samples: np.ndarray, neighbours: int) -> np.ndarray:
    return np.partition(cdist(samples, samples), neighbours, axis=1)[:, neighbours]
