"""Samples: the values that pass through a self-consuming loop."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from .checks import describe_value
from .errors import InputError
from .provenance import Provenance


@dataclass(frozen=True)
class Samples:
    """A batch of N samples with labels, provenance and training weights."""

    values: Tensor
    """(N, *event) of any float dtype."""
    labels: Tensor
    """(N,) int64 class of each sample, zeros if there are no classes."""
    provenance: Provenance
    weights: Tensor
    """(N,) non-negative training weights."""

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in vars(self).items()}
        if len(set(lengths.values())) != 1:
            raise InputError(f"all fields of Samples need the same length, got {lengths}")

    @classmethod
    def real(cls, values: Tensor, labels: Tensor | None = None) -> Self:
        """Create real data.

        Args:
            values: (N, *event) numbers, one row per sample.
            labels: (N,) int64; None for a single class.

        Raises:
            InputError: Values or labels are not tensors.
        """
        if not isinstance(values, Tensor):
            raise InputError(f"real values must be a tensor (N, *event), got a {type(values).__name__}")
        if labels is not None and not isinstance(labels, Tensor):
            raise InputError(f"labels must be a tensor (N,) of whole numbers, got a {type(labels).__name__}")
        return cls._with_provenance(values, labels, Provenance.real(len(values)))

    @classmethod
    def synthetic(cls, values: Tensor, labels: Tensor | None, generation: int) -> Self:
        """Create samples of a model, not yet corrected.

        Args:
            values: (N, *event) of any float dtype.
            labels: (N,) int64 class of each sample; None for a single class.
            generation: Generation of the model that drew the samples.
        """
        return cls._with_provenance(
            values, labels, Provenance.uniform(len(values), synthetic=True, generation=generation)
        )

    @classmethod
    def _with_provenance(cls, values: Tensor, labels: Tensor | None, provenance: Provenance) -> Self:
        if labels is None:
            labels = torch.zeros(len(values), dtype=torch.int64)
        return cls(values, labels, provenance, torch.ones(len(values)))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of a single value."""
        return tuple(self.values.shape[1:])

    def take(self, indices: Tensor) -> Samples:
        """Select samples by indices (M,) int64 or a mask (N,) bool."""
        return Samples(self.values[indices], self.labels[indices], self.provenance.take(indices), self.weights[indices])

    def with_values(self, values: Tensor) -> Samples:
        """Return the same samples with other values (N, *event)."""
        return Samples(values, self.labels, self.provenance, self.weights)

    def with_weights(self, weights: Tensor) -> Samples:
        """Return the same samples with other training weights (N,)."""
        return replace(self, weights=weights)


def concatenate(batches: Sequence[Samples]) -> Samples:
    """Concatenate batches, at least one, along the sample axis."""
    if not batches:
        raise InputError("concatenate needs at least one batch of samples")
    labels = torch.cat([batch.labels for batch in batches])
    provenance = Provenance.concatenate([batch.provenance for batch in batches])
    weights = torch.cat([batch.weights for batch in batches])
    return Samples(torch.cat([batch.values for batch in batches]), labels, provenance, weights)


def check_drawn(values: Tensor, count: int, real: Samples) -> None:
    """Check samples drawn by a model.

    Args:
        values: (N, *event) samples of a model.
        count: Expected number of samples.
        real: Real data with the expected shape.

    Raises:
        InputError: The draw is not a tensor of real numbers, or has another number or shape of values.
    """
    if not isinstance(values, Tensor):
        raise InputError(f"expected a tensor of samples from the model, got {describe_value(values)}")
    if values.is_complex() or not values.ndim:
        got = "complex numbers" if values.is_complex() else "one number"
        raise InputError(f"expected real numbers for each label from the model, got {got}")
    if len(values) != count:
        raise InputError(f"expected {count} samples from the model, one per label, got {len(values)}")
    if tuple(values.shape[1:]) != real.event_shape:
        raise InputError(
            f"the model draws values of shape {tuple(values.shape[1:])}, real data have {real.event_shape}"
        )


def digest_tensors(*tensors: Tensor) -> str:
    """Return a digest of tensors' values, shapes and types.

    It detects changes in place.
    """
    digest = hashlib.blake2b(digest_size=16)
    for tensor in tensors:
        digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
