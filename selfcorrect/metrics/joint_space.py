"""Do captions and samples find each other in a joint space, and how far are samples apart (Guo et al., CVPR 2022)?"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from ..core.errors import InputError

BATCH = 32
"""Samples among which a caption looks for its own; R-precision depends on it. For its expectation over all draws of
such batches, with ties against the caption, see `selfcorrect.metrics.retrieval`."""
PAIRS = 300
"""Pairs of samples whose mean distance is the diversity."""


def batch_precision(captions: np.ndarray, samples: np.ndarray, most: int = 3, batch: int = BATCH) -> np.ndarray:
    """R-precision (most,): shares of captions (N, D) whose sample (N, D) is among the k nearest of its batch, k from 1.

    Batches are `batch` consecutive rows; rows that do not fill one are left out. Chance is k / batch: samples that are
    equally near count as in random order, so that a model which always makes the same motion scores just that.
    """
    whole = _count_full_batches(captions, samples, batch)
    hits = np.zeros(most)
    for start in range(0, whole, batch):
        distances = cdist(captions[start : start + batch], samples[start : start + batch])
        own = np.diagonal(distances)[:, None]
        nearer, equal = (distances < own).sum(1), (distances == own).sum(1)
        hits += np.clip((np.arange(1, most + 1)[:, None] - nearer) / equal, 0, 1).sum(1)
    return hits / whole


def matching_distance(captions: np.ndarray, samples: np.ndarray) -> float:
    """Mean distance between captions (N, D) and their own samples (N, D), "MM-dist"."""
    _count_full_batches(captions, samples, 1)
    return float(np.linalg.norm(captions - samples, axis=1).mean())


def diversity(samples: np.ndarray, draw: np.random.Generator, pairs: int = PAIRS) -> float:
    """Mean distance between two random draws of `pairs` of the samples (N, D), each without replacement."""
    if not 1 <= pairs <= len(samples):
        raise InputError(f"the diversity of {pairs} pairs needs at least as many samples, got {len(samples)}")
    one, other = (draw.choice(len(samples), pairs, replace=False) for _ in range(2))
    return float(np.linalg.norm(samples[one] - samples[other], axis=1).mean())


def multimodality(samples: np.ndarray, draw: np.random.Generator, pairs: int = 10) -> float:
    """Mean distance between two random draws of `pairs` of the samples (C, R, D) of each of C captions."""
    if samples.ndim != 3 or not 1 <= pairs <= samples.shape[1]:
        raise InputError(f"{pairs} pairs need samples (captions, at least {pairs}, D), got shape {samples.shape}")
    one, other = (draw.choice(samples.shape[1], pairs, replace=False) for _ in range(2))
    return float(np.linalg.norm(samples[:, one] - samples[:, other], axis=2).mean())


def _count_full_batches(captions: np.ndarray, samples: np.ndarray, batch: int) -> int:
    """How many rows fill batches."""
    if captions.ndim != 2 or captions.shape != samples.shape:
        raise InputError(f"captions and samples must have one shape (N, D), got {captions.shape} and {samples.shape}")
    if len(captions) < batch:
        raise InputError(f"R-precision is counted in batches of {batch}, got {len(captions)} samples")
    if not (np.isfinite(captions).all() and np.isfinite(samples).all()):
        raise InputError("embedded captions and samples must be finite")
    return len(captions) // batch * batch
