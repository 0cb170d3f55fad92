"""Measure agreement and diversity in a joint space.

The agreement is of captions and samples (Guo et al., CVPR 2022).
"""

import numpy as np
from scipy.spatial.distance import cdist

from selfcorrect.core.errors import InputError

BATCH = 32
"""Number of samples in which a caption has to find its own; R-precision depends on it."""
PAIRS = 300
"""Number of pairs of samples whose mean distance is the diversity."""


def batch_precision(captions: np.ndarray, samples: np.ndarray, most: int = 3, batch: int = BATCH) -> np.ndarray:
    """Return R-precision per batch.

    R-precision is the share of captions whose sample is among the k nearest of its batch. Batches are `batch`
    consecutive rows; rows that do not fill one are left out. Chance is k / batch: samples that are equally near count
    as if in random order, so a model that always makes the same motion scores exactly that.

    Args:
        captions: (N, D) embedded captions.
        samples: (N, D) embedded samples, in the order of their captions.

    Returns:
        (most,) shares for k = 1, 2, …

    Raises:
        InputError: Shapes differ, a number is not finite, or there are fewer samples than fill a batch.
    """
    row_count = _count_rows_in_batches(captions, samples, batch)
    ranks = np.arange(1, most + 1)[:, None]
    hits = np.zeros(most)
    for start in range(0, row_count, batch):
        distances = cdist(captions[start : start + batch], samples[start : start + batch])
        to_sample = np.diagonal(distances)[:, None]
        nearer = (distances < to_sample).sum(1)
        equal = (distances == to_sample).sum(1)
        hits += np.clip((ranks - nearer) / equal, 0, 1).sum(1)
    return hits / row_count


def matching_distance(captions: np.ndarray, samples: np.ndarray) -> float:
    """Return the mean distance of captions and samples (N, D), "MM-dist"."""
    _count_rows_in_batches(captions, samples, 1)
    return float(np.linalg.norm(captions - samples, axis=1).mean())


def diversity(samples: np.ndarray, draw: np.random.Generator, pairs: int = PAIRS) -> float:
    """Return the mean distance between random samples.

    Two draws of `pairs` are compared, each without replacement. Of samples (C, R, D), R of each of C captions, this is
    the multimodality: pairs are of the same caption.

    Args:
        samples: (…, N, D) embedded samples.
        pairs: Number of pairs, at most N.

    Raises:
        InputError: There are fewer samples than pairs.
    """
    count = samples.shape[-2]
    if not 1 <= pairs <= count:
        raise InputError(f"the diversity of {pairs} pairs needs at least as many samples, got {count}")
    first = draw.choice(count, pairs, replace=False)
    second = draw.choice(count, pairs, replace=False)
    return float(np.linalg.norm(samples[..., first, :] - samples[..., second, :], axis=-1).mean())


def _count_rows_in_batches(captions: np.ndarray, samples: np.ndarray, batch: int) -> int:
    """Return the number of rows that fill batches."""
    if captions.ndim != 2 or captions.shape != samples.shape:
        raise InputError(f"captions and samples must have one shape (N, D), got {captions.shape} and {samples.shape}")
    if len(captions) < batch:
        raise InputError(f"R-precision is counted in batches of {batch}, got {len(captions)} samples")
    if not (np.isfinite(captions).all() and np.isfinite(samples).all()):
        raise InputError("embedded captions and samples must be finite")
    return len(captions) // batch * batch
