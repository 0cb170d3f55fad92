"""What a corrector finds in the process and leaves there: the same random numbers each time, and no other settings."""

import os
import random
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
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


CHANGES = {
    "torch.set_grad_enabled": lambda: torch.set_grad_enabled(False),
    "torch.set_default_dtype": lambda: torch.set_default_dtype(torch.float64),
    "torch.use_deterministic_algorithms": lambda: torch.use_deterministic_algorithms(True),
    "numpy.seterr": lambda: np.seterr(divide="ignore"),
    "sys.setrecursionlimit": lambda: sys.setrecursionlimit(sys.getrecursionlimit() + 7),
    "os.chdir": lambda: os.chdir("/"),
}


@pytest.mark.parametrize("setting", CHANGES)
def test_settings_are_set_back_and_told_of(setting: str) -> None:
    def careless(samples: Samples) -> Samples:
        CHANGES[setting]()
        return samples

    before = torch.is_grad_enabled(), torch.get_default_dtype(), np.geterr(), sys.getrecursionlimit(), Path.cwd()
    with pytest.warns(UserWarning, match=f"corrector 'careless' left {setting} changed; it was set back"):
        call_corrector(careless, RAW, streams(0))
    after = torch.is_grad_enabled(), torch.get_default_dtype(), np.geterr(), sys.getrecursionlimit(), Path.cwd()
    assert before == after
    assert not torch.are_deterministic_algorithms_enabled()


def test_nothing_is_said_of_a_corrector_that_changes_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call_corrector(jitter, RAW, streams(0))
