"""Samples: what distinguishes two batches."""

from __future__ import annotations

import torch

from selfcorrect.core.samples import Samples, fingerprint


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
