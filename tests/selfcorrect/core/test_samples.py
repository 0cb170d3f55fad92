"""Samples: what distinguishes two batches."""

import torch

from selfcorrect.core.samples import Samples, digest_tensors


def test_digest_covers_everything():
    values = torch.arange(6.0).reshape(3, 2)
    variants = [
        Samples.real(values),
        Samples.real(values + torch.tensor([[0.0, 0], [0, 0], [0, 1e-6]])),
        Samples.real(values, torch.tensor([0, 0, 1])),
        Samples.real(values.unsqueeze(-1)),
        Samples.real(values.double()),
    ]
    digests = [digest_tensors(samples.values, samples.labels) for samples in variants]
    assert len(set(digests)) == len(variants)
    assert digest_tensors(values.clone(), variants[0].labels) == digests[0]
