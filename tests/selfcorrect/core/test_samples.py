"""Samples: what distinguishes two batches, and those whose values are kept elsewhere."""

from __future__ import annotations

import pytest
import torch

from selfcorrect.core.errors import InputError
from selfcorrect.core.provenance import Provenance
from selfcorrect.core.samples import Samples, StoredSamples, concatenate, fingerprint


def test_a_fingerprint_changes_with_any_value_label_shape_or_type():
    values = torch.arange(6.0).reshape(3, 2)
    variants = [
        Samples.real(values),
        Samples.real(values + torch.tensor([[0.0, 0], [0, 0], [0, 1e-6]])),
        Samples.real(values, torch.tensor([0, 0, 1])),
        Samples.real(values.unsqueeze(-1)),
        Samples.real(values.double()),
    ]
    assert len({fingerprint(samples) for samples in variants}) == len(variants)
    assert fingerprint(Samples.real(values.clone())) == fingerprint(variants[0])


class Counted:
    """Values that are somewhere else, and how many of them were read."""

    def __init__(self, values: torch.Tensor) -> None:
        self._values = values
        self.shape = values.shape
        self.read = 0

    def __getitem__(self, indices: torch.Tensor) -> torch.Tensor:
        self.read += len(indices)
        return self._values[indices]


def batch(count: int, seed: int) -> Samples:
    values = torch.randn((count, 3, 2), generator=torch.Generator().manual_seed(seed))
    return Samples.synthetic(values, torch.arange(count) % 2, seed).with_weight(float(seed))


def store_samples(samples: Samples) -> tuple[StoredSamples, Counted]:
    counted = Counted(samples.values)
    return StoredSamples([counted], samples.labels, samples.provenance, samples.weights), counted


def test_stored_samples_are_those_that_were_stored():
    batches = [batch(5, 1), batch(3, 2), batch(4, 3)]
    plain = concatenate(batches)
    joined = concatenate([batches[0], store_samples(batches[1])[0], store_samples(batches[2])[0]])
    assert isinstance(joined, StoredSamples)
    assert (len(joined), joined.event_shape) == (12, plain.event_shape)
    assert torch.equal(joined.values, plain.values)
    assert torch.equal(torch.cat(list(joined.pieces())), plain.values)
    assert torch.equal(joined.weights, plain.weights)
    for rows in ([11, 0, 7, 7, 5, 2], [6], [], list(range(12))):
        indices = torch.tensor(rows, dtype=torch.int64)
        assert torch.equal(joined.rows(indices), plain.rows(indices))
        assert torch.equal(joined.take(indices).values, plain.values[indices])
        assert joined.take(indices).provenance.generation.tolist() == plain.provenance.generation[rows].tolist()
    mask = plain.labels == 1
    assert torch.equal(joined.take(mask).values, plain.values[mask])
    assert torch.equal(joined.with_weight(0.5).take(mask).values, plain.values[mask])


def test_only_the_rows_that_are_asked_for_are_read():
    first_batch, first = store_samples(batch(50, 1))
    second_batch, second = store_samples(batch(50, 2))
    both = concatenate([first_batch, second_batch]).with_weights(torch.ones(100))
    assert both.rows(torch.tensor([3, 70, 71])).shape == (3, 3, 2)
    assert (first.read, second.read) == (1, 2)


def test_stored_samples_need_one_length():
    with pytest.raises(InputError, match="one length"):
        StoredSamples([torch.zeros(3, 2)], torch.zeros(4), Provenance.real(4), torch.ones(4))
