"""Distances between sets of points."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist


def measure_wasserstein(reference: np.ndarray, candidate: np.ndarray) -> float:
    """Return the exact 2-Wasserstein distance of two sets of points (N, 2)."""
    costs = cdist(reference, candidate, "sqeuclidean")
    return float(np.sqrt(costs[linear_sum_assignment(costs)].mean()))
