"""Realism and diversity by nearest neighbours: precision and density, recall and coverage."""

import numpy as np
from scipy.spatial.distance import cdist

from ..core.errors import InputError


def neighbour_metrics(reference: np.ndarray, candidate: np.ndarray, neighbours: int = 5) -> dict[str, float]:
    """Return precision, recall, density and coverage of candidates.

    A ball around each sample reaches to its k-th nearest neighbour within its own set, itself not counted.
    Precision is the share of candidates in some reference ball. Recall is the share of references in some candidate
    ball (Kynkäänniemi et al. 2019). Density is the mean number of reference balls around a candidate, over k. Coverage
    is the share of reference balls that hold a candidate (Naeem et al. 2020). Recall and coverage depend on M and N:
    compare only at equal numbers.

    Args:
        reference: (N, D) real vectors, more than `neighbours`.
        candidate: (M, D) synthetic vectors, more than `neighbours`.

    Raises:
        InputError: There are too few vectors.
    """
    for name, samples in (("reference", reference), ("candidate", candidate)):
        if len(samples) <= neighbours:
            raise InputError(f"{neighbours} nearest neighbours need more {name} samples, got {len(samples)}")
    distances = cdist(reference, candidate)
    in_reference_ball = distances < _radii(reference, neighbours)[:, None]
    in_candidate_ball = distances < _radii(candidate, neighbours)
    return {
        "precision": float(in_reference_ball.any(0).mean()),
        "recall": float(in_candidate_ball.any(1).mean()),
        "density": float(in_reference_ball.sum(0).mean() / neighbours),
        "coverage": float(in_reference_ball.any(1).mean()),
    }


def _radii(samples: np.ndarray, neighbours: int) -> np.ndarray:
    return np.partition(cdist(samples, samples), neighbours, axis=1)[:, neighbours]
