"""Run options of the command line reach every run as one object."""

from dataclasses import asdict

import pytest
import torch
import tyro

from selfcorrect.commands.motion import MotionCommand
from selfcorrect.core.errors import SettingError
from selfcorrect.experiments.studies.motion import study
from selfcorrect.experiments.studies.motion.settings import RunOptions

LINE = "--corrector-in-process --accept-changed --keep sampling --repair --device cpu"
SAME = RunOptions(corrector_in_process=True, accept_changed=True, keep="sampling", repair=True, device="cpu")


def test_command_and_python_agree() -> None:
    assert tyro.cli(MotionCommand, args=LINE.split()).options == SAME
    assert tyro.cli(MotionCommand, args=[]).options == RunOptions(keep="sampling")
    assert tyro.cli(MotionCommand, args=["--accept-changed-corrector"]).options.accept_changed
    assert tyro.cli(MotionCommand, args=["--corrector-timeout", "3"]).options.corrector_timeout_s == 3.0
    default = asdict(RunOptions())
    tried = {name for name, value in asdict(SAME).items() if value != default[name]} | {"corrector_timeout_s"}
    assert tried == default.keys(), "an option that the line does not try"


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), 1e7])
def test_time_limit_is_positive(seconds: float) -> None:
    with pytest.raises(SettingError, match=r"corrector-timeout.*positive"):
        RunOptions(corrector_timeout_s=seconds)


def test_time_limit_needs_process() -> None:
    with pytest.raises(SettingError, match=r"corrector-timeout.*process"):
        RunOptions(corrector_timeout_s=1.0, corrector_in_process=True)


@pytest.mark.parametrize(("kind", "processes"), [("cpu", 16), ("cuda", 4)])
def test_few_processes_share_a_card(kind: str, processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "choose_device", lambda name: torch.device(kind))
    assert study.limit_processes(16, "auto") == processes
    assert study.limit_processes(2, "auto") == 2
