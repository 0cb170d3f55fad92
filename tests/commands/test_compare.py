"""YAML experiments give settings that options can change; bad ones are refused."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import Says

from selfcorrect.commands.command_line.from_file import from_file
from selfcorrect.commands.motion import MotionCommand
from selfcorrect.experiments.studies.motion.axes import Axes

MODULE = """
import torch
import selfcorrect as sc

def task(stream):
    real = sc.Samples.real(torch.randn((30, 2), generator=stream.child("data").generator(), dtype=torch.float64))
    return sc.Task(sc.Gaussian.standard(2), real, judge)

def judge(candidate):
    return {"spread": candidate.samples(50).values.std(0).mean()}

def claims():
    from selfcorrect.experiments.studies.claims import expect_above, final_value
    return [expect_above("the spread stays positive", final_value("corrected", "spread"))]

def whiten(values):
    return (values - values.mean(0)) / values.std(0)
"""

EXPERIMENT = """
tasks: {gaussian: own_experiment:task}
arms:
  real only: {policy: real}
  synthetic: {policy: replace}
  corrected: {policy: replace, corrector: "own_experiment:whiten"}
generations: 2
first-seed: 3
seeds: 2
better: {spread: higher}
claims: own_experiment:claims
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_experiment", raising=False)
    (tmp_path / "own_experiment.py").write_text(MODULE)
    (tmp_path / "mine.yaml").write_text(EXPERIMENT)
    return tmp_path


@pytest.mark.slow
def test_options_override_file(folder: Path, says: Says) -> None:
    output = says("compare mine.yaml --seeds 5 --arms.corrected.strength 3 --workers 1")
    assert re.search(r"^the spread stays positive .* holds$", output, re.MULTILINE)
    assert re.search(r"^corrected  +\w", output, re.MULTILINE)
    assert "runs/mine/report.html" in output
    arm = (folder / "runs" / "mine" / "gaussian" / "seed-5" / "corrected" / "config.json").read_text()
    assert '"strength": 3.0' in arm


def test_file_gives_motion_options(folder: Path) -> None:
    (folder / "motion.yml").write_text("preset: quick\nreal-count: 12\ncorrector: [kinematic]\ngamma: 2\nout: here\n")
    options, rest = from_file(MotionCommand, ["motion.yml", "--seeds", "2"])
    quick = MotionCommand.from_words(["--preset", "quick"])
    axes = Axes(corrector=("kinematic",), gamma=(2.0,))
    settings = replace(quick.settings, real_count=12)
    assert options == replace(quick, settings=settings, axes=axes, out=Path("here"))
    assert rest == ["--seeds", "2"]
    assert from_file(MotionCommand, ["--preset", "quick"]) == (quick, ["--preset", "quick"])


@pytest.mark.parametrize(
    ("command", "text", "message"),
    [
        ("motion", "seed: 3", "mine.yaml: unknown entry 'seed'; expected preset,"),
        ("motion", "seeds: many", 'mine.yaml: seeds: expected whole number, got "many"'),
        ("motion", "frames: 12", "mine.yaml: unknown entry 'frames'"),
        ("motion", "preset: quik", "mine.yaml: preset: expected one of"),
        ("compare", "seed: 3", "mine.yaml: unknown entry 'seed'"),
        ("compare", "arms: {a: {polcy: real}}", "mine.yaml: arms: a: unknown entry 'polcy'"),
        ("compare", "better: {spread: up}", "mine.yaml: better: spread: expected one of"),
        ("compare", "seeds: [", "mine.yaml: not YAML (while parsing"),
        ("compare", "!!python/object/apply:os.system [true]", "mine.yaml: not YAML (could not determine a constr"),
        ("compare", "seeds: 2", "a comparison needs tasks and arms"),
        ("compare", "tasks: {a: own_experiment:tusk}\narms: {b: {}}", "has no 'tusk', for task 'a'"),
        ("compare", "tasks: {a: own_experiment:task}\narms: {b: {policy: reel}}", "unknown policy 'reel'"),
        ("compare", "tasks: {a: own_experiment:task}\narms: {b: {remedy: sims}}", "remedy and sampling are for"),
    ],
)
def test_invalid_files_raise(command: str, text: str, message: str, folder: Path, says: Says) -> None:
    pytest.importorskip("yaml")
    (folder / "mine.yaml").write_text(text)
    error = says(command, "mine.yaml", code=2)
    assert message in error
    assert error.count("\n") == 1
