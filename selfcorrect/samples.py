"""Samples: the one value that flows through a self-consuming loop."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from selfcorrect.errors import InputError
from selfcorrect.provenance import Provenance


@dataclass(frozen=True)
class Samples:
    """A batch of N samples with what is known about each."""

    values: Tensor
    """(N, *event), any float dtype."""
    labels: Tensor
    """(N,) int64 class of each sample, zeros where the data have no classes."""
    provenance: Provenance
    weights: Tensor
    """(N,) non-negative training weights."""

    def __post_init__(self) -> None:
        lengths = {
            "values": len(self.values),
            "labels": len(self.labels),
            "provenance": len(self.provenance),
            "weights": len(self.weights),
        }
        if len(set(lengths.values())) != 1:
            raise InputError(f"all fields of Samples need one length, got {lengths}")

    @classmethod
    def real(cls, values: Tensor, labels: Tensor | None = None) -> Self:
        """Real data: values (N, *event), labels (N,) or None for a single class."""
        return cls._with_provenance(values, labels, Provenance.real(len(values)))

    @classmethod
    def synthetic(cls, values: Tensor, labels: Tensor | None, generation: int) -> Self:
        """Model output of one generation, not yet corrected."""
        return cls._with_provenance(values, labels, Provenance.synthetic_of(len(values), generation))

    @classmethod
    def _with_provenance(cls, values: Tensor, labels: Tensor | None, provenance: Provenance) -> Self:
        if labels is None:
            labels = torch.zeros(len(values), dtype=torch.int64)
        return cls(values, labels, provenance, torch.ones(len(values)))

    def __len__(self) -> int:
        return len(self.values)

    def take(self, indices: Tensor) -> Self:
        """The samples at `indices` (M,) int64, or those where a mask (N,) bool is true."""
        return replace(
            self,
            values=self.values[indices],
            labels=self.labels[indices],
            provenance=self.provenance.take(indices),
            weights=self.weights[indices],
        )

    def with_values(self, values: Tensor) -> Self:
        """The same samples, in the same order, with other values (N, *event)."""
        return replace(self, values=values)

    def weighted(self, weight: float) -> Self:
        """The same samples, each with the training weight `weight`."""
        return replace(self, weights=torch.full((len(self),), float(weight)))


def concatenate(batches: Sequence[Samples]) -> Samples:
    """Join batches along the sample axis; `batches` must not be empty."""
    if not batches:
        raise InputError("concatenate needs at least one batch of samples")
    return Samples(
        values=torch.cat([batch.values for batch in batches]),
        labels=torch.cat([batch.labels for batch in batches]),
        provenance=Provenance.concatenate([batch.provenance for batch in batches]),
        weights=torch.cat([batch.weights for batch in batches]),
    )


def fingerprint(samples: Samples) -> str:
    """A hash of values, labels, shape and type, to record with a config so that other data are noticed on resume."""
    digest = hashlib.blake2b(digest_size=16)
    for tensor in (samples.values, samples.labels):
        digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
