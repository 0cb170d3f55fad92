"""Faults are attributed to package, caller or user code."""

import errno
import os
from pathlib import Path

import pytest
import torch
from helpers import run_in_memory

from selfcorrect.core.errors import CorrectorError, InputError, LoopError
from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.correctors.contract import lift
from selfcorrect.loop.correctors.loop_correction import Correction
from selfcorrect.loop.models.gaussian import Gaussian
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.run import Arm, Task
from selfcorrect.runtime.bugs import internal_error_traceback


def run_small_loop(arm: Arm) -> None:
    model = Gaussian.standard(1, 1)
    real = Samples.real(model.sample(torch.zeros(9, dtype=torch.int64), streams(0).child("data")))
    run_in_memory(Task(model, real, lambda candidate: {}), arm, streams(0))


def broken(values: torch.Tensor) -> torch.Tensor:
    return values[None, "no index"]


def test_users_fault_is_no_bug() -> None:
    arm = Arm(Replace(), 1, correction=Correction(lift(broken)))
    with pytest.raises(CorrectorError, match="corrector 'broken' failed") as tried:
        run_small_loop(arm)
    assert internal_error_traceback(tried.value) == ""


def test_internal_fault_is_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfcorrect.loop.run.sampling_labels", None)
    with pytest.raises(LoopError, match=r"generation 1 .*'sample'") as ended:
        run_small_loop(Arm(Replace(), 1))
    error = ended.value
    assert "can be resumed" not in str(error), "its store is in memory"
    assert "TypeError: 'NoneType' object is not callable" in error.bug
    assert "run.py" in error.bug


def test_mistakes_and_disks_are_no_bugs(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        (tmp_path / "none").read_text()
    for error in (InputError("the file is empty"), missing.value, OSError(errno.EIO, os.strerror(errno.EIO))):
        assert internal_error_traceback(error) == ""
