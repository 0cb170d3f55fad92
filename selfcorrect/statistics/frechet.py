"""Distances between Gaussians, and between samples through Gaussian fits."""

import numpy as np

from ..core.errors import InputError


def squared_wasserstein(
    mean_a: np.ndarray, covariance_a: np.ndarray, mean_b: np.ndarray, covariance_b: np.ndarray
) -> np.ndarray:
    """Return the squared 2-Wasserstein distance between Gaussians.

    It is |μa − μb|² + tr(A + B − 2 (A½ B A½)½) (Dowson & Landau 1982). Symmetric eigendecompositions allow singular
    covariances, and the result is never complex. Leading dimensions are broadcast.

    Args:
        mean_a: (..., D) mean of the first Gaussian.
        covariance_a: (..., D, D) covariance of the first Gaussian.
        mean_b: (..., D) mean of the second Gaussian.
        covariance_b: (..., D, D) covariance of the second Gaussian.

    Returns:
        (...) squared distances.
    """
    values, vectors = np.linalg.eigh(covariance_a)
    root = (vectors * np.sqrt(values.clip(min=0))[..., None, :]) @ np.swapaxes(vectors, -2, -1)
    cross_values = np.linalg.eigvalsh(root @ covariance_b @ root)
    cross = np.sqrt(cross_values.clip(min=0)).sum(-1)
    traces = np.trace(covariance_a, axis1=-2, axis2=-1) + np.trace(covariance_b, axis1=-2, axis2=-1)
    return np.square(mean_a - mean_b).sum(-1) + np.maximum(traces - 2 * cross, 0)


def frechet_distance(reference: np.ndarray, candidate: np.ndarray) -> float:
    """Return the Fréchet distance between two sets of vectors.

    It is the squared distance between Gaussian fits, as in the Fréchet inception distance (Heusel et al. 2017), but for
    vectors of any kind.

    Args:
        reference: (N, D), at least 2 vectors.
        candidate: (M, D), at least 2 vectors.

    Raises:
        InputError: Shapes do not fit, or a number is not finite.
    """
    _check_pair(reference, candidate)
    reference_mean, reference_covariance = _moments(reference)
    candidate_mean, candidate_covariance = _moments(candidate)
    return float(squared_wasserstein(reference_mean, reference_covariance, candidate_mean, candidate_covariance))


def _moments(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    samples = np.asarray(samples, dtype=np.float64)
    return samples.mean(0), np.atleast_2d(np.cov(samples, rowvar=False))


def _check_pair(reference: np.ndarray, candidate: np.ndarray) -> None:
    for name, samples in (("reference", reference), ("candidate", candidate)):
        if samples.ndim != 2 or len(samples) < 2 or samples.shape[1] != reference.shape[1]:
            raise InputError(
                f"the Fréchet distance needs samples of shape (N ≥ 2, D) with one D, got {name} {samples.shape}"
            )
        if not np.isfinite(samples).all():
            raise InputError(f"the {name} samples of the Fréchet distance must be finite")
