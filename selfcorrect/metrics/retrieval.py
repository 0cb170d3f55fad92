"""Retrieval between two kinds of things in one space, such as motions and the captions that describe them."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import hypergeom

from ..core.errors import InputError

TOPS = (1, 2, 3)
DISTRACTORS = 31
"""Other captions beside a motion's own, so that there are 32 to choose from (Guo et al. 2022)."""


def retrieval_ranks(queries: np.ndarray, candidates: np.ndarray, own: np.ndarray) -> np.ndarray:
    """How many other candidates are at most as far from each query as its own one: 0 is found first.

    queries: (N, D). candidates: (C, D). own: (N,) int64, rows of `candidates`. Distances are Euclidean. Ties count
    against a query, so that equal embeddings find nothing. Returns (N,) int64. Raises InputError for other shapes and
    for embeddings that are not finite.
    """
    if queries.ndim != 2 or candidates.ndim != 2 or queries.shape[1] != candidates.shape[1]:
        raise InputError(
            f"retrieval needs queries (N, D) and candidates (C, D), got {queries.shape} and {candidates.shape}"
        )
    if own.shape != (len(queries),) or (len(own) and not (own.min() >= 0 and own.max() < len(candidates))):
        raise InputError(f"retrieval needs one of {len(candidates)} candidates for each of {len(queries)} queries")
    if not (np.isfinite(queries).all() and np.isfinite(candidates).all()):
        raise InputError("retrieval needs finite embeddings, got NaN or infinite ones")
    distances = cdist(queries, candidates)
    nearest = distances[np.arange(len(own)), own]
    return (distances <= nearest[:, None]).sum(axis=1) - 1


def r_precision(ranks: np.ndarray, candidates: int, top: int, distractors: int = DISTRACTORS) -> np.ndarray:
    """The probability (N,) that each query's own candidate is among the `top` nearest of itself and some distractors.

    ranks: (N,) from `retrieval_ranks` among `candidates` in all, of which `distractors` others are drawn without
    replacement, at most as many as there are. The expectation over all such draws is exact. Its mean over queries is
    R-precision (Guo et al., "Generating Diverse and Natural 3D Human Motions from Text", CVPR 2022), where a
    batch has each caption once. Chance is top / (distractors + 1).
    """
    if top < 1 or candidates < 1 or distractors < 0:
        raise InputError(f"R-precision needs a top and candidates of at least 1, got {top} of {candidates}")
    others = candidates - 1
    return hypergeom.cdf(top - 1, others, np.asarray(ranks), min(distractors, others))
