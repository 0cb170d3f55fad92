"""The anchored corrector, which preserves diversity by pulling samples to remembered centroids.

It is the k-means corrector of Gillman et al. (2024) with quotas: each label has centroids, and each centroid a share of
the label's mass. Optimal transport assigns samples to the centroids of their label according to these shares. Each
group is then shifted so that its mean is the centroid. The centroids are a fixed memory of real data, so always compare
with the control `frozen=True`, which trains on the centroids only, and with the data behind the centroids.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.fft
import torch
from scipy.optimize import linear_sum_assignment
from threadpoolctl import threadpool_limits
from torch import Tensor

from ...core.checks import check_count, check_number
from ...core.errors import InputError
from ...core.randomness import Stream
from ...core.samples import Samples

FIXED_STREAM = Stream(0)
"""Stream for calls outside a loop, where draws need not differ."""

Embedding = Callable[[Tensor], Tensor]
"""Function from values (N, *event) to vectors (N, D) in which samples are clustered and compared."""

Projection = Callable[[Tensor], Tensor]
"""Function from values (N, *event) to the nearest valid values of the same shape."""


def flat(values: Tensor) -> Tensor:
    """Flatten values (N, *event) to vectors (N, D)."""
    return values.flatten(1)


LOW_FREQUENCIES = 8
"""Number of cosine frequencies over time that count as low."""


def temporal_frequencies(values: Tensor, count: int = LOW_FREQUENCIES) -> Tensor:
    """Return the `count` lowest cosine coefficients over time.

    Sequences (N, T, D) become vectors (N, count · D).
    """
    coefficients = np.asarray(scipy.fft.dct(values.detach().cpu().numpy(), axis=1, norm="ortho"))
    return torch.as_tensor(coefficients[:, :count]).flatten(1)


@dataclass(frozen=True, eq=False)
class Anchors:
    """K centroids in the space of values."""

    centroids: Tensor
    """(K, *event) values."""
    labels: Tensor
    """(K,) int64 label of each centroid."""
    masses: Tensor
    """(K,) shares that sum to 1 within each label."""

    def __len__(self) -> int:
        return len(self.centroids)


def fit_anchors(samples: Samples, samples_per_centroid: int, stream: Stream, embed: Embedding = flat) -> Anchors:
    """Cluster the samples of each label by k-means.

    A centroid is the mean of its cluster's values.

    Args:
        samples_per_centroid: Mean size of a cluster.
        embed: Function from values to the vectors that are clustered.

    Raises:
        SettingError: `samples_per_centroid` is below 1.
    """
    check_count("samples_per_centroid", samples_per_centroid, 1)
    centroids = []
    labels = []
    masses = []
    for label in samples.labels.unique():
        values = samples.values[samples.labels == label]
        count = max(1, len(values) // samples_per_centroid)
        clusters = k_means(embed(values), count, stream.child(int(label)))[1]
        for cluster in clusters.unique():
            members = clusters == cluster
            centroids.append(values[members].mean(0))
            labels.append(label)
            masses.append(members.double().mean())
    return Anchors(torch.stack(centroids), torch.stack(labels), torch.stack(masses))


def k_means(vectors: Tensor, count: int, stream: Stream) -> tuple[Tensor, Tensor]:
    """Cluster vectors by k-means in one thread.

    Results would vary with the number of threads.

    Args:
        vectors: (N, D) points to cluster.
        count: Number K of clusters.

    Returns:
        Centres (K, D) float64, and the cluster (N,) int64 of each vector.
    """
    from sklearn.cluster import KMeans  # slow to import, with all that it finds installed
    from sklearn.exceptions import ConvergenceWarning

    means = KMeans(count, n_init="auto", random_state=stream.seed % 2**32)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # for equal vectors, which a memoriser draws
        clusters = means.fit_predict(vectors.double().numpy())
    return torch.from_numpy(means.cluster_centers_), torch.as_tensor(clusters, dtype=torch.int64)


@dataclass(frozen=True, eq=False)
class AnchoredCorrector:
    """Shift groups of samples towards their anchors."""

    anchors: Anchors
    strength: float = 1.0
    """Share of the distance from a group's mean to its centroid by which the group is shifted, from 0 to 1."""
    embed: Embedding = flat
    project: Projection | None = None
    """Function that makes shifted values valid again, for example rotations orthonormal."""
    frozen: bool = False
    """True for the control that replaces each sample by its centroid."""

    def __post_init__(self) -> None:
        check_number("strength", self.strength, 0, 1)

    @property
    def name(self) -> str:
        return "frozen-anchors" if self.frozen else "anchored"

    def __call__(self, samples: Samples, stream: Stream = FIXED_STREAM) -> Samples:
        """Return the corrected samples in their order.

        If a label has fewer samples than centroids, as in redraws, `stream` decides which centroids are used.

        Raises:
            InputError: A label has no anchors.
        """
        values = samples.values.clone()
        for label in samples.labels.unique():
            rows = torch.nonzero(samples.labels == label).flatten()
            values[rows] = self._correct(values[rows], int(label), stream)
        is_moved = self.frozen or self.strength > 0
        return samples.with_values(self.project(values) if self.project and is_moved else values)

    def _correct(self, values: Tensor, label: int, stream: Stream) -> Tensor:
        has_label = self.anchors.labels == label
        if not has_label.any():
            raise InputError(f"the anchored corrector has no centroid for label {label}")
        centroids = self.anchors.centroids[has_label].to(values)
        masses = self.anchors.masses[has_label]
        if len(values) < len(masses):
            # The largest shares would give every redraw the same centroid, rejected each time if it is once.
            masses = drawn_masses(masses, len(values), stream.child(label))
        nearest = assign(self.embed(values), self.embed(centroids), masses)
        if self.frozen:
            return centroids[nearest]
        return values + self.strength * (centroids - group_means(values, nearest, centroids))[nearest]


