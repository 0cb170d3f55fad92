"""A corrector finds the same state of the global generators in each call, and leaves them as they were."""

import random

import numpy as np
import torch

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import call_corrector
from selfcorrect.runtime import global_generators

RAW = Samples.synthetic(torch.zeros(4, 2), None, 1)


def jitter(samples: Samples) -> Samples:
    drawn = random.gauss(0, 1) + np.random.randn() + torch.randn(samples.values.shape)  # noqa: NPY002
    return samples.with_values(samples.values + drawn)


def test_global_generators_give_the_same_in_every_call_and_come_out_as_they_were() -> None:
    before = global_generators.get_state()
    first = call_corrector(jitter, RAW, streams(1)).samples.values
    repeated = call_corrector(jitter, RAW, streams(1)).samples.values
    from_another_stream = call_corrector(jitter, RAW, streams(2)).samples.values
    assert torch.equal(first, repeated)
    assert not torch.equal(first, from_another_stream)
    after = global_generators.get_state()
    assert before["python"] == after["python"]
    assert all(np.array_equal(first, two) for first, two in zip(before["numpy"], after["numpy"], strict=True))
    assert np.array_equal(before["torch"], after["torch"])
