"""Distances between sets of points."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist


def measure_wasserstein(reference: np.ndarray, candidate: np.ndarray) -> float:
    """Return the exact 2-Wasserstein distance of points.

    There are equally many, (N, 2) each.
    """
    costs = cdist(reference, candidate, "sqeuclidean")
    return float(np.sqrt(costs[linear_sum_assignment(costs)].mean()))