def assign(vectors: Tensor, centroids: Tensor, masses: Tensor) -> Tensor:
    """Assign vectors to centroids according to shares.

    The assignment minimises the total squared distance. Centroid k gets the share masses[k] of the vectors, rounded so
    that the numbers add up to N.

    Args:
        vectors: (N, D) points to assign.
        centroids: (K, D) means of the clusters.
        masses: (K,) shares.

    Returns:
        (N,) centroid of each vector.
    """
    slots = torch.repeat_interleave(torch.arange(len(masses)), quotas(masses, len(vectors)))
    costs = torch.cdist(vectors.double(), centroids[slots].double()).square()
    rows, columns = linear_sum_assignment(costs.numpy())
    nearest = torch.empty(len(vectors), dtype=torch.int64)
    nearest[torch.as_tensor(rows)] = slots[torch.as_tensor(columns)]
    return nearest


def drawn_masses(masses: Tensor, count: int, stream: Stream) -> Tensor:
    """Draw `count` centroids with probabilities (K,), and return their shares (K,)."""
    drawn = torch.multinomial(masses, count, replacement=True, generator=stream.generator())
    return torch.bincount(drawn, minlength=len(masses)).double() / count


def quotas(masses: Tensor, count: int) -> Tensor:
    """Split `count` into integers (K,) proportional to masses (K,), by largest remainders."""
    exact = masses.double() / masses.double().sum() * count
    counts = exact.floor().long()
    largest = (exact - counts).argsort(descending=True, stable=True)
    counts[largest[: count - int(counts.sum())]] += 1
    return counts


def group_means(values: Tensor, groups: Tensor, fallback: Tensor) -> Tensor:
    """Return the mean (K, *event) of each group of values.

    Args:
        values: (N, *event) samples.
        groups: (N,) group of each sample.
        fallback: (K, *event) means of empty groups.
    """
    sums = torch.zeros_like(fallback).index_add_(0, groups, values)
    counts = torch.bincount(groups, minlength=len(fallback)).reshape(-1, *(1,) * (values.dim() - 1))
    return torch.where(counts > 0, sums / counts.clamp(min=1), fallback)
