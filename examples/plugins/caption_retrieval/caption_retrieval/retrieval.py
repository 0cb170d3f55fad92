"""Retrieval between two kinds of things in a common space, such as motions and the captions that describe them."""

import numpy as np
from scipy.spatial.distance import cdist

from selfcorrect.core.errors import InputError

TOPS = (1, 2, 3)
DISTRACTORS = 31
"""Number of other captions beside a motion's own, so that there are 32 to choose from (Guo et al. 2022)."""


def retrieval_ranks(queries: np.ndarray, candidates: np.ndarray, target_rows: np.ndarray) -> np.ndarray:
    """Count all other candidates that are at most as far from each query as its target: rank 0 is found first.

    Distances are Euclidean. Ties count against a query, so that equal embeddings find nothing.

    Args:
        queries: (N, D) embedded texts or motions.
        candidates: (C, D) embedded counterparts.
        target_rows: (N,) int64, the row of each query's target in `candidates`.

    Returns:
        (N,) int64 ranks.

    Raises:
        InputError: Shapes do not fit, or a number is not finite.
    """
    if queries.ndim != 2 or candidates.ndim != 2 or queries.shape[1] != candidates.shape[1]:
        raise InputError(
            f"retrieval needs queries (N, D) and candidates (C, D), got {queries.shape} and {candidates.shape}"
        )
    has_rows = len(target_rows) > 0
    if target_rows.shape != (len(queries),) or (
        has_rows and not (target_rows.min() >= 0 and target_rows.max() < len(candidates))
    ):
        raise InputError(f"retrieval needs one of {len(candidates)} candidates for each of {len(queries)} queries")
    if not (np.isfinite(queries).all() and np.isfinite(candidates).all()):
        raise InputError("retrieval needs finite embeddings, got NaN or infinite numbers")
    distances = cdist(queries, candidates)
    to_target = distances[np.arange(len(target_rows)), target_rows]
    return (distances <= to_target[:, None]).sum(axis=1) - 1


def r_precision(ranks: np.ndarray, candidates: int, top: int, distractors: int = DISTRACTORS) -> np.ndarray:
    """Return the probability that each query's target is among the `top` nearest of itself and some distractors.

    The expectation over all draws of distractors is exact. Its mean over queries is R-precision (Guo et al.,
    "Generating Diverse and Natural 3D Human Motions from Text", CVPR 2022), where a batch has each caption once. Chance
    is top / (distractors + 1).

    Args:
        ranks: (N,) from `retrieval_ranks`.
        candidates: Number of candidates among which the ranks were counted.
        top: Number of nearest candidates that count as found.
        distractors: Number of other candidates, drawn without replacement, at most as many as there are.

    Returns:
        (N,) probabilities.

    Raises:
        InputError: `top` or `candidates` is below 1.
    """
    if top < 1 or candidates < 1 or distractors < 0:
        raise InputError(f"R-precision needs a top and candidates of at least 1, got {top} of {candidates}")
    from scipy.stats import hypergeom  # slow to import

    others = candidates - 1
    return hypergeom.cdf(top - 1, others, np.asarray(ranks), min(distractors, others))
